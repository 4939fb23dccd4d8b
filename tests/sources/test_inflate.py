import gzip
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from wattbook.core.errors import TooLargeError, UndecodableError, UnknownFormatError
from wattbook.sources.codecs import inflate
from wattbook.sources.codecs.inflate import MAX_MEMBERS, STEP, steps

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
}
MIB = 1 << 20


@given(st.binary(max_size=5000), st.sampled_from(sorted(PACK)), st.integers(1, 700))
def test_what_was_packed_comes_out_in_chunks_of_any_size(body, encoding, step):
    packed = PACK[encoding](body)
    chunks = [packed[at : at + step] for at in range(0, len(packed), step)]
    assert inflate(packed, encoding, len(body)) == body
    assert inflate(chunks, encoding, len(body)) == body


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_several_members_are_one_body(encoding):
    packed = PACK[encoding](b"one ") + PACK[encoding](b"two")
    assert inflate(packed, encoding, 100) == b"one two"


@pytest.mark.parametrize("encoding", sorted(PACK))
def test_one_byte_more_than_the_limit_is_too_much(encoding):
    assert inflate(PACK[encoding](b"x" * 100), encoding, 100) == b"x" * 100
    with pytest.raises(TooLargeError, match="at most 99 bytes"):
        inflate(PACK[encoding](b"x" * 100), encoding, 99)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_stopped_before_it_unfolds(encoding):
    bomb = PACK[encoding](bytes(200 * MIB))
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        inflate(bomb, encoding, MIB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MIB


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("keep", [0.3, 0.99])
def test_a_truncated_body_is_undecodable(encoding, keep):
    packed = PACK[encoding](bytes(range(256)) * 50)
    with pytest.raises(UndecodableError, match=encoding):
        inflate(packed[: int(len(packed) * keep)], encoding, MIB)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_of_another_format_is_undecodable(encoding):
    with pytest.raises(UndecodableError, match=encoding):
        inflate(b'[{"meter_id": "a"}]', encoding, MIB)


def test_an_unknown_encoding_is_answered_with_the_known_ones():
    with pytest.raises(UnknownFormatError, match="identity, gzip, zstd, but is br"):
        inflate(b"", "br", MIB)


def test_the_decompressor_is_handed_short_pieces_because_it_copies_what_it_leaves_over():
    pieces = list(steps([b"a" * (2 * STEP + 1), b"", b"bc"]))
    assert [len(piece) for piece in pieces] == [STEP, STEP, 1, 2]
    assert b"".join(pieces) == b"a" * (2 * STEP + 1) + b"bc"


def test_a_body_of_more_members_than_any_tool_writes_is_refused():
    member = gzip.compress(b"x")
    assert inflate(member * MAX_MEMBERS, "gzip", MIB) == b"x" * MAX_MEMBERS
    with pytest.raises(TooLargeError, match=f"more than {MAX_MEMBERS} members"):
        inflate(member * (MAX_MEMBERS + 1), "gzip", MIB)

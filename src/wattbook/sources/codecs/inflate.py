"""Compressed bodies, inflated under a hard limit."""

import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Final

import zstandard

from wattbook.core.errors import Problem, TooLargeError, UndecodableError, UnknownFormatError

CHUNK: Final = 65_536
STEP: Final = 16_384
"""Bytes handed to the decompressor at once. It copies what it leaves over, so a longer step costs
more for each member or each full buffer."""
MAX_MEMBERS: Final = 10_000
"""Members in one gzip body. Tools that write blocks (bgzip) need 16 for each MiB."""
GZIP_WBITS: Final = 16 + zlib.MAX_WBITS
ENCODINGS: Final = ("identity", "gzip", "zstd")
MAX_WINDOW: Final = 128 << 20
ZSTD_MAGIC: Final = 0xFD2FB528
ZSTD_SKIPPABLE: Final = 0x184D2A50
RLE_BLOCK: Final = 1


def inflate(chunks: bytes | Iterable[bytes], encoding: str, limit: int) -> bytes:
    """The body behind its `Content-Encoding`; of a bomb never more than `limit` is inflated.

    Raises
    ------
    TooLargeError
        More than `limit` bytes would come out.
    UndecodableError
        The body is truncated or damaged, or the encoding is not known.
    """
    if isinstance(chunks, bytes):
        chunks = (chunks,)
    encoding = encoding.strip().lower() or "identity"
    if encoding == "identity":
        return _Limited(limit).take(chunks)
    if encoding in ("gzip", "x-gzip"):
        return _gunzip(chunks, limit)
    if encoding == "zstd":
        return _unzstd(b"".join(chunks), limit)
    detail = f"Content-Encoding: must be {', '.join(ENCODINGS)}, but is {encoding[:80]}"
    raise UnknownFormatError(detail, [Problem("bad_encoding", detail, field="Content-Encoding")])


class _Limited(BytesIO):
    """A buffer that refuses to grow beyond its limit; its value is handed out without a copy."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    @property
    def room(self) -> int:
        """Bytes to ask for: one more than may come."""
        return min(CHUNK, self.limit - self.tell() + 1)

    def put(self, piece: bytes) -> None:
        if self.tell() + len(piece) > self.limit:
            detail = f"at most {self.limit} bytes are taken at once"
            raise TooLargeError(f"the body is too large: {detail}", [Problem("too_large", detail)])
        self.write(piece)

    def take(self, pieces: Iterable[bytes]) -> bytes:
        for piece in pieces:
            self.put(piece)
        return self.getvalue()


def _gunzip(chunks: Iterable[bytes], limit: int) -> bytes:
    out = _Limited(limit)
    member = None
    members = 0
    try:
        for piece in steps(chunks):
            rest = piece
            while rest:
                if member is None:
                    rest = rest.lstrip(b"\0")  # zeros may fill up a block between two members
                    if not rest:
                        break
                    member = zlib.decompressobj(wbits=GZIP_WBITS)
                    members += 1
                    if members > MAX_MEMBERS:
                        detail = f"the gzip body has more than {MAX_MEMBERS} members"
                        raise TooLargeError(detail, [Problem("too_large", detail)])
                out.put(member.decompress(rest, out.room))
                rest = member.unconsumed_tail
                if member.eof:
                    rest, member = member.unused_data, None
    except zlib.error as error:
        raise _damaged("gzip", str(error)) from error
    if member is not None:
        raise _damaged("gzip", f"it ends early, after {out.tell()} bytes")
    return out.getvalue()


def steps(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of at most `STEP`."""
    for chunk in chunks:
        for at in range(0, len(chunk), STEP):
            yield chunk[at : at + STEP]


def _unzstd(body: bytes, limit: int) -> bytes:
    out = _Limited(limit)
    try:
        if not _zstd_complete(body):
            raise _damaged("zstd", "it ends early")
        reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(
            body, read_across_frames=True
        )
        while piece := reader.read(out.room):
            out.put(piece)
    except (zstandard.ZstdError, ValueError) as error:
        raise _damaged("zstd", str(error)) from error
    return out.getvalue()


def _zstd_complete(body: bytes) -> bool:
    """Whether the last frame has its last block (the library is silent about a cut body)."""
    at = 0
    while at < len(body):
        magic = int.from_bytes(body[at : at + 4], "little")
        if magic & 0xFFFFFFF0 == ZSTD_SKIPPABLE:
            at += 8 + int.from_bytes(body[at + 4 : at + 8], "little")
            continue
        if magic != ZSTD_MAGIC:
            raise _damaged("zstd", f"byte {at} does not begin a frame")
        frame = body[at : at + 18]
        checksum = 4 if zstandard.get_frame_parameters(frame).has_checksum else 0
        at += zstandard.frame_header_size(frame)
        last = False
        while not last:
            if at + 3 > len(body):
                return False
            block = int.from_bytes(body[at : at + 3], "little")
            last = bool(block & 1)
            at += 3 + (1 if block >> 1 & 3 == RLE_BLOCK else block >> 3)
        at += checksum
    return at == len(body)


def _damaged(form: str, why: str) -> UndecodableError:
    detail = f"the {form} body is damaged: {why}"
    return UndecodableError(detail, [Problem("bad_encoding", detail, field="Content-Encoding")])

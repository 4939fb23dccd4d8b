"""A long span is gone through in answers of about the wanted size, without a gap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.clients.influxdb.steps import TooLongError, steps

S = 1_000_000
"""A second in microseconds."""


class Points:
    """Stamps of points [s], of ten bytes each, and what was asked."""

    def __init__(self, *stamps: int) -> None:
        self.stamps = stamps
        self.given_up = 0

    async def ask(self, from_us: int, until_us: int, most: int | None) -> bytes:
        found = [at for at in self.stamps if from_us <= at * S < until_us]
        if most is not None and 10 * len(found) > most:
            self.given_up += 1
            raise TooLongError
        return b"".join(b"%9d\n" % at for at in found)


async def through(points: Points, until: int, first: int, wanted: int, **others):
    going = steps(points.ask, 0, until * S, first * S, wanted=wanted, **others)
    return [(begin, end, answer) async for begin, end, answer in going]


@given(
    stamps=st.lists(st.integers(0, 5000), max_size=200),
    first=st.integers(1, 10_000),
    wanted=st.integers(1, 500),
)
async def test_every_point_is_in_one_answer_and_spans_follow_each_other(
    stamps: list[int], first: int, wanted: int
) -> None:
    points = Points(*sorted(stamps))

    found = await through(points, 5001, first, wanted)

    assert [begin for begin, _, _ in found] == [0, *(end for _, end, _ in found[:-1])]
    assert found[-1][1] == 5001 * S
    said = b"".join(answer for _, _, answer in found)
    assert [int(each) for each in said.split()] == sorted(stamps)


async def test_spans_grow_where_there_is_little() -> None:
    found = await through(Points(), 10_000, 1, 100)

    lengths = [(end - begin) // S for begin, end, _ in found]
    assert lengths[:5] == [1, 4, 16, 64, 256]
    assert len(found) == 8  # 1 + 4 + … + 4096 = 5461, and the rest


async def test_an_answer_that_is_too_long_is_asked_for_in_parts() -> None:
    points = Points(*range(1000))

    found = await through(points, 1000, 1000, 100)  # 10 kB in the first, 400 B at most

    assert points.given_up == 2  # 1000 s, 62 s
    assert max(len(answer) for _, _, answer in found) <= 400


async def test_what_cannot_be_cut_is_taken_as_long_as_it_is() -> None:
    points = Points(*[7] * 100)

    found = await through(points, 10, 10, 10)

    assert sum(len(answer) for _, _, answer in found) == 1000


@pytest.mark.parametrize("first", [1, 50, 5000])
async def test_no_span_reaches_over_a_border(first: int) -> None:
    def border(us: int) -> int:
        return (us // (100 * S) + 1) * 100 * S

    found = await through(Points(), 1000, first, 100, border=border)

    assert all((end - 1) // (100 * S) == begin // (100 * S) for begin, end, _ in found)

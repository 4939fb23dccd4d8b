"""Rejects of a batch in little memory."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wattbook.core import frames
from wattbook.core.readings.rejects import Rejects


def rows(reasons: list[str], first: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row": range(first, first + len(reasons)),
            "reason": reasons,
            "detail": [f"{reason} of a row" for reason in reasons],
            "raw": [f'{{"n":{number}}}' for number in range(len(reasons))],
        },
        schema=frames.REJECTS.schema,
    )


@given(st.lists(st.integers(0, 5_000), max_size=4))
def test_every_reject_comes_out_as_it_went_in(lengths: list[int]) -> None:
    parts = [rows(["bad_row"] * length) for length in lengths]
    rejects = Rejects.of(*parts)
    whole = pl.concat([frames.REJECTS.empty(), *parts])
    assert rejects.height == sum(lengths)
    assert_frame_equal(rejects.frame(), whole)
    assert_frame_equal(rejects.head(1_500), whole.head(1_500))
    assert sum(chunk.height for chunk in rejects.chunks()) == sum(lengths)


def test_reasons_are_counted_over_all_parts_the_most_frequent_first() -> None:
    parts = rows(["too_old", "bad_row", "bad_row"]), rows(["bad_row", "no_value", "no_value"], 3)
    # bad_row 2 + 1 = 3, no_value 2, too_old 1
    assert list(Rejects.of(*parts).reasons.items()) == [
        ("bad_row", 3),
        ("no_value", 2),
        ("too_old", 1),
    ]


def test_many_alike_rejects_take_less_than_half_of_their_memory() -> None:
    many = rows(["unknown_meter"] * 100_000)
    held = sum(len(each) for each in Rejects.of(many).packed if isinstance(each, bytes))
    assert 0 < held < many.estimated_size() / 2

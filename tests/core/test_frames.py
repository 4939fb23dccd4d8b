"""A frame is checked once, at the border, and everything that is wrong is said."""

import polars as pl
import pytest

from wattbook.core import frames
from wattbook.core.errors import FrameMismatchError, InputError
from wattbook.core.frames import Column, Contract

PAIR = Contract(
    "pairs",
    "two columns",
    ("a",),
    {"a": Column(pl.Int64, "a number"), "b": Column(pl.String, "a text")},
)


def test_a_frame_is_narrowed_to_the_columns_of_its_contract_in_their_order() -> None:
    frame = pl.DataFrame({"extra": [0.5], "b": ["x"], "a": [1]})

    assert frames.check(frame, PAIR).columns == ["a", "b"]


def test_every_mismatch_is_reported_at_once() -> None:
    frame = pl.DataFrame({"a": ["1"], "c": [2]})  # a is a text, b is not there

    with pytest.raises(FrameMismatchError) as caught:
        frames.check(frame, PAIR)

    assert [(problem.reason, problem.field) for problem in caught.value.problems] == [
        ("bad_column", "a"),
        ("bad_column", "b"),
    ]
    assert str(caught.value) == (
        "not a frame of pairs: a: must be Int64, but is String; b: must be String, but is missing"
    )
    assert isinstance(caught.value, InputError)


def test_a_time_in_another_unit_or_without_zone_is_a_mismatch() -> None:
    want = Contract("times", "", ("t",), {"t": Column(frames.UTC, "")})

    for dtype in (pl.Datetime("us"), pl.Datetime("ns", "UTC"), pl.Datetime("us", "Europe/Oslo")):
        with pytest.raises(FrameMismatchError):
            frames.check(pl.DataFrame(schema={"t": dtype}), want)


@pytest.mark.parametrize("contract", frames.CONTRACTS, ids=lambda contract: contract.name)
def test_a_contract_is_sorted_by_columns_it_has_and_explains_every_one(
    contract: Contract,
) -> None:
    assert set(contract.key) <= set(contract.columns)
    assert all(column.meaning for column in contract.columns.values())
    assert frames.check(contract.empty(), contract).is_empty()

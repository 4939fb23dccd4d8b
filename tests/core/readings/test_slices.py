"""A batch that is validated slice by slice comes out as if it were validated at once."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests.core.readings.test_validation import METERS

from wattbook.core import frames
from wattbook.core.readings import merge, slices, validation
from wattbook.core.readings.slices import ValidatedSlice
from wattbook.core.readings.validation import ValidatedBatch

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

ROW = st.fixed_dictionaries(
    {
        "meter_id": st.sampled_from(["p", "n", "g", "nobody"]),
        "timestamp": st.sampled_from([f"2026-03-01T0{hour}:00:00Z" for hour in range(3)] + ["x"]),
        "power_kw": st.sampled_from([1.0, -1.0, 500.0, None]),
        "energy_kwh": st.sampled_from([2.0, None]),
        "quality": st.sampled_from([None, "estimated"]),
        merge.EXPLICIT: st.sampled_from([None, merge.BITS["temperature_c"]]),
    }
)


def validate(rows: pl.DataFrame) -> ValidatedBatch:
    return validation.validate(rows, meters=METERS, now=NOW)


def raw_of(rows: list[dict[str, object]]) -> pl.DataFrame:
    schema = {name: frames.RAW_READINGS.columns[name].dtype for name in rows[0]}
    return pl.DataFrame(rows, schema=schema)


@given(rows=st.lists(ROW, min_size=1, max_size=12), length=st.integers(1, 5), atomic=st.booleans())
def test_what_is_kept_and_what_is_rejected_does_not_depend_on_the_slices(
    rows: list[dict[str, object]], length: int, *, atomic: bool
) -> None:
    raw = raw_of(rows)
    at_once = slices.join([ValidatedSlice.of(validate(raw))], raw, frames.READINGS, atomic=atomic)
    parts = [ValidatedSlice.of(validate(part)) for part in slices.cut(raw, length)]
    sliced = slices.join(parts, raw, frames.READINGS, atomic=atomic)

    names = frames.READINGS.columns
    assert_frame_equal(sliced.kept.select("row", *names), at_once.kept.select("row", *names))
    assert explicit(sliced.kept) == explicit(at_once.kept)
    key = ["row", "reason"]
    assert_frame_equal(sliced.rejects.frame().select(key), at_once.rejects.frame().select(key))
    assert_frame_equal(sliced.refused, at_once.refused, check_row_order=False)
    assert sliced.kept.height + sliced.merged.height + sliced.rejects.height == len(rows)


def explicit(kept: pl.DataFrame) -> list[int]:
    return kept[merge.EXPLICIT].to_list() if merge.EXPLICIT in kept.columns else [0] * kept.height


def test_rows_of_one_instant_in_two_slices_are_one() -> None:
    plain = {"meter_id": "p", "timestamp": "2026-03-01T00:00:00Z"}
    rows: list[dict[str, object]] = [
        plain | {"power_kw": 1.0, "hashrate_th": None, "temperature_c": None},
        plain | {"power_kw": None, "hashrate_th": None, "temperature_c": 30.0},
        plain | {"power_kw": None, "hashrate_th": 5.0, "temperature_c": None},
    ]
    raw = raw_of(rows)
    numbered = raw.with_row_index("row")
    parts = [ValidatedSlice.of(validate(part)) for part in (numbered[:1], numbered[1:])]

    whole = slices.join(parts, raw, frames.READINGS, atomic=False)

    columns = ["row", "power_kw", "hashrate_th", "temperature_c"]
    assert whole.kept.select(columns).rows() == [(0, 1.0, 5.0, 30.0)]
    assert whole.merged.sort("row").rows() == [(1, 0), (2, 0)]
    assert whole.rejects.height == 0


def test_a_row_that_went_into_a_duplicate_of_another_slice_is_one_too() -> None:
    plain = {"meter_id": "p", "timestamp": "2026-03-01T00:00:00Z"}
    rows: list[dict[str, object]] = [
        plain | {"power_kw": 1.0, "hashrate_th": None},
        plain | {"power_kw": 2.0, "hashrate_th": None},
        plain | {"power_kw": None, "hashrate_th": 5.0},
    ]
    raw = raw_of(rows)
    numbered = raw.with_row_index("row")
    parts = [ValidatedSlice.of(validate(part)) for part in (numbered[:1], numbered[1:])]

    whole = slices.join(parts, raw, frames.READINGS, atomic=False)

    assert whole.kept.select("row", "power_kw", "hashrate_th").rows() == [(0, 1.0, None)]
    assert whole.rejects.frame().select("row", "reason").rows() == [
        (1, "duplicate_in_batch"),
        (2, "duplicate_in_batch"),
    ]
    assert whole.merged.is_empty()


def test_a_key_of_an_earlier_slice_is_a_duplicate_with_the_row_as_it_was_sent() -> None:
    plain = {"meter_id": "p", "timestamp": "2026-03-01T00:00:00Z"}
    raw = raw_of([plain | {"power_kw": value} for value in (1.0, 2.0)])
    parts = [ValidatedSlice.of(validate(part)) for part in slices.cut(raw, 1)]

    whole = slices.join(parts, raw, frames.READINGS, atomic=False)

    assert whole.kept["power_kw"].to_list() == [1.0]
    (reject,) = whole.rejects.frame().rows(named=True)
    assert (reject["row"], reject["reason"]) == (1, "duplicate_in_batch")
    assert reject["detail"] == "row 0 has the same meter_id and ts_utc"
    assert json.loads(reject["raw"]) == plain | {"power_kw": 2.0}


@pytest.mark.parametrize("rows", [0, 1, 4, 5])
def test_slices_number_all_rows_of_the_batch(rows: int) -> None:
    raw = pl.DataFrame({"meter_id": ["p"] * rows}, schema={"meter_id": pl.String})
    parts = list(slices.cut(raw, 2))
    assert parts
    assert pl.concat(parts)["row"].to_list() == list(range(rows))

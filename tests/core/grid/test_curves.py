"""Curves that leave out what repeats: a row holds until the next one of its zone."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wattbook.core.billing import cost
from wattbook.core.grid.curves import CurveType
from wattbook.core.readings import validation
from wattbook.core.readings.checks import IntervalLabel

T = datetime(2025, 11, 3, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def sent(*rows: tuple[str, int, float | None]) -> pl.DataFrame:
    """Prices by zone and hour after `T`."""
    return pl.DataFrame(
        [
            {
                "zone": zone,
                "start": (T + hour * HOUR).isoformat(),
                "price_per_mwh": price,
                "currency": "EUR",
            }
            for zone, hour, price in rows
        ],
        schema_overrides={"price_per_mwh": pl.Float64},
    )


def held(raw: pl.DataFrame, end: datetime | None = None) -> validation.ValidatedBatch:
    return validation.validate_grid(raw, now=T + 24 * HOUR, curve=CurveType.A03, period_end=end)


def test_a_row_holds_until_the_next_one_of_its_zone_and_the_last_until_the_end() -> None:
    # 50 for two hours, 70, then 80 for two.
    found = held(sent(("XP", 0, 50.0), ("XP", 2, 70.0), ("XP", 3, 80.0)), T + 5 * HOUR)

    assert found.kept["interval_s"].to_list() == [7200, 3600, 7200]
    prices = cost.hour_means(cost.quarter_prices(found.kept))
    assert prices["price_per_mwh"].to_list() == [50.0, 50.0, 70.0, 80.0, 80.0]


def test_without_an_end_the_last_row_holds_for_its_own_length() -> None:
    assert held(sent(("XP", 0, 50.0), ("XP", 3, 80.0))).kept["interval_s"].to_list() == [
        10800,
        3600,
    ]


def test_each_zone_is_a_curve_of_its_own_in_whatever_order_its_rows_come() -> None:
    found = held(sent(("XP", 3, 80.0), ("XM", 1, 9.0), ("XP", 0, 50.0)), T + 4 * HOUR)

    assert found.kept.select("zone", "interval_s").rows() == [
        ("XP", 3600),
        ("XM", 10800),
        ("XP", 10800),
    ]


def test_a_value_that_a_row_leaves_out_is_that_of_the_row_before() -> None:
    raw = sent(("XP", 0, 50.0), ("XP", 1, None), ("XP", 2, 70.0)).with_columns(
        gen_gas_mw=pl.Series([1.0, 2.0, None])
    )

    found = held(raw, T + 3 * HOUR).kept

    assert found["price_per_mwh"].to_list() == [50.0, 50.0, 70.0]
    assert found["gen_gas_mw"].to_list() == [1.0, 2.0, 2.0]


def test_a_gap_of_more_than_a_day_is_refused() -> None:
    found = held(sent(("XP", -30, 50.0), ("XP", 0, 70.0)))

    assert found.rejects["reason"].to_list() == ["bad_interval"]


def test_a_month_is_held_where_its_end_or_its_length_is_given() -> None:
    # 720 h and 744 h
    end = T + 30 * 24 * HOUR
    assert held(sent(("XP", 0, 50.0)), end).kept["interval_s"].to_list() == [720 * 3600]
    month = sent(("XP", 0, 50.0), ("XP", 31 * 24, 60.0)).with_columns(interval_s=744 * 3600)
    late = T + 60 * 24 * HOUR
    found = validation.validate_grid(month, now=late, curve=CurveType.A03)
    assert found.kept["interval_s"].to_list() == [744 * 3600] * 2


def test_in_a_curve_a01_an_interval_without_row_is_missing() -> None:
    found = validation.validate_grid(sent(("XP", 0, 50.0), ("XP", 3, 80.0)), now=T + 24 * HOUR)

    assert found.kept["interval_s"].to_list() == [3600, 3600]


@pytest.mark.parametrize("form", ["text", "instants"])
def test_stamps_of_ends_move_back_by_their_own_interval_before_they_hold(form: str) -> None:
    # ends at 01:00, 02:00 and 05:00 of hours: they begin at 00:00, 01:00 and 04:00; the second
    # repeats until 04:00, so it is of three hours; the third is of its hour
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    ends = [begin + timedelta(hours=hours) for hours in (1, 2, 5)]
    raw = pl.DataFrame(
        {
            "zone": ["NO1"] * 3,
            "start": [at.isoformat() for at in ends] if form == "text" else ends,
            "price_per_mwh": [50.0, 60.0, 70.0],
        }
    )
    now = datetime(2026, 6, 1, tzinfo=UTC)

    of_body = validation.validate_grid(
        raw, now=now, label=IntervalLabel.END, curve=CurveType.A03
    ).kept
    of_file = validation.validate_grid(validation.hold(raw, label=IntervalLabel.END), now=now).kept

    for kept in (of_body, of_file):
        hours = [(at - begin).total_seconds() / 3600 for at in kept["start_utc"]]
        assert hours == [0, 1, 4]
        assert kept["interval_s"].to_list() == [3_600, 10_800, 3_600]

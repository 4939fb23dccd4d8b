"""From readings to energy per bucket: each kind of meter, every grain, and what never changes."""

import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wattbook.core import frames, periods
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.readings import segments
from wattbook.core.rollups import affected, aggregation, metrics

T = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
COLUMN = {"power": "power_kw", "interval": "energy_kwh", "register": "register_kwh"}


def meter(kind: str, **changes: object) -> pl.DataFrame:
    plain = {
        "meter_id": "m",
        "site_id": "s",
        "operator": "alder",
        "zone": "NO1",
        "timezone": "Europe/Oslo",
        "kind": kind,
        "role": "main",
        "expected_interval_s": 900,
        "max_hold_s": 2700,
        "register_size_kwh": None,
        "capacity_kw": None,
    }
    return pl.DataFrame([plain | changes], schema=frames.METERS.schema)


def always(*meter_ids: str) -> pl.DataFrame:
    """Meters that are there all the time."""
    return presence.spans(pl.concat([meter("interval", meter_id=each) for each in meter_ids]))


def readings(
    kind: str, values: Mapping[int, float], meter_id: str = "m", **others: object
) -> pl.DataFrame:
    """Readings so many minutes after `T`; `others` are the same in every row."""
    plain: dict[str, object] = {"quality": "measured", "known_utc": T, "revision": 0}
    rows = [
        dict.fromkeys(frames.READINGS.columns)
        | plain
        | others
        | {"meter_id": meter_id, "ts_utc": T + minute * MINUTE, COLUMN[kind]: value}
        for minute, value in values.items()
    ]
    return pl.DataFrame(rows, schema=frames.READINGS.schema)


def quarters(kind: str, values: Mapping[int, float], **changes: object) -> pl.DataFrame:
    return aggregation.quarters(readings(kind, values), meter(kind, **changes))


def by_quarter(rows: pl.DataFrame, column: str) -> dict[int, object]:
    """Values by the minutes after `T` at which their quarters start."""
    minutes = (rows["start_utc"] - T).dt.total_minutes()
    return dict(zip(minutes.to_list(), rows[column].to_list(), strict=True))


# --- above the capacity ------------------------------------------------------------------------


def above(kind: str, values: Mapping[int, float], **changes: object) -> list[bool | None]:
    return quarters(kind, values, **changes)["above_capacity"].to_list()


def test_a_quarter_is_above_the_capacity_where_a_reading_s_power_is() -> None:
    # 25 kWh in a quarter-hour are 100 kW: not above it; 25.5 kWh are 102 kW.
    assert above("interval", {0: 25.0, 15: 25.5}, capacity_kw=100.0) == [False, True]
    # 150 kW for five minutes and then 60: the mean of 90 kW hides it, the flag does not.
    assert above("power", {0: 150.0, 5: 60.0}, max_hold_s=600, capacity_kw=100.0) == [True]


def test_a_register_is_above_the_capacity_beyond_the_jitter_of_its_stamps() -> None:
    # 25.4 kWh in a quarter-hour are 101.6 kW, within a fiftieth of 100; 27 kWh are 108 kW.
    states = {0: 0.0, 15: 25.4, 30: 52.4}
    assert above("register", states, capacity_kw=100.0) == [False, True, None]


def test_whether_it_was_above_is_unknown_without_a_capacity_or_a_power() -> None:
    assert above("interval", {0: 25.0}) == [None]
    assert above("register", {0: 10.0}, capacity_kw=100.0) == [None]


def test_a_longer_bucket_is_above_where_one_of_its_quarters_is() -> None:
    about = meter("interval", capacity_kw=100.0)
    rows = aggregation.quarters(readings("interval", {0: 25.5, 15: 25.0, 60: 25.0}), about)

    hours = aggregation.coarsen(rows, about, Grain.HOUR)

    assert hours["above_capacity"].to_list() == [True, False]
    assert aggregation.coarsen(rows, about, Grain.DAY)["above_capacity"].to_list() == [True]


def test_a_bucket_with_parts_of_a_former_version_is_above_or_unknown_never_below() -> None:
    about = meter("interval", capacity_kw=100.0)
    rows = aggregation.quarters(
        readings("interval", {0: 25.5, 15: 25.0, 60: 25.0, 75: 25.0, 120: 25.0}), about
    )
    former = pl.col("start_utc").dt.minute() == 15  # these were rolled up before

    old = rows.with_columns(above_capacity=pl.when(~former).then("above_capacity"))

    # 00: one quarter above, one unknown; 01: one below, one unknown; 02: one below.
    hours = aggregation.coarsen(old, about, Grain.HOUR)
    assert hours["above_capacity"].to_list() == [True, None, False]


def test_each_reading_is_compared_with_the_capacity_in_force_at_its_time() -> None:
    version: dict[str, object] = dict.fromkeys(frames.VERSION) | {
        "kind": "interval",
        "role": "main",
        "expected_interval_s": 900,
        "max_hold_s": 2700,
        "flow": "consumption",
    }
    change = T + 15 * MINUTE
    versions = [
        version | {"valid_to_utc": change, "capacity_kw": 100.0},
        version | {"valid_from_utc": change, "capacity_kw": 200.0},
    ]
    # 150 kW throughout: above the capacity of 100 kW, below that of 200 kW, which came at 00:15.
    values = {0: 37.5, 15: 37.5}
    assert above("interval", values, capacity_kw=200.0, versions=versions) == [True, False]


def test_a_figure_that_is_found_above_the_capacity_is_a_revision() -> None:
    rows = quarters("interval", {0: 25.5}, capacity_kw=100.0)
    old = aggregation.with_revisions(rows.with_columns(above_capacity=pl.lit(None, pl.Boolean)), T)

    assert aggregation.with_revisions(rows, T + HOUR, old)["revision"].to_list() == [1]


# --- interval meters ---------------------------------------------------------------------------


def test_the_energy_of_an_interval_is_that_of_its_quarter() -> None:
    rows = quarters("interval", {0: 25.0, 15: 50.0})

    assert by_quarter(rows, "energy_kwh") == {0: 25.0, 15: 50.0}
    assert by_quarter(rows, "power_kw_mean") == {0: 100.0, 15: 200.0}  # 25 kWh in 0.25 h
    assert by_quarter(rows, "coverage") == {0: 1.0, 15: 1.0}


def test_an_interval_is_split_over_quarters_by_time() -> None:
    rows = quarters("interval", {5: 30.0})  # 00:05 to 00:20

    assert by_quarter(rows, "energy_kwh") == {0: 20.0, 15: 10.0}  # 10 of 15 min, then 5
    assert by_quarter(rows, "covered_s") == {0: 600.0, 15: 300.0}
    assert by_quarter(rows, "readings") == {0: 1, 15: 0}


def test_an_hourly_interval_fills_four_quarters() -> None:
    rows = quarters("interval", {0: 100.0}, expected_interval_s=3600)

    assert by_quarter(rows, "energy_kwh") == {0: 25.0, 15: 25.0, 30: 25.0, 45: 25.0}
    assert by_quarter(rows, "power_kw_max") == {0: 100.0, 15: 100.0, 30: 100.0, 45: 100.0}


def test_three_parts_of_an_interval_add_up_to_it_exactly() -> None:
    rows = quarters("interval", {10: 1.0}, expected_interval_s=1800)  # 5 + 15 + 10 min

    assert sum(rows["energy_kwh"]) == 1.0


def test_an_interval_that_the_next_one_cuts_short_keeps_its_energy() -> None:
    rows = quarters("interval", {0: 25.0, 10: 25.0})  # the second begins five minutes early

    # 25 + 5/15 × 25, and 10/15 × 25
    assert rows["energy_kwh"].to_list() == pytest.approx([33.333333, 16.666667], abs=1e-6)
    assert by_quarter(rows, "covered_s") == {0: 900.0, 15: 600.0}


def test_a_missing_interval_is_a_gap() -> None:
    rows = quarters("interval", {0: 25.0, 30: 25.0})

    assert by_quarter(rows, "energy_kwh") == {0: 25.0, 30: 25.0}  # 00:15 has no row at all


# --- power meters ------------------------------------------------------------------------------


def test_power_is_held_until_the_next_reading() -> None:
    rows = quarters("power", {0: 100.0, 5: 400.0, 15: 0.0, 30: 0.0}, max_hold_s=900)

    assert by_quarter(rows, "energy_kwh")[0] == 75.0  # 100 × 5/60 + 400 × 10/60
    assert by_quarter(rows, "power_kw_mean")[0] == 300.0
    assert by_quarter(rows, "power_kw_min")[0] == 100.0
    assert by_quarter(rows, "power_kw_max")[0] == 400.0
    assert by_quarter(rows, "power_kw_max_at")[0] == T + 5 * MINUTE
    assert by_quarter(rows, "energy_kwh")[15] == 0.0  # measured, and nothing drawn


def test_power_is_held_no_longer_than_the_meter_allows() -> None:
    rows = quarters("power", {0: 100.0, 120: 100.0}, max_hold_s=1800)

    # held to 00:30; from there to 02:00 nothing is known, so there is no row and no zero
    assert by_quarter(rows, "energy_kwh") == {0: 25.0, 15: 25.0, 120: 25.0, 135: 25.0}


def test_a_gap_lowers_coverage_and_is_neither_consumption_nor_zero() -> None:
    rows = quarters("power", {0: 60.0}, max_hold_s=300)
    hour = aggregation.coarsen(rows, meter("power"), Grain.HOUR).row(0, named=True)

    assert hour["energy_kwh"] == 5.0  # 60 kW for 5 min
    assert hour["power_kw_mean"] == 60.0  # over the time that is covered
    assert (hour["covered_s"], hour["bucket_s"]) == (300.0, 3600)
    assert hour["coverage"] == pytest.approx(1 / 12)


def test_a_bucket_of_which_nothing_is_known_is_null_with_coverage_0() -> None:
    rows = quarters("power", {0: 60.0}, max_hold_s=300)
    buckets = periods.buckets(Period(T, T + 2 * HOUR), Grain.HOUR)

    total = metrics.total(
        stamped(aggregation.coarsen(rows, meter("power"), Grain.HOUR)), buckets, always("m")
    )

    silent = total.row(1, named=True)
    assert silent["energy_kwh"] is None
    assert silent["power_kw_mean"] is None
    assert (silent["coverage"], silent["readings"], silent["quality"]) == (0.0, 0, None)


# --- instants at which a row was refused --------------------------------------------------------


def refused(*minutes: int) -> pl.DataFrame:
    rows = [("m", T + minute * MINUTE, T) for minute in minutes]
    return pl.DataFrame(rows, schema=frames.REFUSED.schema, orient="row")


def test_a_power_is_not_held_over_a_row_that_was_refused() -> None:
    values = {0: 900.0, 15: 900.0, 45: 900.0}  # what was sent of 00:30 could not be believed

    rows = aggregation.quarters(readings("power", values), meter("power"), refused(30))

    assert by_quarter(rows, "energy_kwh") == {0: 225.0, 15: 225.0, 45: 225.0, 60: 225.0, 75: 225.0}
    assert by_quarter(rows, "readings") == {0: 1, 15: 1, 45: 1, 60: 0, 75: 0}


def test_a_reading_at_the_instant_of_a_refused_row_counts() -> None:
    values = {0: 900.0, 15: 900.0}

    assert_frame_equal(
        aggregation.quarters(readings("power", values), meter("power"), refused(15)),
        quarters("power", values),
    )


def test_a_row_that_was_refused_within_an_interval_takes_nothing_from_it() -> None:
    rows = aggregation.quarters(readings("interval", {0: 60.0}), meter("interval"), refused(1, 5))

    # 60 kWh were sent for the quarter-hour: 240 kW, and not 60 kWh in one minute
    assert rows.select("energy_kwh", "power_kw_mean", "coverage", "quality").row(0) == (
        60.0,
        240.0,
        1.0,
        "measured",
    )


def test_a_register_counts_over_a_refused_row_and_says_that_it_is_estimated() -> None:
    values = {0: 100.0, 30: 160.0, 45: 180.0}

    rows = aggregation.quarters(readings("register", values), meter("register"), refused(15))

    assert by_quarter(rows, "energy_kwh") == {0: 30.0, 15: 30.0, 30: 20.0, 45: None}
    assert by_quarter(rows, "quality") == {
        0: "estimated",
        15: "estimated",
        30: "measured",
        45: None,
    }


def test_the_total_of_a_register_is_kept_over_refused_rows_and_none_of_it_is_measured() -> None:
    values = {0: 100.0, 60: 220.0, 75: 250.0}  # 120 kWh in an hour of which three rows were refused
    known = meter("register")

    rows = aggregation.quarters(readings("register", values), known, refused(15, 30, 45))
    (hour, _) = aggregation.coarsen(rows, known, Grain.HOUR).rows(named=True)

    assert by_quarter(rows.drop_nulls("quality"), "quality") == {
        **dict.fromkeys((0, 15, 30, 45), "estimated"),
        60: "measured",
    }
    assert (hour["energy_kwh"], hour["quality"]) == (120.0, "estimated")
    # its one reading is that of 00:00
    assert (hour["readings"], hour["expected"]) == (1, 4)


# --- registers ---------------------------------------------------------------------------------


def events(values: Mapping[int, float], **changes: object) -> list[tuple[int, str]]:
    found = segments.register_events(readings("register", values), meter("register", **changes))
    minutes = (found["at_utc"] - T).dt.total_minutes()
    return list(zip(minutes.to_list(), found["kind"].to_list(), strict=True))


def test_a_register_tells_energy_by_its_differences() -> None:
    rows = quarters("register", {0: 1000.0, 15: 1025.0, 30: 1075.0})

    assert by_quarter(rows, "energy_kwh") == {0: 25.0, 15: 50.0, 30: None}
    assert by_quarter(rows, "readings") == {0: 1, 15: 1, 30: 1}
    assert events({0: 1000.0, 15: 1025.0, 30: 1075.0}) == []


def test_a_difference_is_spread_over_the_time_between_the_stamps() -> None:
    # 2 kWh a minute, of a meter that is read every half hour
    rows = quarters("register", {10: 100.0, 40: 160.0}, expected_interval_s=1800)

    assert by_quarter(rows, "energy_kwh") == {0: 10.0, 15: 30.0, 30: 20.0}
    assert by_quarter(rows, "quality") == {0: "measured", 15: "measured", 30: "measured"}


def test_over_a_missing_reading_the_energy_is_known_and_its_distribution_estimated() -> None:
    rows = quarters("register", {0: 1000.0, 30: 1110.0})  # of a quarter-hourly meter

    # 110 kWh in half an hour: 55 and 55, or 110 and 0
    assert by_quarter(rows, "energy_kwh") == {0: 55.0, 15: 55.0, 30: None}
    assert set(rows["quality"].drop_nulls()) == {"estimated"}
    assert by_quarter(rows, "coverage")[0] == 1.0


def test_a_reading_that_is_a_little_late_leaves_none_out() -> None:
    rows = quarters("register", {0: 100.0, 22: 122.0, 30: 130.0})  # 1.5 intervals of 15 minutes

    assert set(rows["quality"].drop_nulls()) == {"measured"}


def test_a_register_that_sends_when_it_counts_is_estimated_beyond_max_hold() -> None:
    rows = quarters("register", {0: 100.0, 60: 180.0, 180: 200.0}, max_hold_s=3600)

    assert by_quarter(rows, "energy_kwh")[0] == 20.0
    assert by_quarter(rows, "quality")[45] == "measured"
    assert by_quarter(rows, "quality")[60] == "estimated"


def test_a_register_that_returns_to_0_is_counted_through_its_size() -> None:
    values = {0: 980.0, 15: 10.0}

    rows = quarters("register", values, register_size_kwh=1000.0)

    assert by_quarter(rows, "energy_kwh")[0] == 30.0  # 1000 − 980 + 10
    assert events(values, register_size_kwh=1000.0) == [(15, "rollover")]


def test_a_register_set_back_leaves_a_gap() -> None:
    values = {0: 400.0, 15: 100.0, 30: 125.0}

    rows = quarters("register", values, register_size_kwh=1000.0)  # 700 kWh is no roll-over

    assert by_quarter(rows, "energy_kwh") == {0: None, 15: 25.0, 30: None}
    assert by_quarter(rows, "coverage") == {0: 0.0, 15: 1.0, 30: 0.0}
    assert events(values, register_size_kwh=1000.0) == [(15, "reset")]


def test_a_register_without_size_cannot_roll_over() -> None:
    assert events({0: 980.0, 15: 10.0}) == [(15, "reset")]


def test_a_register_that_reads_beyond_its_size_has_not_rolled_over() -> None:
    values = {0: 5000.0, 15: 10.0}  # its size was noted wrongly: 10 − 5000 + 1000 is below zero

    rows = quarters("register", values, register_size_kwh=1000.0)

    assert by_quarter(rows, "energy_kwh") == {0: None, 15: None}
    assert events(values, register_size_kwh=1000.0) == [(15, "reset")]


def test_whether_a_register_rolled_over_is_judged_by_the_capacity_where_it_is_known() -> None:
    # 30 kWh in a quarter of an hour are 120 kW
    values = {0: 980.0, 15: 10.0}

    assert events(values, register_size_kwh=1000.0, capacity_kw=100.0) == [(15, "rollover")]
    assert events(values, register_size_kwh=1000.0, capacity_kw=50.0) == [(15, "reset")]


def test_a_reading_that_dips_between_higher_ones_is_refused() -> None:
    values = {0: 100.0, 15: 90.0, 30: 150.0}

    rows = quarters("register", values)

    assert by_quarter(rows, "energy_kwh") == {0: 25.0, 15: 25.0, 30: None}  # 50 kWh over 30 min
    assert events(values) == [(15, "retrograde")]


def test_a_rise_beyond_what_the_site_can_draw_leaves_a_gap() -> None:
    values = {0: 100.0, 15: 400.0, 30: 410.0}  # 1200 kW where 100 can be drawn

    rows = quarters("register", values, capacity_kw=100.0)

    assert by_quarter(rows, "energy_kwh") == {0: None, 15: 10.0, 30: None}
    assert events(values, capacity_kw=100.0) == [(15, "implausible")]


def test_a_rise_a_little_above_the_capacity_is_jitter_of_the_stamps() -> None:
    assert events({0: 100.0, 15: 150.0}, capacity_kw=100.0) == []  # 200 kW: twice, no more


def test_a_single_reading_of_a_register_is_no_energy() -> None:
    rows = quarters("register", {0: 100.0})

    assert by_quarter(rows, "energy_kwh") == {0: None}
    assert by_quarter(rows, "coverage") == {0: 0.0}


def test_other_meters_have_no_register_events() -> None:
    falling = readings("power", {0: 100.0, 15: 1.0})

    assert segments.register_events(falling, meter("power")).is_empty()


def test_a_reading_is_above_the_capacity_in_force_at_its_instant() -> None:
    version = dict.fromkeys(frames.VERSION) | {
        "kind": "interval",
        "role": "main",
        "expected_interval_s": 900,
        "max_hold_s": 2700,
    }
    later = T + 2 * HOUR
    dated = meter("interval", capacity_kw=50.0).with_columns(
        versions=pl.Series(
            [
                [
                    version | {"valid_to_utc": later, "capacity_kw": 100.0},
                    version | {"valid_from_utc": later, "capacity_kw": 50.0},
                ]
            ],
            dtype=pl.List(pl.Struct(frames.VERSION)),
        )
    )
    sent = readings("interval", {0: 25.0, 15: 25.1, 120: 25.0})  # 100, 100.4 and 100 kW

    assert segments.above_capacity(sent, dated).to_list() == [False, True, True]
    assert segments.above_capacity(sent, meter("interval")).to_list() == [None] * 3
    power = readings("power", {0: 100.0, 15: 100.1})
    assert segments.above_capacity(power, meter("power", capacity_kw=100.0)).to_list() == [
        False,
        True,
    ]
    counted = readings("register", {0: 100.0})
    assert segments.above_capacity(counted, meter("register", capacity_kw=1.0)).to_list() == [None]


# --- statistics --------------------------------------------------------------------------------


def test_means_are_weighted_by_the_time_they_stand_for() -> None:
    five = readings("power", {0: 100.0}, hashrate_th=30.0, temperature_c=10.0)
    ten = readings("power", {5: 100.0}, hashrate_th=60.0, temperature_c=40.0)

    row = aggregation.quarters(pl.concat([five, ten]), meter("power", max_hold_s=600)).row(
        0, named=True
    )

    assert row["hashrate_th_mean"] == pytest.approx(50.0)  # (5 × 30 + 10 × 60) / 15
    assert row["temperature_c_mean"] == pytest.approx(30.0)  # (5 × 10 + 10 × 40) / 15
    assert row["efficiency_j_per_th"] == pytest.approx(2000.0)  # 100 000 W / 50 TH/s


def alone(kind: str, values: Mapping[int, float], column: str = "hashrate_th") -> pl.DataFrame:
    """Rows with a hash rate or a temperature and no energy."""
    rows = readings(kind, values)
    return rows.with_columns(
        pl.col(COLUMN[kind]).alias(column), pl.lit(None, pl.Float64).alias(COLUMN[kind])
    )


def test_a_hash_rate_that_comes_alone_ends_no_power_and_counts_as_no_reading() -> None:
    power = readings("power", {0: 100.0, 15: 200.0})
    both = pl.concat([power, alone("power", {5: 3000.0})])

    first, second = aggregation.quarters(both, meter("power")).head(2).rows(named=True)

    assert (first["energy_kwh"], first["readings"], first["coverage"]) == (25.0, 1, 1.0)
    # 100 kW × 10 minutes beside 3 000 TH/s × 10 minutes: 100 000 W / 3 000 TH/s
    assert (first["hashrate_s"], first["hashrate_th_mean"]) == (600.0, 3000.0)
    assert first["efficiency_j_per_th"] == pytest.approx(100_000 / 3000)
    assert (second["energy_kwh"], second["hashrate_th_mean"]) == (50.0, None)


@pytest.mark.parametrize("kind", ["interval", "register", "power"])
def test_what_comes_alone_changes_no_energy(kind: str) -> None:
    values = {0: 1.0, 15: 8.0, 30: 21.0, 75: 90.0}
    beside = alone(kind, {1: 5.0, 7: 6.0, 22: 7.0, 33: 8.0, 60: 9.0, 200: 1.0})
    plain = aggregation.quarters(readings(kind, values), meter(kind))

    both = aggregation.quarters(pl.concat([readings(kind, values), beside]), meter(kind))

    same = pl.selectors.exclude("^hashrate.*$", "^efficiency.*$", "power_kw_max_at")
    assert_frame_equal(both.select(same), plain.select(same))
    assert both["hashrate_th_mean"].drop_nulls().len() > 0


def test_a_temperature_that_comes_alone_leaves_the_hash_rate_as_it_was() -> None:
    power = readings("power", {0: 100.0}, hashrate_th=60.0)
    both = pl.concat([power, alone("power", {5: 30.0}, "temperature_c")])

    row = aggregation.quarters(both, meter("power")).row(0, named=True)

    assert (row["hashrate_th_mean"], row["hashrate_s"]) == (60.0, 900.0)
    assert (row["temperature_c_mean"], row["temperature_s"]) == (30.0, 600.0)


def test_without_hash_rate_there_is_no_efficiency() -> None:
    for rate in (None, 0.0):
        rows = aggregation.quarters(readings("power", {0: 100.0}, hashrate_th=rate), meter("power"))
        assert rows["efficiency_j_per_th"].null_count() == rows.height


def test_the_worst_quality_of_the_parts_is_that_of_the_whole() -> None:
    good = readings("power", {0: 1.0, 5: 1.0})
    bad = readings("power", {10: 1.0}, quality="substituted")
    fair = readings("power", {15: 1.0}, quality="estimated")

    rows = aggregation.quarters(pl.concat([good, bad, fair]), meter("power", max_hold_s=300))

    assert rows["quality"].to_list() == ["substituted", "estimated"]
    day = aggregation.coarsen(rows, meter("power"), Grain.DAY)
    assert day["quality"].to_list() == ["substituted"]


def test_a_day_expects_as_many_readings_as_fit_into_it() -> None:
    short_day = datetime(2026, 3, 28, 23, tzinfo=UTC)  # 29 March in Oslo has 23 hours
    rows = quarters("power", {int((short_day - T) / MINUTE): 1.0}, expected_interval_s=300)

    day = aggregation.coarsen(rows, meter("power", expected_interval_s=300), Grain.DAY)

    assert day.select("start_utc", "bucket_s", "expected").row(0) == (short_day, 82_800, 276)


def test_readings_of_meters_that_are_not_known_are_left_out() -> None:
    rows = aggregation.quarters(readings("power", {0: 1.0}, meter_id="other"), meter("power"))

    assert rows.is_empty()


@pytest.mark.parametrize("kind", ["interval", "register", "power"])
def test_no_readings_give_no_rows_of_the_same_columns(kind: str) -> None:
    rows = quarters(kind, {})

    assert rows.is_empty()
    assert dict(rows.schema) == {name: frames.ROLLUPS.schema[name] for name in aggregation.FIGURES}
    assert aggregation.every_grain(rows, meter(kind)).is_empty()


# --- sums of meters ----------------------------------------------------------------------------


def stamped(rows: pl.DataFrame) -> pl.DataFrame:
    return aggregation.with_revisions(rows, T)


def two_meters(one: Mapping[int, float], other: Mapping[int, float]) -> pl.DataFrame:
    both = pl.concat([readings("interval", one, "a"), readings("interval", other, "b")])
    known = pl.concat([meter("interval", meter_id="a"), meter("interval", meter_id="b")])
    return stamped(aggregation.quarters(both, known))


def test_a_total_is_the_sum_of_its_meters_and_a_silent_one_shows() -> None:
    rows = two_meters({0: 10.0, 15: 10.0}, {0: 30.0})
    buckets = periods.buckets(Period(T, T + 45 * MINUTE), Grain.QUARTER)

    total = metrics.total(rows, buckets, always("a", "b"))

    assert total["energy_kwh"].to_list() == [40.0, 10.0, None]
    assert total["coverage"].to_list() == [1.0, 0.5, 0.0]  # of 2 × 900 s
    assert total["meters"].to_list() == [2, 1, 0]
    assert total["readings"].to_list() == [2, 1, 0]


def test_a_meter_that_never_spoke_lowers_the_coverage_of_the_total() -> None:
    rows = two_meters({0: 10.0}, {})
    buckets = periods.buckets(Period(T, T + 15 * MINUTE), Grain.QUARTER)

    assert metrics.total(rows, buckets, always("a", "b", "c", "d"))["coverage"].to_list() == [0.25]


def test_the_peak_of_several_meters_is_that_of_their_sum_not_the_sum_of_their_peaks() -> None:
    rows = two_meters({0: 100.0, 15: 10.0}, {0: 10.0, 15: 90.0})
    hour = periods.buckets(Period(T, T + HOUR), Grain.HOUR)

    (peak,) = metrics.coincident_peak(metrics.demand(rows), hour).rows(named=True)

    # 110 kWh, then 100 kWh in a quarter: 440 kW, not 400 + 360
    assert peak == {"start_utc": T, "power_kw_max": 440.0, "power_kw_max_at": T}


def test_the_peak_of_each_bucket_is_its_own() -> None:
    rows = two_meters({0: 10.0, 60: 30.0, 75: 20.0}, {0: 10.0, 60: 10.0, 75: 10.0})
    hours = periods.buckets(Period(T, T + 3 * HOUR), Grain.HOUR)

    peaks = metrics.coincident_peak(metrics.demand(rows), hours)

    # 20 and 40 kWh in a quarter; the third hour has none
    assert peaks.select("power_kw_max", "power_kw_max_at").rows() == [(80.0, T), (160.0, T + HOUR)]


def test_the_whole_is_the_sum_of_its_buckets_over_all_of_the_time() -> None:
    rows = two_meters({0: 10.0, 15: 30.0}, {0: 20.0, 15: 40.0})
    span = Period(T, T + HOUR)
    total = metrics.total(rows, periods.buckets(span, Grain.QUARTER), always("a", "b"))

    whole = metrics.whole(total, rows, span, always("a", "b"))

    assert whole["energy_kwh"] == 100.0
    assert whole["coverage"] == 0.5  # two of four quarters
    assert whole["power_kw_mean"] == 200.0  # 100 kWh in the half hour that is covered
    assert whole["power_kw_max"] is None  # the peak of a sum is for `coincident_peak` to find
    assert (whole["readings"], whole["quality"]) == (4, "measured")


def test_the_mean_power_of_several_meters_is_the_sum_of_their_own_at_every_grain() -> None:
    rows = two_meters({0: 25.0, 15: 25.0, 30: 25.0, 45: 25.0}, {45: 50.0})
    about = pl.concat([meter("interval", meter_id="a"), meter("interval", meter_id="b")])
    span = Period(T, T + HOUR)

    means = set()
    for grain in (Grain.QUARTER, Grain.HOUR):
        finer = aggregation.coarsen(rows.select(aggregation.FIGURES), about, grain)
        own = aggregation.with_revisions(finer, T)
        total = metrics.total(own, periods.buckets(span, grain), always("a", "b"))
        means.add(metrics.whole(total, own, span, always("a", "b"))["power_kw_mean"])

    assert means == {300.0}  # 100 kW of the one, and 200 kW of the other while it is known


def test_the_whole_of_nothing_is_unknown_with_coverage_0() -> None:
    span = Period(T, T + HOUR)
    silent = two_meters({}, {})
    nothing = metrics.total(silent, periods.buckets(span, Grain.QUARTER), always("a", "b"))

    whole = metrics.whole(nothing, silent, span, always("a", "b"))

    assert whole["energy_kwh"] is None
    assert whole["power_kw_mean"] is None
    assert whole["hashrate_th_mean"] is None
    assert (whole["coverage"], whole["readings"]) == (0.0, 0)


def test_what_did_not_change_is_not_written_again_and_what_did_gets_a_revision_more() -> None:
    old = aggregation.with_revisions(quarters("interval", {0: 25.0, 15: 50.0}), T)
    new = quarters("interval", {0: 25.0, 15: 51.0, 30: 1.0})

    changed = aggregation.with_revisions(new, T + HOUR, old)

    assert changed.select("energy_kwh", "revision", "computed_utc").rows() == [
        (51.0, 1, T + HOUR),
        (1.0, 0, T + HOUR),
    ]
    frames.check(changed, frames.ROLLUPS)


# --- civil days --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "midnight", "count"),
    [
        ("Europe/Oslo", "2026-03-29T00:00+01:00", 92),
        ("Europe/Oslo", "2026-10-25T00:00+02:00", 100),
        ("America/Chicago", "2026-03-08T00:00-06:00", 92),
        ("America/Chicago", "2026-11-01T00:00-05:00", 100),
        ("Australia/Lord_Howe", "2026-10-04T00:00+10:30", 94),
        ("Australia/Lord_Howe", "2026-04-05T00:00+11:00", 98),
        ("Asia/Kolkata", "2026-03-29T00:00+05:30", 96),
    ],
)
def test_a_civil_day_is_the_sum_of_its_quarters_whether_92_or_100(
    zone: str, midnight: str, count: int
) -> None:
    start = datetime.fromisoformat(midnight).astimezone(UTC)
    first = int((start - T) / MINUTE)
    values = {first + 15 * index: 1.0 for index in range(-4, count + 4)}  # an hour to each side

    rows = quarters("interval", values, timezone=zone)
    days = aggregation.coarsen(rows, meter("interval", timezone=zone), Grain.DAY)

    (day,) = days.filter(start_utc=start).rows(named=True)
    assert day["energy_kwh"] == float(count)  # 1 kWh a quarter
    assert (day["bucket_s"], day["expected"], day["readings"]) == (count * 900, count, count)
    assert day["coverage"] == 1.0
    assert days["energy_kwh"].to_list() == [4.0, float(count), 4.0]


def test_a_day_in_kolkata_begins_at_half_past_six_in_the_evening_in_utc() -> None:
    evening = 18 * 60 + 15  # 18:15Z, a quarter before midnight there
    rows = quarters("interval", {evening: 1.0, evening + 15: 2.0}, timezone="Asia/Kolkata")

    days = aggregation.coarsen(rows, meter("interval", timezone="Asia/Kolkata"), Grain.DAY)

    assert days.select("start_utc", "energy_kwh").rows() == [
        (datetime(2026, 3, 1, 18, 30, tzinfo=UTC), 1.0),
        (datetime(2026, 3, 2, 18, 30, tzinfo=UTC), 2.0),
    ]


def test_meters_in_different_time_zones_have_different_days() -> None:
    known = pl.concat(
        [
            meter("interval", meter_id="a", timezone="Europe/Oslo"),
            meter("interval", meter_id="b", timezone="America/Chicago"),
        ]
    )
    both = pl.concat([readings("interval", {0: 1.0}, name) for name in ("a", "b")])

    days = aggregation.coarsen(aggregation.quarters(both, known), known, Grain.DAY)

    assert days.select("meter_id", "start_utc").rows() == [
        ("a", T - HOUR),
        ("b", T - 18 * HOUR),  # midnight of 1 March in Chicago is 06:00Z
    ]


# --- properties --------------------------------------------------------------------------------

ZONES = ["Europe/Oslo", "America/Chicago", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
SOME = settings(max_examples=50)  # each is a rollup of up to two months
MANY_DAYS = st.integers(-30 * 24 * 4, 30 * 24 * 4).map(lambda quarter: 15 * quarter)
CLOSE = st.integers(0, 180)


@st.composite
def histories(draw: st.DrawFn, largest: float = 999.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Readings of a meter of any kind, and the meter."""
    kind = draw(st.sampled_from(["interval", "register", "power"]))
    stamps = draw(st.sampled_from([MANY_DAYS, CLOSE]))
    values = draw(st.dictionaries(stamps, st.floats(0, largest), min_size=1, max_size=25))
    known = meter(
        kind,
        timezone=draw(st.sampled_from(ZONES)),
        expected_interval_s=draw(st.sampled_from([60, 300, 900, 3600])),
        max_hold_s=draw(st.sampled_from([60, 2700, 10_000])),
        register_size_kwh=largest + 1 if kind == "register" else None,
        capacity_kw=draw(st.sampled_from([None, 100.0])),
    )
    rates = draw(st.lists(st.floats(0, 1e6), min_size=len(values), max_size=len(values)))
    rows = readings(kind, values).with_columns(
        hashrate_th=pl.Series(rates, dtype=pl.Float64),
        temperature_c=pl.Series(rates, dtype=pl.Float64) / 7 - 10,
    )
    return rows, known


@pytest.mark.slow
@SOME
@given(histories(), st.randoms())
def test_the_same_readings_give_the_same_bits_in_any_order(
    history: tuple[pl.DataFrame, pl.DataFrame], chance: random.Random
) -> None:
    rows, known = history
    mixed = rows[chance.sample(range(rows.height), rows.height)]

    assert_frame_equal(
        aggregation.every_grain(aggregation.quarters(mixed, known), known),
        aggregation.every_grain(aggregation.quarters(rows, known), known),
        check_exact=True,
    )


@pytest.mark.slow
@SOME
@given(histories())
def test_a_meter_s_figures_do_not_depend_on_the_meters_rolled_up_beside_it(
    history: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    rows, known = history
    other = rows.with_columns(meter_id=pl.lit("a"))
    both = pl.concat([known.with_columns(meter_id=pl.lit("a")), known])

    together = aggregation.quarters(pl.concat([rows, other]), both)

    assert_frame_equal(
        together.filter(meter_id="m"), aggregation.quarters(rows, known), check_exact=True
    )


@pytest.mark.parametrize("held_s", [3, 353, 481, 706])
def test_a_quarter_has_the_same_bits_alone_and_in_company(held_s: int) -> None:
    # 3 s of 900 s: divided is 0.0033333333333333335, times the reciprocal …3333333
    about = {"max_hold_s": held_s, "expected_interval_s": 60}

    alone = quarters("power", {0: 70.0}, **about)
    in_company = quarters("power", {0: 70.0, 60: 70.0}, **about)

    assert_frame_equal(alone, in_company.head(1), check_exact=True)


def sums(every: pl.DataFrame) -> list[float]:
    found = every.group_by("grain").agg(pl.col("energy_kwh").sum())
    return [found.filter(grain=str(grain))["energy_kwh"].item() for grain in Grain]


@pytest.mark.slow
@SOME
@given(histories())
def test_quarters_hours_days_weeks_and_months_have_exactly_the_same_sum(
    history: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    rows, known = history  # far less than the capacity draws in 2**14 h, see units.energy_step_kwh

    first, *others = sums(aggregation.every_grain(aggregation.quarters(rows, known), known))

    assert others == [first] * 4


@pytest.mark.slow
@SOME
@given(histories(largest=1e9))
def test_beyond_what_adds_exactly_the_sums_agree_to_twelve_digits(
    history: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    rows, known = history

    first, *others = sums(aggregation.every_grain(aggregation.quarters(rows, known), known))

    assert all(math.isclose(each, first, rel_tol=1e-12, abs_tol=1e-9) for each in others)


@pytest.mark.slow
@SOME
@given(histories())
def test_what_holds_of_every_row(history: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    rows, known = history

    every = aggregation.every_grain(aggregation.quarters(rows, known), known)

    figures = every.rows(named=True)
    assert all(0 <= row["coverage"] <= 1 for row in figures)
    assert all((row["energy_kwh"] is None) == (row["covered_s"] == 0) for row in figures)
    assert all(row["energy_kwh"] is None or row["energy_kwh"] >= 0 for row in figures)
    assert not every.select(frames.ROLLUPS.key).is_duplicated().any()
    floats = every.select(pl.col(pl.Float64).is_nan().any()).row(0)
    assert not any(floats)
    for grain in Grain:
        assert every.filter(grain=str(grain))["readings"].sum() == rows.height


@pytest.mark.slow
@SOME
@given(
    st.lists(st.floats(1, 10), min_size=2, max_size=60),
    st.lists(st.integers(1, 10), min_size=60, max_size=60),
    st.sampled_from(ZONES),
)
def test_where_all_is_covered_the_energy_is_the_register_s_difference(
    rises: Sequence[float], gaps: Sequence[int], zone: str
) -> None:
    minute, state, values = 0, 500.0, {}
    for rise, gap in zip(rises, gaps, strict=False):
        values[minute] = state
        minute, state = minute + gap, state + rise
    values[minute] = state

    rows = quarters("register", values, timezone=zone)

    difference = state - 500.0
    covered = rows["covered_s"].sum()
    assert covered == pytest.approx(minute * 60.0, rel=1e-12)
    for grain in Grain:
        coarse = aggregation.coarsen(rows, meter("register", timezone=zone), grain)
        assert coarse["energy_kwh"].sum() == pytest.approx(difference, rel=1e-9)


@pytest.mark.slow
@SOME
@given(st.dictionaries(CLOSE, st.floats(0, 1000), min_size=1, max_size=20))
def test_twice_the_power_is_twice_the_energy(values: Mapping[int, float]) -> None:
    once = quarters("power", values)
    twice = quarters("power", {minute: 2 * value for minute, value in values.items()})

    for one, two in zip(once["energy_kwh"], twice["energy_kwh"], strict=True):
        assert two == pytest.approx(2 * one, abs=2.0**-28)  # each is on a step of 2**-30 kWh
    assert twice["covered_s"].to_list() == once["covered_s"].to_list()


# --- what has to be rolled up again ------------------------------------------------------------


def test_a_changed_reading_touches_the_quarters_it_reaches() -> None:
    at = T + 20 * MINUTE
    dirty = pl.DataFrame(
        {"meter_id": ["m"], "from_utc": [at], "to_utc": [at]},
        schema={"meter_id": pl.String, "from_utc": frames.UTC, "to_utc": frames.UTC},
    )

    (span,) = affected.affected_spans(dirty, meter("power", max_hold_s=1800)).rows(named=True)

    # from the quarter of 00:20 to the end of that in which 00:50 lies
    assert (span["from_utc"], span["to_utc"]) == (T + 15 * MINUTE, T + 60 * MINUTE)
    assert (span["kind"], span["pad_s"]) == ("power", 1800)


def test_spans_that_meet_are_merged_and_others_stay_apart() -> None:
    stamps = [T, T + 30 * MINUTE, T + 24 * HOUR]
    dirty = pl.DataFrame(
        {"meter_id": ["m"] * 3, "from_utc": stamps, "to_utc": stamps},
        schema={"meter_id": pl.String, "from_utc": frames.UTC, "to_utc": frames.UTC},
    )

    spans = affected.affected_spans(dirty, meter("power", max_hold_s=900))

    assert spans.select("from_utc", "to_utc").rows() == [
        (T, T + 60 * MINUTE),
        (T + 24 * HOUR, T + 24 * HOUR + 30 * MINUTE),
    ]


def weeks(hours: Mapping[str, int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Spans of so many hours of the meters `<site>.main`, and these meters."""
    meters = pl.concat([meter("power", meter_id=f"{name}.main", site_id=name) for name in hours])
    spans = pl.DataFrame(
        [(f"{name}.main", "power", 0, T, T + count * HOUR) for name, count in hours.items()],
        schema={"meter_id": pl.String, "kind": pl.String, "pad_s": pl.Int64}
        | {"from_utc": frames.UTC, "to_utc": frames.UTC},
        orient="row",
    )
    return spans, meters


def test_sites_are_put_together_until_they_are_worth_a_job() -> None:
    # 4 quarters an hour, each with one reading of a meter that is read every 15 minutes
    spans, meters = weeks({"d": 1, "a": 1, "c": 1000, "b": 2})

    shares = affected.site_groups(spans, meters, 100)

    # a and b have 12 readings; with c there are more than 100, and d is what is left over
    assert shares.rows() == [(["a", "b"], 12), (["c", "d"], 4004)]
    assert affected.quarters_in(spans) == 4 * 1004


@given(hours=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 50), min_size=1))
def test_each_site_is_in_one_share_and_no_quarter_is_lost(hours: dict[str, int]) -> None:
    spans, meters = weeks(hours)

    shares = affected.site_groups(spans, meters, 100)

    assert sorted(shares["site_ids"].explode()) == sorted(hours)
    assert shares["quarters"].sum() == affected.quarters_in(spans) == 4 * sum(hours.values())


def test_nothing_to_do_is_no_share() -> None:
    spans, meters = weeks({"a": 1})

    assert affected.site_groups(spans.clear(), meters, 100).is_empty()
    assert affected.quarters_in(spans.clear()) == 0

"""The history that a forecast learns from: sums of meters, gaps, and what is left out."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.core import frames
from wattbook.core.forecast import history
from wattbook.core.forecast.history import Quantity
from wattbook.core.periods import Grain, Period

T = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOTHING = frames.EVENTS.empty()


def rollups(
    meter_id: str, powers: Sequence[float | None], begin: datetime = T, **more
) -> pl.DataFrame:
    """Hours of one meter; a null is an hour that is not known."""
    rows = [
        {
            "meter_id": meter_id,
            "grain": "hour",
            "start_utc": begin + at * HOUR,
            "power_kw_mean": power,
            "hashrate_th_mean": None,
            "energy_kwh": power,
            "hashrate_s": None,
            "hashrate_kwh": None,
            "bucket_s": 3600,
            "covered_s": 0.0 if power is None else 3600.0,
            "coverage": 0.0 if power is None else 1.0,
            "quality": "measured",
        }
        | more
        for at, power in enumerate(powers)
    ]
    schema = {name: frames.ROLLUPS.schema[name] for name in rows[0]}
    return pl.DataFrame(rows, schema=schema)


def of(*parts: pl.DataFrame, events: pl.DataFrame = NOTHING, **more) -> pl.DataFrame:
    asked = {"quantity": Quantity.LOAD, "grain": Grain.HOUR, "timezone": "UTC"} | more
    return history.history(pl.concat(parts), events, **asked)


def test_meters_are_added_up() -> None:
    found = of(rollups("a", [10.0, 20.0]), rollups("b", [1.0, 2.0]))

    assert found["value"].to_list() == [11.0, 22.0]
    assert found["start_utc"].to_list() == [T, T + HOUR]
    assert not found["excluded"].any()


def test_an_hour_that_is_not_known_is_a_gap_and_the_ends_are_cut() -> None:
    found = of(rollups("a", [None, 10.0, None, 30.0, None]))

    assert found["value"].to_list() == [10.0, None, 30.0]
    assert found["start_utc"][0] == T + HOUR


def test_poor_coverage_is_a_gap() -> None:
    poor = rollups("a", [5.0], T + HOUR, coverage=0.89)

    found = of(rollups("a", [10.0]), poor, rollups("a", [10.0], T + 2 * HOUR, coverage=0.9))

    assert found["value"].to_list() == [10.0, None, 10.0]


def test_a_small_meter_that_is_silent_is_made_up_for_and_a_large_one_is_a_gap() -> None:
    # Of 100 kW the small one has 5: without it 95 kW are 95 % of what there is.
    large, small = rollups("large", [95.0, 95.0, None]), rollups("small", [5.0, None, 5.0])

    found = of(
        large, small, rollups("small", [5.0], T + 3 * HOUR), rollups("large", [95.0], T + 3 * HOUR)
    )

    assert found["value"].to_list() == [100.0, pytest.approx(100.0), None, 100.0]


def test_a_meter_that_fell_silent_is_missed_for_a_week_and_then_gone() -> None:
    hours = 10 * 24
    found = of(rollups("a", [10.0] * hours), rollups("b", [10.0]))

    known = found.drop_nulls("value")
    # It was last heard of at T, and is missed until a week after that.
    assert known["start_utc"][1] == T + history.LINGER
    assert known["value"].to_list() == [20.0] + [10.0] * (3 * 24)


def test_a_new_meter_adds_from_its_first_hour_on() -> None:
    found = of(rollups("a", [10.0] * 4), rollups("b", [5.0] * 2, T + 2 * HOUR))

    assert found["value"].to_list() == [10.0, 10.0, 15.0, 15.0]


def test_estimates_are_shown_but_not_learnt_from() -> None:
    found = of(rollups("a", [10.0]), rollups("a", [11.0], T + HOUR, quality="estimated"))

    assert found["value"].to_list() == [10.0, 11.0]
    assert found["excluded"].to_list() == [False, True]


@pytest.mark.parametrize(
    ("kind", "excluded"),
    [("reset", True), ("retrograde", True), ("implausible", True), ("rollover", False)],
)
def test_what_a_register_did_decides_whether_its_hour_is_learnt_from(kind, excluded) -> None:
    at = T + HOUR + timedelta(minutes=40)
    events = pl.DataFrame([("a", at, kind, "")], schema=frames.EVENTS.schema, orient="row")

    found = of(rollups("a", [10.0, 10.0, 10.0]), events=events)

    assert found["excluded"].to_list() == [False, excluded, False]


def test_a_day_is_the_mean_of_its_hours_where_the_site_stands() -> None:
    # 2026-03-29 has 23 hours in Oslo and begins at 23:00 UTC.
    begin = datetime(2026, 3, 28, 23, tzinfo=UTC)
    found = of(
        rollups("a", [23.0] * 23 + [48.0] * 24, begin), grain=Grain.DAY, timezone="Europe/Oslo"
    )

    assert found["value"].to_list() == [23.0, 48.0]
    assert found["start_utc"].to_list() == [begin, begin + timedelta(hours=23)]


def test_a_day_that_is_not_over_is_not_learnt_from() -> None:
    found = of(rollups("a", [10.0] * 24 + [99.0] * 20), grain=Grain.DAY)

    assert found["value"].to_list() == [10.0]


def test_nothing_known_is_an_empty_history() -> None:
    assert of(rollups("a", [None, None])).height == 0


def test_a_hash_rate_needs_no_energy() -> None:
    rows = rollups("a", [None, None], hashrate_th_mean=5e8)

    assert of(rows, quantity=Quantity.HASHRATE)["value"].to_list() == [5e8, 5e8]


def test_power_over_hash_rate_is_the_efficiency() -> None:
    # 30 kW for an hour and 60 kW for another at 1000 and 2000 TH/s: 30 J/TH.
    rows = pl.concat(
        [
            rollups("a", [30.0], hashrate_th_mean=1000.0),
            rollups("a", [60.0], T + HOUR, hashrate_th_mean=2000.0),
            rollups("a", [500.0], T + 2 * HOUR),
        ]
    )

    assert history.hashed(rows) == pytest.approx(30.0)
    assert history.hashed(rollups("a", [30.0])) is None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0.5, 100))
def test_a_load_times_as_large_has_a_history_times_as_large(powers, factor) -> None:
    once = of(rollups("a", powers))["value"]
    scaled = of(rollups("a", [power * factor for power in powers]))["value"]

    assert scaled.to_list() == pytest.approx([value * factor for value in once])


def test_the_fingerprint_is_that_of_the_values_and_of_what_was_asked() -> None:
    rows = of(rollups("a", [10.0, 20.0]))
    other = of(rollups("a", [10.0, 21.0]))

    assert history.fingerprint(rows, ["x"]) == history.fingerprint(rows, ["x"])
    assert history.fingerprint(rows, ["x"]).sha256 != history.fingerprint(rows, ["y"]).sha256
    assert history.fingerprint(rows, ["x"]).sha256 != history.fingerprint(other, ["x"]).sha256


def grid(*prices: float | None, step: timedelta = HOUR, **more) -> pl.DataFrame:
    rows = [
        dict.fromkeys(frames.GRID.columns)
        | {"zone": "NO", "start_utc": T + at * step, "interval_s": int(step.total_seconds())}
        | {"price_per_mwh": price, "currency": "EUR", "known_utc": T - 12 * HOUR}
        | more
        for at, price in enumerate(prices)
    ]
    return pl.DataFrame(rows, schema=frames.GRID.schema)


def test_a_price_of_an_hour_is_that_of_its_quarters() -> None:
    found = history.prices(grid(40.0, None, 60.0), Grain.QUARTER, T)

    assert found is not None
    assert found["price_per_mwh"].to_list() == [40.0] * 4 + [60.0] * 4
    assert found["start_utc"][3] == T + timedelta(minutes=45)
    assert found["start_utc"][4] == T + 2 * HOUR
    assert found["known_utc"].unique().to_list() == [T - 12 * HOUR]


def test_quarters_of_the_market_make_the_price_of_the_hour() -> None:
    quarters = grid(40.0, 40.0, 80.0, 80.0, 50.0, step=timedelta(minutes=15))

    found = history.prices(quarters, Grain.HOUR, T)

    assert found is not None
    assert found["price_per_mwh"].to_list() == [60.0]  # of the second hour a part is not known


def test_what_is_known_by_now_was_known_at_the_origin_and_not_before() -> None:
    late = grid(40.0, known_utc=T + 99 * HOUR)

    found = history.prices(late, Grain.HOUR, T + HOUR)

    assert found is not None
    assert found["known_utc"].to_list() == [T + HOUR]


@pytest.mark.parametrize(
    ("rows", "grain"),
    [
        (grid(), Grain.HOUR),
        (grid(None, None), Grain.HOUR),
        (grid(40.0), Grain.DAY),
        (pl.concat([grid(40.0), grid(50.0, currency="NOK")]), Grain.HOUR),
    ],
)
def test_where_there_is_no_one_price_none_is_told(rows, grain) -> None:
    assert history.prices(rows, grain, T) is None


def test_nothing_is_learnt_from_a_step_that_a_fault_reaches_into() -> None:
    rows = history.history(rollups("a", [1.0] * 6), NOTHING, Quantity.LOAD, Grain.HOUR, "UTC")
    before = Period(T - 9 * HOUR, T - 8 * HOUR)
    half_past_one_to_three = Period(T + 1.5 * HOUR, T + 3 * HOUR)

    found = history.without(rows, [before, half_past_one_to_three])

    assert found["excluded"].to_list() == [False, True, True, False, False, False]
    assert found["value"].to_list() == [1.0] * 6

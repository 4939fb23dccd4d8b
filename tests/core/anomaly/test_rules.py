"""What each rule finds, on weeks of hours that a person can picture."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.anomaly.examples import DAY, HOUR, T, found, quarters, watched

from wattbook.core.anomaly import rule_engine
from wattbook.core.anomaly.finding import Candidate, Rule
from wattbook.core.anomaly.hours import FLEET, PARTS, PRICES
from wattbook.core.frames import EVENTS
from wattbook.core.frames import UTC as STAMP
from wattbook.core.periods import Period
from wattbook.core.registry.entities import MeterKind

WEEKS = 4
SPAN_AT = T + timedelta(weeks=WEEKS)
"""Four weeks of history, then a week that is judged."""
AUTUMN = datetime(2025, 9, 1, tzinfo=UTC)
FIRST = WEEKS * 7 * 24
"""The first hour that is judged."""


def noisy(hours: int = (WEEKS + 1) * 7 * 24, kw: float = 1000.0, seed: int = 1) -> np.ndarray:
    """A mine: flat, with a noise of half a percent."""
    return kw + np.random.default_rng(seed).normal(0, kw / 200, hours)


def only(noticed: tuple[Candidate, ...], rule: Rule) -> Candidate:
    assert [each.rule for each in noticed] == [rule], [each.cause for each in noticed]
    return noticed[0]


def test_a_flat_load_with_noise_has_no_findings() -> None:
    assert found(watched(noisy()), SPAN_AT) == ()


@pytest.mark.parametrize("timezone", ["Europe/Oslo", "America/Chicago", "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    "first", [datetime(2026, 2, 23, tzinfo=UTC), datetime(2025, 9, 1, tzinfo=UTC)]
)
def test_neither_weekends_nor_changes_of_the_clock_are_findings(timezone, first) -> None:
    """Nine to five on weekdays, on the clock where it stands, across the change of that clock."""
    hours = pl.datetime_range(first, first + 42 * DAY, "1h", closed="left", eager=True)
    local = hours.dt.convert_time_zone(timezone)
    busy = local.dt.hour().is_between(9, 16) & (local.dt.weekday() < 6)
    kw = np.where(busy.to_numpy(), 500.0, 100.0) + np.random.default_rng(0).normal(0, 5, len(hours))

    meter = watched(kw, timezone=timezone, start=first)

    assert found(meter, first + 28 * DAY) == ()


def test_hours_without_readings_are_a_gap_and_what_they_would_have_had_is_at_stake() -> None:
    kw = noisy()
    kw[FIRST + 10 : FIRST + 14] = np.nan

    gap = only(found(watched(kw), SPAN_AT), Rule.GAP)

    assert gap.start_utc == SPAN_AT + 10 * HOUR
    assert gap.end_utc == SPAN_AT + 14 * HOUR
    assert gap.at_stake_kwh == pytest.approx(-4000, rel=0.01)  # 4 h × 1000 kW
    assert gap.cause.startswith("No reading came for 4 hours. 4\u202f00")


def test_an_hour_of_which_a_quarter_is_known_is_a_gap_one_with_three_is_none() -> None:
    kw = noisy()
    coverage = np.ones(len(kw))
    coverage[FIRST + 5], coverage[FIRST + 50] = 0.25, 0.75

    gap = only(found(watched(kw, coverage=coverage), SPAN_AT), Rule.GAP)

    assert gap.start_utc == SPAN_AT + 5 * HOUR
    assert gap.at_stake_kwh == pytest.approx(-750, rel=0.03)  # three quarters of 1000 kWh


def test_a_gap_with_an_hour_between_is_one_finding_and_with_two_it_is_two() -> None:
    kw = noisy()
    kw[[FIRST + 10, FIRST + 12, FIRST + 15]] = np.nan

    gaps = found(watched(kw), SPAN_AT)

    assert [(each.start_utc - SPAN_AT) // HOUR for each in gaps] == [10, 15]
    assert [(each.end_utc - SPAN_AT) // HOUR for each in gaps] == [13, 16]


def test_a_gap_that_began_before_the_span_is_told_from_its_begin() -> None:
    kw = noisy()
    kw[FIRST - 10 : FIRST + 2] = np.nan

    assert only(found(watched(kw), SPAN_AT), Rule.GAP).start_utc == SPAN_AT - 10 * HOUR


def test_a_gap_that_was_over_before_the_span_is_not_told() -> None:
    kw = noisy()
    kw[FIRST - 10 : FIRST - 2] = np.nan

    assert found(watched(kw), SPAN_AT) == ()


def test_nothing_drawn_is_a_finding_where_there_never_was_such_an_hour() -> None:
    kw = noisy()
    kw[FIRST + 30 : FIRST + 33] = 0.0

    zero = only(found(watched(kw), SPAN_AT), Rule.ZERO)

    assert zero.end_utc - zero.start_utc == 3 * HOUR
    assert zero.at_stake_kwh == pytest.approx(-3000, rel=0.01)
    assert zero.evidence.observed == 0.0


def test_nothing_drawn_is_no_finding_where_nights_are_so() -> None:
    kw = np.where(np.arange(len(noisy())) % 24 < 8, 0.0, noisy())

    assert found(watched(kw), SPAN_AT) == ()


def test_of_a_stop_that_is_longer_than_usual_only_what_is_unusual_is_told() -> None:
    """It runs on Mondays and Tuesdays; then it does not, and is at rest for twelve days."""
    weekday = np.arange(len(noisy())) // 24 % 7
    kw = np.where(weekday < 2, noisy(), 0.0)
    kw[FIRST:] = 0.0

    zero = only(found(watched(kw), SPAN_AT), Rule.ZERO)

    assert (zero.start_utc, zero.end_utc) == (SPAN_AT, SPAN_AT + 2 * DAY)
    assert zero.at_stake_kwh == pytest.approx(-48_000, rel=0.01)


def test_a_meter_that_repeats_itself_while_the_hash_rate_moves_is_stuck() -> None:
    kw = noisy()
    rate = kw / 0.03 * (1 + np.random.default_rng(9).normal(0, 0.003, len(kw)))
    kw[FIRST + 20 : FIRST + 32] = kw[FIRST + 20]

    stuck = only(found(watched(kw, rate=rate), SPAN_AT), Rule.STUCK)

    # The hour from which on it repeats itself is the one after the last that was measured.
    assert stuck.start_utc == SPAN_AT + 21 * HOUR
    assert stuck.end_utc == SPAN_AT + 32 * HOUR
    assert "the hash rate moved" in stuck.cause


def test_a_meter_that_was_stuck_before_is_found_the_next_time_too() -> None:
    kw = noisy()
    kw[300:330] = kw[300]
    kw[FIRST + 20 : FIRST + 32] = kw[FIRST + 20]

    assert only(found(watched(kw), SPAN_AT), Rule.STUCK).start_utc == SPAN_AT + 21 * HOUR


def test_five_hours_alike_are_not_stuck() -> None:
    kw = noisy()
    kw[FIRST + 20 : FIRST + 26] = kw[FIRST + 20]

    assert found(watched(kw), SPAN_AT) == ()


def test_a_meter_of_few_digits_repeats_itself_all_the_time_and_is_not_stuck() -> None:
    kw = np.round(noisy(), -2)  # to 100 kW: for days 1000, 1000, 1000

    assert found(watched(kw), SPAN_AT) == ()


def test_a_register_that_did_not_count_up_is_told() -> None:
    at = SPAN_AT + 5 * HOUR + timedelta(minutes=20)
    events = pl.DataFrame(
        {
            "meter_id": ["m", "m", "m"],
            "at_utc": [at, at + DAY, SPAN_AT - DAY],
            "kind": ["reset", "rollover", "reset"],
            "detail": ["from 10.0 to 2.0 kWh"] * 3,
        },
        schema=EVENTS.schema,
    )
    meter = replace(watched(noisy()), kind=MeterKind.REGISTER, events=events)

    register = only(found(meter, SPAN_AT), Rule.REGISTER)

    assert register.start_utc == SPAN_AT + 5 * HOUR + timedelta(minutes=15)
    assert "reset, from 10.0 to 2.0 kWh" in register.cause


def test_more_than_the_site_can_draw_is_a_finding() -> None:
    kw = noisy()
    kw[FIRST + 40] = 1300.0

    above = only(found(replace(watched(kw), capacity_kw=1200.0), SPAN_AT), Rule.ABOVE_CAPACITY)

    assert above.at_stake_kwh == pytest.approx(300, rel=0.1)
    assert above.evidence.limit == 1200.0


def test_less_than_nothing_is_a_finding() -> None:
    kw = noisy()
    kw[FIRST + 40] = -5.0

    assert only(found(watched(kw), SPAN_AT), Rule.NEGATIVE).evidence.observed == -5.0


def test_a_hash_rate_without_power_may_be_a_wrong_report() -> None:
    kw = noisy()
    rate = kw / 0.03
    kw[FIRST + 8 : FIRST + 14] = 0.0

    alone = only(found(watched(kw, rate=rate), SPAN_AT), Rule.HASH_WITHOUT_ENERGY)

    assert alone.at_stake_kwh == pytest.approx(-6000, rel=0.01)


def test_power_without_a_hash_rate_is_told_but_not_where_no_rate_was_told() -> None:
    kw = noisy()
    rate = kw / 0.03
    rate[FIRST + 8 : FIRST + 12] = 0.0
    rate[FIRST + 60 : FIRST + 70] = np.nan

    idle = only(found(watched(kw, rate=rate), SPAN_AT), Rule.ENERGY_WITHOUT_HASH)

    assert idle.start_utc == SPAN_AT + 8 * HOUR
    assert idle.at_stake_kwh == pytest.approx(4000, rel=0.01)


def test_machines_cannot_be_better_than_the_best_of_them() -> None:
    """30 J/TH on the nameplate; with 20 a third of the power is not counted: 22.5 is the limit."""
    kw = noisy()
    rate = kw * 1000 / 30
    kw[FIRST + 8 : FIRST + 12] *= 20 / 30

    meter = replace(watched(kw, rate=rate), fleet=machines((T, None, 1000, 100.0, 3000.0)))
    impossible = only(found(meter, SPAN_AT), Rule.EFFICIENCY_BOUNDS)

    assert impossible.evidence.limit == pytest.approx(22.5)  # three quarters of 30
    assert impossible.evidence.observed == pytest.approx(20, rel=0.01)
    # 4 h × (1000/30 PH/s × 22.5 J/TH = 750 kW, less 667 kW) = 333 kWh that are missing at least
    assert impossible.at_stake_kwh == pytest.approx(-333, rel=0.05)


@pytest.mark.parametrize(
    ("capacity_kw", "most_kw"),
    [(1500.0, 1500.0), (None, 1100.0)],  # without a capacity: the highest hour that is known
)
def test_what_is_at_stake_is_no_more_than_the_meter_can_count(capacity_kw, most_kw) -> None:
    """Hash rates a thousand times too high would need 750 MW; 1 MW was counted for four hours."""
    kw = noisy()
    kw[FIRST - 20] = 1100.0
    kw[FIRST + 8 : FIRST + 12] = 1000.0
    rate = kw * 1000 / 30
    rate[FIRST + 8 : FIRST + 12] *= 1000

    meter = replace(
        watched(kw, rate=rate),
        fleet=machines((T, None, 1000, 100.0, 3000.0)),
        capacity_kw=capacity_kw,
    )
    impossible = only(found(meter, SPAN_AT), Rule.EFFICIENCY_BOUNDS)

    assert impossible.at_stake_kwh == pytest.approx(4 * (1000 - most_kw))


def test_a_tenth_that_is_not_counted_is_found_by_the_hash_rate_in_a_week() -> None:
    kw = noisy()
    rate = kw * 1000 / 30
    kw[FIRST + 24 :] *= 0.9

    shift = only(found(watched(kw, rate=rate), SPAN_AT), Rule.EFFICIENCY_SHIFT)

    assert shift.start_utc == SPAN_AT + DAY
    assert shift.evidence.observed == pytest.approx(27.0)
    assert shift.evidence.expected == pytest.approx(30.0)
    assert shift.at_stake_kwh == pytest.approx(-6 * 24 * 100, rel=0.01)  # six days × 100 kW


def test_new_machines_that_are_registered_are_no_finding() -> None:
    """Half of the power is added, with machines of 20 J/TH beside those of 30."""
    kw = noisy()
    rate = kw * 1000 / 30
    kw[FIRST + 24 :] += 500.0
    rate[FIRST + 24 :] += 500.0 * 1000 / 20
    since = SPAN_AT + DAY
    known = machines((T, None, 333, 100.0, 3000.0), (since, None, 250, 100.0, 2000.0))

    assert found(replace(watched(kw, rate=rate), fleet=known), SPAN_AT) == ()
    assert {each.rule for each in found(watched(kw, rate=rate), SPAN_AT)} == {
        Rule.EFFICIENCY_SHIFT,  # and nothing else of the same hours
    }


def test_a_level_that_changed_for_good_is_one_finding() -> None:
    kw = noisy()
    kw[FIRST + 48 :] += 300.0

    shift = only(found(watched(kw), SPAN_AT), Rule.LEVEL_SHIFT)

    assert shift.start_utc == SPAN_AT + 2 * DAY
    assert shift.at_stake_kwh == pytest.approx(24 * 300, rel=0.01)  # of its first day


def test_meters_that_do_not_add_up_any_more_are_found() -> None:
    """Two halls tell 99 % of the main meter's energy; then it counts a tenth less than before."""
    kw = noisy()
    parts = pl.DataFrame(
        {
            "start_utc": [T + at * HOUR for at in range(len(kw))],
            "energy_kwh": kw * 0.99,
            "behind": [1] * len(kw),
        },
        schema=PARTS,
    )
    kw[FIRST + 8 : FIRST + 20] *= 0.9

    off = only(found(replace(watched(kw), parts=parts), SPAN_AT), Rule.SUM_CHECK)

    assert off.evidence.expected == pytest.approx(0.99)
    assert off.evidence.observed == pytest.approx(1.10)
    assert off.at_stake_kwh == pytest.approx(-12 * 100, rel=0.01)


def test_a_quarter_hour_that_stands_out_is_a_spike_and_the_edge_of_a_level_is_none() -> None:
    kw = np.repeat(noisy(), 4) + np.random.default_rng(3).normal(0, 5, 4 * len(noisy()))
    kw[4 * FIRST + 50] += 800.0
    kw[4 * FIRST + 200 : 4 * FIRST + 400] *= 0.4

    spikes = [each for each in found(quarters(kw), SPAN_AT) if each.rule is Rule.SPIKE]

    assert len(spikes) == 1
    assert spikes[0].start_utc == SPAN_AT + 50 * timedelta(minutes=15)
    assert spikes[0].end_utc - spikes[0].start_utc == timedelta(minutes=15)
    assert spikes[0].at_stake_kwh == pytest.approx(200, rel=0.05)  # 800 kW for a quarter-hour


def test_a_site_that_answers_the_price_is_not_found_to_have_done_so() -> None:
    """From 200 $/MWh on it draws a tenth: every fifth evening, also in the week that is judged."""
    kw = noisy()
    price = np.full(len(kw), 30.0)
    for evening in range(17, len(kw), 5 * 24):
        price[evening : evening + 3] = 250.0
        kw[evening : evening + 3] *= 0.1
    prices = pl.DataFrame(
        {"start_utc": [T + at * HOUR for at in range(len(kw))], "price_per_mwh": price},
        schema=PRICES,
    )

    assert found(replace(watched(kw), prices=prices), SPAN_AT) == ()
    assert found(watched(kw), SPAN_AT) == ()  # by rules alone: the hours are no zeros


def test_a_meter_of_which_nothing_is_known_is_not_judged() -> None:
    meter = watched(noisy())
    silent = replace(meter, hours=meter.hours.clear())

    assert rule_engine.apply_rules(silent, Period(SPAN_AT, SPAN_AT + DAY), 1.0) is None


def machines(*rows: tuple[datetime, datetime | None, int, float, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=FLEET, orient="row").cast({"valid_from_utc": STAMP})


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(hours=st.integers(-50_000, 50_000), seed=st.integers(0, 5), shuffled=st.randoms())
def test_another_time_or_order_finds_the_same(hours, seed, shuffled) -> None:
    kw = noisy(seed=seed)
    kw[FIRST + 10 : FIRST + 14] = np.nan
    kw[FIRST + 40 : FIRST + 47] = 0.0
    kw[FIRST + 70] = np.nan
    here = watched(kw)
    order = list(range(here.hours.height))
    shuffled.shuffle(order)
    there = replace(
        watched(kw, start=T + hours * HOUR), hours=watched(kw, start=T + hours * HOUR).hours[order]
    )

    first, second = found(here, SPAN_AT), found(there, SPAN_AT + hours * HOUR)

    assert [
        (each.rule, each.start_utc + hours * HOUR, each.at_stake_kwh, each.cause) for each in first
    ] == [(each.rule, each.start_utc, each.at_stake_kwh, each.cause) for each in second]


def test_of_a_meter_that_tells_once_a_day_no_reading_is_no_share_of_them() -> None:
    kw = np.full(20 * 24, 100.0)
    kw[15 * 24 : 16 * 24] = np.nan
    daily = replace(watched(kw), expected_interval_s=86_400)

    (gap,) = found(daily, T + 14 * DAY, 6)

    assert gap.cause.startswith("No reading came for 24 hours.")

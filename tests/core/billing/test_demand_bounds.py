"""How high a demand can have been where readings are missing: bounds that hold, and are sharp."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.billing.examples import tariff

from wattbook.core import frames, periods
from wattbook.core.billing import bills, charges, cycle, demand_bounds
from wattbook.core.billing.bill_lines import Line, Month
from wattbook.core.meters import presence
from wattbook.core.periods import QUARTER, Period
from wattbook.core.registry.components import (
    Basis,
    CoincidentDemand,
    Component,
    Demand,
    DemandSteps,
    Ratchet,
    Step,
)
from wattbook.core.registry.tariffs import timeline
from wattbook.core.registry.windows import Window
from wattbook.core.rollups import aggregation, metrics

APRIL = datetime(2026, 4, 1, tzinfo=UTC)
END = datetime(2026, 5, 1, tzinfo=UTC)
QUARTERS = (END - APRIL) // QUARTER
NOON = 12 * 4
PEAK = Demand(name="demand", price_per_kw_month=10.0)
COLUMN = {"power": "power_kw", "interval": "energy_kwh", "register": "register_kwh"}


def meter(kind: str = "register", **changes: object) -> pl.DataFrame:
    plain = {
        "meter_id": "m",
        "site_id": "s",
        "zone": "Z",
        "timezone": "UTC",
        "kind": kind,
        "role": "main",
        "expected_interval_s": 900,
        "max_hold_s": 2700,
        "capacity_kw": 400.0,
    }
    return pl.DataFrame([plain | changes], schema=frames.METERS.schema)


def counts(kw: Sequence[float]) -> list[float]:
    """States of a register at the beginning of each quarter-hour, and at the end of the last."""
    states = [1000.0]
    for each in kw:
        states.append(states[-1] + each / 4)
    return states


def sent(values: Mapping[int, float], kind: str = "register", **others: object) -> pl.DataFrame:
    """Readings of the quarter-hours of April, by their number."""
    plain = {"meter_id": "m", "quality": "measured", "known_utc": END, "revision": 0}
    rows = [
        plain | others | {"ts_utc": APRIL + at * QUARTER, COLUMN[kind]: value}
        for at, value in values.items()
    ]
    return pl.DataFrame(rows, schema=frames.READINGS.schema)


def billed(readings: pl.DataFrame, meters: pl.DataFrame, *components: Component) -> list[Line]:
    """The lines of April."""
    earliest: date = readings.select(pl.col("ts_utc").dt.date().min()).item()
    first = min(earliest.replace(day=1), date(2026, 4, 1))
    spans = list(timeline([tariff(*(components or (PEAK,)))], first, date(2026, 5, 1)))
    period = Period(periods.midnight(first, "UTC"), END)
    quarters = aggregation.quarters(readings, meters)
    rows = aggregation.with_revisions(quarters, END).filter(pl.col("start_utc") < END)
    weak = demand_bounds.unmeasured(rows, meters, presence.spans(meters), period)
    energy = charges.quarters(metrics.demand(rows), "UTC", spans)
    months = [
        Month(
            first=one,
            following=two,
            start=periods.midnight(one, "UTC"),
            end=periods.midnight(two, "UTC"),
            coverage=1.0,
        )
        for one, two in cycle.months(spans)
    ]
    made = bills.build_bills(
        months,
        energy,
        pl.DataFrame(schema=charges.CHARGES),
        spans,
        {"t": frozenset()},
        date(2026, 4, 1),
        load=frames.GRID.empty().select("start_utc", "interval_s", "load_mw"),
        timezone="UTC",
        not_measured=weak,
    )
    return [line for bill in made for line in bill.lines]


def without(values: Sequence[float], *missing: int) -> dict[int, float]:
    return {at: value for at, value in enumerate(values) if at not in missing}


LOAD = [150.0 if at == 4 * 96 + NOON else 120.0 for at in range(QUARTERS)]
"""120 kW, and 150 kW in the quarter-hour from noon on 5 April."""
TENTH = 9 * 96 + NOON
"""The quarter-hour from noon on 10 April."""


def test_a_register_that_left_readings_out_can_have_hidden_a_higher_demand() -> None:
    (line,) = billed(sent(without(counts(LOAD), *range(TENTH + 1, TENTH + 5))), meter())

    # From 12:00 to 13:15 it counted 5 × 30 = 150 kWh: in one quarter-hour that is 600 kW.
    assert (line.quantity, line.estimated) == (150.0, True)
    assert line.demand_kw_most == pytest.approx(600.0)


def test_a_demand_that_was_measured_throughout_is_not_estimated() -> None:
    (line,) = billed(sent(without(counts(LOAD))), meter())

    assert (line.quantity, line.demand_kw_most, line.estimated) == (150.0, 150.0, False)


def test_a_silence_whose_energy_is_too_small_for_a_higher_demand_hides_none() -> None:
    quiet = [30.0 if at in range(TENTH, TENTH + 4) else kw for at, kw in enumerate(LOAD)]

    (line,) = billed(sent(without(counts(quiet), TENTH + 1, TENTH + 2, TENTH + 3)), meter())

    # 4 × 7.5 kWh in one quarter-hour are 120 kW, and 150 kW were measured on another day
    assert (line.quantity, line.demand_kw_most, line.estimated) == (150.0, 150.0, False)


def test_no_demand_was_above_what_the_site_can_draw() -> None:
    readings = sent(without(counts(LOAD), *range(TENTH + 1, TENTH + 20)))  # 20 × 30 = 600 kWh

    (by_default,) = billed(readings, meter())
    (registered,) = billed(readings, meter(plausible_kw=450.0))
    (unlimited,) = billed(readings, meter(capacity_kw=None))

    assert by_default.demand_kw_most == 800.0  # twice the capacity
    assert registered.demand_kw_most == 450.0
    assert unlimited.demand_kw_most == pytest.approx(2400.0)  # all of 600 kWh in a quarter-hour


def test_where_nothing_was_read_the_site_can_have_drawn_all_that_it_can() -> None:
    kwh = [kw / 4 for kw in LOAD]
    readings = sent(without(kwh, TENTH), "interval")

    (line,) = billed(readings, meter("interval"))
    (unlimited,) = billed(readings, meter("interval", capacity_kw=None))

    assert (line.quantity, line.demand_kw_most, line.estimated) == (150.0, 800.0, True)
    assert (unlimited.demand_kw_most, unlimited.estimated) == (None, True)


def test_an_interval_that_holds_all_of_a_silence_is_measured() -> None:
    half_hour = replace(PEAK, interval_minutes=30)
    values = counts(LOAD)

    (inside,) = billed(sent(without(values, TENTH + 1)), meter(), half_hour)
    (across,) = billed(sent(without(values, TENTH + 2)), meter(), half_hour)

    assert (inside.quantity, inside.estimated) == (135.0, False)  # (150 + 120) / 2
    # 60 kWh from 12:15 to 12:45 may all have flowed in one of the half hours, with its own 30.
    assert across.demand_kw_most == pytest.approx(180.0)
    assert across.estimated


def test_a_sliding_interval_counts_each_silence_once() -> None:
    sliding = replace(PEAK, interval_minutes=60, sliding_minutes=15)

    (line,) = billed(sent(without(counts(LOAD), TENTH + 1, TENTH + 2)), meter(), sliding)

    # 90 kWh from 12:00 to 12:45; an hour that holds one of the three quarter-hours has 3 × 30 more
    assert line.demand_kw_most == pytest.approx(180.0)


def test_the_mean_of_several_peaks_has_the_mean_of_their_bounds() -> None:
    two = replace(PEAK, peaks=2)
    values = counts(LOAD)

    (line,) = billed(sent(without(values, TENTH + 1)), meter(), two)

    # measured: (150 + 120) / 2; with 60 kWh on 10 April in one quarter-hour: (240 + 150) / 2
    assert (line.quantity, line.estimated) == (135.0, True)
    assert line.demand_kw_most == pytest.approx(195.0)


def test_what_lies_outside_the_windows_hides_no_demand() -> None:
    morning = replace(PEAK, windows=(Window(start="06:00", end="10:00"),))

    (line,) = billed(sent(without(counts(LOAD), TENTH + 1)), meter(), morning)

    assert (line.quantity, line.estimated) == (120.0, False)


def test_a_ratchet_carries_the_doubt_of_the_month_that_it_looks_at() -> None:
    march = datetime(2026, 3, 1, tzinfo=UTC)
    early = (APRIL - march) // QUARTER
    states = counts([100.0] * early + LOAD)
    readings = sent({at - early: kwh for at, kwh in enumerate(states) if at != 500})
    for basis in Basis:
        ratchet = Ratchet(months=11, percent=90.0, basis=basis)

        (line,) = billed(readings, meter(), replace(PEAK, ratchet=ratchet))

        # April is measured: 150 kW. In March 50 kWh may have been 200 kW, of which 90 % are 180 kW.
        assert (line.quantity, line.floor_kw, line.estimated) == (150.0, 90.0, True)
        assert line.demand_kw_most == pytest.approx(180.0)


def test_steps_and_peaks_of_the_grid_have_bounds_too() -> None:
    steps = DemandSteps(
        name="steps",
        steps=(Step(up_to_kw=200.0, price_per_month=5.0), Step(up_to_kw=None, price_per_month=9.0)),
    )
    at = APRIL + TENTH * QUARTER
    grid = CoincidentDemand(
        name="cp", price_per_kw_month=1.0, months=(4,), same_month=True, instants=(at,)
    )

    step, coincident = billed(sent(without(counts(LOAD), TENTH + 1)), meter(), steps, grid)

    assert (step.peak_kw, step.amount, step.estimated) == (150.0, 5.0, True)
    assert step.demand_kw_most == pytest.approx(240.0)
    assert coincident.quantity == pytest.approx(120.0)
    assert coincident.estimated
    assert coincident.demand_kw_most == pytest.approx(240.0)


def test_a_value_for_an_hour_bounds_each_of_its_quarter_hours() -> None:
    hourly = dict.fromkeys(range(0, QUARTERS, 4), 120.0)

    (line,) = billed(sent(hourly, "interval"), meter("interval", expected_interval_s=3600))

    assert (line.quantity, line.demand_kw_most, line.estimated) == (120.0, 480.0, True)


def test_what_a_sender_estimated_has_no_bound_but_the_site() -> None:
    kwh = [kw / 4 for kw in LOAD]
    readings = pl.concat(
        [
            sent(without(kwh, TENTH), "interval"),
            sent({TENTH: 30.0}, "interval", quality="estimated"),
        ]
    )

    (line,) = billed(readings, meter("interval"))

    assert (line.quantity, line.demand_kw_most, line.estimated) == (150.0, 800.0, True)


@given(
    load=st.lists(st.floats(0, 400), min_size=8, max_size=40),
    missing=st.sets(st.integers(1, 39)),
    minutes=st.sampled_from([15, 30, 60]),
    peaks=st.integers(1, 2),
    sliding=st.booleans(),
)
def test_the_true_demand_never_lies_above_the_bound(
    load: list[float], missing: set[int], minutes: int, peaks: int, *, sliding: bool
) -> None:
    asked = replace(
        PEAK,
        interval_minutes=minutes,
        peaks=peaks,
        sliding_minutes=15 if sliding and minutes > 15 else None,
    )
    rest = [50.0] * (QUARTERS - len(load) - 100)
    states = counts([50.0] * 100 + load + rest)

    (true,) = billed(sent(without(states)), meter(), asked)
    (line,) = billed(sent(without(states, *(100 + at for at in missing))), meter(), asked)

    assert line.demand_kw_most is not None
    assert true.quantity is not None
    assert true.quantity <= line.demand_kw_most * (1 + 1e-9)
    if not line.estimated:
        assert line.quantity == pytest.approx(true.quantity)

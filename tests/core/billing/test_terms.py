"""Terms of tariffs: each does what its sentence in docs/methods/cost.md says."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.billing.examples import NO_LOAD, Draw, paid, prices, tariff

from wattbook.core.billing import cycle
from wattbook.core.billing.missing import Lack
from wattbook.core.periods import Grain
from wattbook.core.registry.components import (
    Band,
    Basis,
    CoincidentDemand,
    Demand,
    DemandSteps,
    Export,
    Fixed,
    Flat,
    Minimum,
    Per,
    Percentage,
    Ratchet,
    Step,
    TimeOfUse,
)
from wattbook.core.registry.tariff_holidays import days_off
from wattbook.core.registry.tariffs import Netting, timeline
from wattbook.core.registry.windows import Window

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
FLAT = Flat(name="energy", price_per_kwh=0.3)
DEMAND = Demand(name="demand", price_per_kw_month=10.0)


def spikes(plain: float, **kwh: float) -> Draw:
    """`plain` in each quarter-hour but those named, as `m0720_1415`."""
    at = {name.removeprefix("m"): value for name, value in kwh.items()}
    return lambda when: at.get(f"{when:%m%d_%H%M}", plain)


# --- how demand is measured


def test_a_sliding_half_hour_begins_with_any_quarter_hour() -> None:
    draw = spikes(25.0, m0110_1415=250.0, m0110_1430=250.0)
    half: dict[str, Any] = {"name": "demand", "price_per_kw_month": 10.0, "interval_minutes": 30}

    fixed = paid([tariff(Demand(**half))], draw).line
    sliding = paid([tariff(Demand(**half, sliding_minutes=15))], draw).line

    assert fixed.quantity == 550.0  # (25 + 250) kWh × 2, from 14:00 and from 14:30
    assert sliding.quantity == 1_000.0  # (250 + 250) kWh × 2, from 14:15
    assert sliding.peak_at == datetime(2026, 1, 10, 14, 15, tzinfo=UTC)


def test_an_hour_of_demand_follows_the_local_clock() -> None:
    # In India the hour from 14:00 begins at 08:30 UTC.
    draw = spikes(25.0, m0110_1400=100.0, m0110_1445=100.0)
    hourly = Demand(name="demand", price_per_kw_month=10.0, interval_minutes=60)

    line = paid([tariff(hourly)], draw, timezone="Asia/Kolkata").line

    assert line.quantity == 250.0  # 100 + 25 + 25 + 100 kWh in an hour
    assert line.peak_at == datetime(2026, 1, 10, 8, 30, tzinfo=UTC)


def test_an_interval_lies_in_the_windows_as_a_whole() -> None:
    draw = spikes(25.0, m0112_1645=1_000.0, m0112_1700=100.0)
    hourly = Demand(
        name="demand",
        price_per_kw_month=10.0,
        interval_minutes=60,
        windows=(Window(start="17:00", end="20:00"),),
    )

    assert paid([tariff(hourly)], draw).line.quantity == 175.0  # 100 + 3 × 25, not the 1,000 before


def test_the_mean_of_three_peaks_takes_each_day_once() -> None:
    draw = spikes(10.0, m0105_0900=100.0, m0105_0915=90.0, m0106_0900=60.0, m0120_0900=50.0)
    three = Demand(name="demand", price_per_kw_month=10.0, peaks=3)

    line = paid([tariff(three)], draw).line

    assert line.quantity == pytest.approx(280.0)  # (400 + 240 + 200) / 3, the 360 of 5 January not
    assert [peak.kw for peak in line.peaks] == [400.0, 240.0, 200.0]


@pytest.mark.parametrize(
    ("kwh", "band", "price"),
    [(1.0, "below 5 kW", 100.0), (1.25, "5 to below 10 kW", 200.0), (9.0, "from 10 kW", 400.0)],
)
def test_a_limit_belongs_to_the_step_above_it(kwh: float, band: str, price: float) -> None:
    steps = DemandSteps(
        name="capacity",
        steps=tuple(
            Step(up_to_kw=kw, price_per_month=price)
            for kw, price in ((5.0, 100.0), (10.0, 200.0), (None, 400.0))
        ),
    )

    line = paid([tariff(steps)], kwh).line  # 4, 5 and 36 kW

    assert (line.band, line.amount) == (band, price)


def test_no_less_than_the_minimum_demand_is_billed() -> None:
    line = paid([tariff(Demand(name="d", price_per_kw_month=10.0, minimum_kw=50.0))], 10.0).line

    assert (line.peak_kw, line.quantity, line.amount) == (40.0, 50.0, 500.0)


# --- ratchets


def ratcheted(**terms: Any) -> Demand:
    return Demand(
        name="demand",
        price_per_kw_month=10.0,
        ratchet=Ratchet(**{"percent": 80.0, "months": 11, **terms}),
    )


def test_a_ratchet_of_chosen_months_looks_at_no_others() -> None:
    # July 1 000 kW, January 2 000 kW, February 500 kW: max(500, 0.8 × 1 000) = 800 kW.
    draw = spikes(75.0, m0715_1500=250.0, m0115_1500=500.0, m0215_1500=125.0)
    terms = tariff(ratcheted(peak_months=(5, 6, 7, 8, 9, 10)), valid_from=date(2025, 3, 1))

    line = paid([terms], draw, FEBRUARY, MARCH).line

    assert (line.quantity, line.amount) == (800.0, 8_000.0)
    assert (line.floor_kw, line.floor_month) == (800.0, date(2025, 7, 1))


def test_a_ratchet_on_billed_demand_compounds() -> None:
    # December 400 kW measured; January is billed 0.8 × 400 = 320, February 0.8 × 320 = 256 kW.
    draw = spikes(10.0, m1215_1200=100.0)
    terms = {
        basis: tariff(ratcheted(months=1, basis=basis), valid_from=date(2025, 12, 1))
        for basis in Basis
    }

    billed = paid([terms[Basis.BILLED]], draw, FEBRUARY, MARCH).line
    measured = paid([terms[Basis.MEASURED]], draw, FEBRUARY, MARCH).line

    assert (billed.quantity, measured.quantity) == (256.0, 40.0)


@settings(max_examples=15)
@given(percent=st.integers(1, 100), more=st.integers(0, 50), peak=st.integers(1, 500))
def test_more_of_a_ratchet_never_bills_less(percent: int, more: int, peak: int) -> None:
    draw = spikes(10.0, m1215_1200=peak)
    lines = [
        paid(
            [tariff(ratcheted(percent=min(each, 100.0)), valid_from=date(2025, 12, 1))], draw
        ).line.quantity
        for each in (percent, percent + more)
    ]

    assert 40.0 <= (lines[0] or 0) <= (lines[1] or 0) <= max(peak * 4, 40.0)


# --- the grid's own peaks

PEAKS = tuple(datetime(2025, month, 12, 22, tzinfo=UTC) for month in (6, 7, 8, 9))


def four(**fields: Any) -> CoincidentDemand:
    plain: dict[str, Any] = {"name": "4CP", "price_per_kw_month": 5.0, "months": (6, 7, 8, 9)}
    return CoincidentDemand(**{**plain, "instants": PEAKS, **fields})


CURTAILED = spikes(100.0, m0812_2200=0.0, m0912_2200=0.0)
"""400 kW but for the peaks of August and September."""


def test_four_coincident_peaks_are_billed_in_the_year_after() -> None:
    line = paid([tariff(four())], CURTAILED).line

    assert (line.quantity, line.amount) == (200.0, 1_000.0)  # (400 + 400 + 0 + 0) / 4


def test_the_load_of_the_zone_says_which_instants_are_peaks() -> None:
    starts = pl.datetime_range(
        datetime(2025, 6, 1, tzinfo=UTC),
        datetime(2025, 10, 1, tzinfo=UTC),
        "1h",
        closed="left",
        time_unit="us",
        eager=True,
    )
    load = pl.DataFrame(
        {
            "start_utc": starts,
            "interval_s": [3600] * len(starts),
            "load_mw": [90e3 if at in PEAKS else 50e3 for at in starts],
        },
        schema=NO_LOAD.schema,
    )

    line = paid([tariff(four(instants=()))], CURTAILED, load=load).line
    gap = paid([tariff(four(instants=()))], CURTAILED, load=load[1:])

    assert line.quantity == 200.0
    assert gap.line.amount is None  # an hour of June is missing: its peak may have been then
    assert [each.lack for each in gap.bill.missing] == [Lack.PEAKS]


def hourly_load(high: dict[datetime, float]) -> pl.DataFrame:
    """50 GW from June until October, but for some hours."""
    starts = pl.datetime_range(
        datetime(2025, 6, 1, tzinfo=UTC),
        datetime(2025, 10, 1, tzinfo=UTC),
        "1h",
        closed="left",
        time_unit="us",
        eager=True,
    )
    values = [high.get(at, 50e3) for at in starts]
    rows = {"start_utc": starts, "interval_s": [3600] * len(starts), "load_mw": values}
    return pl.DataFrame(rows, schema=NO_LOAD.schema)


def summer(month: int, day: int, hour: int) -> datetime:
    return datetime(2025, month, day, hour, tzinfo=UTC)


HOT: dict[datetime, float] = {
    summer(6, 24, 22): 160e3,
    summer(6, 24, 21): 159e3,  # of the same day: not one more
    summer(6, 23, 22): 158e3,
    summer(7, 15, 21): 150e3,
    summer(7, 29, 21): 149e3,
    summer(8, 17, 20): 140e3,
    summer(9, 2, 20): 120e3,
}


def at_hours(*hours: tuple[datetime, float]) -> Any:
    """25 kWh a quarter-hour, and others within some hours."""
    known = {at.replace(tzinfo=None): kwh for at, kwh in hours}
    return lambda at: known.get(at.replace(minute=0), 25.0)


def test_the_five_highest_hours_of_a_season_are_of_five_days() -> None:
    """5CP: 160, 158, 150, 149, 140 GW. 0 kW on 23 and 24 June, else 100 kW: 300 / 5 = 60 kW."""
    five = four(instants=(), count=5, interval_minutes=60)
    draw = at_hours((summer(6, 24, 22), 0.0), (summer(6, 23, 22), 0.0), (summer(6, 24, 21), 900.0))

    line = paid([tariff(five)], draw, load=hourly_load(HOT)).line
    gap = paid([tariff(five)], draw, load=hourly_load(HOT)[:-1]).line

    assert line.quantity == pytest.approx(60.0)
    assert [each.at for each in line.peaks] == sorted(
        [
            summer(6, 23, 22),
            summer(6, 24, 22),
            summer(7, 15, 21),
            summer(7, 29, 21),
            summer(8, 17, 20),
        ]
    )
    assert gap.amount is None  # an hour of September is missing


def test_each_month_may_have_several_peaks() -> None:
    """Two of June and two of July, 0 kW at one of them: (0 + 100 + 100 + 100) / 4 = 75 kW."""
    two = four(instants=(), months=(6, 7), per_month=2, interval_minutes=60)
    draw = at_hours((summer(7, 29, 21), 0.0))

    line = paid([tariff(two)], draw, load=hourly_load(HOT)).line

    assert line.quantity == pytest.approx(75.0)
    assert len(line.peaks) == 4


def test_published_peaks_are_as_many_as_were_named() -> None:
    eight = (*PEAKS, *(each + timedelta(days=1) for each in PEAKS))

    whole = paid([tariff(four(instants=eight, per_month=2))], CURTAILED).line
    part = paid([tariff(four(instants=eight[:7], per_month=2))], CURTAILED).line

    assert whole.quantity == pytest.approx(300.0)  # (6 × 400 + 2 × 0) / 8
    assert part.amount is None


def test_peaks_that_are_not_all_published_bill_nothing_that_is_known() -> None:
    bill = paid([tariff(four(instants=PEAKS[:3]))], CURTAILED).bill

    assert (bill.lines[0].amount, bill.complete) == (None, False)


def test_a_peak_of_the_same_month_is_billed_in_it() -> None:
    own = four(months=(1,), instants=(datetime(2026, 1, 20, 18, tzinfo=UTC),), same_month=True)

    assert paid([tariff(own)], spikes(10.0, m0120_1800=30.0)).line.quantity == 120.0


# --- what is given back


def test_what_is_given_back_is_paid_and_not_taken_off() -> None:
    # 10 kWh drawn, 4 kWh given back: 10 × 0.30 − 4 × 0.08 = 2.68.
    draw = spikes(0.0, m0102_1200=10.0, m0102_1215=-4.0)
    bill = paid([tariff(FLAT, Export(name="feed-in", price_per_kwh=0.08))], draw).bill

    assert (bill.energy_kwh, bill.export_kwh) == (10.0, 4.0)
    assert [line.amount for line in bill.lines] == pytest.approx([3.0, -0.32])


def test_a_meter_of_what_is_given_back_counts_the_same() -> None:
    own = paid(
        [tariff(FLAT, Export(name="feed-in", price_per_kwh=0.08))],
        spikes(0.0, m0102_1200=10.0),
        given_back=spikes(0.0, m0102_1215=4.0),
    )

    assert own.bill.totals["EUR"] == pytest.approx(2.68)


def test_the_zone_may_set_the_price_of_what_is_given_back() -> None:
    hour = datetime(2026, 1, 2, 12, tzinfo=UTC)
    credit = Export(name="feed-in", multiplier=0.9, adder_per_mwh=-1.0)
    draw = spikes(0.0, m0102_1215=-4.0)

    bill = paid([tariff(credit)], draw, grid=prices({hour: 50.0})).bill
    unknown = paid([tariff(credit)], draw).bill

    assert bill.totals["EUR"] == pytest.approx(-0.176)  # 4 kWh × (0.9 × 50 − 1) / 1000
    assert [(each.lack, each.kwh) for each in unknown.missing] == [(Lack.PRICE, 4.0)]


@pytest.mark.parametrize(
    ("netting", "amount"),
    [
        (Netting.NONE, 2.68),  # 10 × 0.30 − 4 × 0.08
        (Netting.QUARTER, 2.68),
        (Netting.HOUR, 1.80),  # 6 × 0.30
        (Netting.DAY, 1.80),
        (Netting.MONTH, 1.80),
    ],
)
def test_netting_takes_off_within_its_time(netting: Netting, amount: float) -> None:
    draw = spikes(0.0, m0102_1200=10.0, m0102_1215=-4.0)
    terms = tariff(FLAT, Export(name="feed-in", price_per_kwh=0.08), netting=netting)

    assert paid([terms], draw).bill.totals["EUR"] == pytest.approx(amount)


def test_netting_by_the_month_stays_within_a_band() -> None:
    # Given back by day: nothing is taken off the night's energy, and 4 − 2 kWh are left over.
    bands = (
        Band(name="day", price_per_kwh=0.4, windows=(Window(start="06:00", end="22:00"),)),
        Band(name="night", price_per_kwh=0.1, rest=True),
    )
    terms = tariff(
        TimeOfUse(name="energy", bands=bands),
        Export(name="feed-in", price_per_kwh=0.05),
        netting=Netting.MONTH,
    )
    draw = spikes(0.0, m0102_0200=10.0, m0102_1000=2.0, m0102_1200=-4.0)

    assert [line.quantity for line in paid([terms], draw).bill.lines] == [0.0, 10.0, 2.0]


# --- least amounts


def test_a_minimum_adds_what_is_missing_and_is_taxed() -> None:
    parts = (
        FLAT,
        Minimum(name="minimum", amount=50.0, of=("energy",)),
        Percentage(name="tax", percent=10.0, of=("energy", "minimum")),
    )

    low = paid([tariff(*parts)], spikes(0.0, m0102_1200=10.0)).bill
    high = paid([tariff(*parts)], spikes(0.0, m0102_1200=1_000.0)).bill

    assert [line.amount for line in low.lines] == pytest.approx([3.0, 47.0, 5.0])
    assert [line.amount for line in high.lines] == pytest.approx([300.0, 0.0, 30.0])


# --- billing months


@given(day=st.dates(date(2000, 1, 1), date(2100, 1, 1)), billing_day=st.integers(1, 31))
def test_billing_months_follow_each_other_without_gap(day: date, billing_day: int) -> None:
    spans = list(timeline([], day, day + timedelta(days=400), billing_day))
    months = cycle.months(spans)

    assert (months[0][0], months[-1][1]) == (day, day + timedelta(days=400))
    assert all(one[1] == other[0] for one, other in pairwise(months))
    assert all(28 <= (end - first).days <= 31 for first, end in months[1:-1])
    assert cycle.begin(day, billing_day) <= day < cycle.following(day, billing_day)


def test_a_bill_from_the_18th_has_its_own_peak() -> None:
    draw = spikes(25.0, m0105_1200=250.0, m0120_1200=125.0, m0220_1200=200.0)
    terms = tariff(DEMAND, FLAT, billing_day=18)

    bill = paid([terms], draw, date(2026, 1, 18), date(2026, 2, 18)).bill

    assert (bill.month.name, bill.lines[0].quantity) == ("2026-01-18 to 2026-02-17", 500.0)
    assert bill.lines[0].share == 1.0


def test_bills_of_a_year_hold_its_energy_once_whatever_their_day() -> None:
    draw = spikes(10.0, m0105_1200=250.0)
    ways = {
        day: paid([tariff(FLAT, billing_day=day)], draw, date(2026, 1, day), date(2026, 4, day))
        for day in (1, 18)
    }

    for day, own in ways.items():
        kwh = own.energy["energy_kwh"].sum()
        assert sum(bill.energy_kwh or 0 for bill in own.bills) == pytest.approx(kwh), day


def test_where_the_billing_day_changes_a_bill_ends_early_and_is_shared_by_days() -> None:
    fixed = Fixed(name="meter", price=310.0)
    older = tariff(fixed, id="a")
    newer = tariff(fixed, id="b", valid_from=date(2026, 1, 10), billing_day=18)

    bills = paid([older, newer], 10.0, JANUARY, date(2026, 2, 18)).bills

    assert [bill.month.name for bill in bills] == [
        "2026-01-01 to 2026-01-09",
        "2026-01-10 to 2026-01-17",
        "2026-01-18 to 2026-02-17",
    ]
    shares = [9 / 31, 8 / 31, 1.0]  # of January; of 18 December to 17 January
    assert [bill.lines[0].amount for bill in bills] == pytest.approx([310 * one for one in shares])


def test_civil_months_share_what_is_due_by_billing_months() -> None:
    own = paid(
        [tariff(Fixed(name="meter", price=310.0), billing_day=18)],
        10.0,
        date(2026, 1, 18),
        date(2026, 2, 18),
    )
    rows, _ = own.totals(Grain.MONTH)

    assert rows["cost"].to_list() == pytest.approx([140.0, 170.0])  # 14 and 17 of 31 days


# --- lines add up, and splitting a tariff changes no energy


@settings(max_examples=15)
@given(cut=st.integers(2, 30), kwh=st.floats(0.1, 100))
def test_a_tariff_that_goes_on_under_another_id_costs_the_same(cut: int, kwh: float) -> None:
    parts = (FLAT, Fixed(name="meter", price=30.0), Fixed(name="line", price=1.0, per=Per.DAY))
    one = paid([tariff(*parts)], kwh)
    two = paid([tariff(*parts), tariff(*parts, id="u", valid_from=date(2026, 1, cut))], kwh)

    assert two.bill.totals["EUR"] == pytest.approx(one.bill.totals["EUR"])
    assert sum(line.amount or 0 for line in two.bill.lines) == pytest.approx(two.bill.totals["EUR"])


# --- days off


def test_a_day_of_the_calendar_can_be_removed_by_date_by_year_and_by_easter() -> None:
    listed = [date(2026, 1, 6), date(2026, 4, 3), date(2026, 12, 8), date(2026, 12, 25)]
    terms = tariff(
        FLAT,
        holidays=(date(2026, 5, 1),),
        holidays_removed=("2026-01-06", "12-08", "easter-2"),
    )

    assert days_off(terms, listed) == {date(2026, 5, 1), date(2026, 12, 25)}

"""A bill has a line for every price; quantity × price × share is its amount."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from tests.core.billing.examples import HOUR, Draw, Paid, paid, prices, tariff

from wattbook.core.billing import billed_demand
from wattbook.core.registry.tariffs import (
    Band,
    Block,
    Component,
    Demand,
    Fixed,
    Flat,
    Indexed,
    Per,
    Percentage,
    Ratchet,
    Tiered,
    TimeOfUse,
)
from wattbook.core.registry.windows import DayKind, Window

T = datetime(2026, 1, 1, tzinfo=UTC)
JANUARY, FEBRUARY, MARCH, APRIL = (date(2026, month, 1) for month in (1, 2, 3, 4))
JANUARY_16 = date(2026, 1, 16)
FLAT = Flat(name="energy", price_per_kwh=0.10)
WEEKDAY = (DayKind.WEEKDAY,)
BY_TIME = TimeOfUse(
    name="energy",
    bands=(
        Band(
            name="peak",
            price_per_kwh=0.20,
            windows=(Window(days=WEEKDAY, start="07:00", end="20:00"),),
        ),
        Band(
            name="off-peak",
            price_per_kwh=0.10,
            windows=(
                Window(days=WEEKDAY, start="20:00", end="07:00"),
                Window(days=(DayKind.WEEKEND, DayKind.HOLIDAY)),
            ),
        ),
    ),
)
TIERED = Tiered(
    name="energy",
    blocks=(
        Block(up_to_kwh=30_000.0, price_per_kwh=0.05),
        Block(up_to_kwh=60_000.0, price_per_kwh=0.10),
        Block(up_to_kwh=None, price_per_kwh=0.20),
    ),
)
DEMAND = Demand(name="demand", price_per_kw_month=10.0)


def clock(day: int, hour: int = 0, minute: int = 0) -> datetime:
    """A time of January 2026 on the local clock."""
    return datetime(2026, 1, day, hour, minute)  # noqa: DTZ001 -- wherever the site stands


def pay(*components: Component, draw: Draw | float = 25.0, **options) -> Paid:
    """January 2026 under one tariff; 25 kWh a quarter are 100 kW and 74,400 kWh."""
    fields = {name: options.pop(name) for name in ("holidays", "currency") if name in options}
    return paid([tariff(*components, **fields)], draw, **options)


# --- one component at a time -------------------------------------------------------------------


def test_a_flat_price_is_for_every_kilowatt_hour() -> None:
    line = pay(FLAT).line

    assert (line.quantity, line.unit, line.price) == (74_400.0, "kWh", 0.10)
    assert line.amount == 7_440.0  # 74,400 kWh × 0.10
    assert (line.currency, line.share, line.tariff_id) == ("EUR", 1.0, "t")


def test_the_bands_of_a_day_have_a_line_each() -> None:
    bill = pay(BY_TIME).bill

    # January 2026 has 22 weekdays of 13 hours of peak: 286 h; of 744 h, 458 h are off-peak.
    assert [(line.band, line.quantity, line.amount) for line in bill.lines] == [
        ("peak", 28_600.0, 5_720.0),  # 286 h × 100 kW × 0.20
        ("off-peak", 45_800.0, 4_580.0),  # 458 h × 100 kW × 0.10
    ]
    assert bill.totals == {"EUR": 10_300.0}


def test_a_holiday_is_charged_as_one() -> None:
    paid_ = pay(BY_TIME, holidays=(date(2026, 1, 1), date(2026, 1, 3)))

    # Thursday 1 January is no weekday now: 13 h less of peak. Saturday 3 January was none before.
    assert [line.quantity for line in paid_.bill.lines] == [27_300.0, 47_100.0]
    assert paid_.bill.holidays == (date(2026, 1, 1), date(2026, 1, 3))


def test_a_band_that_the_month_cannot_have_has_no_line() -> None:
    winter = tuple(
        replace(band, windows=tuple(replace(each, months=(1, 2, 12)) for each in band.windows))
        for band in BY_TIME.bands
    )
    other = Band(name="summer", price_per_kwh=0.3, windows=(Window(months=tuple(range(3, 12))),))

    assert [line.band for line in pay(replace(BY_TIME, bands=(*winter, other))).bill.lines] == [
        "peak",
        "off-peak",
    ]


def test_blocks_are_filled_one_after_the_other() -> None:
    bill = pay(TIERED).bill

    assert [(line.band, line.quantity, line.amount) for line in bill.lines] == [
        ("to 30,000 kWh", 30_000.0, 1_500.0),  # × 0.05
        ("to 60,000 kWh", 30_000.0, 3_000.0),  # × 0.10
        ("above 60,000 kWh", 14_400.0, 2_880.0),  # × 0.20
    ]
    assert bill.totals == {"EUR": 7_380.0}


def test_a_limit_that_is_hit_exactly_leaves_the_next_block_empty() -> None:
    # 25 kWh × 1,200 quarters = 30,000 kWh, in the first 12.5 days.
    until = clock(13, 12)
    bill = pay(TIERED, draw=lambda at: 25.0 if at < until else 0.0).bill

    assert [line.quantity for line in bill.lines] == [30_000.0, 0.0, 0.0]
    assert [line.amount for line in bill.lines] == [1_500.0, 0.0, 0.0]
    assert bill.complete


def test_a_quarter_hour_over_a_limit_is_cut_there() -> None:
    blocks = (
        Block(up_to_kwh=10.0, price_per_kwh=1.0),
        Block(up_to_kwh=15.0, price_per_kwh=2.0),
        Block(up_to_kwh=None, price_per_kwh=4.0),
    )
    first = clock(1)
    bill = pay(
        Tiered(name="energy", blocks=blocks), draw=lambda at: 25.0 if at == first else 0.0
    ).bill

    assert [line.quantity for line in bill.lines] == [10.0, 5.0, 10.0]
    assert bill.totals == {"EUR": 60.0}  # 10 × 1 + 5 × 2 + 10 × 4


def test_an_indexed_price_is_the_zone_s_times_a_multiplier_plus_an_adder() -> None:
    index = Indexed(name="market", multiplier=1.5, adder_per_mwh=5.0)
    grid = prices({T + hour * HOUR: 50.0 for hour in range(744)})

    line = pay(index, grid=grid).line

    # 74.4 MWh × (50 × 1.5 + 5) = 74.4 × 80
    assert line.amount == pytest.approx(5_952.0, rel=1e-12)
    assert line.price == pytest.approx(0.08)  # the mean, per kWh
    assert (line.quantity, line.unpriced_kwh) == (74_400.0, 0.0)


def test_an_hour_without_price_is_unknown_and_not_free() -> None:
    grid = prices({T + hour * HOUR: 50.0 for hour in range(743)})

    bill = pay(Indexed(name="market"), grid=grid).bill

    (line,) = bill.lines
    assert (line.quantity, line.unpriced_kwh) == (74_300.0, 100.0)
    assert line.amount == pytest.approx(3_715.0)  # 74.3 MWh × 50
    assert not bill.complete


def test_without_any_price_the_amount_is_unknown() -> None:
    bill = pay(Indexed(name="market")).bill

    assert (bill.lines[0].amount, bill.lines[0].unpriced_kwh) == (None, 74_400.0)
    assert bill.totals == {"EUR": None}
    assert not bill.complete


def test_a_price_in_another_currency_than_the_tariff_s_is_no_price() -> None:
    grid = prices({T + hour * HOUR: 50.0 for hour in range(744)}, currency="USD")

    assert pay(Indexed(name="market"), grid=grid).line.amount is None


def test_a_negative_price_earns_money() -> None:
    grid = prices({T + hour * HOUR: -20.0 for hour in range(744)})

    assert pay(Indexed(name="market"), grid=grid).line.amount == pytest.approx(-1_488.0)
    assert pay(replace(FLAT, price_per_kwh=-0.01)).line.amount == -744.0


def test_demand_is_the_highest_quarter_hour_of_the_month() -> None:
    peak = clock(14, 18, 30)
    line = pay(DEMAND, draw=lambda at: 30.0 if at == peak else 25.0).line

    # 30 kWh in a quarter of an hour are 120 kW
    assert (line.quantity, line.unit, line.amount) == (120.0, "kW", 1_200.0)
    assert (line.peak_kw, line.peak_at) == (120.0, peak.replace(tzinfo=UTC))


def test_demand_may_count_in_a_window_only() -> None:
    night = clock(14, 3)
    saturday = clock(17, 12)
    windows = BY_TIME.bands[0].windows

    def draw(at: datetime) -> float:
        return 50.0 if at in (night, saturday) else 30.0 if at.day == 20 else 25.0

    line = pay(replace(DEMAND, windows=windows), draw=draw).line

    assert line.quantity == 120.0  # on Tuesday 20 January from 07:00, not at night or on Saturday
    assert line.peak_at == datetime(2026, 1, 20, 7, tzinfo=UTC)


def test_where_no_window_opens_in_the_month_the_demand_is_zero() -> None:
    summer = replace(DEMAND, windows=(Window(months=(6, 7, 8)),))
    holidays = replace(DEMAND, windows=(Window(days=(DayKind.HOLIDAY,)),))

    assert [(line.quantity, line.amount) for line in pay(summer).bill.lines] == [(0.0, 0.0)]
    assert pay(holidays).line.amount == 0.0
    assert pay(holidays, holidays=(date(2026, 1, 5),)).line.quantity == 100.0


@pytest.mark.parametrize(
    ("fixed", "quantity", "unit", "amount"),
    [
        (Fixed(name="standing", price=100.0), 1.0, "month", 100.0),
        (Fixed(name="standing", price=2.0, per=Per.DAY), 31.0, "day", 62.0),
    ],
)
def test_a_fixed_price_is_due_by_the_month_or_the_day(
    fixed: Fixed, quantity: float, unit: str, amount: float
) -> None:
    line = pay(fixed, draw=0.0).line

    assert (line.quantity, line.unit, line.amount) == (quantity, unit, amount)


def test_a_percentage_is_of_the_components_it_names() -> None:
    components = (
        FLAT,
        Fixed(name="standing", price=60.0),
        Percentage(name="duty", percent=5.0, of=("energy",)),
        Percentage(name="VAT", percent=20.0, of=("energy", "standing", "duty")),
    )

    bill = pay(*components).bill

    duty, vat = bill.lines[2:]
    assert (duty.quantity, duty.unit, duty.price) == (7_440.0, "EUR", 0.05)
    assert duty.amount == 372.0  # 5 % of 7,440
    assert vat.amount == pytest.approx(1_574.40)  # 20 % of 7,440 + 60 + 372
    assert bill.totals == {"EUR": pytest.approx(9_446.40)}  # 7,872 × 1.2


def test_a_percentage_of_what_is_unknown_is_unknown() -> None:
    bill = pay(Indexed(name="market"), Percentage(name="VAT", percent=20.0, of=("market",))).bill

    assert [line.amount for line in bill.lines] == [None, None]


# --- a ratchet ---------------------------------------------------------------------------------


def ratcheted(percent: float, months: int, **fields) -> Component:
    return replace(DEMAND, ratchet=Ratchet(percent=percent, months=months), **fields)


def highest(**peaks: float) -> Draw:
    """So many kW all through a month, as `m2512=100.0`."""
    return lambda at: peaks[f"m{at:%y%m}"] / 4


def test_a_ratchet_bills_a_share_of_the_months_before_across_the_year() -> None:
    months = [(2025, 11), (2025, 12), (2026, 1), (2026, 2)]
    draw = highest(m2511=200.0, m2512=150.0, m2601=100.0, m2602=100.0)
    terms = tariff(ratcheted(80.0, 2), valid_from=date(2025, 11, 1))

    made = paid([terms], draw, date(2025, 11, 1), MARCH)

    assert [(bill.month.first.year, bill.month.first.month) for bill in made.bills] == months
    assert made.lines("peak_kw", "floor_kw", "floor_month", "quantity") == [
        (200.0, None, None, 200.0),
        (150.0, 160.0, date(2025, 11, 1), 160.0),  # 80 % of 200
        (100.0, 160.0, date(2025, 11, 1), 160.0),  # still 80 % of 200, two months before
        (100.0, 120.0, date(2025, 12, 1), 120.0),  # 80 % of the 150 that were measured
    ]


def test_what_came_before_counts_though_only_one_month_is_asked_for() -> None:
    draw = highest(m2512=150.0, m2601=100.0, m2602=100.0)
    terms = tariff(ratcheted(80.0, 2), valid_from=date(2025, 11, 1))

    (bill,) = paid([terms], draw, FEBRUARY, MARCH).bills

    assert bill.lines[0].quantity == 120.0


@pytest.mark.parametrize(
    ("begins", "reached"),
    [
        (date(2020, 5, 17), date(2025, 2, 1)),  # eleven months before January 2026
        (date(2025, 9, 17), date(2025, 9, 17)),
        (date(2026, 1, 17), JANUARY),
    ],
)
def test_a_ratchet_looks_back_to_its_months_or_the_first_tariff(
    begins: date, reached: date
) -> None:
    terms = [tariff(ratcheted(80.0, 11), valid_from=begins)]

    assert billed_demand.reach(terms, JANUARY, FEBRUARY) == reached


def test_of_two_months_with_the_same_demand_the_later_sets_the_floor() -> None:
    terms = tariff(ratcheted(80.0, 2), valid_from=date(2025, 11, 1))

    line = paid([terms], highest(m2511=200.0, m2512=200.0, m2601=100.0)).line

    assert (line.floor_kw, line.floor_month) == (160.0, date(2025, 12, 1))


def test_a_ratchet_goes_on_under_the_next_tariff_with_a_component_of_that_name() -> None:
    draw = highest(m2512=200.0, m2601=100.0)
    older = tariff(DEMAND, id="older", valid_from=date(2025, 12, 1))
    other = tariff(replace(DEMAND, name="grid"), id="older", valid_from=date(2025, 12, 1))
    newer = tariff(ratcheted(90.0, 1))

    assert paid([older, newer], draw).line.quantity == 180.0  # 90 % of 200
    assert paid([other, newer], draw).line.quantity == 100.0


def test_before_the_first_tariff_no_demand_counts() -> None:
    draw = highest(m2512=200.0, m2601=100.0)

    line = paid([tariff(ratcheted(90.0, 11))], draw).line

    assert (line.quantity, line.floor_kw, line.floor_coverage) == (100.0, None, None)


def test_a_ratchet_holds_where_the_window_does_not_open() -> None:
    draw = highest(m2512=200.0, m2601=150.0)
    december = ratcheted(50.0, 3, windows=(Window(months=(12,)),))

    line = paid([tariff(december, valid_from=date(2025, 12, 1))], draw).line

    assert (line.peak_kw, line.floor_kw, line.quantity) == (0.0, 100.0, 100.0)


def test_a_gap_in_the_months_before_shows_in_what_the_ratchet_knows() -> None:
    def draw(at: datetime) -> float | None:
        return None if (at.month, at.day) == (12, 31) else 25.0

    terms = tariff(ratcheted(80.0, 1), valid_from=date(2025, 12, 1))

    made = paid([terms], draw, JANUARY, MARCH)

    january, february = made.bills
    assert january.lines[0].floor_coverage == pytest.approx(30 / 31)
    assert not january.complete
    assert february.lines[0].floor_coverage == 1.0
    assert february.complete


def test_a_change_within_a_month_before_lets_its_higher_demand_count() -> None:
    draw = highest(m2512=200.0, m2601=100.0)
    older = tariff(DEMAND, id="older", valid_from=date(2025, 12, 1))
    newer = tariff(ratcheted(90.0, 1), valid_from=date(2025, 12, 16))

    line = paid([older, newer], draw).line

    assert (line.floor_kw, line.quantity) == (180.0, 180.0)


def test_a_month_that_is_changed_within_is_no_month_before_itself() -> None:
    terms = [
        tariff(ratcheted(80.0, 11)),
        tariff(ratcheted(80.0, 11), id="u", valid_from=JANUARY_16),
    ]

    made = paid(terms, lambda at: 50.0 if at.day < 16 else 25.0)

    assert made.lines("peak_kw", "floor_kw", "quantity") == [
        (200.0, None, 200.0),
        (100.0, None, 100.0),
    ]


# --- what is not known -------------------------------------------------------------------------


def test_a_bill_over_a_gap_is_of_what_is_known_and_says_so() -> None:
    bill = pay(FLAT, DEMAND, draw=lambda at: None if at.day > 28 else 25.0).bill

    assert bill.energy_kwh == 67_200.0  # 28 of 31 days
    assert bill.month.coverage == pytest.approx(28 / 31)
    assert [line.amount for line in bill.lines] == [6_720.0, 1_000.0]
    assert not bill.complete


def test_a_silent_month_is_unknown_but_for_what_is_due_in_any_case() -> None:
    paid_ = pay(
        FLAT,
        replace(BY_TIME, name="by time"),
        replace(TIERED, name="by amount"),
        Indexed(name="market"),
        DEMAND,
        Fixed(name="standing", price=60.0),
        Percentage(name="VAT", percent=20.0, of=("energy", "standing")),
        draw=lambda at: None,
    )

    assert paid_.amounts == {
        "energy": None,
        "by time, peak": None,
        "by time, off-peak": None,
        "by amount, to 30,000 kWh": None,
        "by amount, to 60,000 kWh": None,
        "by amount, above 60,000 kWh": None,
        "market": None,
        "demand": None,
        "standing": 60.0,
        "VAT": 12.0,
    }
    assert (paid_.bill.energy_kwh, paid_.bill.month.coverage) == (None, 0.0)
    assert not paid_.bill.complete


def test_a_bill_without_gap_is_complete() -> None:
    assert pay(FLAT, DEMAND).bill.complete


def test_a_demand_whose_window_is_silent_is_unknown() -> None:
    evening = replace(DEMAND, windows=(Window(start="18:00", end="20:00"),))

    line = pay(evening, draw=lambda at: None if at.hour in (18, 19) else 25.0).line

    assert (line.quantity, line.amount) == (None, None)


# --- another tariff within the month -----------------------------------------------------------


def test_a_change_within_the_month_shares_the_month_by_days() -> None:
    """31 days: 15 under the older tariff, 16 under the newer."""
    change = JANUARY_16
    components = (FLAT, DEMAND, Fixed(name="standing", price=310.0))
    newer = (
        replace(FLAT, price_per_kwh=0.20),
        replace(DEMAND, price_per_kw_month=20.0),
        Fixed(name="standing", price=620.0),
    )
    made = paid(
        [tariff(*components, id="older"), tariff(*newer, id="newer", valid_from=change)],
        lambda at: 25.0 if at.day < 16 else 50.0,
    )

    assert made.lines("tariff_id", "component", "first", "end", "quantity", "amount") == [
        ("older", "energy", JANUARY, change, 36_000.0, 3_600.0),  # 360 h × 100 kW × 0.10
        ("older", "demand", JANUARY, change, 100.0, pytest.approx(1_000 * 15 / 31)),
        ("older", "standing", JANUARY, change, 1.0, pytest.approx(150.0)),  # 310 × 15 / 31
        ("newer", "energy", change, FEBRUARY, 76_800.0, 15_360.0),  # 384 h × 200 kW × 0.20
        ("newer", "demand", change, FEBRUARY, 200.0, pytest.approx(4_000 * 16 / 31)),
        ("newer", "standing", change, FEBRUARY, 1.0, pytest.approx(320.0)),  # 620 × 16 / 31
    ]
    assert made.bill.complete


def test_blocks_shrink_with_the_days_and_begin_anew_with_the_tariff() -> None:
    change = JANUARY_16
    blocks = (
        Block(up_to_kwh=31_000.0, price_per_kwh=0.10),
        Block(up_to_kwh=None, price_per_kwh=0.20),
    )
    steps = Tiered(name="energy", blocks=blocks)
    made = paid([tariff(steps, id="older"), tariff(steps, id="newer", valid_from=change)], 25.0)

    # Limits of 31,000 × 15 / 31 and × 16 / 31; 2,400 kWh a day for 15 and 16 days.
    assert made.lines("tariff_id", "quantity") == [
        ("older", pytest.approx(15_000.0)),
        ("older", pytest.approx(21_000.0)),
        ("newer", pytest.approx(16_000.0)),
        ("newer", pytest.approx(22_400.0)),
    ]


def test_a_price_by_the_day_is_due_for_the_days_of_its_tariff() -> None:
    change = JANUARY_16
    by_day = Fixed(name="standing", price=1.0, per=Per.DAY)
    made = paid(
        [
            tariff(by_day, id="older"),
            tariff(replace(by_day, price=2.0), id="newer", valid_from=change),
        ],
        25.0,
    )

    assert made.lines("quantity", "share", "amount") == [(15.0, 1.0, 15.0), (16.0, 1.0, 32.0)]


def test_amounts_in_two_currencies_are_two_totals() -> None:
    change = JANUARY_16
    made = paid(
        [
            tariff(FLAT, id="older", currency="HRK"),
            tariff(FLAT, id="newer", valid_from=change),
        ],
        25.0,
    )

    assert made.bill.totals == {"EUR": 3_840.0, "HRK": 3_600.0}


def test_on_days_without_tariff_the_zone_s_price_is_paid() -> None:
    grid = prices({T + hour * HOUR: 50.0 for hour in range(744)}, "USD")
    made = paid(
        [tariff(FLAT, valid_from=date(2026, 1, 11), valid_to=date(2026, 1, 21))], 25.0, grid=grid
    )

    assert made.lines("tariff_id", "component", "kind", "currency", "amount") == [
        (None, "energy", "indexed", "USD", pytest.approx(1_200.0)),  # 24 MWh in 10 days × 50
        ("t", "energy", "flat", "EUR", 2_400.0),
        (None, "energy", "indexed", "USD", pytest.approx(1_320.0)),  # 26.4 MWh in 11 days × 50
    ]


def test_without_tariff_each_hour_is_in_the_currency_of_its_price() -> None:
    euro = {T + hour * HOUR: 50.0 for hour in range(24)}
    dollar = {T + hour * HOUR: 100.0 for hour in range(24, 48)}
    grid = pl.concat([prices(euro), prices(dollar, "USD")])

    made = paid([], 25.0, grid=grid)

    assert made.lines("currency", "quantity", "unpriced_kwh", "amount") == [
        (None, 0.0, 69_600.0, None),
        ("EUR", 2_400.0, 0.0, pytest.approx(120.0)),
        ("USD", 2_400.0, 0.0, pytest.approx(240.0)),
    ]


# --- the civil calendar ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "end", "hours", "night_hours"),
    [
        # The night of 28 to 29 March lacks the hour from 2 to 3, that of 24 to 25 October has two.
        (MARCH, APRIL, 743, 5 * 31 - 1),
        (date(2026, 10, 1), date(2026, 11, 1), 745, 5 * 31 + 1),
    ],
)
def test_days_of_23_and_25_hours_are_charged_by_the_local_clock(
    first: date, end: date, hours: int, night_hours: int
) -> None:
    bands = (
        Band(name="night", price_per_kwh=0.1, windows=(Window(start="00:00", end="05:00"),)),
        Band(name="day", price_per_kwh=0.2, windows=(Window(start="05:00"),)),
    )

    bill = paid(
        [tariff(TimeOfUse(name="energy", bands=bands))], 25.0, first, end, timezone="Europe/Oslo"
    ).bill

    assert bill.energy_kwh == hours * 100.0
    assert [line.quantity for line in bill.lines] == [
        night_hours * 100.0,
        (hours - night_hours) * 100.0,
    ]
    assert bill.complete


@pytest.mark.parametrize(
    "timezone",
    ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Chicago", "Asia/Almaty"],
)
def test_windows_are_local_in_every_time_zone(timezone: str) -> None:
    line = pay(BY_TIME, timezone=timezone).bill.lines[0]

    assert line.quantity == 28_600.0  # 22 weekdays × 13 h × 100 kW, wherever noon is


def test_a_month_ends_at_local_midnight() -> None:
    """In Chicago January lasts until 06:00 UTC of 1 February."""
    last = clock(31, 23, 45)
    line = pay(
        DEMAND, draw=lambda at: 99.0 if at == last else 25.0, timezone="America/Chicago"
    ).line

    assert (line.quantity, line.peak_at) == (396.0, datetime(2026, 2, 1, 5, 45, tzinfo=UTC))


def test_a_bill_of_a_leap_february_is_by_its_29_days() -> None:
    first, end = date(2028, 2, 1), date(2028, 3, 1)
    made = paid(
        [tariff(Fixed(name="standing", price=29.0), valid_to=date(2028, 2, 11))], 25.0, first, end
    )

    assert made.bill.lines[0].amount == pytest.approx(10.0)  # 10 of 29 days
    assert (made.bill.month.end - made.bill.month.start) == timedelta(days=29)

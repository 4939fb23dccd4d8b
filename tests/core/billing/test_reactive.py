"""Reactive energy is billed beyond a share of the active energy; what is not known is missing."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.billing.examples import Paid, paid, tariff

from wattbook.core import frames, periods
from wattbook.core.billing import reactive
from wattbook.core.billing.missing import Lack
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.components import Component, Direction, LowFactor, Reactive
from wattbook.core.registry.tariffs import Fixed, Minimum, Percentage
from wattbook.core.registry.windows import DayKind, Window

JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
GERMAN = Reactive(name="reactive", price_per_kvarh=0.011, free_percent=40.0)
Kvarh = Callable[[datetime], float | None]
"""Reactive energy of the quarter-hour that begins then; below zero: capacitive; null: unknown."""


def pay(
    *components: Component, kvarh: Kvarh | float | None = 15.0, kwh: float = 25.0, **options
) -> Paid:
    """January 2026 in UTC: 25 kWh and 15 kvarh a quarter-hour are 100 kW and 60 kvar."""
    tariffs = options.pop("tariffs", None) or [tariff(*components)]
    starts = periods.buckets(JANUARY, Grain.QUARTER)["start_utc"].to_list()
    given_ = [kvarh(at) if callable(kvarh) else kvarh for at in starts]
    known = [each is not None for each in given_]
    rows = pl.DataFrame(
        {
            "start_utc": starts,
            "inductive_kvarh": [max(each or 0.0, 0.0) for each in given_],
            "capacitive_kvarh": [max(-(each or 0.0), 0.0) for each in given_],
            "reactive_kwh": [kwh * each for each in known],
            "reactive_s": [900.0 * each for each in known],
            "covered_s": [900.0] * len(starts),
        },
        schema=dict(reactive.QUARTERS),
    )
    return paid(tariffs, kwh, reactive=rows, **options)


def test_what_is_beyond_the_free_share_of_the_active_energy_is_billed() -> None:
    paid_ = pay(GERMAN)
    line = paid_.line

    # 744 h: 74,400 kWh and 44,640 kvarh; 40 % of 74,400 = 29,760 are free, 14,880 are billed
    assert (line.quantity, line.unit, line.price) == (14_880.0, "kvarh", 0.011)
    assert line.amount == pytest.approx(163.68)
    assert (line.reactive_kvarh, line.reactive_kwh) == (44_640.0, 74_400.0)
    assert line.power_factor == pytest.approx(0.857493)  # 100 / sqrt(100² + 60²)
    assert paid_.bill.complete
    assert paid_.bill.missing == ()


def test_below_the_free_share_nothing_is_billed() -> None:
    line = pay(GERMAN, kvarh=10.0).line  # 40 % of 25 kWh

    assert (line.quantity, line.amount) == (0.0, 0.0)


def test_the_free_share_of_a_power_factor_of_90_percent_is_its_tangent() -> None:
    ninety = Reactive(name="reactive", price_per_kvarh=1.0, free_percent=48.43221)

    # 25 kWh at cos φ 0.9 come with 25 × tan(arccos 0.9) = 12.10805 kvarh
    assert pay(ninety, kvarh=12.108).line.amount == 0.0
    assert pay(ninety, kvarh=13.108).line.quantity == pytest.approx(2_976 * 1.0, abs=0.5)


def test_capacitive_energy_is_free_where_inductive_is_charged_and_never_taken_off() -> None:
    both = pay(GERMAN, kvarh=lambda at: 30.0 if at.hour < 12 else -30.0).line

    # 1,488 quarters × 30 = 44,640 kvarh drawn; as many are given, and count nothing
    assert both.quantity == 14_880.0


def test_capacitive_energy_is_charged_where_the_tariff_says_so() -> None:
    given_ = Reactive(name="reactive", price_per_kvarh=0.05, direction=Direction.CAPACITIVE)
    line = pay(given_, kvarh=lambda at: -2.0 if at.hour < 6 else 20.0).line

    # 31 days × 24 quarters × 2 kvarh = 1,488 kvarh
    assert line.quantity == 1_488.0
    assert line.amount == pytest.approx(74.4)
    assert line.power_factor == pytest.approx(0.9998, abs=1e-4)  # 74,400 kWh with 1,488 kvarh


@pytest.mark.parametrize(
    ("kvarh", "price"),
    [(18.75, 0.04), (18.7501, 0.06)],  # 25 kWh with 18.75 kvarh have a power factor of 0.8
)
def test_a_low_power_factor_has_a_price_of_its_own(kvarh: float, price: float) -> None:
    low = LowFactor(below=0.8, price_per_kvarh=0.06)
    spanish = Reactive(name="reactive", price_per_kvarh=0.04, free_percent=33.0, low_factor=low)

    line = pay(spanish, kvarh=kvarh).line

    assert line.price == price
    billed = 2_976 * (kvarh - 8.25)
    assert line.quantity == pytest.approx(billed)
    assert line.amount == pytest.approx(billed * price)


def test_within_windows_both_energies_count() -> None:
    working = Window(days=(DayKind.WEEKDAY,), start="06:00", end="22:00")
    french = Reactive(name="reactive", price_per_kvarh=0.02, free_percent=40.0, windows=(working,))

    line = pay(french).line

    # 22 weekdays × 64 quarters = 1,408: 21,120 kvarh, 40 % of 35,200 kWh = 14,080 free
    assert (line.reactive_kvarh, line.reactive_kwh) == (21_120.0, 35_200.0)
    assert line.quantity == 7_040.0


def test_a_month_in_which_no_window_opens_costs_nothing_and_lacks_nothing() -> None:
    summer = Reactive(name="reactive", price_per_kvarh=0.02, windows=(Window(months=(7, 8)),))

    paid_ = pay(summer, kvarh=None)

    assert (paid_.line.quantity, paid_.line.amount) == (0.0, 0.0)
    assert paid_.bill.missing == ()


def test_time_without_reactive_power_is_missing_and_the_rest_is_billed_by_its_own_energy() -> None:
    bill = pay(GERMAN, kvarh=lambda at: 15.0 if at.day <= 24 else None).bill

    (line,) = bill.lines
    # 24 days: 57,600 kWh and 34,560 kvarh; 23,040 are free, 11,520 are billed
    assert (line.quantity, line.reactive_kwh) == (11_520.0, 57_600.0)
    (lack,) = bill.missing
    assert (lack.lack, lack.component) == (Lack.REACTIVE, "reactive")
    assert lack.share == pytest.approx(7 / 31)
    assert lack.detail == "reactive: reactive power is missing for 22.6 % of the time"
    assert not bill.complete


def test_without_any_reactive_power_the_amount_is_unknown_and_not_zero() -> None:
    bill = pay(GERMAN, kvarh=None).bill

    assert (bill.lines[0].quantity, bill.lines[0].amount) == (None, None)
    assert [(each.lack, each.share) for each in bill.missing] == [(Lack.REACTIVE, 1.0)]
    assert bill.totals == {"EUR": None}


def test_a_site_that_is_read_without_reactive_power_at_all_lacks_it_too() -> None:
    bill = paid([tariff(GERMAN)], 25.0).bill

    assert [each.lack for each in bill.missing] == [Lack.REACTIVE]


def test_each_tariff_of_a_month_bills_its_own_days() -> None:
    dear = Reactive(name="reactive", price_per_kvarh=0.1)
    later = tariff(dear, id="later", valid_from=date(2026, 1, 16))

    paid_ = pay(tariffs=[tariff(GERMAN), later])

    # 15 days: 21,600 kvarh − 40 % of 36,000 kWh = 7,200; 16 days: 23,040 kvarh, none free
    assert paid_.lines("tariff_id", "quantity") == [("t", 7_200.0), ("later", 23_040.0)]


def test_it_is_a_standing_charge_that_taxes_and_minimums_count() -> None:
    fixed = Fixed(name="meter", price=36.32)
    least = Minimum(name="least", amount=300.0, of=("meter", "reactive"))
    vat = Percentage(name="VAT", percent=10.0, of=("reactive",))

    paid_ = pay(fixed, GERMAN, least, vat)

    # 36.32 + 163.68 = 200: 100 are missing to 300; 10 % of 163.68 are 16.368
    amounts = {name: round(amount or 0.0, 6) for name, amount in paid_.amounts.items()}
    assert amounts == {"meter": 36.32, "reactive": 163.68, "least": 100.0, "VAT": 16.368}
    months = paid_.rows(Grain.MONTH).filter(component="reactive")
    assert months["cost"].to_list() == [pytest.approx(163.68)]
    spread = paid_.rows(Grain.DAY, spread=True).filter(component="reactive")
    assert spread["cost"].sum() == pytest.approx(163.68)


def test_quarters_of_several_main_meters_are_added() -> None:
    row: dict[str, object] = dict.fromkeys(frames.ROLLUPS.columns) | {
        "start_utc": JANUARY.start, "energy_kwh": 10.0, "covered_s": 900.0,
    }  # fmt: skip
    known = {"inductive_kvarh": 5.0, "capacitive_kvarh": 0.0, "reactive_kwh": 10.0}
    rollups = pl.DataFrame(
        [row | {"meter_id": "a", "reactive_s": 900.0} | known, row | {"meter_id": "b"}],
        schema=frames.ROLLUPS.schema,
    )

    (found,) = reactive.quarters(rollups).rows()

    # b gives no reactive power: half of the time of both is known
    assert found == (JANUARY.start, 5.0, 0.0, 10.0, 900.0, 1_800.0)


@given(st.floats(0, 1e3), st.floats(0, 200), st.floats(0, 1e3))
def test_the_billed_quantity_is_never_below_zero_nor_above_what_was_measured(
    kvarh: float, percent: float, kwh: float
) -> None:
    component = Reactive(name="reactive", price_per_kvarh=1.0, free_percent=percent)

    line = pay(component, kvarh=kvarh, kwh=kwh).line

    assert line.quantity is not None
    assert line.reactive_kvarh is not None
    assert 0 <= line.quantity <= line.reactive_kvarh

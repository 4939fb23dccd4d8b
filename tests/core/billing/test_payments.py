"""The lines of a report add up to its cost, and say what is not known."""

from datetime import date, datetime

import polars as pl
import pytest
from tests.core.billing.examples import paid, prices, tariff

from wattbook.core.billing import cost, payments
from wattbook.core.periods import Grain
from wattbook.core.registry.tariffs import (
    Band,
    Demand,
    Fixed,
    Flat,
    Indexed,
    Per,
    Percentage,
    TimeOfUse,
)
from wattbook.core.registry.windows import Window
from wattbook.core.rollups import profile


def test_prices_of_several_months_are_one_line_each() -> None:
    # 1 kWh in each quarter-hour: 2976 in January, 2688 in February; 4 kW.
    terms = tariff(
        Flat(name="energy", price_per_kwh=0.1),
        Demand(name="demand", price_per_kw_month=5.0),
        Fixed(name="meter", per=Per.MONTH, price=20.0),
        Percentage(name="tax", percent=10.0, of=("energy",)),
    )
    found = paid([terms], 1.0, end=date(2026, 3, 1))

    lines = payments.of_bills("s", found.bills)

    assert lines.select("group", "component", "quantity", "unit", "price").rows() == [
        ("energy", "energy", 5664.0, "kWh", 0.1),
        ("demand", "demand", 8.0, "kW × month", 5.0),
        ("fixed", "meter", 2.0, "month", 20.0),
        ("tax", "tax", pytest.approx(566.4), "EUR", 0.1),
    ]
    assert lines["amount"].to_list() == pytest.approx([566.4, 40.0, 40.0, 56.64])
    assert lines["incomplete"].to_list() == [""] * 4
    known = sum(total or 0 for bill in found.bills for total in bill.totals.values())
    assert lines["amount"].sum() == pytest.approx(known)


def test_a_line_says_which_energy_has_no_price() -> None:
    hour = datetime.fromisoformat("2026-01-01T00:00Z")
    found = paid([tariff(Indexed(name="spot"))], 1.0, grid=prices({hour: 50.0}))

    (line,) = payments.of_bills("s", found.bills).rows(named=True)

    assert line["quantity"] == 4.0
    assert line["amount"] == pytest.approx(0.2)  # 4 kWh at 50 EUR/MWh
    assert line["incomplete"] == "2\u202f972 kWh have no price"  # 2976 − 4


def test_a_month_with_gaps_says_how_much_of_it_is_known() -> None:
    terms = tariff(
        Flat(name="energy", price_per_kwh=0.1), Fixed(name="f", per=Per.MONTH, price=1.0)
    )
    found = paid([terms], lambda at: 1.0 if at.day > 3 else None)  # 28 of 31 days

    lines = payments.of_bills("s", found.bills)

    assert lines["incomplete"].to_list() == ["January: 90.3 % of the energy data", ""]


def test_the_cost_of_steps_is_split_by_component_and_band() -> None:
    bands = (
        Band(name="day", price_per_kwh=0.2, windows=(Window(start="06:00", end="22:00"),)),
        Band(name="night", price_per_kwh=0.1, windows=(Window(start="22:00", end="06:00"),)),
    )
    terms = tariff(
        TimeOfUse(name="energy", bands=bands), Fixed(name="meter", per=Per.MONTH, price=31.0)
    )
    found = paid([terms], 1.0)
    every, steps = profile.steps(found.period, "UTC")
    due = cost.spread_standing_charges(found.bills, "UTC", Grain.MONTH, spread=False)

    rows = payments.by_step(found.charged, due, steps)

    # 64 quarter-hours at 0.2 and 32 at 0.1 in each of 31 days; 31 for the month on its first day.
    assert every is Grain.DAY
    first = rows.filter(pl.col("start_utc") == found.period.start)
    assert {(c, b): v for _, _, c, b, _, v in first.rows()} == {
        ("energy", "day"): pytest.approx(12.8),
        ("energy", "night"): pytest.approx(3.2),
        ("meter", None): 31.0,
    }
    assert rows["cost"].sum() == pytest.approx(31 * 16.0 + 31.0)


def test_energy_of_a_period_that_is_not_whole_months_has_its_mean_price() -> None:
    found = paid([tariff(Flat(name="energy", price_per_kwh=0.1))], 1.0)

    (line,) = payments.of_charges("s", found.charged).rows(named=True)

    assert (line["quantity"], line["price"]) == (2976.0, pytest.approx(0.1))
    assert line["amount"] == pytest.approx(297.6)

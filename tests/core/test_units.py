"""Conversions are exact, and sums do not depend on their order."""

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.core import units
from wattbook.core.errors import InputError


def converted(column: str, unit: str, value: float) -> float:
    return float(pl.DataFrame({column: [value]}).select(units.to_base(column, unit)).item())


@pytest.mark.parametrize(
    ("column", "unit", "value", "base"),
    [
        ("power_kw", "kW", 1.5, 1.5),
        ("power_kw", "W", 1500.0, 1.5),
        ("power_kw", "MW", 1.5, 1500.0),
        ("power_kw", "GW", 1.5, 1_500_000.0),
        ("energy_kwh", "Wh", 3.0, 0.003),
        ("energy_kwh", "MWh", 0.25, 250.0),
        ("energy_kwh", "GWh", 2.0, 2_000_000.0),
        ("energy_kwh", "J", 3_600_000.0, 1.0),  # 1 kWh is 1000 W × 3600 s
        ("energy_kwh", "kJ", 3_600.0, 1.0),
        ("energy_kwh", "MJ", 36.0, 10.0),
        ("register_kwh", "MWh", 7.5, 7500.0),
        ("hashrate_th", "GH/s", 14_000.0, 14.0),
        ("hashrate_th", "PH/s", 2.0, 2000.0),
        ("hashrate_th", "EH/s", 2.0, 2_000_000.0),
        ("temperature_c", "C", 21.0, 21.0),
        ("temperature_c", "F", 212.0, 100.0),  # water boils
        ("temperature_c", "F", -40.0, -40.0),  # where the two scales meet
    ],
)
def test_a_value_is_turned_into_the_unit_of_its_column(
    column: str, unit: str, value: float, base: float
) -> None:
    assert converted(column, unit, value) == base


def test_an_unknown_unit_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match="kW, W, MW, GW") as caught:
        units.to_base("power_kw", "hp")

    (problem,) = caught.value.problems
    assert (problem.reason, problem.field) == ("bad_unit", "power_kw")


def test_a_column_without_units_says_so() -> None:
    with pytest.raises(InputError, match="no other unit"):
        units.to_base("quality", "kW")


def test_a_column_s_own_unit_is_listed_first() -> None:
    assert units.units_of("energy_kwh")[0] == "kWh"
    assert units.units_of("temperature_c") == ("C", "F")
    assert units.units_of("quality") == ()


def test_a_pound_is_the_international_one() -> None:
    assert 2.0 * units.GRAMS_PER_POUND == 907.18474


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=100), st.randoms())
def test_values_on_step_add_up_to_the_same_bits_in_any_order(
    values: list[float], chance: random.Random
) -> None:
    on_step = pl.Series("x", values).to_frame().select(units.on_step(pl.col("x"))).to_series()
    parts = on_step.to_list()
    mixed = chance.sample(parts, len(parts))

    assert sum(parts) == sum(mixed)  # at most 100 × 1000, below 2**17
    assert all(abs(one - two) <= units.SUM_STEP / 2 for one, two in zip(parts, values, strict=True))

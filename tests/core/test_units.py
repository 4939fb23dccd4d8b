"""Conversions are exact, and sums do not depend on their order."""

import math
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
def test_values_on_a_step_add_up_to_the_same_bits_in_any_order(
    values: list[float], chance: random.Random
) -> None:
    step = 2.0**-30
    frame = pl.Series("x", values).to_frame()
    parts = frame.select(units.on_step(pl.col("x"), step)).to_series().to_list()
    mixed = chance.sample(parts, len(parts))

    assert sum(parts) == sum(mixed)  # at most 100 × 1000, below 2**(53 − 30)
    assert all(abs(one - two) <= step / 2 for one, two in zip(parts, values, strict=True))


@pytest.mark.parametrize(
    ("capacity_kw", "exponent"),
    [
        (10.0, -35),  # 10 × 2**14 is below 2**18, and 18 − 53 = −35
        (25_000.0, -24),  # 25 000 × 2**14 is below 2**29
        (None, -30),
        (1e9, -20),  # never coarser than a milliwatt-hour
    ],
)
def test_the_step_of_a_meter_s_energies_is_chosen_by_the_capacity_of_its_site(
    capacity_kw: float | None, exponent: int
) -> None:
    frame = pl.DataFrame({"c": [capacity_kw]}, schema={"c": pl.Float64})

    assert frame.select(units.energy_step_kwh(pl.col("c"))).item() == 2.0**exponent


@given(st.floats(1.0, 500_000.0))
def test_22_months_at_capacity_are_a_whole_number_of_steps_that_a_float_can_hold(
    capacity_kw: float,
) -> None:
    frame = pl.DataFrame({"c": [capacity_kw]})
    step = float(frame.select(units.energy_step_kwh(pl.col("c"))).item())

    assert math.frexp(step)[0] == 0.5  # a power of two
    assert capacity_kw * units.CAPACITY_HOURS / step <= 2.0**53 * (1 + 1e-9)

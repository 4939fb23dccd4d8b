"""Exact conversions; the only place where the size of a unit is written down."""

from typing import Final

import polars as pl

from wattbook.core.errors import InputError, Problem

W_PER_KW: Final = 1000
KW_PER_MW: Final = 1000
KWH_PER_MWH: Final = 1000
G_PER_KG: Final = 1000
SECONDS_PER_HOUR: Final = 3600
US_PER_SECOND: Final = 1_000_000
JOULES_PER_KWH: Final = 3_600_000
GRAMS_PER_POUND: Final = 453.59237
FAHRENHEIT_ZERO: Final = 32.0
FAHRENHEIT_PER_CELSIUS: Final = 1.8

SUM_STEP: Final = 2.0**-36
"""Parts of a sum are multiples of this (for energy 0.015 µWh), so that they add up in any order."""

TO_BASE: Final[dict[str, dict[str, tuple[int, int]]]] = {
    "power_kw": {"kW": (1, 1), "W": (1, W_PER_KW), "MW": (KW_PER_MW, 1), "GW": (1_000_000, 1)},
    "energy_kwh": {
        "kWh": (1, 1),
        "Wh": (1, W_PER_KW),
        "MWh": (KWH_PER_MWH, 1),
        "GWh": (1_000_000, 1),
        "J": (1, JOULES_PER_KWH),
        "kJ": (1, 3_600),
        "MJ": (5, 18),
    },
    "hashrate_th": {"TH/s": (1, 1), "GH/s": (1, 1_000), "PH/s": (1_000, 1), "EH/s": (1_000_000, 1)},
    "temperature_c": {"C": (1, 1)},
}
"""Units that a column may be given in, its own first, as numerator and denominator."""
TO_BASE["register_kwh"] = TO_BASE["energy_kwh"]


def on_step(value: pl.Expr) -> pl.Expr:
    """`value` at the nearest multiple of `SUM_STEP`: such numbers below 2**17 add without error."""
    return (value / SUM_STEP).round() * SUM_STEP


def units_of(column: str) -> tuple[str, ...]:
    """Units in which `column` may be given, its own first."""
    extra = ("F",) if column == "temperature_c" else ()
    return (*TO_BASE.get(column, {}), *extra)


def to_base(column: str, unit: str) -> pl.Expr:
    """Expression that turns `column`, given in `unit`, into the unit of its name.

    >>> pl.DataFrame({"power_kw": [1.5]}).select(to_base("power_kw", "MW")).item()
    1500.0

    Raises
    ------
    InputError
        The unit is not known for that column; the message lists those that are.
    """
    value = pl.col(column)
    if unit not in units_of(column):
        detail = f"{column} can be given in {', '.join(units_of(column)) or 'no other unit'}"
        problem = Problem("bad_unit", detail, field=column)
        raise InputError(f"unknown unit {unit!r}: {detail}", [problem])
    if unit == "F":
        return (value - FAHRENHEIT_ZERO) / FAHRENHEIT_PER_CELSIUS
    times, over = TO_BASE[column][unit]
    return value * times / over

# ruff: noqa: PLC0415 -- sizes of units alone do not need Polars
"""Exact conversions; the only place where the size of a unit is written down."""

import re
from typing import TYPE_CHECKING, Final

from wattbook.core.errors import InputError, Problem

if TYPE_CHECKING:
    import polars as pl

W_PER_KW: Final = 1000
KW_PER_MW: Final = 1000
KWH_PER_MWH: Final = 1000
KWH_PER_GWH: Final = 1_000_000
G_PER_KG: Final = 1000
KG_PER_T: Final = 1000
TH_PER_PH: Final = 1000
TH_PER_EH: Final = 1_000_000
PERCENT: Final = 100
SECONDS_PER_HOUR: Final = 3600
SECONDS_PER_MINUTE: Final = 60
QUARTERS_PER_HOUR: Final = 4
US_PER_SECOND: Final = 1_000_000
US_PER_HOUR: Final = SECONDS_PER_HOUR * US_PER_SECOND
JOULES_PER_KWH: Final = 3_600_000
GRAMS_PER_POUND: Final = 453.59237
FAHRENHEIT_ZERO: Final = 32.0
FAHRENHEIT_PER_CELSIUS: Final = 1.8

MANTISSA_BITS: Final = 53
CAPACITY_HOURS: Final = 2**14
"""So many hours (22 months) at its capacity is the energy up to which a meter's sums are exact."""
UNKNOWN_CAPACITY_STEP_KWH: Final = 2.0**-30
MAX_STEP_KWH: Final = 2.0**-20
MEAN_STEP: Final = 2.0**-20
"""Parts of means are multiples of this, so that they add up in any order."""

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
    "hashrate_th": {
        "TH/s": (1, 1),
        "GH/s": (1, 1_000),
        "MH/s": (1, 1_000_000),
        "kH/s": (1, 1_000_000_000),
        "H/s": (1, 1_000_000_000_000),
        "PH/s": (1_000, 1),
        "EH/s": (1_000_000, 1),
    },
    "temperature_c": {"C": (1, 1)},
    "reactive_power_kvar": {"kvar": (1, 1), "var": (1, 1_000), "Mvar": (1_000, 1)},
    "reactive_kvarh": {"kvarh": (1, 1), "varh": (1, 1_000), "Mvarh": (1_000, 1)},
    "price_per_mwh": {"1/MWh": (1, 1), "1/kWh": (KWH_PER_MWH, 1), "c/kWh": (10, 1)},
    "carbon_g_per_kwh": {
        "g/kWh": (1, 1),
        "kg/MWh": (1, 1),
        "t/MWh": (1_000, 1),
        "lb/MWh": (45_359_237, 100_000_000),
    },
}
"""Units that a column may be given in, its own first, as numerator and denominator."""
TO_BASE["register_kwh"] = TO_BASE["energy_kwh"]
TO_BASE["marginal_g_per_kwh"] = TO_BASE["carbon_g_per_kwh"]


def energy_step_kwh(capacity_kw: "pl.Expr") -> "pl.Expr":
    """Energies of a meter are multiples of this power of two, so that they add without error.

    It is chosen by the site's capacity: for 25 MW it is 2**-24 kWh (0.06 mWh), and all sums up to
    22 months at full load are exact; for 10 kW it is 2**-35 kWh. It is never above 2**-20 kWh.

    >>> import polars as pl
    >>> pl.DataFrame({"c": [25_000.0]}).select(energy_step_kwh(pl.col("c"))).item() == 2.0**-24
    True
    """
    import polars as pl

    bits = (capacity_kw * CAPACITY_HOURS).log(2).ceil() - MANTISSA_BITS
    step = pl.lit(2.0).pow(bits).fill_null(UNKNOWN_CAPACITY_STEP_KWH)
    return pl.min_horizontal(step, MAX_STEP_KWH)


def on_step(value: "pl.Expr", step: "pl.Expr | float") -> "pl.Expr":
    """`value` at the nearest multiple of `step`."""
    return (value / step).round() * step


def over(part: "pl.Expr", whole: "pl.Expr | float") -> "pl.Expr":
    """`part` / `whole`, rounded once.

    Polars multiplies a column by the reciprocal of a constant, which rounds twice, but divides
    where the frame has one row: a quarter rolled up alone would have other bits than in company.
    """
    return part / (whole + part * 0)


def units_of(column: str) -> tuple[str, ...]:
    """Units in which `column` may be given, its own first."""
    extra = ("F",) if column == "temperature_c" else ()
    return (*TO_BASE.get(column, {}), *extra)


def to_base(column: str, unit: str) -> "pl.Expr":
    """Expression that turns `column`, given in `unit`, into the unit of its name.

    >>> import polars as pl
    >>> pl.DataFrame({"power_kw": [1.5]}).select(to_base("power_kw", "MW")).item()
    1500.0

    Raises
    ------
    InputError
        The unit is not known for that column; the message lists those that are.
    """
    import polars as pl

    value = pl.col(column)
    if unit not in units_of(column):
        detail = f"{column} can be given in {', '.join(units_of(column)) or 'no other unit'}"
        problem = Problem("bad_unit", detail, field=column)
        raise InputError(f"unknown unit {unit!r}: {detail}", [problem])
    if unit == "F":
        return (value - FAHRENHEIT_ZERO) / FAHRENHEIT_PER_CELSIUS
    times, over = TO_BASE[column][unit]
    return value * times / over


CURRENCY: Final = re.compile(r"[A-Z]{3}")

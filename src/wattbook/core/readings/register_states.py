"""States of registers: runs of equal readings, and what can have happened between two of them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattbook.core.units import US_PER_HOUR, over

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COMPARED: Final = 8
"""Changes on each side by which a change is limited where no power is registered."""
UNUSUAL: Final = 100
"""A rise that is so many times as fast as every one of them is impossible."""
MIN_CHANGES: Final = 8
"""States within `COMPARED` on each side from which a resolution can be inferred."""
RESOLUTIONS_KWH: Final = tuple(10**power for power in range(-2, 5))
UNITS_KWH: Final = tuple(10**-power for power in range(5))
"""Last digits; a register that shows none smaller than 1 kWh may still count tens."""
RELATIVE: Final = 10**-9


@dataclass(frozen=True, slots=True)
class States:
    """States in the order of meter and time."""

    slot: Ints
    value: Floats
    first: Ints
    last: Ints
    rows: Ints
    size: Floats
    limit_kw: Floats
    """The registered limit; NaN where there is none."""
    fastest_kw: Floats
    """The most that the step from each run may have, by the limit or by steps beside it."""
    resolution_kwh: Floats
    """Declared or inferred; NaN where neither."""

    @classmethod
    def of(cls, rows: pl.DataFrame) -> "States":
        """The states of rows of which each has the number of its state in `run`."""
        runs = rows.group_by("run", maintain_order=True).agg(
            pl.col(
                "slot",
                "register_kwh",
                "register_size_kwh",
                "plausible_kw",
                "register_resolution_kwh",
            ).first(),
            first=pl.col("ts").first(),
            last=pl.col("ts").last(),
            rows=pl.len().cast(pl.Int64),
        )
        hours = over(following("first") - pl.col("last"), US_PER_HOUR)
        rise = following("register_kwh") - pl.col("register_kwh")
        rate = pl.when(rise > 0).then(rise / hours)
        runs = runs.with_columns(rate=rate).with_columns(
            fastest=pl.coalesce("plausible_kw", UNUSUAL * _most_beside("rate"))
        )
        return cls(
            slot=runs["slot"].to_numpy(),
            value=runs["register_kwh"].to_numpy(),
            first=runs["first"].to_numpy(),
            last=runs["last"].to_numpy(),
            rows=runs["rows"].to_numpy(),
            size=_floats(runs["register_size_kwh"]),
            limit_kw=_floats(runs["plausible_kw"]),
            fastest_kw=_floats(runs["fastest"]),
            resolution_kwh=_floats(_resolutions(runs)),
        )

    def possible(self, begin: Ints, end: Ints, rise_kwh: Floats) -> Bools:
        """Whether so much can have been counted from the last of one run to the first of another.

        One more of the last digit is always possible, and anything where nothing is known.
        """
        hours = (self.first[end] - self.last[begin]) / US_PER_HOUR
        most = self.fastest_kw[begin] * hours
        unit = np.fmax(self.unit(begin, end), self.resolution_kwh[begin])
        return ~(rise_kwh > most) | (rise_kwh <= unit * (1 + RELATIVE))

    def unit(self, *indices: Ints) -> Floats:
        """The last digit [kWh] that all of these states have in common, at most 1 kWh."""
        found = np.full(indices[0].shape, UNITS_KWH[-1])
        for unit in reversed(UNITS_KWH):
            whole = np.ones(indices[0].shape, dtype=np.bool_)
            for index in indices:
                whole &= multiple(self.value[index], unit)
            found[whole] = unit
        return found


def following(column: str) -> pl.Expr:
    """The value of the same meter in the next row, else null."""
    return pl.when(pl.col("slot").shift(-1) == pl.col("slot")).then(pl.col(column).shift(-1))


def _most_beside(column: str) -> pl.Expr:
    """The highest of `COMPARED` values before and after each, itself left out."""

    def before(values: pl.Expr) -> pl.Expr:
        return values.shift(1).rolling_max(COMPARED, min_samples=1)

    value = pl.col(column)
    return pl.max_horizontal(before(value), before(value.reverse()).reverse()).over("slot")


def _resolutions(runs: pl.DataFrame) -> pl.Series:
    """The resolution that is declared, or that the states show; null for most meters.

    It is inferred where a register stands still for more than half of its states, and all of at
    least `MIN_CHANGES` of them are multiples of the same power of ten.
    """
    declared = runs["register_resolution_kwh"]
    still = runs["rows"] > 1
    if not (still & declared.is_null()).any():
        return declared

    def around(values: pl.Expr, how: str) -> pl.Expr:
        size = {"window_size": 2 * COMPARED + 1, "min_samples": 1, "center": True}
        found: pl.Expr = getattr(values, f"rolling_{how}")(**size)
        return found.over("slot")

    marks = runs.select(
        "slot",
        *(
            pl.Series(str(unit), multiple(runs["register_kwh"].to_numpy(), unit)).cast(pl.Int8)
            for unit in RESOLUTIONS_KWH
        ),
        still=still.cast(pl.Float64),
        one=pl.lit(1.0),
    )
    found = pl.lit(None, dtype=pl.Float64)
    for unit in RESOLUTIONS_KWH:
        found = pl.when(around(pl.col(str(unit)), "min") == 1).then(unit).otherwise(found)
    sure = (around(pl.col("one"), "sum") >= MIN_CHANGES) & (around(pl.col("still"), "mean") > 1 / 2)
    inferred = marks.select(pl.when(sure).then(found).alias("inferred"))["inferred"]
    return runs.select(pl.coalesce("register_resolution_kwh", inferred)).to_series()


def multiple(values: Floats, unit: float) -> Bools:
    """Which of the values are whole multiples of the unit, but for rounding."""
    count = values / unit
    near: Bools = np.abs(count - np.round(count)) <= RELATIVE * np.fmax(np.abs(count), 1)
    return near


def _floats(series: pl.Series) -> Floats:
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()

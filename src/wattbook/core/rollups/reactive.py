"""Reactive energy of rollups, over the time for which active energy and reactive power are known.

Inductive and capacitive energy are sums of their own: meters count them in two registers, and
tariffs bill one of them.
"""

from typing import Final

import polars as pl

from wattbook.core.frames import known_sum
from wattbook.core.units import US_PER_HOUR, US_PER_SECOND, on_step, over

COLUMNS: Final = ("inductive_kvarh", "capacitive_kvarh", "reactive_kwh", "reactive_s")
"""All null where no reactive power is known."""


def piece_parts(covered_us: pl.Expr) -> dict[str, pl.Expr]:
    """Parts of segments: reactive energy on the step of the energy, active energy, and the time."""
    kvar, energy = pl.col("reactive_power_kvar"), pl.col("energy_kwh")
    known = kvar.is_not_null() & energy.is_not_null()

    def kvarh(power: pl.Expr) -> pl.Expr:
        value = over(power.clip(lower_bound=0) * covered_us, US_PER_HOUR)
        return pl.when(known).then(on_step(value, pl.col("resolution_kwh")))

    return {
        "inductive_kvarh": kvarh(kvar),
        "capacitive_kvarh": kvarh(-kvar),
        "reactive_kwh": pl.when(known).then(energy),
        "reactive_us": pl.when(known).then(covered_us),
    }


def row_parts() -> dict[str, pl.Expr]:
    """The time of finer rows in whole microseconds, so that it adds without error."""
    return {"reactive_us": (pl.col("reactive_s") * US_PER_SECOND).round().cast(pl.Int64)}


def bucket_sums() -> dict[str, pl.Expr]:
    """The columns of a bucket, from the parts in it."""
    energies = {name: known_sum(name) for name in COLUMNS[:-1]}
    return {**energies, "reactive_s": over(known_sum("reactive_us"), US_PER_SECOND)}


def power_factor(kwh: pl.Expr, kvarh: pl.Expr) -> pl.Expr:
    """Active over apparent energy; null where there is none, and where active energy is below zero.

    >>> pl.DataFrame({"p": [4.0], "q": [3.0]}).select(power_factor(pl.col("p"), pl.col("q"))).item()
    0.8
    """
    apparent = (kwh * kwh + kvarh * kvarh).sqrt()
    return pl.when((kwh >= 0) & (apparent > 0)).then(kwh / apparent)


def total_sums() -> dict[str, pl.Expr]:
    """Sums over several rows, with their power factor by the inductive energy."""
    sums = {name: known_sum(name) for name in COLUMNS}
    return {**sums, "power_factor": power_factor(sums["reactive_kwh"], sums["inductive_kvarh"])}

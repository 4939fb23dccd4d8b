"""Values that come beside the energy of a meter, such as a hash rate, where they come alone.

A miner's interface sends the hash rate, a meter the power, each at its own instants. A row without
the value that its meter's kind needs says nothing of energy, and ends nothing that is known of it.
"""

from typing import Final

import polars as pl

from wattbook.core.registry.entities import MeterKind
from wattbook.core.units import on_step, over

COMPANIONS: Final = ("hashrate_th", "temperature_c", "reactive_power_kvar")
"""Columns that hold beside energy: until the next row of the meter, within its segment."""
VALUES: Final = {
    MeterKind.POWER: "power_kw",
    MeterKind.INTERVAL: "energy_kwh",
    MeterKind.REGISTER: "register_kwh",
}
"""The column that a meter's kind needs, so that energy follows."""


def has_value() -> pl.Expr:
    """Whether a row has the value that the `kind` of its meter needs."""
    kind = pl.col("kind")
    found = pl.col(VALUES[MeterKind.POWER]).is_not_null()
    for each in (MeterKind.INTERVAL, MeterKind.REGISTER):
        found = pl.when(kind == str(each)).then(pl.col(VALUES[each]).is_not_null()).otherwise(found)
    return found


def split_at_values(segments: pl.DataFrame, alone: pl.DataFrame) -> pl.DataFrame:
    """Segments, cut where a row without energy brought another value of `COMPANIONS`.

    The parts of a segment add up to its energy.

    Parameters
    ----------
    segments
        `slot`, `begin`, `end` [µs], `energy_kwh`, `resolution_kwh` and `COMPANIONS`.
    alone
        `slot`, `ts` [µs] and `COMPANIONS` of rows that have no value for energy.

    Returns
    -------
    polars.DataFrame
        The columns of `segments`, in another order of rows.
    """
    if alone.is_empty() or segments.is_empty():
        return segments
    numbered = segments.with_row_index("segment")
    inside = (
        alone.select("slot", "ts", *(pl.col(name).alias(f"{name}_new") for name in COMPANIONS))
        .sort("ts")
        .join_asof(
            numbered.sort("begin"), left_on="ts", right_on="begin", by="slot",
            check_sortedness=False, coalesce=False,
        )
        .filter(pl.col("ts") < pl.col("end"))
    )  # fmt: skip
    if inside.is_empty():
        return segments
    cut = numbered.join(inside.select("segment"), on="segment", how="semi")
    starts = pl.concat(
        [
            cut.with_columns(
                ts="begin", **{f"{name}_new": pl.lit(None, pl.Float64) for name in COMPANIONS}
            ),
            inside.select(*cut.columns, "ts", *(f"{name}_new" for name in COMPANIONS)),
        ]
    ).sort("segment", "ts")
    whole, begin = pl.col("end") - pl.col("begin"), pl.col("begin")
    after = pl.col("ts").shift(-1).over("segment").fill_null(pl.col("end"))
    step, energy = pl.col("resolution_kwh"), pl.col("energy_kwh")
    parts = (
        starts.with_columns(after=after)
        .with_columns(
            energy_kwh=on_step(energy * over(pl.col("after") - begin, whole), step)
            - on_step(energy * over(pl.col("ts") - begin, whole), step),
            **{
                name: pl.col(f"{name}_new").forward_fill().over("segment").fill_null(pl.col(name))
                for name in COMPANIONS
            },
        )
        .with_columns(begin="ts", end="after")
    )
    rest = numbered.join(inside.select("segment"), on="segment", how="anti")
    return pl.concat([rest.select(segments.columns), parts.select(segments.columns)])

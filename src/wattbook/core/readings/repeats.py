"""Rows of one batch with the same key: combined where they complement each other."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import polars as pl

from wattbook.core import frames
from wattbook.core.readings.checks import RejectReason
from wattbook.core.readings.merge import EXPLICIT, Table

MERGED: Final = {"row": pl.UInt32, "into": pl.UInt32}
"""Rows whose values went into another row of their batch."""
_MIX: Final = 1_000_003


class Distinct(NamedTuple):
    """Rows with distinct keys, and what became of the others."""

    rows: pl.DataFrame
    merged: pl.DataFrame
    """`MERGED`."""
    again: pl.DataFrame
    """Rows that have the key of another one, with the `reason` and the `detail` why not."""


def distinct(
    good: pl.DataFrame, key: Sequence[str], who: pl.Expr, table: Table, first: pl.Expr | None = None
) -> Distinct:
    """One row for each key.

    Rows that name different columns are one: a hash rate and a power of one instant. Where two name
    the same column the first is kept, and the others are duplicates within the batch.

    Parameters
    ----------
    who
        A number for the first part of the key: mixed with the instant it shows cheaply that
        all keys differ; where it cannot show that, the keys themselves are compared.
    first
        Whether a row is kept rather than one before it for which this does not hold.
    """
    mixed = pl.col(key[1]).to_physical() * _MIX + who.cast(pl.Int64, wrap_numerical=True)
    none = pl.DataFrame(schema=MERGED)
    if good.select(mixed.n_unique()).item() == good.height:
        return Distinct(good, none, good.clear())
    several = good.filter(pl.len().over(key) > 1)
    if several.is_empty():
        return Distinct(good, none, several)
    order = ["row"] if first is None else [~first, pl.col("row")]
    several = several.with_columns(
        into=pl.col("row").sort_by(order).first().over(key),
        complement=_complement(several, key, table),
    )
    again = several.filter(~pl.col("complement"), pl.col("row") != pl.col("into")).with_columns(
        reason=pl.lit(str(RejectReason.DUPLICATE_IN_BATCH)),
        detail=pl.format("row {} has the same {}", "into", pl.lit(" and ".join(key))),
    )
    parts = several.filter("complement")
    others = parts.filter(pl.col("row") != pl.col("into")).select(
        pl.col(name).cast(dtype) for name, dtype in MERGED.items()
    )
    out = pl.concat([again.select("row"), others.select(pl.col("row").cast(again.schema["row"]))])
    left = good.join(out, on="row", how="anti", maintain_order="left")
    return Distinct(_filled(left, parts, table), others, again.drop("into", "complement"))


def _complement(rows: pl.DataFrame, key: Sequence[str], table: Table) -> pl.Expr:
    """Whether no column is named by two rows of a key."""
    fine = pl.lit(value=True)
    for name in (name for name in table.values if name != "quality"):
        named = pl.col(name).is_not_null()
        if EXPLICIT in rows.columns:
            bit = pl.lit(table.bit(name), dtype=pl.UInt32)
            named |= (pl.col(EXPLICIT).cast(pl.UInt32) & bit) != 0
        fine &= named.sum().over(key) <= 1
    return fine


def _filled(rows: pl.DataFrame, parts: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Rows, those that others went into with the values of these, and the worst quality."""
    if parts.is_empty():
        return rows
    values = [name for name in table.values if name != "quality"]
    sums = [pl.col(name).drop_nulls().first() for name in values]
    if "quality" in table.values:
        sums.append(frames.rank().max().alias("quality"))
    if EXPLICIT in rows.columns:
        sums.append(pl.col(EXPLICIT).bitwise_or())
    combined = parts.group_by(row="into").agg(sums)
    if "quality" in combined.columns:
        combined = combined.with_columns(quality=frames.quality_of(pl.col("quality")))
    names = [name for name in combined.columns if name != "row"]
    both = rows.join(combined, on="row", how="left", suffix="_new", maintain_order="left")
    return both.with_columns(pl.coalesce(f"{name}_new", name).alias(name) for name in names).drop(
        f"{name}_new" for name in names
    )

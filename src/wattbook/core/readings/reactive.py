"""Reactive power of a row, however it was sent."""

import polars as pl

from wattbook.core.registry.entities import MeterKind
from wattbook.core.units import SECONDS_PER_HOUR, over


def in_kvar(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with `reactive_power_kvar` [kvar] also where `reactive_kvarh` was sent in its place.

    The reactive energy of an interval is divided by its length, as the calendar has it for civil
    days and months. Where both were sent, the power counts. Null where the meter has no intervals.

    Parameters
    ----------
    rows
        `reactive_power_kvar`, `reactive_kvarh`, `kind`, `expected_interval_s`.
    """
    if rows["reactive_kvarh"].null_count() == rows.height:
        return rows
    hours = over(pl.col("expected_interval_s"), SECONDS_PER_HOUR)
    mean = pl.when(pl.col("kind") == str(MeterKind.INTERVAL)).then(pl.col("reactive_kvarh") / hours)
    return rows.with_columns(reactive_power_kvar=pl.coalesce("reactive_power_kvar", mean))

"""What looks wrong about readings that are kept: warnings for the receipt."""

from typing import Final

import polars as pl

from wattbook.core.entities import MeterKind
from wattbook.core.units import SECONDS_PER_HOUR, W_PER_KW

LARGEST_KW: Final = 1_000_000
"""Few sites draw a gigawatt: without a capacity, more looks like another unit."""
J_PER_TH: Final = (1, 1_000)
"""Machines need between 10 and 200 J/TH: beyond these bounds one of the two units is another."""
SHOWN: Final = 5
"""So many meters are named in one warning."""


def warnings(kept: pl.DataFrame, meters: pl.DataFrame) -> tuple[str, ...]:
    """What the sender should look at, in plain words; most batches have nothing.

    Parameters
    ----------
    kept
        Rows of `frames.READINGS`.
    meters
        `frames.METERS`. Meters whose site has a capacity are checked row by row at ingestion.
    """
    if kept.is_empty():
        return ()
    return (*_powers(kept, meters), *_ratios(kept))


def _powers(kept: pl.DataFrame, meters: pl.DataFrame) -> list[str]:
    highest = kept.group_by("meter_id").agg(pl.col("power_kw", "energy_kwh").max())
    hours = pl.col("expected_interval_s") / SECONDS_PER_HOUR
    found = (
        highest.join(
            meters.filter(pl.col("capacity_kw").is_null() & pl.col("plausible_kw").is_null()),
            on="meter_id",
        )
        .select(
            "meter_id",
            kw=pl.when(kind=str(MeterKind.INTERVAL))
            .then(pl.col("energy_kwh") / hours)
            .otherwise("power_kw"),
        )
        .filter(pl.col("kw") > LARGEST_KW)
        .sort("meter_id")
    )
    if found.is_empty():
        return []
    most: float = found.select(pl.col("kw").max()).item()
    said = (
        f"{_named(found)}: up to {most:,.0f} kW, and the site has no capacity_kw;"
        " check whether the values are in W or Wh, and register the capacity so that such rows are"
        " rejected"
    )
    return [said]


def _ratios(kept: pl.DataFrame) -> list[str]:
    if kept["hashrate_th"].null_count() == kept.height:
        return []
    j_per_th = pl.col("power_kw") * W_PER_KW / pl.col("hashrate_th")
    found = (
        kept.filter(pl.col("power_kw") > 0, pl.col("hashrate_th") > 0)
        .group_by("meter_id")
        .agg(ratio=j_per_th.median())
        .filter(~pl.col("ratio").is_between(*J_PER_TH))
        .sort("meter_id")
    )
    if found.is_empty():
        return []
    said = (
        f"{_named(found)}: {found['ratio'][0]:,.6g} J/TH; check whether the hash rate is in TH/s"
        " and the power in kW"
    )
    return [said]


def _named(found: pl.DataFrame) -> str:
    names = found["meter_id"].to_list()
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

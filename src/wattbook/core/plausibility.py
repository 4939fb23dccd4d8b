"""What looks wrong about readings that are kept: warnings for the receipt."""

from typing import Any, Final

import polars as pl

from wattbook.core import presence
from wattbook.core.entities import MeterKind, MeterRole
from wattbook.core.periods import microseconds
from wattbook.core.units import SECONDS_PER_HOUR, W_PER_KW

LARGEST_KW: Final = 1_000_000
"""Few sites draw a gigawatt: without a capacity, more looks like another unit."""
J_PER_TH: Final = (1, 1_000)
"""Machines need between 10 and 200 J/TH: beyond these bounds one of the two units is another."""
LONGEST_H: Final = {"day": 25, "month": 31 * 24 + 1}
"""Hours of the longest civil day and month."""
SHOWN: Final = 5
"""So many meters are named in one warning."""


def warnings(kept: pl.DataFrame, meters: pl.DataFrame) -> tuple[str, ...]:
    """What the sender should look at, in plain words; most batches have nothing.

    Parameters
    ----------
    kept
        Rows of `frames.READINGS`.
    meters
        `frames.METERS`. Meters whose site has a capacity are checked row by row at ingestion; here
        the main meters of a site are added up.
    """
    if kept.is_empty():
        return ()
    return (*_powers(kept, meters), *_ratios(kept), *_totals(kept, meters))


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


def _totals(kept: pl.DataFrame, meters: pl.DataFrame) -> list[str]:
    """Sites whose main meters together are above the capacity at an instant of the batch.

    Each of them alone is compared with the capacity at ingestion, where the row is flagged.
    """
    limited = meters.filter(pl.col("capacity_kw").is_not_null() | pl.col("versions").is_not_null())
    mains = presence.with_role(limited, MeterRole.MAIN)
    mains = mains.filter(pl.len().over("site_id") > 1)
    rows = kept.join(mains.select("meter_id", "site_id"), on="meter_id")
    if rows["meter_id"].n_unique() < 2:  # noqa: PLR2004 -- a sum has two parts
        return []
    about = presence.versions(mains).filter(role=str(MeterRole.MAIN))
    at = microseconds("ts_utc")
    found = (
        rows.join(about, on="meter_id")
        .filter(at >= pl.col("from_us"), at < pl.col("to_us"))
        .with_columns(kw=_power_kw())
        .drop_nulls(["kw", "capacity_kw"])
        .group_by("site_id", "ts_utc")
        .agg(
            pl.col("kw").sum(),
            pl.col("capacity_kw").first(),
            pl.len().alias("count"),
            meter_id=pl.col("meter_id").sort().str.join(", "),
        )
        .filter(pl.col("count") > 1, pl.col("kw") > pl.col("capacity_kw"))
        .sort("site_id", "kw", "ts_utc", descending=[False, True, False])
        .unique("site_id", keep="first", maintain_order=True)
    )
    return [_total(row) for row in found.head(SHOWN).iter_rows(named=True)]


def _power_kw() -> pl.Expr:
    """Power of a row; that of a civil day or month no higher than over its longest."""
    longest = pl.col("expected_interval").replace_strict(LONGEST_H, default=None)
    hours = pl.coalesce(longest, pl.col("expected_interval_s") / SECONDS_PER_HOUR)
    interval = pl.col("kind") == str(MeterKind.INTERVAL)
    return pl.when(interval).then(pl.col("energy_kwh") / hours).otherwise("power_kw")


def _total(row: dict[str, Any]) -> str:
    return (
        f"site {row['site_id']}: its main meters {row['meter_id']} together have"
        f" {row['kw']:,.0f} kW at {row['ts_utc']:%FT%TZ}, above the capacity_kw of"
        f" {row['capacity_kw']:,.0f}; if one of them measures what another one counts too, register"
        " it with role 'sub'"
    )


def _named(found: pl.DataFrame) -> str:
    names = found["meter_id"].to_list()
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

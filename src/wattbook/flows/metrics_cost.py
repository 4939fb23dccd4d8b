"""The cost of each bucket of a site, in its figures."""

from typing import Final

import polars as pl

from wattbook.core.billing import charges, cost
from wattbook.core.periods import Grain
from wattbook.flows import cost as paying
from wattbook.flows.cost import EnergyCharges, SiteUsage

ROUNDING_S: Final = 0.5
"""Sums of covered time that differ by less are the same."""


def with_cost(
    rows: pl.DataFrame,
    fine: pl.DataFrame,
    quarter_demand: pl.DataFrame,
    prices: pl.DataFrame,
    zone: str,
) -> tuple[pl.DataFrame, dict[str, object]]:
    """Rows with `cost`, and the cost of all, from quarters, or hours of one price."""
    if prices.is_empty():
        unknown = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in _COST.items()]
        return rows.with_columns(unknown), dict.fromkeys(_COST)
    energy = fine.select(pl.lit(zone).alias("zone"), "start_utc", "energy_kwh")
    energy = cost.by_quarter(energy, quarter_demand, cost.uneven_hours(prices))
    priced = cost.drop_unpriceable(
        cost.price_energy(energy, prices), rows, _without_parts(rows, fine)
    )
    priced = priced.with_columns(zone=pl.lit(zone)).sort("start_utc")
    owned = priced.join_asof(rows.select("start_utc", bucket="start_utc"), on="start_utc")
    per_bucket = cost.sum_costs(owned, ["bucket"]).select(
        "cost", "currency", "cost_energy_share", start_utc="bucket"
    )
    whole = cost.sum_costs(priced, ["zone"])
    money: dict[str, object] = (
        whole.drop("zone").row(0, named=True) if whole.height else dict.fromkeys(_COST)
    )
    return rows.join(per_bucket, on="start_utc", how="left", maintain_order="left"), money


def _without_parts(rows: pl.DataFrame, fine: pl.DataFrame) -> pl.DataFrame:
    """Those rows of which parts were removed: they cover more time than what they are made of."""
    parts = fine.sort("start_utc").join_asof(
        rows.select("start_utc", bucket="start_utc"), on="start_utc"
    )
    left = parts.group_by(start_utc="bucket").agg(left_s=pl.col("covered_s").sum())
    gone_s = pl.col("covered_s") - pl.col("left_s").fill_null(0.0)
    return rows.join(left, on="start_utc", how="left", maintain_order="left").filter(
        gone_s > ROUNDING_S
    )


def with_cost_by_tariff(
    rows: pl.DataFrame, books: EnergyCharges, drawn: SiteUsage, grain: Grain
) -> tuple[pl.DataFrame, dict[str, object]]:
    """Rows with `cost`, and the cost of all; demand and fixed charges only by the month."""
    terms = books.terms
    bills = paying.billed(books, drawn) if grain is Grain.MONTH else []
    due = cost.spread_standing_charges(bills, terms.timezone, grain, spread=False, buckets=rows)
    settled = charges.quarter_costs(books.energy, books.charged, terms.spans)
    lost = paying.unpriceable_buckets(rows, terms, drawn, bills, grain)
    per_bucket, whole = cost.total_costs(settled, due, rows, lost)
    return rows.join(per_bucket, on="start_utc", how="left", maintain_order="left"), whole


_COST: Final = {"cost": pl.Float64, "currency": pl.String, "cost_energy_share": pl.Float64}

"""The carbon account of an entity over a period."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.carbon import location
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.reporting import notices
from wattbook.core.reporting.notices import Notice
from wattbook.core.rollups import metrics
from wattbook.core.units import QUARTERS_PER_HOUR
from wattbook.flows import conditions as zone_rows
from wattbook.flows import consistent, entities
from wattbook.flows.mains import Mains
from wattbook.ports.clock import Clock
from wattbook.ports.grid import GridStore
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import Rollups, RollupStore

DRAWN: Final = pl.DataFrame(
    schema={"start_utc": frames.UTC, "zone": pl.String, "energy_kwh": pl.Float64}
)
"""Energy of a zone by quarter-hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Location-based emissions per bucket and over the period, and the factors behind them."""

    entity: str
    grain: Grain
    timezone: str
    period: Period
    factor_set: str
    rows: pl.DataFrame
    total: dict[str, object]
    factors: pl.DataFrame
    notices: tuple[Notice, ...] = ()


async def account(
    entity_id: str,
    period: Period,
    grain: Grain,
    *,
    factor_set: str,
    factors: pl.DataFrame,
    as_of: datetime | None = None,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    grid: GridStore,
    clock: Clock,
) -> Account:
    """Emissions of an entity or of the network, hour by hour, summed into the grain."""
    entity = await entities.find(entity_id, as_of=as_of, registry=registry)
    mains = Mains(entity.meters)
    buckets = periods.buckets(period, grain, entity.timezone)
    whole = Period(buckets["start_utc"][0], buckets["end_utc"][-1])
    parts = periods.parts_of(grain, buckets)
    energy, quarters = await consistent.read_consistent(
        lambda figures: _energy(figures, mains, parts, whole),
        mains.meters,
        whole,
        as_of=as_of,
        registry=registry,
        readings=readings,
        rollups=rollups,
        clock=clock,
    )
    months = Period(
        periods.floor(whole.start, Grain.MONTH), periods.buckets(whole, Grain.MONTH)["end_utc"][-1]
    )
    names = mains.meters["zone"].unique().sort().to_list()
    conditions = await zone_rows.read(names, months, grid=grid, as_of=as_of)

    at_once = energy.with_columns(start_utc=pl.lit(whole.start, dtype=frames.UTC))
    zones = mains.meters.select("meter_id", "zone")
    in_hours = energy.join(zones, on="meter_id").drop_nulls("energy_kwh")

    def compute() -> tuple[pl.DataFrame, tuple[Notice, ...]]:
        by_hour = in_hours.group_by("zone", "start_utc").agg(pl.col("energy_kwh").sum())
        drawn = location.by_quarter(by_hour, quarters) if parts is Grain.HOUR else quarters
        known = location.known_intensity(conditions, factors, factor_set)
        found = location.footprint(drawn, location.intensity(drawn, known, factors, factor_set))
        return found, notices.of_overlaps(conditions, ("generation", "intensity"))

    hours, said = await asyncio.to_thread(compute)
    shares = location.shares(hours)
    coverage = _covered(at_once, presence.bucket(whole), mains.spans)["coverage"].item()
    return Account(
        entity=entity.name,
        grain=grain,
        timezone=entity.timezone,
        period=whole,
        factor_set=factor_set,
        rows=_rows(hours, _covered(energy, buckets, mains.spans)),
        total=_total(hours) | {"coverage": coverage},
        factors=shares,
        notices=(*notices.of_zones(names), *notices.of_factors(shares), *said),
    )


async def _energy(
    figures: Rollups, mains: Mains, parts: Grain, whole: Period
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rollups of the meters, and the energy of each zone by quarter-hour."""
    rows = await mains.read(figures, parts, whole)
    zones = [
        (await mains.demand(figures, whole, members["meter_id"].to_list())).select(
            "start_utc",
            zone=pl.lit(str(zone)),
            energy_kwh=pl.col("power_kw") / QUARTERS_PER_HOUR,
        )
        for (zone,), members in mains.meters.group_by("zone", maintain_order=True)
    ]
    return rows, pl.concat([DRAWN, *zones])


def _rows(hours: pl.DataFrame, buckets: pl.DataFrame) -> pl.DataFrame:
    owned = hours.sort("start_utc").join_asof(
        buckets.select("start_utc", bucket="start_utc"), on="start_utc"
    )
    summed = location.sum_emissions(owned, "bucket").rename({"bucket": "start_utc"})
    return buckets.select("start_utc", "coverage").join(
        summed.select("start_utc", "energy_kwh", "emitted_kg", "intensity_g_per_kwh", "fallback"),
        on="start_utc",
        how="left",
        maintain_order="left",
    )


def _covered(energy: pl.DataFrame, buckets: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Buckets with the share of the meters' time for which the energy is known."""
    owned = energy.sort("start_utc").join_asof(
        buckets.select("start_utc", bucket="start_utc"), on="start_utc"
    )
    covered = owned.group_by(start_utc="bucket").agg(pl.col("covered_s").sum())
    rows = buckets.join(covered, on="start_utc", how="left", maintain_order="left")
    return rows.with_columns(expected_s=presence.seconds(spans, buckets)).with_columns(
        coverage=metrics.covered(pl.col("covered_s"), pl.col("expected_s"))
    )


def _total(hours: pl.DataFrame) -> dict[str, object]:
    summed = location.sum_emissions(hours.with_columns(every=pl.lit("all")), "every")
    names = ("energy_kwh", "emitted_kg", "intensity_g_per_kwh", "fallback")
    if summed.is_empty():
        return dict.fromkeys(names)
    return summed.select(names).row(0, named=True)

"""A forecast of load as a hash rate, and a forecast compared with what came."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wattbook.core.errors import (
    ConflictError,
    Problem,
)
from wattbook.core.forecast import history
from wattbook.core.forecast.history import Quantity
from wattbook.core.frames import UTC
from wattbook.core.periods import Grain, Period
from wattbook.core.rollups import lending
from wattbook.core.units import W_PER_KW
from wattbook.flows.consistent import read_consistent
from wattbook.flows.forecast.target import (
    Ports,
    Sources,
    Subject,
    _read,
)
from wattbook.ports.forecasts import Run
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import Rollups

EFFICIENCY_OVER: Final = timedelta(days=28)
"""Before the origin: from the rollups of so long comes the efficiency of a site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashing:
    """A forecast of the hash rate, and by what it follows from that of the load."""

    run: Run
    rows: pl.DataFrame
    efficiency_j_per_th: float | None
    efficiency_from: str | None
    """`rollups` or `fleet`; null where the hash rate itself was forecast."""

    @property
    def scale(self) -> float | None:
        """Hash rate [TH/s] of a load of one kilowatt."""
        return None if self.efficiency_j_per_th is None else W_PER_KW / self.efficiency_j_per_th


@dataclass(frozen=True, slots=True)
class ForecastComparison:
    """A run, and its rows with what came of them in `actual`."""

    run: Run
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)


async def hashing(run: Run, rows: pl.DataFrame, *, ports: Sources) -> Hashing:
    """The hash rate that goes with a load: load over the efficiency of the site's machines.

    Raises
    ------
    ConflictError
        Neither a hash rate nor a fleet is known.
    """
    if run.asked.quantity is Quantity.HASHRATE:
        return Hashing(run=run, rows=rows, efficiency_j_per_th=None, efficiency_from=None)
    origin = run.period.start
    every = await ports.registry.meters()
    meters = every.filter(pl.col("meter_id").is_in(run.meter_ids))
    before = Period(origin - EFFICIENCY_OVER, origin)
    found = await ports.rollups.read(list(run.meter_ids), Grain.HOUR, before)
    lenders = lending.lenders(every, list(run.meter_ids))
    if lenders.height:
        ids = lenders["meter_id"].to_list()
        quarters = await ports.rollups.read(ids, Grain.QUARTER, before)
        starts = found["start_utc"].unique().sort()
        found = lending.borrowed(found, lending.lent(quarters, lenders, starts))
    efficiency, source = history.hashed(found), "rollups"
    if efficiency is None:
        efficiency, source = await _nameplate(meters, origin, ports.registry), "fleet"
    if efficiency is None:
        detail = (
            f"no hash rate of {run.asked.entity_id} is known, nor a fleet whose efficiency"
            " could be taken: send `hashrate_th`, or register the fleet"
        )
        raise ConflictError(detail, [Problem("no_efficiency", detail, field="entity_id")])
    made = Hashing(run=run, rows=rows, efficiency_j_per_th=efficiency, efficiency_from=source)
    return replace(made, rows=rows.with_columns(pl.exclude("start_utc") * made.scale))


async def _nameplate(meters: pl.DataFrame, at: datetime, registry: Registry) -> float | None:
    """Power over hash rate [J/TH] of the machines that stand there."""
    power_w = rate_th = 0.0
    for site_id in meters["site_id"].unique().sort():
        for item in (await registry.site(site_id)).fleet:
            ended = item.valid_to is not None and item.valid_to <= at
            if item.valid_from <= at and not ended and item.power_w and item.hashrate_th:
                power_w += item.count * item.power_w
                rate_th += item.count * item.hashrate_th
    return power_w / rate_th if rate_th else None


async def compare_forecast(run_id: str, *, ports: Ports) -> ForecastComparison:
    """A run beside what happened, as far as that is known by now."""
    run = await ports.forecasts.run(run_id)
    actual = pl.DataFrame(schema={"start_utc": UTC, "actual": pl.Float64})
    meters = (await ports.registry.meters()).filter(pl.col("meter_id").is_in(run.meter_ids))
    if meters.height and run.period.start < ports.clock.now():
        of = Subject(
            entity_id=run.asked.entity_id,
            quantity=run.asked.quantity,
            meters=meters,
            timezone=run.timezone,
        )

        async def read(figures: Rollups) -> tuple[pl.DataFrame, pl.DataFrame, Period]:
            return await _read(figures, of, run.asked.grain, run.period)

        rows, events, _ = await read_consistent(
            read,
            meters,
            run.period,
            as_of=None,
            registry=ports.registry,
            readings=ports.readings,
            rollups=ports.rollups,
            clock=ports.clock,
        )
        seen = await asyncio.to_thread(
            history.history, rows, events, of.quantity, run.asked.grain, of.timezone
        )
        actual = seen.select("start_utc", actual="value")
    rows = run.rows.join(actual, on="start_utc", how="left", maintain_order="left")
    return ForecastComparison(run, rows)

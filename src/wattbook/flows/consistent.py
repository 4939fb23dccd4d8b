"""Reading rollups that are consistent with the readings, now or as of a past instant."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, TypeVar

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.periods import Grain, Period
from wattbook.core.readings import segments
from wattbook.core.retention import cutoffs
from wattbook.core.retention.cutoffs import AS_OF_MARGIN
from wattbook.core.rollups import aggregation, metrics
from wattbook.flows.rollup import catch_up, starts_in
from wattbook.ports.clock import Clock
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import Rollups, RollupStore


class RollupsAsOf:
    """Rollups of some meters as they would have been at a past instant, in memory."""

    def __init__(
        self, readings: pl.DataFrame, refused: pl.DataFrame, meters: pl.DataFrame, as_of: datetime
    ) -> None:
        quarters = aggregation.quarters(readings, meters, refused)
        self._rows = aggregation.with_revisions(aggregation.every_grain(quarters, meters), as_of)
        self._events = segments.register_events(readings, meters)

    async def read(self, meter_ids: list[str], grain: Grain, period: Period) -> pl.DataFrame:
        """`frames.ROLLUPS` of one grain that start in the period, sorted by key."""
        mine = pl.col("meter_id").is_in(meter_ids)
        return self._rows.filter(mine, starts_in(period), grain=str(grain)).sort(
            *frames.ROLLUPS.key
        )

    async def demand(self, meter_ids: list[str], period: Period) -> pl.DataFrame:
        """`core.rollups.metrics.demand` of the quarters in the period."""
        return metrics.demand(await self.read(meter_ids, Grain.QUARTER, period))

    async def events(self, meter_ids: list[str], period: Period) -> pl.DataFrame:
        """`frames.EVENTS` of the meters in the period, sorted by key."""
        inside = pl.col("at_utc").is_between(period.start, period.end, closed="left")
        return self._events.filter(pl.col("meter_id").is_in(meter_ids), inside)


Found = TypeVar("Found")
TRIES: Final = 5


async def read_consistent(
    read: Callable[[Rollups], Awaitable[Found]],
    meters: pl.DataFrame,
    period: Period,
    *,
    as_of: datetime | None,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    clock: Clock,
) -> Found:
    """What `read` finds in the rollups as they are now, or as they would have been then.

    Where one of the meters changes while they are read, they are read again, so that the parts of
    an answer belong together.

    Raises
    ------
    InvalidPeriodError
        `as_of` is in the future: its answer could still change.
    RemovedError
        What was known then was removed.
    """
    ids = meters["meter_id"].to_list()
    if as_of is not None:
        if as_of > clock.now():
            raise periods.invalid("as_of", "as_of is in the future")
        cutoffs.check_past(meters, period, as_of)
        around = Period(period.start - AS_OF_MARGIN, period.end + AS_OF_MARGIN)
        known = await readings.read(ids, around, as_of=as_of)
        refused = await readings.refused(ids, around, as_of=as_of)
        return await read(await asyncio.to_thread(RollupsAsOf, known, refused, meters, as_of))
    for _ in range(TRIES):
        before = await rollups.latest_mark(ids)
        await catch_up(ids, registry=registry, readings=readings, rollups=rollups, clock=clock)
        found = await read(rollups)
        if await rollups.latest_mark(ids) == before:
            break
    return found

"""Bringing rollups up to date with the readings behind them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn

import polars as pl
import structlog

from wattbook.core import frames, periods, rollup
from wattbook.core.entities import MeterKind
from wattbook.core.errors import WattbookError
from wattbook.core.periods import Grain, Period
from wattbook.ports.clock import Clock
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import Dirty, RollupStore

log = structlog.get_logger()

METERS_AT_ONCE: Final = 20
"""So many meters are recomputed together: enough to fill the columns, little enough for memory."""

CHUNKS_AT_ONCE: Final = 2
"""While one is read or written, another is computed."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rolled:
    """What a run did."""

    meters: int
    rows_written: int


async def catch_up(
    meter_ids: list[str] | None = None,
    *,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    clock: Clock,
    progress: Progress | None = None,
) -> Rolled:
    """Roll up what changed, of these meters or of all: the dirty quarters and all above them."""
    first = await rollups.dirty(meter_ids)
    if first.spans.is_empty():
        return Rolled(0, 0)

    async with rollups.turn():
        dirty = await rollups.dirty(meter_ids)
        meters = await registry.meters()
        waiting = meters.join(dirty.spans.select("meter_id").unique(), on="meter_id", how="semi")
        chunks = [
            chunk
            for zone in waiting.partition_by("timezone", maintain_order=True)
            for chunk in zone.iter_slices(METERS_AT_ONCE)
        ]
        turns = asyncio.Semaphore(CHUNKS_AT_ONCE)
        done = 0

        async def one(chunk: pl.DataFrame) -> int:
            nonlocal done
            mine = dirty.spans.join(chunk.select("meter_id"), on="meter_id", how="semi")
            async with turns:
                written = await _roll_up(
                    chunk,
                    Dirty(mine, dirty.mark),
                    readings=readings,
                    rollups=rollups,
                    now=clock.now(),
                )
            done += chunk.height
            if progress is not None:
                progress(done, waiting.height)
            return written

        written = await asyncio.gather(*(one(chunk) for chunk in chunks))
    return Rolled(waiting.height, sum(written))


PATIENCE: Final = 15
"""After so many looks that each found new writes, rollups are brought up to date all the same."""


async def keep_up(
    pause_s: float,
    *,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    clock: Clock,
) -> NoReturn:
    """Bring rollups up to date whenever writing pauses, so that reads seldom have to.

    While readings stream in the processor is theirs: rolling up then would only be done again.
    """
    settled = seen = 0
    looks = 0
    while True:
        await asyncio.sleep(pause_s)
        latest = await rollups.latest_mark()
        looks = looks + 1 if latest != seen else PATIENCE
        seen = latest
        if latest == settled or looks < PATIENCE:
            continue
        looks = 0
        try:
            rolled = await catch_up(
                registry=registry, readings=readings, rollups=rollups, clock=clock
            )
        except WattbookError as error:
            log.warning("rollup_postponed", reason=str(error))
            continue
        settled = latest
        log.info("rolled_up", meters=rolled.meters, rows=rolled.rows_written)


AS_OF_MARGIN: Final = timedelta(days=40)
"""For a past state, registers are read so far beyond the period to know its ends."""


async def figures(
    meters: pl.DataFrame,
    grains: set[Grain],
    period: Period,
    *,
    as_of: datetime | None,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    clock: Clock,
) -> dict[Grain, pl.DataFrame]:
    """`frames.ROLLUPS` of the meters by grain: as they are now, or as they would have been then."""
    ids = meters["meter_id"].to_list()
    if as_of is None:
        await catch_up(ids, registry=registry, readings=readings, rollups=rollups, clock=clock)
        return {grain: await rollups.read(ids, grain, period) for grain in grains}
    around = Period(period.start - AS_OF_MARGIN, period.end + AS_OF_MARGIN)
    known = await readings.read(ids, around, as_of=as_of)
    quarters = rollup.quarters(known, meters)
    every = rollup.stamped(rollup.every_grain(quarters, meters), as_of)
    return {grain: every.filter(_in(period), grain=str(grain)) for grain in grains}


async def _roll_up(
    meters: pl.DataFrame,
    dirty: Dirty,
    *,
    readings: ReadingStore,
    rollups: RollupStore,
    now: datetime,
) -> int:
    """Roll up meters of one time zone; the rows that changed."""
    timezone = str(meters["timezone"][0])
    spans, rows = await readings.around(rollup.touched(dirty.spans, meters))
    if spans.is_empty():
        return 0
    ids = meters["meter_id"].to_list()
    hulls = {grain: _hull(spans, grain, timezone) for grain in Grain}
    parts = _both(hulls[Grain.HOUR], hulls[Grain.DAY])
    days = _both(hulls[Grain.WEEK], hulls[Grain.MONTH])
    quarters = await rollups.read(ids, Grain.QUARTER, parts)
    old_days = await rollups.read(ids, Grain.DAY, days)
    coarse = [
        await rollups.read(ids, grain, hulls[grain])
        for grain in (Grain.HOUR, Grain.WEEK, Grain.MONTH)
    ]

    def compute() -> tuple[pl.DataFrame, pl.DataFrame]:
        fresh = _within(rollup.quarters(rows, meters), spans)
        events = rollup.register_events(rows, meters.filter(kind=str(MeterKind.REGISTER)))
        figures = _every_grain(fresh, quarters, old_days, meters, hulls)
        changed = rollup.stamped(figures, now, pl.concat([quarters, old_days, *coarse]))
        return changed, _within(events, spans, "at_utc")

    changed, events = await asyncio.to_thread(compute)

    await rollups.write(changed, events, spans, dirty)
    return changed.height


def _every_grain(
    fresh: pl.DataFrame,
    old_quarters: pl.DataFrame,
    old_days: pl.DataFrame,
    meters: pl.DataFrame,
    hulls: dict[Grain, Period],
) -> pl.DataFrame:
    """The new quarters, and each coarser bucket that may hold one, from all of its parts."""

    def coarsened(finer: pl.DataFrame, grain: Grain) -> pl.DataFrame:
        return rollup.coarsen(finer.filter(_in(hulls[grain])), meters, grain)

    quarters = _replaced(old_quarters, fresh)
    new_days = coarsened(quarters, Grain.DAY)
    days = _replaced(old_days, new_days)
    return pl.concat(
        [
            new_days,
            coarsened(quarters, Grain.HOUR),
            coarsened(days, Grain.MONTH),
            fresh,
            coarsened(days, Grain.WEEK),
        ]
    )


def _in(period: Period) -> pl.Expr:
    return pl.col("start_utc").is_between(period.start, period.end, closed="left")


def _replaced(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    if old.is_empty():
        return new
    kept = old.join(new, on=list(frames.ROLLUPS.key), how="anti", maintain_order="left")
    return pl.concat([kept.select(rollup.FIGURES), new])


def _within(rows: pl.DataFrame, spans: pl.DataFrame, at: str = "start_utc") -> pl.DataFrame:
    """Rows of a meter that lie in one of its spans."""
    owner = spans.select("meter_id", "from_utc", "to_utc").sort("meter_id", "from_utc")
    found = rows.sort("meter_id", at).join_asof(
        owner,
        left_on=at,
        right_on="from_utc",
        by="meter_id",
        check_sortedness=False,  # both sides are sorted in the two lines above
    )
    return found.filter(pl.col(at) < pl.col("to_utc")).drop("from_utc", "to_utc", strict=False)


def _hull(spans: pl.DataFrame, grain: Grain, timezone: str) -> Period:
    """The shortest period of whole buckets that holds all spans."""
    first, last = spans["from_utc"].min(), spans["to_utc"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    latest = periods.buckets(Period(last - periods.QUARTER, last), grain, timezone)
    return Period(periods.floor(first, grain, timezone), latest["end_utc"][-1])


def _both(one: Period, other: Period) -> Period:
    return Period(min(one.start, other.start), max(one.end, other.end))

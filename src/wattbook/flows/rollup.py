"""Bringing rollups up to date with the readings behind them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import polars as pl
import structlog

from wattbook.core import frames, periods
from wattbook.core.errors import WattbookError
from wattbook.core.periods import Grain, Period
from wattbook.core.readings import segments
from wattbook.core.registry.entities import MeterKind
from wattbook.core.retention import cutoffs
from wattbook.core.rollups import affected, aggregation
from wattbook.ports.clock import Clock
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import RollupStore, Turn

log = structlog.get_logger()

READINGS_PER_CHUNK: Final = 125_000
"""About so many readings are rolled up together: many for the columns, few for the memory."""

SHARE_READINGS: Final = 500_000
"""Less than about so many readings is not worth a job of its own."""

PARTS_OF_A_LOAD: Final = 4
"""Readings read, old figures read, new ones computed, written: each moves the progress."""

LOADS_AT_ONCE: Final = 2
"""While one is read or written, another is computed."""

COARSE: Final = (Grain.HOUR, Grain.WEEK, Grain.MONTH)

Progress = Callable[[int, int], None]
"""Takes how many quarters are done, and of how many."""


@dataclass(frozen=True, slots=True)
class RollupResult:
    """What a run did."""

    meters: int
    rows_written: int
    quarters: int = 0
    """That were out of date."""


@dataclass(slots=True)
class _Course:
    """How much of it is done."""

    total: int
    tell: Progress | None
    done: int = 0

    def go_on(self, quarters: int) -> None:
        """Tell that so many more are done."""
        self.done += quarters
        if self.tell is not None:
            self.tell(self.done, self.total)


@dataclass(frozen=True, slots=True)
class Share:
    """Sites that are rolled up together, and how many quarters of their meters are out of date."""

    site_ids: tuple[str, ...]
    quarters: int


async def shares(
    meter_ids: list[str], *, registry: Registry, rollups: RollupStore
) -> tuple[Share, ...]:
    """What is out of date, in shares that can be rolled up beside each other."""
    dirty = await rollups.dirty(meter_ids)
    meters = await registry.meters()

    found = affected.site_groups(affected.affected_spans(dirty, meters), meters, SHARE_READINGS)

    return tuple(Share(tuple(site_ids), quarters) for site_ids, quarters in found.iter_rows())


async def catch_up(
    meter_ids: list[str] | None = None,
    *,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    clock: Clock,
    progress: Progress | None = None,
) -> RollupResult:
    """Roll up what changed, of these meters or of all: the dirty quarters and all above them.

    What `progress` raises ends the work; what was rolled up until then stays.
    """
    first = await rollups.dirty(meter_ids)
    if first.is_empty():
        return RollupResult(0, 0)
    meters = await registry.meters()
    sites = meters.join(first, on="meter_id", how="semi").select("site_id").unique()

    async with rollups.turn(sites["site_id"].to_list()) as turn:
        own = meters.join(sites, on="site_id", how="semi")
        if meter_ids is not None:
            own = own.filter(pl.col("meter_id").is_in(meter_ids))
        dirty = await rollups.dirty(own["meter_id"].to_list())
        waiting = own.join(dirty, on="meter_id", how="semi")
        touched = affected.affected_spans(dirty, waiting)
        loads = affected.chunks(touched, waiting, READINGS_PER_CHUNK)
        places = asyncio.Semaphore(LOADS_AT_ONCE)
        course = _Course(affected.quarters_in(touched), progress)
        failed = False

        async def one(load: list[pl.DataFrame]) -> int:
            if failed:
                return 0
            mine = waiting.join(load[0].select("meter_id").unique(), on="meter_id", how="semi")
            marks = dirty.join(mine.select("meter_id"), on="meter_id", how="semi")
            written = 0
            for spans in load:
                settled = marks if spans is load[-1] else marks.clear()
                whole = affected.quarters_in(spans)
                part = whole // PARTS_OF_A_LOAD
                written += await _roll_up(
                    mine,
                    spans,
                    settled,
                    turn,
                    readings=readings,
                    rollups=rollups,
                    now=clock.now(),
                    step=partial(course.go_on, part),
                )
                course.go_on(whole - (PARTS_OF_A_LOAD - 1) * part)
            return written

        async def in_turn(load: list[pl.DataFrame]) -> int:
            nonlocal failed
            async with places:
                try:
                    return await one(load)
                except BaseException:
                    failed = True  # those that have not begun need not begin
                    raise

        # All of them end before the turn does, even where one fails.
        results = await asyncio.gather(*(in_turn(load) for load in loads), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise failures[0]
    written = sum(result for result in results if isinstance(result, int))
    return RollupResult(waiting.height, written, course.total)


PATIENCE: Final = 15
"""After so many looks that each found new writes, rollups are brought up to date all the same."""


async def run_background_rollups(
    pause_s: float,
    halt: asyncio.Event,
    *,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    clock: Clock,
) -> None:
    """Bring rollups up to date whenever writing pauses, until told to halt.

    While readings stream in the processor is theirs: rolling up then would only be done again.
    """
    settled = seen = looks = 0
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(halt.wait(), pause_s)
        if halt.is_set():
            return
        try:
            latest = await rollups.latest_mark()
            quiet, seen = latest == seen, latest
            if latest == settled:
                looks = 0
                continue
            looks += 1
            if not quiet and looks < PATIENCE:
                continue
            looks = 0
            rolled = await catch_up(
                registry=registry, readings=readings, rollups=rollups, clock=clock
            )
        except WattbookError as error:  # a store that is away comes back
            log.warning("rollup_postponed", reason=str(error))
            continue
        settled = latest
        log.info("rolled_up", meters=rolled.meters, rows=rolled.rows_written)


async def _roll_up(
    meters: pl.DataFrame,
    touched: pl.DataFrame,
    dirty: pl.DataFrame,
    turn: Turn,
    *,
    readings: ReadingStore,
    rollups: RollupStore,
    now: datetime,
    step: Callable[[], None],
) -> int:
    """Roll up spans of meters of one time zone, and settle `dirty`; how many rows changed.

    `step` is called after each of `PARTS_OF_A_LOAD` but the last.
    """
    timezone = str(meters["timezone"][0])
    spans, rows = await readings.around(touched)
    refused = await _refused(spans, readings)
    step()
    spans = cutoffs.clipped(spans, meters)
    if spans.is_empty():  # the readings are gone, and so is what was to be computed
        for _ in range(PARTS_OF_A_LOAD - 2):
            step()
        nothing = frames.ROLLUPS.empty()
        events = frames.EVENTS.empty()
        await rollups.write(nothing, nothing.select(frames.ROLLUPS.key), events, spans, dirty)
        return 0
    ids = meters["meter_id"].to_list()
    hulls = {grain: _hull(spans, grain, timezone) for grain in Grain}
    parts = _both(hulls[Grain.HOUR], hulls[Grain.DAY])
    days = _both(hulls[Grain.WEEK], hulls[Grain.MONTH])
    quarters, old_days, *coarse = await asyncio.gather(
        rollups.read(ids, Grain.QUARTER, parts),
        rollups.read(ids, Grain.DAY, days),
        *(rollups.read(ids, grain, hulls[grain]) for grain in COARSE),
    )

    def compute() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        inside, outside = _split(quarters, spans)
        fresh, _ = _split(aggregation.quarters(rows, meters, refused), spans)
        figures = _every_grain(fresh, outside, old_days, meters, hulls)
        recomputed = [inside, old_days.filter(starts_in(hulls[Grain.DAY])), *coarse]
        old = cutoffs.computable(pl.concat(recomputed), meters)
        gone = old.join(figures, on=list(frames.ROLLUPS.key), how="anti")
        events = segments.register_events(rows, meters.filter(kind=str(MeterKind.REGISTER)))
        events, _ = _split(events, spans, "at_utc")
        return (
            aggregation.with_revisions(figures, now, old),
            gone.select(frames.ROLLUPS.key),
            events,
        )

    step()
    changed, gone, events = await asyncio.to_thread(compute)
    step()

    await rollups.write(changed, gone, events, spans, dirty, turn)
    return changed.height


async def _refused(spans: pl.DataFrame, readings: ReadingStore) -> pl.DataFrame:
    """Instants at which rows were refused that may end what is held into the spans."""
    if spans.is_empty():
        return frames.REFUSED.empty()
    pad = pl.duration(seconds=pl.col("pad_s"))
    first, last = spans.select((pl.col("from_utc") - pad).min(), pl.col("to_utc").max()).row(0)
    return await readings.refused(spans["meter_id"].unique().to_list(), Period(first, last))


def _every_grain(
    fresh: pl.DataFrame,
    other_quarters: pl.DataFrame,
    old_days: pl.DataFrame,
    meters: pl.DataFrame,
    hulls: dict[Grain, Period],
) -> pl.DataFrame:
    """The new quarters, and each coarser bucket that may hold one, from all of its parts."""

    def coarsened(finer: pl.DataFrame, grain: Grain) -> pl.DataFrame:
        return aggregation.coarsen(finer.filter(starts_in(hulls[grain])), meters, grain)

    quarters = pl.concat([other_quarters.select(aggregation.FIGURES), fresh])
    new_days = cutoffs.computable(coarsened(quarters, Grain.DAY), meters)
    inside = cutoffs.computable(old_days.filter(starts_in(hulls[Grain.DAY])), meters)
    other_days = old_days.join(inside, on=list(frames.ROLLUPS.key), how="anti")
    days = pl.concat([other_days.select(aggregation.FIGURES), new_days])
    figures = [
        new_days,
        coarsened(quarters, Grain.HOUR),
        coarsened(days, Grain.MONTH),
        fresh,
        coarsened(days, Grain.WEEK),
    ]
    return cutoffs.computable(pl.concat(figures), meters)


def _split(
    rows: pl.DataFrame, spans: pl.DataFrame, at: str = "start_utc"
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of a meter (each meter's in the order of time) in one of its spans, and the others."""
    owner = spans.select("meter_id", span_from="from_utc", span_to="to_utc")
    found = rows.join_asof(
        owner.sort("meter_id", "span_from"),
        left_on=at,
        right_on="span_from",
        by="meter_id",
        check_sortedness=False,  # within each meter both sides are in the order of time
    )
    inside = (pl.col(at) < pl.col("span_to")).fill_null(value=False)
    own = found.with_columns(inside=inside).drop("span_from", "span_to", strict=False)
    return own.filter("inside").drop("inside"), own.filter(~pl.col("inside")).drop("inside")


def _hull(spans: pl.DataFrame, grain: Grain, timezone: str) -> Period:
    """The shortest period of whole buckets that holds all spans."""
    first, last = spans["from_utc"].min(), spans["to_utc"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    latest = periods.floor(last - periods.QUARTER, grain, timezone)
    return Period(periods.floor(first, grain, timezone), periods.after(latest, grain, timezone))


def _both(one: Period, other: Period) -> Period:
    return Period(min(one.start, other.start), max(one.end, other.end))


def starts_in(period: Period) -> pl.Expr:
    return pl.col("start_utc").is_between(period.start, period.end, closed="left")

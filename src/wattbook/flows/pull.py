"""Bringing readings from a source of others, as far as they have come since the last time."""

from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.periods import Period
from wattbook.core.readings import validation
from wattbook.core.readings.checks import IntervalLabel
from wattbook.flows.ingest import Origin, SerialExecutor, ingest_readings
from wattbook.ports.clock import Clock
from wattbook.ports.readings import ReadingStore, Receipt
from wattbook.ports.registry import Registry
from wattbook.ports.source import Source
from wattbook.ports.watermarks import Watermarks

NO_ROWS: Final = pl.DataFrame(schema={"meter_id": pl.String, "timestamp": frames.UTC})
COUNTS: Final = ("received", "accepted", "duplicates", "corrected", "rejected")

Tell = Callable[[Receipt | None, Period, datetime], None]
"""Is told what became of a stretch, of the whole period, and how far it is done."""


@dataclass(frozen=True, slots=True)
class PullResult:
    """What a run brought: which period it covered (null: nothing new) and the counts of rows."""

    period: Period | None
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, receipt: Receipt) -> None:
        """Count a batch."""
        self.counts.update({name: getattr(receipt, name) for name in COUNTS})
        self.reasons.update(receipt.rejects.reasons)


async def pull(
    source: Source,
    *,
    overlap: timedelta,
    since: datetime | None = None,
    label: IntervalLabel = IntervalLabel.START,
    tell: Tell | None = None,
    registry: Registry,
    readings: ReadingStore,
    watermarks: Watermarks,
    clock: Clock,
) -> PullResult:
    """Take in what the source holds, from `overlap` before where the last run came to until now.

    How far it was read is noted when a stretch is on disk, and not before: after a crash the rest
    is read again, and what is known comes out as duplicates. Where `since` leaves a gap behind
    the last run, how far that came stays noted. All of this goes by the source's own stamps,
    whichever end of an interval they mark (`label`).
    """
    period = await next_period(
        source, overlap=overlap, since=since, watermarks=watermarks, clock=clock
    )
    pulled = PullResult(period)
    if period is None:
        return pulled
    turnstile = SerialExecutor()
    before = await watermarks.reached(source.name)
    without_gap = before is None or period.start <= before

    async with aclosing(source.stretches(period)) as stretches:
        async for stretch in stretches:
            receipt = None
            if stretch.raw.height:
                origin = Origin(source=source.name, sha256=stretch.sha256)
                written = await ingest_readings(
                    stretch.raw,
                    origin,
                    label=label,
                    turnstile=turnstile,
                    registry=registry,
                    readings=readings,
                    clock=clock,
                )
                receipt = written.receipt
                pulled.add(receipt)
            if without_gap:
                await watermarks.reach(source.name, stretch.until_utc, clock.now())
            if tell is not None:
                tell(receipt, period, stretch.until_utc)
    return pulled


async def next_period(
    source: Source,
    *,
    overlap: timedelta,
    since: datetime | None = None,
    watermarks: Watermarks,
    clock: Clock,
) -> Period | None:
    """What a run would read; null where there is nothing."""
    now = clock.now()
    if since is None:
        reached = await watermarks.reached(source.name)
        since = await source.earliest() if reached is None else reached - overlap
    if since is None or since >= now:
        return None
    return Period(since, now)


async def preview(
    source: Source,
    period: Period,
    count: int,
    *,
    label: IntervalLabel = IntervalLabel.START,
    registry: Registry,
    clock: Clock,
) -> tuple[pl.DataFrame, validation.ValidatedBatch]:
    """The first `count` rows of the period that there are, raw and judged; nothing is kept."""
    meters = await registry.meters()
    found: list[pl.DataFrame] = []
    async with aclosing(source.stretches(period)) as stretches:
        async for stretch in stretches:
            if stretch.raw.height:
                found.append(stretch.raw.drop("row").sort("timestamp").head(count))
            if sum(rows.height for rows in found) >= count:
                break
    raw = pl.concat([NO_ROWS, *found], how="diagonal").head(count).with_row_index("row")
    return raw, validation.validate(raw, meters=meters, now=clock.now(), label=label)

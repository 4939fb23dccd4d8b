"""Readings, and which spans they changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NoReturn

import polars as pl

from wattbook.clients.influxdb.server import Influx
from wattbook.core import frames
from wattbook.core.errors import UnsupportedError
from wattbook.core.periods import EPOCH, Period, microseconds
from wattbook.core.readings import merge
from wattbook.core.rollups import affected
from wattbook.ports.clock import Clock, SystemClock
from wattbook.ports.readings import Abilities, Batch, Receipt, WriteResult
from wattbook.stores.influxdb import journal, points, receipts
from wattbook.stores.influxdb.reader import Reader
from wattbook.stores.influxdb.rollup_readings import around

Mark = Callable[[pl.DataFrame], Awaitable[None]]
"""Marks spans (`meter_id`, `from_utc`, `to_utc`) as changed, where the rollups are."""

TABLE: Final = replace(merge.READINGS, number="meter_id")
LINES_PER_CHUNK: Final = 20_000
TEXTS_PER_CHUNK: Final = 20
"""So many parts of rejects, of at most some hundred kilobytes each, are written together."""
AT_ONCE: Final = 2
"""While the server stores one body of lines, the next is made."""
ABANDONED: Final = timedelta(hours=1)
"""What was begun so long ago and is still open belongs to a process that has ended."""
MICROSECOND: Final = timedelta(microseconds=1)
NO_SPANS: Final = pl.DataFrame(
    schema={"meter_id": pl.String, "from_utc": frames.UTC, "to_utc": frames.UTC}
)


class InfluxReadings:
    """`ports.readings.ReadingStore` in a bucket of InfluxDB 2.

    `alone`: no other process writes to the bucket, so that what is newer than everything that this
    one knows of a meter need not be looked up.
    """

    abilities = Abilities(as_of=False, atomic=False, revisions=False)

    def __init__(
        self, influx: Influx, mark: Mark, *, alone: bool, clock: Clock | None = None
    ) -> None:
        self._influx = influx
        self._mark = mark
        self._clock = clock or SystemClock()
        self._reader = Reader(influx)
        self._journal = journal.Journal()
        self._turn = asyncio.Lock()
        self._writing: set[asyncio.Task[WriteResult]] = set()
        self._heads: dict[str, int] | None = {} if alone else None
        """The newest stamp of each meter that was written to, as far as it is known."""
        self._unsure = NO_SPANS
        """What may have changed without being marked."""
        self._unsure_since_us: int | None = None

    async def write(self, batch: Batch) -> WriteResult:
        """Keep a batch, on disk before this returns; marks what it changed as dirty."""
        task = asyncio.create_task(self._write(batch))
        self._writing.add(task)
        task.add_done_callback(self._written)
        # Once begun, the write happens; a caller that goes away must not make it half known.
        return await asyncio.shield(task)

    async def read(
        self, meter_ids: list[str], period: Period | None = None, *, as_of: datetime | None = None
    ) -> pl.DataFrame:
        """`frames.READINGS` of the meters with stamps in the period, sorted by key."""
        if as_of is not None:
            _refuse("answers with what is known now, not as of a past instant")
        ids = list(dict.fromkeys(meter_ids))
        if not ids:
            await self._reader.reach()
            return frames.READINGS.empty()
        begin, until = points.EVER_US if period is None else map(_us, (period.start, period.end))
        spans = pl.DataFrame({"meter_id": ids}).with_columns(
            from_us=pl.lit(begin, dtype=pl.Int64), to_us=pl.lit(until - 1, dtype=pl.Int64)
        )
        rows = await self._reader.rows(spans)
        return frames.check(
            await asyncio.to_thread(rows.sort, *frames.READINGS.key), frames.READINGS
        )

    async def around(self, spans: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Readings that decide the quarters of `spans`, and the spans, widened for registers."""
        return await around(self._reader, spans)

    async def refused(
        self, meter_ids: list[str], period: Period, *, as_of: datetime | None = None
    ) -> pl.DataFrame:
        """`frames.REFUSED` of the meters in the period, sorted by key."""
        if as_of is not None:
            _refuse("answers with what is known now, not as of a past instant")
        found = await self._reader.refused(
            list(dict.fromkeys(meter_ids)), _us(period.start), _us(period.end)
        )
        return found.sort(*frames.REFUSED.key)

    async def receipt(self, batch_id: str) -> Receipt:
        """The receipt of a batch, with its rejects."""
        return await receipts.find(self._influx, batch_id)

    async def extent(self, meter_ids: list[str]) -> pl.DataFrame:
        """First and last stamp of those meters that have readings."""
        return (await self._reader.extent(meter_ids)).sort("meter_id")

    async def revisions(self, meter_id: str, period: Period) -> NoReturn:  # noqa: ARG002
        """Nothing: readings that were superseded are not kept."""
        _refuse("keeps the current readings alone, not those that they superseded")

    async def recover(self) -> None:
        """Mark what a process that ended may have written without marking it."""
        for entry in await journal.left_open(self._influx):
            found = await self._reader.learned(entry.from_us, entry.to_us, entry.known_us)
            if found.height:
                await self._mark(affected.changed(found))
            begun = EPOCH + entry.begun_us * MICROSECOND
            if self._heads is not None or begun < self._clock.now() - ABANDONED:
                await self._influx.write(journal.closed(entry.slot), precision="ns")
        await self._influx.write(self._journal.done(), precision="ns")  # may this token write?

    def note(self, rows: pl.DataFrame) -> None:
        """Know of rows that are about to be written, by this store or past it."""
        if self._heads is None:
            return
        newest = rows.group_by("meter_id").agg(microseconds("ts_utc").max())
        for name, at in newest.iter_rows():
            if name in self._heads:  # others are looked up when they are written to
                self._heads[name] = max(at, self._heads[name])

    async def settle(self) -> None:
        """Wait for the writes that have begun."""
        while self._writing:
            await asyncio.wait(self._writing)

    def _written(self, task: asyncio.Task[WriteResult]) -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # it is raised where somebody waits, and told to nobody elsewhere

    async def _write(self, batch: Batch) -> WriteResult:
        async with self._turn:
            rows = batch.kept.select(pl.col(*TABLE.columns), pl.col(f"^{merge.EXPLICIT}$"))
            stored = (await self._stored(rows)).select(TABLE.columns)
            merged = await asyncio.to_thread(merge.merge, rows, stored, TABLE)
            written = WriteResult.of(batch, merged.outcomes)
            said = await asyncio.to_thread(receipts.lines, written.receipt)
            if merged.current.height or batch.refused.height or self._unsure.height:
                await self._keep(merged.current, batch.refused)
                said.append(self._journal.done())
            # The receipt is behind the rejects: where it is, they are.
            for at in range(0, len(said), TEXTS_PER_CHUNK):
                await self._influx.write(
                    b"\n".join(said[at : at + TEXTS_PER_CHUNK]), precision="ns"
                )
            return written

    async def _stored(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What is stored under the keys of the rows, and near them."""
        asked = rows.select("meter_id", "ts_utc")
        if self._heads is not None:
            ids = asked["meter_id"].unique()
            heads = await self._known_heads(self._heads, ids.to_list())
            newest = pl.DataFrame({"meter_id": ids, "head": heads}, schema_overrides=_HEAD)
            asked = asked.join(newest, on="meter_id").filter(
                microseconds("ts_utc") <= pl.col("head")
            )
        if asked.is_empty():
            return frames.READINGS.empty()
        at = microseconds("ts_utc")
        return await self._reader.rows(asked.select("meter_id", from_us=at, to_us=at))

    async def _known_heads(self, heads: dict[str, int], ids: list[str]) -> list[int]:
        """The newest stamp of each meter, looked up where it is not known yet."""
        unknown = [name for name in ids if name not in heads]
        if unknown:
            found = await self._reader.last(unknown)
            heads |= dict.fromkeys(unknown, points.EVER_US[0])
            heads |= dict(found.select("meter_id", microseconds("at")).iter_rows())
        return [heads[name] for name in ids]

    async def _keep(self, rows: pl.DataFrame, refused: pl.DataFrame) -> None:
        """Write the rows, and mark what they change, whatever becomes of this process."""
        own = ["meter_id", "ts_utc", "known_utc"]
        both = pl.concat([rows.select(own), refused.select(own)])
        spans = pl.concat([self._unsure, affected.changed(both)]).unique()
        ends = (microseconds("from_utc").min(), microseconds("to_utc").max())
        begin, end = spans.select(ends).row(0)
        known = both.select(microseconds("known_utc").min()).item()
        since = min(us for us in (self._unsure_since_us, known) if us is not None)
        entry = self._journal.begun(begin, end, since, _us(self._clock.now()))
        await self._influx.write(entry, precision="ns")
        self._unsure, self._unsure_since_us = spans, since
        self.note(rows)
        try:
            if refused.height:
                lines = await asyncio.to_thread(points.refused_lines, refused)
                await self._influx.write(lines)
            await store(self._influx, rows)
        finally:
            await self._mark(spans)
        self._unsure, self._unsure_since_us = NO_SPANS, None


async def store(influx: Influx, rows: pl.DataFrame) -> None:
    """Write `frames.READINGS`; when this returns or raises, none of them is on its way."""
    pieces = iter(rows.iter_slices(LINES_PER_CHUNK))

    async def some() -> None:
        for piece in pieces:
            await influx.write(await asyncio.to_thread(points.lines, piece))

    done = await asyncio.gather(*(some() for _ in range(AT_ONCE)), return_exceptions=True)
    for failure in filter(None, done):
        raise failure


@asynccontextmanager
async def opened(
    influx: Influx, mark: Mark, *, alone: bool, clock: Clock | None = None
) -> AsyncIterator[InfluxReadings]:
    """Readings in a bucket that can be reached; at the end what was begun is written."""
    readings = InfluxReadings(influx, mark, alone=alone, clock=clock)
    await readings.recover()
    try:
        yield readings
    finally:
        await readings.settle()


_HEAD: Final = {"meter_id": pl.String, "head": pl.Int64}


def _refuse(what: str) -> NoReturn:
    raise UnsupportedError(
        f"the readings are in InfluxDB (READINGS_STORE=influxdb), which {what};"
        " with READINGS_STORE=auto, PostgreSQL and the embedded store do"
    )


def _us(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND

"""Taking in what meters and markets send, in batches and one by one."""

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

import polars as pl

from wattbook.core import frames
from wattbook.core.grid.conditions import QUANTITIES
from wattbook.core.grid.curves import CurveType
from wattbook.core.periods import Period
from wattbook.core.readings import merge, plausibility, slices, validation
from wattbook.core.readings.checks import IntervalLabel, RejectReason
from wattbook.core.readings.rejects import Rejects
from wattbook.core.readings.slices import ValidatedSlice
from wattbook.core.readings.validation import ValidatedBatch
from wattbook.core.reporting import notices
from wattbook.flows import conditions as zone_rows
from wattbook.ports.clock import Clock
from wattbook.ports.grid import GridStore
from wattbook.ports.readings import Batch, ReadingStore, Receipt, WriteResult
from wattbook.ports.registry import Registry

Done = TypeVar("Done")


class SerialExecutor:
    """Lets one batch at a time be decoded and judged.

    Each step uses all cores by itself; more of them at once would only take turns, and hold the
    columns of many bodies in memory.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def run(self, work: Callable[[], Done]) -> Done:
        """What `work` returns, from a thread."""
        async with self._turn:
            return await asyncio.to_thread(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a batch comes from."""

    source: str
    sha256: str

    @classmethod
    def of(cls, source: str, body: bytes) -> "Origin":
        """The origin of a body."""
        return cls(source=source, sha256=hashlib.sha256(body).hexdigest())


async def ingest_readings(
    raw: pl.DataFrame,
    origin: Origin,
    *,
    label: IntervalLabel = IntervalLabel.START,
    atomic: bool = False,
    dry_run: bool = False,
    turnstile: SerialExecutor | None = None,
    registry: Registry,
    readings: ReadingStore,
    clock: Clock,
) -> WriteResult:
    """Keep what can be kept of `raw` (`frames.RAW_READINGS`), on disk; what became of each row.

    A `dry_run` only validates.
    """
    meters = await registry.meters()
    now = clock.now()
    found = await _validated(
        raw,
        lambda rows: validation.validate(rows, meters=meters, now=now, label=label),
        frames.READINGS,
        turnstile or SerialExecutor(),
        atomic=atomic,
    )
    batch = _batch(raw.height, found, origin, clock)
    warnings = found.warnings
    del raw, found  # what waits for its turn to be written holds no more than it needs
    written = _not_written(batch) if dry_run else await readings.write(batch)
    return replace(written, receipt=replace(written.receipt, warnings=warnings))


async def ingest_grid(
    raw: pl.DataFrame,
    origin: Origin,
    *,
    label: IntervalLabel = IntervalLabel.START,
    curve: CurveType = CurveType.A01,
    period_end: datetime | None = None,
    atomic: bool = False,
    dry_run: bool = False,
    turnstile: SerialExecutor | None = None,
    grid: GridStore,
    clock: Clock,
) -> WriteResult:
    """Keep what can be kept of `raw` (`frames.RAW_GRID`), on disk; a `dry_run` only validates."""
    now = clock.now()
    found = await _validated(
        raw,
        lambda rows: validation.validate_grid(
            rows, now=now, label=label, curve=curve, period_end=period_end
        ),
        frames.GRID,
        turnstile or SerialExecutor(),
        atomic=atomic,
        whole=curve is CurveType.A03,  # a row of such a curve holds until the next one
    )
    batch = _batch(raw.height, found, origin, clock)
    kept = found.kept
    del raw, found
    written = _not_written(batch) if dry_run else await grid.write(batch)
    warnings = await _overlaps(kept, grid)
    return replace(written, receipt=replace(written.receipt, warnings=warnings))


async def _overlaps(kept: pl.DataFrame, grid: GridStore) -> tuple[str, ...]:
    """Warnings of rows that say the same of a zone for the same time, stored ones included."""
    if kept.is_empty():
        return ()
    end = pl.col("start_utc") + pl.duration(seconds="interval_s")
    begin, until = kept.select(pl.col("start_utc").min(), until=end.max()).row(0)
    names = kept["zone"].unique().sort().to_list()
    stored = await zone_rows.read(names, Period(begin, until), grid=grid)
    rows = pl.concat([stored, kept.select(stored.columns)])
    rows = rows.unique(list(frames.GRID.key), keep="last", maintain_order=True)
    return await asyncio.to_thread(
        lambda: tuple(each.detail for each in notices.of_overlaps(rows, tuple(QUANTITIES)))
    )


async def _validated(
    raw: pl.DataFrame,
    validate: Callable[[pl.DataFrame], ValidatedBatch],
    contract: frames.Contract,
    turnstile: SerialExecutor,
    *,
    atomic: bool,
    whole: bool = False,
) -> ValidatedSlice:
    """The batch, validated slice by slice; between two slices other batches have their turn."""
    parts = [
        await turnstile.run(lambda rows=rows: ValidatedSlice.of(validate(rows)))  # type: ignore[misc]
        for rows in ([raw] if whole else slices.cut(raw))
    ]
    return await turnstile.run(lambda: slices.join(parts, raw, contract, atomic=atomic))


def _not_written(batch: Batch) -> WriteResult:
    """What would become of a batch into an empty store: it has no id, because it is not kept."""
    accepted = pl.Series([merge.ACCEPTED] * batch.kept.height, dtype=pl.UInt8)
    return WriteResult.of(replace(batch, batch_id=""), accepted)


def _batch(received: int, found: ValidatedSlice, origin: Origin, clock: Clock) -> Batch:
    return Batch(
        batch_id=uuid.uuid4().hex,
        source=origin.source,
        sha256=origin.sha256,
        received_utc=clock.now(),
        received=received,
        kept=found.kept,
        rejects=found.rejects,
        refused=found.refused,
        merged=found.merged,
    )


@dataclass(frozen=True, slots=True)
class Single:
    """What became of one reading: `accepted`, `duplicate`, `corrected` or `rejected`, and why."""

    batch_id: str
    outcome: str
    reason: str | None = None
    detail: str | None = None


_Waiting = tuple[dict[str, object], asyncio.Future[Single]]
OUTCOMES: Final = ("accepted", "duplicate", "corrected")


class Collector:
    """Gathers readings that come one by one, so that many share one commit.

    A group leaves as soon as the one before it is on disk: alone when it is quiet, hundreds at a
    time when it is busy.
    """

    def __init__(self, *, registry: Registry, readings: ReadingStore, clock: Clock) -> None:
        self._registry = registry
        self._readings = readings
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def take_in(self, row: dict[str, object]) -> Single:
        """Keep one row of `frames.RAW_READINGS`, on disk before this returns."""
        done: asyncio.Future[Single] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await done

    async def _drain(self) -> None:
        await asyncio.sleep(0)  # let the requests of this turn of the loop join
        while self._waiting:
            group = self._first_of_each_key()
            rows = [row for row, _ in group]
            waiters = [done for _, done in group]
            try:
                results = await self._write(rows)
            except Exception as error:  # noqa: BLE001  each caller gets it, none is left waiting
                for done in waiters:
                    if not done.done():
                        done.set_exception(error)
                continue
            for entry, result in zip(group, results, strict=True):
                if result.reason == RejectReason.DUPLICATE_IN_BATCH:
                    self._waiting.append(entry)  # one key, named in two ways
                elif not entry[1].done():
                    entry[1].set_result(result)

    def _first_of_each_key(self) -> list["_Waiting"]:
        """Waiting rows with distinct keys; a second row for a key waits for the next group."""
        seen: set[object] = set()
        group: list[_Waiting] = []
        later: list[_Waiting] = []
        for entry in self._waiting:
            key = _key(entry[0])
            (later if key in seen else group).append(entry)
            seen.add(key)
        self._waiting = later
        return group

    async def _write(self, rows: Sequence[dict[str, object]]) -> list[Single]:
        raw = pl.DataFrame(rows, schema=SINGLE_SCHEMA).with_row_index("row")
        text = raw.write_ndjson().encode()
        written = await ingest_readings(
            raw,
            Origin.of("realtime", text),
            registry=self._registry,
            readings=self._readings,
            clock=self._clock,
        )
        return _singles(written, len(rows))


def _key(row: dict[str, object]) -> tuple[object, object]:
    """Meter and instant, however they are written; what this cannot tell, the judge does."""
    meter = row.get("meter_id") or f"{row.get('site_id')}.main"
    sent = row.get("timestamp")
    try:
        return meter, datetime.fromisoformat(str(sent)).astimezone(UTC)
    except (ValueError, OverflowError):
        return meter, sent


SINGLE_SCHEMA: Final = {
    name: column.dtype
    for name, column in frames.RAW_READINGS.columns.items()
    if name not in ("row", "reason", "detail", "raw")
}


def _singles(written: WriteResult, count: int) -> list[Single]:
    batch_id = written.receipt.batch_id
    results: list[Single | None] = [None] * count
    for row, outcome in zip(written.rows, written.outcomes, strict=True):
        results[row] = Single(batch_id, OUTCOMES[outcome])
    for row, reason, detail, _ in written.receipt.rejects.frame().iter_rows():
        results[row] = Single(batch_id, "rejected", reason, detail)
    assert all(result is not None for result in results)
    return [result for result in results if result is not None]


def add_receipts(receipts: Sequence[Receipt]) -> Receipt:
    """One receipt over the chunks of one file: counts summed, rejects together."""
    counts = {
        name: sum(getattr(receipt, name) for receipt in receipts)
        for name in ("received", "accepted", "duplicates", "corrected", "rejected")
    }
    return replace(
        receipts[0],
        **counts,
        rejects=Rejects.joined(receipt.rejects for receipt in receipts),
        warnings=tuple(
            plausibility.first_of_each(each for receipt in receipts for each in receipt.warnings)
        ),
    )

"""Conditions of grid zones."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from wattbook.core import frames
from wattbook.core.grid.conditions import MAX_INTERVAL
from wattbook.core.periods import Period
from wattbook.core.readings.merge import EXPLICIT
from wattbook.core.readings.merge import GRID as TABLE
from wattbook.ports.clock import Clock
from wattbook.ports.readings import Batch, WriteResult
from wattbook.stores.duckdb.engine import Connection, Engine, fetch, listed
from wattbook.stores.duckdb.keys import Keys

if TYPE_CHECKING:
    from wattbook.stores.duckdb.merge import Merger


class DuckGrid:
    """`ports.grid.GridStore` in DuckDB."""

    def __init__(self, engine: Engine, keys: Keys, clock: Clock | None = None) -> None:
        self._clock = clock
        self._engine = engine
        self._keys = keys
        self._merger: Merger | None = None
        """None before the first write: who only reads needs no heads of all series."""

    async def write(self, batch: Batch) -> WriteResult:
        """Keep a batch of `frames.GRID`, on disk before this returns."""
        written: WriteResult = await self._engine.write(self._write, batch, batch.kept.height)
        return written

    async def read(
        self, zones: list[str], period: Period, *, as_of: datetime | None = None
    ) -> pl.DataFrame:
        """`frames.GRID` of the zones that hold in some of the period, sorted by key."""
        numbers = self._keys.of(zones)
        if not numbers:
            return frames.GRID.empty()
        columns = ", ".join(TABLE.columns)
        where = (
            f"zone_key in ({listed(numbers)}) and start_utc > ? and start_utc < ?"
            " and start_utc + to_seconds(interval_s) > ?"
        )
        start, end = period.start.replace(tzinfo=None), period.end.replace(tzinfo=None)
        span: list[Any] = [start - MAX_INTERVAL, end, start]
        sql, values = f"select {columns} from grid where {where}", span
        if as_of is not None:
            await self._engine.settled()  # what was known then is on disk after this
            known = as_of.replace(tzinfo=None)
            sql = (
                f"{sql} and known_utc <= ? union all select {columns} from grid_revisions"
                f" where {where} and known_utc <= ? and superseded_utc > ?"
            )
            values = [*span, known, *span, known, known]
        found = await self._engine.read(lambda con: fetch(con, sql, values))
        rows = self._keys.named(found).with_columns(
            pl.col("start_utc", "known_utc").dt.replace_time_zone("UTC"),
            pl.col("interval_s").cast(pl.Int64),
        )
        return frames.check(rows, frames.GRID).sort(*frames.GRID.key)

    def _write(self, con: Connection, batches: list[Batch]) -> list[WriteResult]:
        try:
            rows = [self._own(con, batch.kept) for batch in batches]
            written, _ = self._current_merger().merge(con, batches, rows)
        except BaseException:
            self._keys.reload()
            self.reload()
            raise
        return written

    def note(self, rows: pl.DataFrame) -> None:
        """Take note of rows that another part of the writing thread's transaction put in."""
        self._current_merger().note(rows)

    def reload(self) -> None:
        """Forget what a failed transaction left behind in memory."""
        self._merger = None

    def _current_merger(self) -> "Merger":
        if self._merger is None:
            self._merger = self._fresh_merger()
        return self._merger

    def _fresh_merger(self) -> "Merger":
        heads = self._engine.on_cursor(
            lambda con: fetch(
                con,
                "select zone_key, max(start_utc) as start_utc, max(known_utc) as known_utc"
                " from grid group by zone_key",
            )
        )
        from wattbook.stores.duckdb.merge import Merger  # noqa: PLC0415 -- readers do not merge

        return Merger(TABLE, self._keys, heads, self._clock)

    def _own(self, con: Connection, kept: pl.DataFrame) -> pl.DataFrame:
        rows = self._keys.numbered(kept)
        if rows["zone_key"].null_count():
            self._keys.add(con, kept["zone"])
            rows = self._keys.numbered(kept)
        return rows.with_columns(
            pl.col("start_utc", "known_utc").dt.replace_time_zone(None),
            pl.col("interval_s").cast(pl.Int32),
        ).select(pl.col(*TABLE.columns), pl.col(f"^{EXPLICIT}$"))

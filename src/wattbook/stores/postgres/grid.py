"""Conditions of grid zones."""

from datetime import datetime

import polars as pl

from wattbook.core import frames
from wattbook.core.grid.conditions import MAX_INTERVAL
from wattbook.core.periods import Period
from wattbook.core.readings.merge import EXPLICIT
from wattbook.core.readings.merge import GRID as TABLE
from wattbook.ports.readings import Batch, WriteResult
from wattbook.stores.postgres.engine import Engine, Session, Writer, instant, integers, within
from wattbook.stores.postgres.keys import Keys
from wattbook.stores.postgres.merge import Merger
from wattbook.stores.postgres.readings import settled


class PostgresGrid:
    """`ports.grid.GridStore` in PostgreSQL."""

    def __init__(self, engine: Engine, keys: Keys, *, stamped: bool = True) -> None:
        self._engine = engine
        self._keys = keys
        self._stamped = stamped
        self._merger = Merger(TABLE, stamped=stamped)
        self._writer = Writer(engine, "postgres-grid")

    def close(self) -> None:
        """Finish what waits to be written."""
        self._writer.close()

    async def write(self, batch: Batch) -> WriteResult:
        """Keep a batch of `frames.GRID`, on disk before this returns."""
        await self._keys.number_all(batch.kept["zone"])
        return await self._writer.write(self._write, batch, batch.kept.height)

    async def read(
        self, zones: list[str], period: Period, *, as_of: datetime | None = None
    ) -> pl.DataFrame:
        """`frames.GRID` of the zones that hold in some of the period, sorted by key."""
        columns = ", ".join(TABLE.columns)
        numbers = integers(await self._keys.look_up(zones))
        reached = within("start_utc", Period(period.start - MAX_INTERVAL, period.end))
        touches = f"start_utc + make_interval(secs => interval_s) > {instant(period.start)}"
        where = f"zone_key = any({numbers}) and {reached} and {touches}"
        sql = f"select {columns} from grid where {where}"
        if as_of is not None:
            known = instant(as_of)
            sql = (
                f"{sql} and known_utc <= {known} union all select {columns} from grid_revisions"
                f" where {where} and known_utc <= {known} and superseded_utc > {known}"
            )
            await self._engine.read(lambda session: settled(session, as_of, self._stamped))
        found = await self._engine.read(lambda session: session.fetch(sql))
        rows = self._keys.named(found).with_columns(
            interval_s=pl.col("interval_s").cast(pl.Int64),
            revision=pl.col("revision").cast(pl.UInt16),
        )
        return frames.check(rows, frames.GRID).sort(*frames.GRID.key)

    def _write(self, session: Session, batches: list[Batch]) -> list[WriteResult]:
        rows = [
            self._keys.numbered(batch.kept)
            .with_columns(pl.col("interval_s", "revision").cast(pl.Int32))
            .select(pl.col(*TABLE.columns), pl.col(f"^{EXPLICIT}$"))
            for batch in batches
        ]
        written, _ = self._merger.merge(session, batches, rows, in_doubt=self._writer.in_doubt)
        return written

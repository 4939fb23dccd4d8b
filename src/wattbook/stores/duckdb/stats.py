"""What the file knows of itself."""

from typing import Any, Final

import polars as pl

from wattbook.core import frames
from wattbook.core.periods import Period
from wattbook.ports.stats import Storage
from wattbook.stores.duckdb.engine import Engine, fetch

COUNTS: Final = ("received", "accepted", "duplicates", "corrected", "rejected")


class DuckStats:
    """`ports.stats.Stats` and `ports.stats.Stored` in DuckDB."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def received(self, period: Period) -> pl.DataFrame:
        """Batches and the counts of their receipts, by UTC day of arrival."""
        sums = ", ".join(f"sum({name})::bigint as {name}" for name in COUNTS)
        sql = (
            f"select received_utc::date as day, count(*) as batches, {sums},"
            " max(received_utc) as last_utc from receipts"
            " where received_utc >= ? and received_utc < ? group by day order by day"
        )
        found = await self._engine.read(lambda con: fetch(con, sql, _plain(period)))
        return found.with_columns(pl.col("last_utc").cast(pl.Datetime("us")).cast(frames.UTC))

    async def events(self, period: Period) -> pl.DataFrame:
        """What registers did other than count up, by UTC day."""
        sql = (
            "select at_utc::date as day, kind, count(*) as events from register_events"
            " where at_utc >= ? and at_utc < ? group by all order by all"
        )
        return await self._engine.read(lambda con: fetch(con, sql, _plain(period)))

    async def storage(self) -> Storage:
        """The file with its log."""
        sql = "select table_name, estimated_size from duckdb_tables() order by table_name"
        found = await self._engine.read(lambda con: fetch(con, sql))
        return Storage("duckdb", self._engine.size(), dict(found.iter_rows()))


def _plain(period: Period) -> list[Any]:
    return [period.start.replace(tzinfo=None), period.end.replace(tzinfo=None)]

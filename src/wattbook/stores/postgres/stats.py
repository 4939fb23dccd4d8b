"""What the database knows of itself."""

from typing import Final

import polars as pl

from wattbook.core.periods import Period
from wattbook.ports.stats import Storage
from wattbook.stores.postgres.engine import Engine, within

COUNTS: Final = ("received", "accepted", "duplicates", "corrected", "rejected")
TABLES: Final = (
    "readings",
    "reading_revisions",
    "rollups",
    "register_events",
    "grid",
    "grid_revisions",
    "receipts",
    "rejects",
    "dirty",
)


class PostgresStats:
    """`ports.stats.Stats` and `ports.stats.Stored` in PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def received(self, period: Period) -> pl.DataFrame:
        """Batches and the counts of their receipts, by UTC day of arrival."""
        sums = ", ".join(f"sum({name})::bigint as {name}" for name in COUNTS)
        sql = (
            f"select (received_utc at time zone 'UTC')::date as day, count(*) as batches, {sums},"
            f" max(received_utc) as last_utc from receipts where {within('received_utc', period)}"
            " group by 1 order by 1"
        )
        return await self._engine.read(lambda session: session.fetch(sql))

    async def events(self, period: Period) -> pl.DataFrame:
        """What registers did other than count up, by UTC day."""
        sql = (
            "select (at_utc at time zone 'UTC')::date as day, kind, count(*) as events"
            f" from register_events where {within('at_utc', period)} group by 1, 2 order by 1, 2"
        )
        return await self._engine.read(lambda session: session.fetch(sql))

    async def storage(self) -> Storage:
        """The database; rows as of the last ANALYZE, which PostgreSQL does by itself.

        A table that was not analysed yet, or was empty then, is counted.
        """
        names = ", ".join(f"('{name}')" for name in TABLES)
        sql = (
            "with recursive parts(name, id) as ("
            f" select name, to_regclass(name)::oid from (values {names}) as asked(name)"
            " union all select name, inhrelid from parts join pg_inherits on inhparent = id)"
            " select name, sum(greatest(reltuples, 0))::bigint as rows,"
            " bool_or(reltuples < 0) as unknown"
            " from parts join pg_class on oid = id and relkind <> 'p' group by name order by name"
        )
        rows = await self._engine.read(lambda session: session.fetch(sql))
        size = "select pg_database_size(current_database()) as bytes"
        found = await self._engine.read(lambda session: session.fetch(size))
        counts: dict[str, int] = {}
        for name, estimate, unknown in rows.iter_rows():
            counts[name] = await self._count(name) if unknown or not estimate else estimate
        return Storage("postgresql", int(found["bytes"][0]), counts)

    async def _count(self, table: str) -> int:
        sql = f"select count(*) as rows from {table}"
        found = await self._engine.read(lambda session: session.fetch(sql))
        return int(found["rows"][0])

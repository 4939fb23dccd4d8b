"""Every row of the database as it is, and rows of other stores taken over."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.archive.tables import BY_NAME, READINGS, ROLLUPS, TABLES, Table
from wattbook.core.periods import Period
from wattbook.core.rollups import aggregation
from wattbook.stores.postgres.engine import (
    SHAPES,
    Engine,
    Session,
    Writer,
    integers,
    texts,
    within,
)
from wattbook.stores.postgres.keys import Keys
from wattbook.stores.postgres.merge import without_nul
from wattbook.stores.postgres.partitions import Partitions

RECEIPTS: Final = BY_NAME["receipts"]
REJECTS: Final = BY_NAME["rejects"]
NARROW: Final = ("interval_s", "readings", "expected", "bucket_s", "revision")


@dataclass(frozen=True, slots=True)
class Load:
    """Rows that are to be all that a table holds of some owners in a period."""

    table: Table
    where: str
    rows: pl.DataFrame


class PostgresArchive:
    """`ports.archive.Archive` in PostgreSQL."""

    holds = frozenset(BY_NAME)

    def __init__(self, engine: Engine, meter_keys: Keys, zone_keys: Keys) -> None:
        self._engine = engine
        self._keys = {"meter_id": meter_keys, "zone": zone_keys}
        self._months = {table.name: Partitions(engine, table.name) for table in (READINGS, ROLLUPS)}
        self._writer = Writer(engine, "postgres-archive")

    def close(self) -> None:
        """Finish what waits to be written."""
        self._writer.close()

    async def contents(self, tables: Sequence[Table] = TABLES) -> pl.DataFrame:
        """`frames.CONTENTS` of these tables, sorted by key."""
        found = [await self._counted(table) for table in tables]
        return pl.concat([frames.CONTENTS.empty(), *found]).sort(frames.CONTENTS.key)

    async def cut(self, table: Table, owner: str, period: Period, rows: int) -> list[Period]:
        """The period in parts that follow each other, each with about so many rows of the owner."""
        sql = (
            f"select distinct at from (select {table.instant} as at,"
            f" row_number() over (order by {table.instant}) as number"
            f" from {_source(table)} where {await self._where(table, [owner], period)}) as numbered"
            f" where (number - 1) % {int(rows)} = 0 order by at"
        )
        found = await self._engine.read(lambda session: session.fetch(sql))
        return [Period(*ends) for ends in pairwise([period.start, *found["at"][1:], period.end])]

    async def take(self, table: Table, owners: Sequence[str], period: Period) -> pl.DataFrame:
        """Rows of the owners in the period, in the contract of the table, in any order."""
        columns = ", ".join(self._columns(table))
        where = await self._where(table, owners, period)
        sql = f"select {columns} from {_source(table)} where {where}"
        found = await self._engine.read(lambda session: session.fetch(sql))
        return self._domain(table, found)

    async def put(
        self, table: Table, owners: Sequence[str], period: Period, rows: pl.DataFrame
    ) -> None:
        """Make `rows` all that the table holds of these owners in the period."""
        if (keys := self._keys.get(table.owner)) is not None:
            await keys.number_all(rows[table.owner])
        if (months := self._months.get(table.name)) is not None:
            await months.make(rows[table.instant])
        load = Load(table, await self._where(table, owners, period), self._own(table, rows))
        await self._writer.write(_put, load, rows.height)

    async def _counted(self, table: Table) -> pl.DataFrame:
        keys = self._keys.get(table.owner)
        owner = table.owner if keys is None else keys.number
        sql = (
            f"select {owner}, date_trunc('month', {table.instant} at time zone 'UTC')::date"
            f" as month, count(*) as rows from {_source(table)} group by 1, 2"
        )
        found = await self._engine.read(lambda session: session.fetch(sql))
        if keys is not None:
            await self._engine.read(keys.refresh)
            found = keys.named(found)
        return found.select(
            pl.lit(table.name).alias("table"), pl.col(table.owner).alias("owner"), "month", "rows"
        )

    async def _where(self, table: Table, owners: Sequence[str], period: Period) -> str:
        span = within(table.instant, period)
        if (keys := self._keys.get(table.owner)) is None:
            return f"{table.owner} = any({texts(owners)}) and {span}"
        return f"{keys.number} = any({integers(await keys.look_up(list(owners)))}) and {span}"

    def _columns(self, table: Table) -> list[str]:
        """The columns of a table as they are kept."""
        rows = table.contract.empty()
        names = (aggregation.pack(rows) if table is ROLLUPS else rows).columns
        keys = self._keys.get(table.owner)
        return [
            keys.number if keys is not None and name == table.owner else f'"{name}"'
            for name in names
        ]

    def _own(self, table: Table, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows in the columns of the database."""
        if table is REJECTS:
            evidence = rows.select("batch_id", *frames.REJECTS.columns)
            return without_nul(evidence.with_columns(pl.col("row").cast(pl.Int64)))
        if table is ROLLUPS:
            rows = aggregation.pack(rows).with_columns(pl.col("grain", "quality").cast(pl.Int16))
        elif "quality" in rows.columns:
            rows = rows.with_columns(quality=frames.rank().cast(pl.Int16))
        narrow = [name for name in NARROW if name in rows.columns and table is not RECEIPTS]
        rows = rows.with_columns(pl.col(narrow).cast(pl.Int32))
        if (keys := self._keys.get(table.owner)) is not None:
            rows = keys.numbered(rows).drop(table.owner).sort(keys.number, table.instant)
        return rows

    def _domain(self, table: Table, found: pl.DataFrame) -> pl.DataFrame:
        keys = self._keys.get(table.owner)
        rows = found if keys is None else keys.named(found)
        if table is ROLLUPS:
            return aggregation.unpack(rows)
        if "quality" in rows.columns:
            rows = rows.with_columns(quality=frames.quality_of(pl.col("quality")))
        columns = [pl.col(name).cast(dtype) for name, dtype in table.contract.schema.items()]
        return frames.check(rows.select(columns), table.contract)


def _put(session: Session, loads: list[Load]) -> list[None]:
    session.fetch(f"select pg_advisory_xact_lock_shared({SHAPES})")
    for load in loads:
        table = load.table
        if table in (RECEIPTS, REJECTS):
            staying = load.rows.clear() if table is REJECTS else load.rows
            kept = session.stage("staying_batches", "receipts", staying.select("batch_id"))
            session.execute(
                f"delete from rejects where batch_id in (select batch_id from receipts"
                f" where {load.where}) and batch_id not in (select batch_id from {kept})"
            )
        if table is not REJECTS:
            session.execute(f"delete from {table.name} where {load.where}")
        session.copy(table.name, load.rows)
    return [None] * len(loads)


def _source(table: Table) -> str:
    """Where the columns of the contract stand: a reject's owner and time are its receipt's."""
    return "rejects join receipts using (batch_id)" if table is REJECTS else table.name

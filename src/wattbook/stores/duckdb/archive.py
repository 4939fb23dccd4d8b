"""Every row of the file as it is, and rows of other stores taken over."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import polars as pl

from wattbook.core import frames
from wattbook.core.archive.tables import BY_NAME, READINGS, ROLLUPS, TABLES, Table
from wattbook.core.archive.tables import GRID as CONDITIONS
from wattbook.core.periods import Period
from wattbook.core.rollups import aggregation
from wattbook.stores.duckdb.engine import Connection, Engine, fetch, insert, listed
from wattbook.stores.duckdb.grid import DuckGrid
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.readings import DuckReadings

RECEIPTS: Final = BY_NAME["receipts"]
REJECTS: Final = BY_NAME["rejects"]


@dataclass(frozen=True, slots=True)
class Load:
    """Rows that are to be all that a table holds of some owners in a period."""

    table: Table
    owners: Sequence[str]
    period: Period
    rows: pl.DataFrame


class DuckArchive:
    """`ports.archive.Archive` in DuckDB."""

    holds = frozenset(BY_NAME)

    def __init__(
        self,
        engine: Engine,
        meter_keys: Keys,
        zone_keys: Keys,
        readings: DuckReadings,
        grid: DuckGrid,
    ) -> None:
        self._engine = engine
        self._keys = {"meter_id": meter_keys, "zone": zone_keys}
        self._mergers: dict[str, DuckReadings | DuckGrid] = {
            READINGS.name: readings,
            CONDITIONS.name: grid,
        }
        """What must know of rows that did not come through it."""

    async def contents(self, tables: Sequence[Table] = TABLES) -> pl.DataFrame:
        """`frames.CONTENTS` of these tables, sorted by key."""
        found = [await self._counted(table) for table in tables]
        return pl.concat([frames.CONTENTS.empty(), *found]).sort(frames.CONTENTS.key)

    async def cut(self, table: Table, owner: str, period: Period, rows: int) -> list[Period]:
        """The period in parts that follow each other, each with about so many rows of the owner."""
        where, values = self._where(table, [owner], period)
        sql = (
            f"select distinct begins from (select {table.instant} as begins,"
            f" row_number() over (order by {table.instant}) - 1 as before"
            f" from {_source(table)} where {where}) where before % ? = 0 order by begins"
        )
        found = await self._engine.read(lambda con: fetch(con, sql, [*values, rows]))
        inner = found["begins"].dt.replace_time_zone("UTC").to_list()[1:]
        return [Period(*ends) for ends in pairwise([period.start, *inner, period.end])]

    async def take(self, table: Table, owners: Sequence[str], period: Period) -> pl.DataFrame:
        """Rows of the owners in the period, in the contract of the table, in any order."""
        where, values = self._where(table, owners, period)
        sql = f"select * from {_source(table)} where {where}"
        found = await self._engine.read(lambda con: fetch(con, sql, values))
        return self._domain(table, found)

    async def put(
        self, table: Table, owners: Sequence[str], period: Period, rows: pl.DataFrame
    ) -> None:
        """Make `rows` all that the table holds of these owners in the period."""
        load = Load(table, owners, period, rows)
        await self._engine.write(self._put, load, rows.height)

    async def _counted(self, table: Table) -> pl.DataFrame:
        keys = self._keys.get(table.owner)
        owner = table.owner if keys is None else keys.number
        sql = (
            f"select {owner}, date_trunc('month', {table.instant})::date as month,"
            f" count(*) as rows from {_source(table)} group by all"
        )
        found = await self._engine.read(lambda con: fetch(con, sql))
        named = found if keys is None else keys.named(found)
        return named.select(
            pl.lit(table.name).alias("table"), pl.col(table.owner).alias("owner"), "month", "rows"
        )

    def _put(self, con: Connection, loads: list[Load]) -> list[None]:
        try:
            for load in loads:
                self._put_one(con, load)
        except BaseException:
            for keys in self._keys.values():
                keys.reload()
            for merger in self._mergers.values():
                merger.reload()
            raise
        return [None] * len(loads)

    def _put_one(self, con: Connection, load: Load) -> None:
        table = load.table
        if (keys := self._keys.get(table.owner)) is not None:
            keys.add(con, load.rows[table.owner])
        where, values = self._where(table, load.owners, load.period)
        if table in (RECEIPTS, REJECTS):
            batches = f"select batch_id from receipts where {where}"
            kept = load.rows.clear() if table is REJECTS else load.rows
            staying = kept.select("batch_id").to_arrow()  # noqa: F841  found by its name
            con.execute(
                f"delete from rejects where batch_id in ({batches})"
                " and batch_id not in (from staying)",
                values,
            )
        if table is not REJECTS:
            con.execute(f"delete from {table.name} where {where}", values)
        rows = self._own(table, load.rows)
        insert(con, table.name, rows)
        if (merger := self._mergers.get(table.name)) is not None:
            merger.note(rows)

    def _where(self, table: Table, owners: Sequence[str], period: Period) -> tuple[str, list[Any]]:
        ends: list[Any] = [period.start.replace(tzinfo=None), period.end.replace(tzinfo=None)]
        within = f"{table.instant} >= ? and {table.instant} < ?"
        if (keys := self._keys.get(table.owner)) is not None:
            return f"{keys.number} in ({listed(keys.of(list(owners)))}) and {within}", ends
        return f"{table.owner} in (select unnest(?)) and {within}", [list(owners), *ends]

    def _own(self, table: Table, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows in the columns of the file."""
        if table is REJECTS:
            return rows.select("batch_id", *frames.REJECTS.columns)
        packed = aggregation.pack(rows) if table is ROLLUPS else _packed(rows)
        packed = packed.with_columns(pl.selectors.datetime().dt.replace_time_zone(None))
        if (keys := self._keys.get(table.owner)) is None:
            return packed
        numbered = keys.numbered(packed)
        return numbered.select(keys.number, pl.all().exclude(keys.number, table.owner))

    def _domain(self, table: Table, found: pl.DataFrame) -> pl.DataFrame:
        keys = self._keys.get(table.owner)
        named = found if keys is None else keys.named(found)
        rows = named.with_columns(pl.selectors.datetime().dt.replace_time_zone("UTC"))
        if table is ROLLUPS:
            return aggregation.unpack(rows)
        if "quality" in rows.columns:
            rows = rows.with_columns(quality=frames.quality_of(pl.col("quality")))
        columns = [pl.col(name).cast(dtype) for name, dtype in table.contract.schema.items()]
        return frames.check(rows.select(columns), table.contract)


def _packed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(quality=frames.rank()) if "quality" in rows.columns else rows


def _source(table: Table) -> str:
    """Where the columns of the contract stand: a reject's owner and time are its receipt's."""
    return "rejects join receipts using (batch_id)" if table is REJECTS else table.name

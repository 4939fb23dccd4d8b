"""Rollups, and what registers did other than count up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import polars as pl

from wattbook.core import frames, rollup
from wattbook.core.periods import Grain, Period
from wattbook.ports.rollups import Dirty
from wattbook.stores.duckdb.engine import Connection, Engine, fetch, insert, listed
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks

GRAINS: Final = tuple(str(grain) for grain in Grain)
QUALITY: Final = pl.Enum(frames.QUALITIES)
STORED: Final = (
    "meter_key",
    "grain",
    "start_utc",
    "energy_kwh",
    "power_kw_min",
    "power_kw_max",
    "power_kw_max_at",
    "hashrate_th_mean",
    "temperature_c_mean",
    "readings",
    "expected",
    "bucket_s",
    "covered_s",
    "quality",
    "computed_utc",
    "revision",
)


class DuckRollups:
    """`ports.rollups.RollupStore` in DuckDB."""

    def __init__(self, engine: Engine, keys: Keys, marks: Marks) -> None:
        self._engine = engine
        self._keys = keys
        self._marks = marks
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Only one recomputation at a time; one process holds the file, so its lock is enough."""
        async with self._lock:
            yield

    async def latest_mark(self) -> int:
        """A number that grows whenever something becomes dirty."""
        return self._marks.last

    async def dirty(self, meter_ids: list[str] | None = None) -> Dirty:
        """What is out of date, of these meters or of all."""
        return await self._engine.read(lambda con: self._marks.read(con, meter_ids))

    async def mark(self, meter_ids: list[str]) -> None:
        """Mark all readings of these meters as changed, and drop their rollups."""
        await self._engine.write(self._mark, meter_ids, 0)

    async def write(
        self, rollups: pl.DataFrame, events: pl.DataFrame, spans: pl.DataFrame, dirty: Dirty
    ) -> None:
        """Replace rollups by key and the events within `spans`, and settle `dirty`, at once."""
        await self._engine.write(self._write, (rollups, events, spans, dirty), rollups.height)

    async def read(self, meter_ids: list[str], grain: Grain, period: Period) -> pl.DataFrame:
        """`frames.ROLLUPS` of one grain that start in the period, sorted by key."""
        sql = self._select(meter_ids) + " and start_utc >= ? and start_utc < ?"
        values = [GRAINS.index(grain), *_plain(period)]
        found = await self._engine.read(lambda con: fetch(con, sql, values))
        return self._domain(found).sort(*frames.ROLLUPS.key)

    async def page(
        self,
        meter_ids: list[str],
        grain: Grain,
        period: Period,
        after: tuple[str, str] | None,
        limit: int,
    ) -> pl.DataFrame:
        """At most `limit` rows of `read` whose key (meter, start) comes after `after`."""
        values: list[Any] = [GRAINS.index(grain), *_plain(period)]
        beyond = ""
        if after is not None:
            beyond = "and (meter_id, start_utc) > (?, ?::timestamp)"
            values += after
        sql = (
            "select r.* from rollups r join meter_keys using (meter_key)"
            f" where meter_key in ({listed(self._keys.of(meter_ids))}) and grain = ?"
            f" and start_utc >= ? and start_utc < ? {beyond} order by meter_id, start_utc limit ?"
        )
        found = await self._engine.read(lambda con: fetch(con, sql, [*values, limit]))
        return self._domain(found)

    async def events(self, meter_ids: list[str], period: Period) -> pl.DataFrame:
        """`frames.EVENTS` of the meters in the period, sorted by key."""
        sql = (
            "select * from register_events"
            f" where meter_key in ({listed(self._keys.of(meter_ids))})"
            " and at_utc >= ? and at_utc < ?"
        )
        found = await self._engine.read(lambda con: fetch(con, sql, _plain(period)))
        named = self._keys.named(found).with_columns(pl.col("at_utc").dt.replace_time_zone("UTC"))
        return frames.check(named, frames.EVENTS).sort(*frames.EVENTS.key)

    def _select(self, meter_ids: list[str]) -> str:
        numbers = listed(self._keys.of(meter_ids))
        return f"select * from rollups where meter_key in ({numbers}) and grain = ?"

    def _write(
        self,
        con: Connection,
        items: list[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Dirty]],
    ) -> list[None]:
        for rollups, events, spans, dirty in items:
            rows = self._own(rollups)
            again = rows.filter(pl.col("revision") > 0)
            if again.height:
                con.register("again", again.select("meter_key", "grain", "start_utc").to_arrow())
                con.execute(
                    "delete from rollups r using again a where r.meter_key = a.meter_key"
                    " and r.grain = a.grain and r.start_utc = a.start_utc"
                )
                con.unregister("again")
            if rows.height:
                insert(con, "rollups", rows)
            self._replace_events(con, events, spans)
            self._marks.settle(con, dirty)
        return [None] * len(items)

    def _replace_events(self, con: Connection, events: pl.DataFrame, spans: pl.DataFrame) -> None:
        if spans.is_empty():
            return
        own = self._keys.numbered(spans).select(
            "meter_key", pl.col("from_utc", "to_utc").dt.replace_time_zone(None)
        )
        con.register("spans", own.to_arrow())
        con.execute(
            "delete from register_events e using spans s where e.meter_key = s.meter_key"
            " and e.at_utc >= s.from_utc and e.at_utc < s.to_utc"
        )
        con.unregister("spans")
        if events.height:
            rows = self._keys.numbered(events).with_columns(
                pl.col("at_utc").dt.replace_time_zone(None)
            )
            insert(con, "register_events", rows.select("meter_key", "at_utc", "kind", "detail"))

    def _mark(self, con: Connection, items: list[list[str]]) -> list[None]:
        for meter_ids in items:
            numbers = listed(self._keys.of(meter_ids))
            con.execute(f"delete from rollups where meter_key in ({numbers})")
            con.execute(f"delete from register_events where meter_key in ({numbers})")
            ends = fetch(
                con,
                "select meter_key, unnest([min(ts_utc), max(ts_utc)]) as ts_utc from readings"
                f" where meter_key in ({numbers}) group by meter_key",
            )
            self._marks.add_whole(con, ends)
        return [None] * len(items)

    def _own(self, rollups: pl.DataFrame) -> pl.DataFrame:
        grain = pl.col("grain").replace_strict(
            {name: index for index, name in enumerate(GRAINS)}, return_dtype=pl.UInt8
        )
        return (
            self._keys.numbered(rollups)
            .with_columns(
                pl.col("start_utc", "power_kw_max_at", "computed_utc").dt.replace_time_zone(None),
                grain=grain,
                quality=pl.col("quality").cast(QUALITY).to_physical(),
            )
            .select(STORED)
        )

    def _domain(self, found: pl.DataFrame) -> pl.DataFrame:
        rows = self._keys.named(found).with_columns(
            pl.col("start_utc", "power_kw_max_at", "computed_utc").dt.replace_time_zone("UTC"),
            pl.col("readings", "expected", "bucket_s", "revision").cast(pl.Int64),
            grain=pl.lit(pl.Series(GRAINS)).gather(pl.col("grain")),
            quality=pl.lit(pl.Series(frames.QUALITIES)).gather(pl.col("quality")),
        )
        rows = rollup.with_ratios(rows)
        return frames.check(rows, frames.ROLLUPS)


def _plain(period: Period) -> list[Any]:
    return [period.start.replace(tzinfo=None), period.end.replace(tzinfo=None)]

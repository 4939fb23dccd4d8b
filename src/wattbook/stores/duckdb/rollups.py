"""Rollups, and what registers did other than count up."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.periods import Grain, Period
from wattbook.core.rollups import aggregation
from wattbook.core.units import QUARTERS_PER_HOUR
from wattbook.ports.rollups import Turn
from wattbook.stores.duckdb.engine import Connection, Engine, fetch, insert, listed
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.named_locks import NamedLocks

TIMES: Final = ("start_utc", "power_kw_max_at", "computed_utc")
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
    "hashrate_kwh",
    "hashrate_s",
    "temperature_s",
    "above_capacity",
    "inductive_kvarh",
    "capacitive_kvarh",
    "reactive_kwh",
    "reactive_s",
)


@dataclass(frozen=True, slots=True)
class Change:
    """What one recomputation changes."""

    rollups: pl.DataFrame
    gone: pl.DataFrame
    events: pl.DataFrame
    spans: pl.DataFrame
    dirty: pl.DataFrame


class DuckRollups:
    """`ports.rollups.RollupStore` in DuckDB."""

    def __init__(self, engine: Engine, keys: Keys, marks: Marks) -> None:
        self._engine = engine
        self._keys = keys
        self._marks = marks
        self._turns = NamedLocks()

    @asynccontextmanager
    async def turn(self, site_ids: Collection[str]) -> AsyncIterator[Turn]:
        """One recomputation of a site at a time; one process holds the file: its locks do."""
        async with self._turns.of(site_ids):
            yield Turn()

    async def latest_mark(self, meter_ids: list[str] | None = None) -> int:
        """A number that grows whenever one of these meters, or any, becomes dirty."""
        return self._marks.last if meter_ids is None else self._marks.last_of(meter_ids)

    async def dirty(self, meter_ids: list[str] | None = None) -> pl.DataFrame:
        """`frames.DIRTY`, of these meters or of all."""
        if not self._marks.any(meter_ids):
            return frames.DIRTY.empty()
        return await self._engine.read(lambda con: self._marks.read(con, meter_ids))

    async def mark(self, spans: pl.DataFrame, *, afresh: bool = False) -> None:
        """Mark `spans` as changed; `afresh` drops all rollups and events of their meters."""
        await self._engine.write(self._mark, (spans, afresh), 0)

    async def write(
        self,
        rollups: pl.DataFrame,
        gone: pl.DataFrame,
        events: pl.DataFrame,
        spans: pl.DataFrame,
        dirty: pl.DataFrame,
        turn: Turn | None = None,  # noqa: ARG002 -- it cannot be lost
    ) -> None:
        """Replace rollups by key, drop the keys `gone`, replace events within `spans`, settle."""
        change = Change(rollups, gone, events, spans, dirty)
        await self._engine.write(self._write, change, rollups.height)
        self._marks.forget(dirty)

    async def read(self, meter_ids: list[str], grain: Grain, period: Period) -> pl.DataFrame:
        """`frames.ROLLUPS` of one grain that start in the period, sorted by key."""
        sql = self._select(meter_ids) + " and start_utc >= ? and start_utc < ?"
        values = [aggregation.code(grain), *_plain(period)]
        found = await self._engine.read(lambda con: fetch(con, sql, values))
        return self._domain(found).sort(*frames.ROLLUPS.key)

    async def demand(self, meter_ids: list[str], period: Period) -> pl.DataFrame:
        """`core.rollups.metrics.demand` of the quarters in the period."""
        sql = (
            f"select start_utc, sum(energy_kwh) * {QUARTERS_PER_HOUR} as power_kw from rollups"
            f" where meter_key in ({listed(self._keys.of(meter_ids))}) and grain = ?"
            " and start_utc >= ? and start_utc < ? and energy_kwh is not null"
            " group by start_utc order by start_utc"
        )
        values = [aggregation.code(Grain.QUARTER), *_plain(period)]
        found = await self._engine.read(lambda con: fetch(con, sql, values))
        return found.with_columns(pl.col("start_utc").dt.replace_time_zone("UTC"))

    async def page(
        self,
        meter_ids: list[str],
        grain: Grain,
        period: Period,
        after: tuple[str, str] | None,
        limit: int,
    ) -> pl.DataFrame:
        """At most `limit` rows of buckets that the period touches, with keys after `after`."""
        start, end = _plain(period)
        values: list[Any] = [aggregation.code(grain), start - periods.MAX_BUCKET, end, start]
        beyond = ""
        if after is not None:
            beyond = "and (meter_id, start_utc) > (?, ?::timestamp)"
            values += after
        sql = (
            "select r.* from rollups r join meter_keys using (meter_key)"
            f" where meter_key in ({listed(self._keys.of(meter_ids))}) and grain = ?"
            " and start_utc > ? and start_utc < ? and start_utc + to_seconds(bucket_s) > ?"
            f" {beyond} order by meter_id, start_utc limit ?"
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

    def _write(self, con: Connection, changes: list["Change"]) -> list[None]:
        for change in changes:
            again = change.rollups.filter(pl.col("revision") > 0).select(frames.ROLLUPS.key)
            self._delete(con, pl.concat([again, change.gone]))
            if change.rollups.height:
                insert(con, "rollups", self._own(change.rollups))
            self._replace_events(con, change.events, change.spans)
            self._marks.settle(con, change.dirty)
        return [None] * len(changes)

    def _delete(self, con: Connection, keys: pl.DataFrame) -> None:
        if keys.is_empty():
            return
        rows = self._keys.numbered(keys).select(
            "meter_key",
            pl.col("start_utc").dt.replace_time_zone(None),
            aggregation.grain_code("grain"),
        )
        first, last = rows["start_utc"].min(), rows["start_utc"].max()
        gone = rows.to_arrow()  # noqa: F841  found by its name
        con.execute(
            "delete from rollups r using gone g where r.meter_key = g.meter_key"
            " and r.grain = g.grain and r.start_utc = g.start_utc and r.start_utc between ? and ?",
            [first, last],
        )

    def _replace_events(self, con: Connection, events: pl.DataFrame, spans: pl.DataFrame) -> None:
        if spans.is_empty():
            return
        own = self._keys.numbered(spans).select(
            "meter_key", pl.col("from_utc", "to_utc").dt.replace_time_zone(None)
        )
        spans = own.to_arrow()
        con.execute(
            "delete from register_events e using spans s where e.meter_key = s.meter_key"
            " and e.at_utc >= s.from_utc and e.at_utc < s.to_utc"
        )
        if events.height:
            rows = self._keys.numbered(events).with_columns(
                pl.col("at_utc").dt.replace_time_zone(None)
            )
            insert(con, "register_events", rows.select("meter_key", "at_utc", "kind", "detail"))

    def _mark(self, con: Connection, items: list[tuple[pl.DataFrame, bool]]) -> list[None]:
        try:
            for spans, afresh in items:
                self._keys.add(con, spans["meter_id"])
                own = self._keys.numbered(spans).select(
                    "meter_key", pl.selectors.datetime().dt.replace_time_zone(None)
                )
                if afresh:
                    _drop_figures(con, own)
                self._marks.add_spans(con, own)
        except BaseException:
            self._keys.reload()
            raise
        return [None] * len(items)

    def _own(self, rollups: pl.DataFrame) -> pl.DataFrame:
        return (
            self._keys.numbered(aggregation.pack(rollups))
            .with_columns(pl.col(*TIMES).dt.replace_time_zone(None))
            .select(STORED)
        )

    def _domain(self, found: pl.DataFrame) -> pl.DataFrame:
        rows = self._keys.named(found).with_columns(pl.col(*TIMES).dt.replace_time_zone("UTC"))
        return aggregation.unpack(rows)


def _drop_figures(con: Connection, own: pl.DataFrame) -> None:
    """Drop rollups and events of the meters of spans, but for those before `keep_utc`."""
    if "keep_utc" not in own.columns:
        own = own.with_columns(keep_utc=pl.lit(None, dtype=pl.Datetime("us")))
    afresh = own.select("meter_key", "keep_utc").unique().to_arrow()  # noqa: F841  by its name
    for table, at in (("rollups", "start_utc"), ("register_events", "at_utc")):
        con.execute(
            f"delete from {table} t using afresh a where t.meter_key = a.meter_key"
            f" and (a.keep_utc is null or t.{at} >= a.keep_utc)"
        )


def _plain(period: Period) -> list[Any]:
    return [period.start.replace(tzinfo=None), period.end.replace(tzinfo=None)]

"""Every reading of a bucket as it is, and readings of other stores taken over."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import polars as pl

from wattbook.clients.influxdb import flux
from wattbook.clients.influxdb.server import Influx
from wattbook.core import frames
from wattbook.core.archive.tables import READINGS, TABLES, Table
from wattbook.core.errors import InputError, Problem, UnsupportedError
from wattbook.core.periods import EPOCH, Period, microseconds
from wattbook.stores.influxdb import points
from wattbook.stores.influxdb.reader import Reader
from wattbook.stores.influxdb.readings import InfluxReadings, store

MICROSECOND: Final = timedelta(microseconds=1)
WINDOWS: Final = 1000
"""Into so many a period is divided to see where its readings are."""
ALWAYS_THERE: Final = ("meter_id", "ts_utc", "quality", "known_utc", "revision")
KEY: Final = list(frames.READINGS.key)


class InfluxArchive:
    """`ports.archive.Archive` in a bucket of InfluxDB 2: of readings alone.

    There are no transactions: a `put` that is stopped leaves a part of what it was to do, which
    the next one completes. A reading that takes the place of another is a point written again only
    where it says that it corrects; else the old one is dropped first, for points are merged.
    """

    holds = frozenset({READINGS.name})

    def __init__(self, influx: Influx, readings: InfluxReadings | None = None) -> None:
        self._influx = influx
        self._reader = Reader(influx)
        self._readings = readings
        """What must know of rows that did not come through it."""

    async def contents(self, tables: Sequence[Table] = TABLES) -> pl.DataFrame:
        """`frames.CONTENTS` of the readings, where they are asked for."""
        if READINGS not in tables:
            return frames.CONTENTS.empty()
        found = await self._reader.counts("1mo")
        return found.select(
            pl.lit(READINGS.name).alias("table"),
            pl.col("meter_id").alias("owner"),
            pl.col("at").dt.date().alias("month"),
            "rows",
        ).sort(frames.CONTENTS.key)

    async def cut(self, table: Table, owner: str, period: Period, rows: int) -> list[Period]:
        """The period in parts that follow each other, each with about so many rows of the owner."""
        _refuse_others(table)
        length_us = max((period.end - period.start) // MICROSECOND // WINDOWS, 1)
        mine = flux.among(points.TAG, points.coded(pl.Series([owner])).to_list())
        span = (flux.moment(_us(period.start)), flux.moment(_us(period.end)))
        found = (await self._reader.counts(f"{length_us}us", span, mine)).sort("at")
        part = (pl.col("rows").cum_sum() - pl.col("rows")) // rows
        begins = found.group_by(part=part).agg(pl.col("at").min()).sort("part")["at"]
        return [Period(*ends) for ends in pairwise([period.start, *begins[1:], period.end])]

    async def take(self, table: Table, owners: Sequence[str], period: Period) -> pl.DataFrame:
        """Readings of the owners in the period, in any order."""
        _refuse_others(table)
        spans = pl.DataFrame({"meter_id": list(owners)}, schema={"meter_id": pl.String})
        begin, until = _us(period.start), _us(period.end)
        rows = await self._reader.rows(
            spans.unique().with_columns(
                from_us=pl.lit(begin, dtype=pl.Int64), to_us=pl.lit(until - 1, dtype=pl.Int64)
            )
        )
        within = pl.col("ts_utc").is_between(period.start, period.end, closed="left")
        return frames.check(rows.filter(within), frames.READINGS)

    async def put(
        self, table: Table, owners: Sequence[str], period: Period, rows: pl.DataFrame
    ) -> None:
        """Make `rows` all readings of these owners in the period, on disk before this returns."""
        _refuse_others(table)
        _refuse_what_no_point_can_say(rows)
        there = await self.take(table, owners, period)
        changed = await asyncio.to_thread(
            lambda: rows.join(there, on=rows.columns, how="anti", nulls_equal=True)
        )
        if self._readings is not None:
            self._readings.note(changed)
        gone = _in_the_way(rows, there)
        for owner, first_us, last_us in gone.iter_rows():
            await self._influx.delete(
                (flux.moment(first_us), flux.moment(last_us)),
                _measurement=points.MEASUREMENT,
                **{points.TAG: points.coded(pl.Series([owner]))[0]},
            )
        await store(self._influx, pl.concat([changed, _dropped_too(rows, changed, gone)]))


def _in_the_way(rows: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """`meter_id`, `from_us`, `to_us` of what has to be dropped before the rows are written."""
    corrects = rows.filter(pl.col("revision") > 0)
    same = there.join(rows, on=rows.columns, how="semi", nulls_equal=True)
    left = there.join(same, on=KEY, how="anti").join(corrects, on=KEY, how="anti")
    at = microseconds("ts_utc")
    return left.group_by("meter_id").agg(from_us=at.min(), to_us=at.max()).sort("meter_id")


def _dropped_too(rows: pl.DataFrame, changed: pl.DataFrame, gone: pl.DataFrame) -> pl.DataFrame:
    """Those of the rows that are dropped though they did not change: they lie in between."""
    at = microseconds("ts_utc")
    between = rows.join(gone, on="meter_id").filter(at.is_between("from_us", "to_us"))
    return between.select(rows.columns).join(changed, on=KEY, how="anti")


def _refuse_others(table: Table) -> None:
    if table is not READINGS:
        raise UnsupportedError(f"InfluxDB keeps readings alone, no {table.name}")


def _refuse_what_no_point_can_say(rows: pl.DataFrame) -> None:
    lacking = [name for name in ALWAYS_THERE if rows[name].null_count()]
    if lacking:
        detail = f"a reading needs {', '.join(lacking)}"
        raise InputError(detail, [Problem("no_value", detail, field=lacking[0])])


def _us(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND

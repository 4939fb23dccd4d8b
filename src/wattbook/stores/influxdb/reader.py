"""Readings of some meters and spans of time, in answers of bounded size."""

import asyncio
from typing import Final

import polars as pl

from wattbook.clients.influxdb import answers, flux
from wattbook.clients.influxdb.server import Influx
from wattbook.clients.influxdb.steps import steps
from wattbook.core import frames
from wattbook.core.periods import microseconds
from wattbook.core.units import US_PER_SECOND
from wattbook.stores.influxdb import points
from wattbook.stores.influxdb.parts import METERS_PER_QUERY, Part, parts
from wattbook.stores.influxdb.points import EVER, FOUND, KNOWN, MEASUREMENT, TAG

READINGS_AT_ONCE: Final = 100_000
"""So many readings, were there one a minute, are asked for first."""
MINUTE_US: Final = 60 * US_PER_SECOND
AT_ONCE: Final = 2
"""While one answer is decoded another is made."""

Schema = dict[str, pl.DataType | type[pl.DataType]]
OWN: Final = f"r._measurement == {flux.text(MEASUREMENT)}"
REFUSED: Final = f"r._measurement == {flux.text(points.REFUSED)}"
EXTENT: Final[Schema] = {"meter_id": pl.String, "from_utc": frames.UTC, "to_utc": frames.UTC}


class Reader:
    """Asks for readings."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def reach(self) -> None:
        """Ask for nothing: raises at once where the bucket cannot be reached."""
        span = (flux.moment(0), flux.moment(1))
        query = flux.select(self._influx.place.bucket, span, [OWN], keep=["_time"])
        await self._influx.query(query, patience_s=0)

    async def holds_any(self) -> bool:
        """Whether there is a reading."""
        known = f'r._field == "{KNOWN}"'
        first = ("first()", "limit(n: 1)")
        query = flux.select(self._influx.place.bucket, EVER, [OWN, known], *first, keep=["_time"])
        found = await self._influx.query(query, patience_s=0)
        return answers.decode(found, ["_time"]).height > 0

    async def rows(self, spans: pl.DataFrame) -> pl.DataFrame:
        """`frames.READINGS` in the spans and near them, each once, in any order.

        `spans` has `meter_id`, `from_us` and `to_us` (both included, in microseconds since 1970).
        """
        asked = await asyncio.to_thread(parts, spans)
        found = await asyncio.gather(*(self._part(part) for part in asked))
        rows = pl.concat(
            [frames.READINGS.empty(), *(piece for pieces in found for piece in pieces)]
        )
        return rows.unique(frames.READINGS.key) if len(asked) > 1 else rows

    async def extent(self, meter_ids: list[str]) -> pl.DataFrame:
        """First and last stamp of those meters that have readings, in any order."""
        ids = list(dict.fromkeys(meter_ids))
        chunks = [ids[at : at + METERS_PER_QUERY] for at in range(0, len(ids), METERS_PER_QUERY)]
        ends = await asyncio.gather(
            *(self._ends(chunk, end) for chunk in chunks for end in ("first", "last"))
        )
        found = [
            first.rename({"at": "from_utc"}).join(last.rename({"at": "to_utc"}), on="meter_id")
            for first, last in zip(ends[::2], ends[1::2], strict=True)
        ]
        return pl.concat([pl.DataFrame(schema=EXTENT), *found])

    async def last(self, meter_ids: list[str]) -> pl.DataFrame:
        """`meter_id` and `at`, the last stamp, of those meters that have readings."""
        chunks = [
            meter_ids[at : at + METERS_PER_QUERY]
            for at in range(0, len(meter_ids), METERS_PER_QUERY)
        ]
        found = await asyncio.gather(*(self._ends(chunk, "last") for chunk in chunks))
        return pl.concat([pl.DataFrame(schema={"meter_id": pl.String, "at": frames.UTC}), *found])

    async def learned(self, from_us: int, to_us: int, known_us: int) -> pl.DataFrame:
        """`meter_id`, `ts_utc` of all readings of a span (ends included) known since an instant."""
        query = flux.select(
            self._influx.place.bucket,
            (flux.moment(from_us), flux.moment(to_us + 1)),
            [f"({OWN} or {REFUSED})", f'r._field == "{KNOWN}" and r._value >= {known_us}'],
            keep=["_time", TAG],
        )
        found = answers.decode(await self._influx.query(query), ["_time", TAG])
        return found.select(
            points.decoded(found[TAG]).alias("meter_id"),
            answers.instants(found["_time"]).alias("ts_utc"),
        )

    async def refused(self, meter_ids: list[str], from_us: int, until_us: int) -> pl.DataFrame:
        """`frames.REFUSED` of the meters in [from, until), in any order."""
        columns = ["_time", TAG, "_value"]
        parts = [frames.REFUSED.empty()]
        for at in range(0, len(meter_ids), METERS_PER_QUERY):
            mine = points.coded(pl.Series(meter_ids[at : at + METERS_PER_QUERY])).to_list()
            query = flux.select(
                self._influx.place.bucket,
                (flux.moment(from_us), flux.moment(until_us)),
                [REFUSED, f'r._field == "{KNOWN}"', flux.among(TAG, mine)],
                keep=columns,
            )
            found = answers.decode(await self._influx.query(query), columns)
            parts.append(
                found.select(
                    points.decoded(found[TAG]).alias("meter_id"),
                    answers.instants(found["_time"]).alias("ts_utc"),
                    pl.col("_value").cast(pl.Int64).cast(frames.UTC).alias("known_utc"),
                )
            )
        return pl.concat(parts)

    async def counts(
        self, every: str, span: tuple[str, str] = EVER, *conditions: str
    ) -> pl.DataFrame:
        """`meter_id`, `at` and `rows`: readings in each window that holds some, in any order.

        Windows are as long as `every` says, in the words of Flux, and named by their start.
        """
        columns = ["_time", TAG, "_value"]
        windows = (
            f'aggregateWindow(every: {every}, fn: count, createEmpty: false, timeSrc: "_start")'
        )
        query = flux.select(
            self._influx.place.bucket,
            span,
            [OWN, f'r._field == "{KNOWN}"', *conditions],
            windows,
            keep=columns,
        )
        found = answers.decode(await self._influx.query(query), columns)
        return found.select(
            points.decoded(found[TAG]).alias("meter_id"),
            answers.instants(found["_time"]).alias("at"),
            pl.col("_value").cast(pl.Int64).alias("rows"),
        )

    async def _part(self, part: Part) -> list[pl.DataFrame]:
        first_us = READINGS_AT_ONCE * MINUTE_US // len(part.meter_ids)
        begin, until = part.from_us, part.until_us
        if until - begin > first_us:
            extent = await self.extent(part.meter_ids)
            if extent.is_empty():
                return []
            first, last = extent.select(
                microseconds("from_utc").min(), microseconds("to_utc").max()
            ).row(0)
            begin, until = max(begin, first), min(until, last + 1)
        mine = flux.among(TAG, points.coded(pl.Series(part.meter_ids)).to_list())

        async def ask(from_us: int, until_us: int, most: int | None) -> bytes:
            query = flux.select(
                self._influx.place.bucket,
                (flux.moment(from_us), flux.moment(until_us)),
                [OWN, mine],
                keep=FOUND,
            )
            async with self._turns:
                return await self._influx.query(query, most=most)

        decoding = [
            asyncio.create_task(asyncio.to_thread(_decoded, answer))
            async for _, _, answer in steps(ask, begin, until, first_us)
        ]
        return await asyncio.gather(*decoding)

    async def _ends(self, meter_ids: list[str], end: str) -> pl.DataFrame:
        """`meter_id` and `at`, the first or last stamp."""
        mine = flux.among(TAG, points.coded(pl.Series(meter_ids)).to_list())
        conditions = [OWN, f'r._field == "{KNOWN}"', mine]
        query = flux.select(
            self._influx.place.bucket, EVER, conditions, f"{end}()", keep=["_time", TAG]
        )
        async with self._turns:
            found = answers.decode(await self._influx.query(query), ["_time", TAG])
        return found.select(
            points.decoded(found[TAG]).alias("meter_id"),
            answers.instants(found["_time"]).alias("at"),
        )


def _decoded(answer: bytes) -> pl.DataFrame:
    return points.rows(answers.decode(answer, FOUND))

"""A bucket as a source of readings, a span of time after the other."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from wattbook.clients.influxdb import answers, flux
from wattbook.clients.influxdb.server import Influx
from wattbook.clients.influxdb.steps import WANTED_BYTES, steps
from wattbook.core.periods import EPOCH, FIRST_YEAR, LAST_YEAR, Period
from wattbook.core.readings.influx_mapping import Naming
from wattbook.core.units import US_PER_HOUR, US_PER_SECOND
from wattbook.ports.source import Stretch
from wattbook.sources.influxdb import points

FIRST_US: Final = US_PER_HOUR
"""How much a bucket holds is not known before it is asked: the first span is an hour."""
MICROSECOND: Final = timedelta(microseconds=1)
ZERO_US: Final = -62_135_596_800 * US_PER_SECOND
"""The year 1, from which InfluxDB counts the borders of its shards."""
EVER: Final = Period(EPOCH.replace(year=FIRST_YEAR), EPOCH.replace(year=LAST_YEAR))


class Bucket:
    """`ports.source.Source` in InfluxDB 2."""

    def __init__(self, influx: Influx, naming: Naming, *, wanted: int = WANTED_BYTES) -> None:
        self._influx = influx
        self._naming = naming
        self._wanted = wanted
        place = influx.place
        url = urlsplit(place.url)
        host = f"{url.hostname}:{url.port}" if url.port else url.hostname
        parts = (host, place.org, place.bucket, naming.measurement)
        self.name = "influxdb:" + "/".join(part for part in parts if part)

    async def earliest(self) -> datetime | None:
        """The first stamp that it holds."""
        # Fields have values of several types, so that only their stamps fit into one table.
        stamps = ("first()", 'keep(columns: ["_time"])', 'min(column: "_time")')
        answer = await self._influx.query(self._query(EVER, *stamps, keep=["_time"]))
        found = answers.instants(answers.decode(answer, ["_time"])["_time"])
        return found[0] if found.len() else None

    async def stretches(self, period: Period) -> AsyncGenerator[Stretch, None]:
        """Spans that follow each other until all of the period is covered.

        While one is worked on, the next is fetched.

        Within one span a field has one type: where it changes, with a new shard, InfluxDB would
        leave out the values of the type that it did not find first, and not say so.
        """
        shard_us = await self._influx.shard_s() * US_PER_SECOND

        def border(us: int) -> int:
            return ((us - ZERO_US) // shard_us + 1) * shard_us + ZERO_US

        async def ask(from_us: int, until_us: int, most: int | None) -> bytes:
            span = Period(_at(from_us), _at(until_us))
            keep = points.columns(self._naming)
            return await self._influx.query(self._query(span, keep=keep), most=most)

        going = steps(
            ask, _us(period.start), _us(period.end), FIRST_US, wanted=self._wanted, border=border
        )

        async def fetch() -> tuple[int, int, bytes] | None:
            return await anext(going, None)

        coming = asyncio.create_task(fetch())
        try:
            while (step := await coming) is not None:
                coming = asyncio.create_task(fetch())
                _, until_us, answer = step
                raw = await asyncio.to_thread(points.rows, answer, self._naming)
                yield Stretch(raw, hashlib.sha256(answer).hexdigest(), _at(until_us))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            await going.aclose()

    def _query(self, period: Period, *then: str, keep: list[str]) -> str:
        naming = self._naming
        conditions = [flux.among("_field", list(naming.fields))]
        if naming.measurement is not None:
            conditions.insert(0, flux.among("_measurement", [naming.measurement]))
        span = (flux.moment(_us(period.start)), flux.moment(_us(period.end)))
        return flux.select(self._influx.place.bucket, span, conditions, *then, keep=keep)


def _us(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def _at(us: int) -> datetime:
    return EPOCH + us * MICROSECOND

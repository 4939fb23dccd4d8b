"""The stores that stand on one engine, opened and closed together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from wattbook.stores.postgres.archive import PostgresArchive
from wattbook.stores.postgres.engine import Engine
from wattbook.stores.postgres.grid import PostgresGrid
from wattbook.stores.postgres.keys import Keys
from wattbook.stores.postgres.readings import PostgresReadings
from wattbook.stores.postgres.retention import PostgresRetention
from wattbook.stores.postgres.rollups import PostgresRollups
from wattbook.stores.postgres.stats import PostgresStats


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What keeps time series."""

    readings: PostgresReadings
    rollups: PostgresRollups
    grid: PostgresGrid
    archive: PostgresArchive
    retention: PostgresRetention
    stats: PostgresStats


@asynccontextmanager
async def opened(engine: Engine, *, stamped: bool = True) -> AsyncIterator[Series]:
    """The stores of a migrated database; at the end what waits is written, then all is closed.

    `stamped`: rows are known when they are written, by the clock of the database.
    """
    meter_keys = Keys(engine, "meter_keys", "meter_id")
    zone_keys = Keys(engine, "zone_keys", "zone")
    series = Series(
        readings=PostgresReadings(engine, meter_keys, stamped=stamped),
        rollups=PostgresRollups(engine, meter_keys),
        grid=PostgresGrid(engine, zone_keys, stamped=stamped),
        archive=PostgresArchive(engine, meter_keys, zone_keys),
        retention=PostgresRetention(engine, meter_keys),
        stats=PostgresStats(engine),
    )
    try:
        yield series
    finally:
        for part in (
            series.readings,
            series.rollups,
            series.grid,
            series.archive,
            series.retention,
        ):
            await asyncio.to_thread(part.close)
        await asyncio.to_thread(engine.close)

"""The stores that the settings name."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbook.core.errors import missing_package
from wattbook.ports.anomalies import Anomalies
from wattbook.ports.archive import Archive
from wattbook.ports.clock import Clock
from wattbook.ports.forecasts import Forecasts
from wattbook.ports.grid import GridStore
from wattbook.ports.jobs import JobStore
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.reports import Reports
from wattbook.ports.retention import Retention
from wattbook.ports.rollups import RollupStore
from wattbook.ports.stats import Stats, Stored
from wattbook.ports.tombstones import Tombstones
from wattbook.ports.watermarks import Watermarks
from wattbook.settings import Settings
from wattbook.stores.duckdb.retention import DuckRetention
from wattbook.stores.duckdb.stats import DuckStats
from wattbook.stores.sql.anomalies import SqlAnomalies
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.forecasts import SqlForecasts
from wattbook.stores.sql.jobs import SqlJobs
from wattbook.stores.sql.migrate import upgrade
from wattbook.stores.sql.registry import SqlRegistry
from wattbook.stores.sql.reports import SqlReports
from wattbook.stores.sql.retention import SqlRetention
from wattbook.stores.sql.stats import SqliteStats
from wattbook.stores.sql.tombstones import SqlTombstones
from wattbook.stores.sql.watermarks import SqlWatermarks
from wattbook.wiring import duckdb_file
from wattbook.wiring.streams import _bucket

if TYPE_CHECKING:
    from wattbook.stores.postgres.engine import Engine as PostgresEngine

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What keeps the data."""

    registry: Registry
    readings: ReadingStore
    rollups: RollupStore
    grid: GridStore
    archive: Archive
    watermarks: Watermarks
    jobs: JobStore
    retentions: tuple[Retention, ...]
    tombstones: Tombstones
    stats: Stats
    stored: tuple[Stored, ...]
    reports: Reports
    forecasts: Forecasts
    anomalies: Anomalies


@asynccontextmanager
async def _embedded(settings: Settings, clock: Clock) -> AsyncIterator[Stores]:
    """DuckDB and SQLite in `DATA_DIR`."""
    engine = await asyncio.to_thread(duckdb_file.open_engine, settings)
    try:
        async with _sql(settings) as sql:
            file = duckdb_file.stores_of(engine, clock)
            stats = DuckStats(engine)
            yield Stores(
                registry=SqlRegistry(sql),
                watermarks=SqlWatermarks(sql),
                jobs=SqlJobs(sql),
                reports=SqlReports(sql),
                forecasts=SqlForecasts(sql),
                anomalies=SqlAnomalies(sql),
                readings=file.readings,
                rollups=file.rollups,
                grid=file.grid,
                archive=file.archive,
                retentions=(DuckRetention(engine, file.meter_keys), SqlRetention(sql)),
                tombstones=SqlTombstones(sql),
                stats=stats,
                stored=(stats, SqliteStats(sql)),
            )
    finally:
        await asyncio.to_thread(engine.close)


@asynccontextmanager
async def _in_postgres(settings: Settings, _: Clock) -> AsyncIterator[Stores]:
    """Everything in one database; what is known, and when, goes by its clock."""
    async with _sql(settings) as sql:
        engine = await _postgres(settings)
        from wattbook.stores.postgres import series  # noqa: PLC0415 -- an extra

        async with series.opened(engine) as opened:
            yield Stores(
                registry=SqlRegistry(sql),
                watermarks=SqlWatermarks(sql),
                jobs=SqlJobs(sql),
                reports=SqlReports(sql),
                forecasts=SqlForecasts(sql),
                anomalies=SqlAnomalies(sql),
                readings=opened.readings,
                rollups=opened.rollups,
                grid=opened.grid,
                archive=opened.archive,
                retentions=(opened.retention, SqlRetention(sql)),
                tombstones=SqlTombstones(sql),
                stats=opened.stats,
                stored=(opened.stats,),
            )


async def _postgres(settings: Settings) -> "PostgresEngine":
    """A way into the database, whose tables are as TIMESCALEDB_ENABLED wants them."""
    try:
        from wattbook.stores.postgres import engine, timescale  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        raise missing_package(error.name, "postgres") from error

    assert settings.postgresql_url is not None
    opened = engine.Engine(
        settings.postgresql_url,
        statement_timeout_s=settings.database_statement_timeout_s,
        retry_s=settings.database_retry_s,
    )
    note = await asyncio.to_thread(timescale.prepare, opened, wanted=settings.timescaledb_enabled)
    if note is not None:
        log.warning("timescaledb_settings_mismatch", reason=note)
    return opened


@asynccontextmanager
async def _sql(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The database of the registry, migrated."""
    await asyncio.to_thread(upgrade, settings.registry_url)
    sql = create_engine(settings.registry_url)
    try:
        yield sql
    finally:
        await sql.dispose()


@asynccontextmanager
async def _readings(settings: Settings, beside: Stores, clock: Clock) -> AsyncIterator[Stores]:
    """The stores, with readings in a bucket of InfluxDB where READINGS_STORE says so."""
    if settings.readings_store == "auto":
        yield beside
        return
    async with _bucket(settings) as influx:
        from wattbook.stores.influxdb import (  # noqa: PLC0415 -- an extra
            archive,
            readings,
            retention,
            stats,
        )

        # Who holds the file of the rollups is the only one who writes readings.
        alone = settings.postgresql_url is None
        mark = beside.rollups.mark
        async with readings.opened(influx, mark, alone=alone, clock=clock) as opened:
            yield replace(
                beside,
                readings=opened,
                archive=archive.InfluxArchive(influx, opened),
                retentions=tuple(map(retention.Beside, beside.retentions)),
                stats=stats.BesideStats(beside.stats),
            )

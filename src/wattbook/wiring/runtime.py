"""Puts the parts together as the settings say; the only place that names a technology."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbook.core.errors import InputError, StoreLockedError, missing_package
from wattbook.flows.copy import House
from wattbook.flows.ingest import Collector, Turnstile
from wattbook.models.process_pool import Pool, spare_cores
from wattbook.ports.anomalies import Anomalies
from wattbook.ports.archive import Archive
from wattbook.ports.calendar import Calendar
from wattbook.ports.clock import Clock, SystemClock
from wattbook.ports.detector import Detector
from wattbook.ports.forecaster import Forecaster
from wattbook.ports.forecasts import Forecasts
from wattbook.ports.grid import GridStore
from wattbook.ports.jobs import Broker, JobStore
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.reports import Render, Reports
from wattbook.ports.retention import Retention
from wattbook.ports.rollups import RollupStore
from wattbook.ports.source import Source
from wattbook.ports.stats import Stats, Stored
from wattbook.ports.tombstones import Tombstones
from wattbook.ports.watermarks import Watermarks
from wattbook.settings import Settings
from wattbook.sinks import documents
from wattbook.sources.calendar import PublicHolidays
from wattbook.sources.files import reference
from wattbook.stores.address import Address
from wattbook.stores.duckdb.archive import DuckArchive
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.grid import DuckGrid
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings
from wattbook.stores.duckdb.retention import DuckRetention
from wattbook.stores.duckdb.rollups import DuckRollups
from wattbook.stores.duckdb.stats import DuckStats
from wattbook.stores.sql.anomalies import SqlAnomalies
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.forecasts import SqlForecasts
from wattbook.stores.sql.jobs import SqlJobs
from wattbook.stores.sql.migrate import revision, upgrade
from wattbook.stores.sql.registry import SqlRegistry
from wattbook.stores.sql.reports import SqlReports
from wattbook.stores.sql.retention import SqlRetention
from wattbook.stores.sql.stats import SqliteStats
from wattbook.stores.sql.tombstones import SqlTombstones
from wattbook.stores.sql.watermarks import SqlWatermarks
from wattbook.wiring import service_file

if TYPE_CHECKING:
    from wattbook.clients.influxdb.server import Influx
    from wattbook.stores.postgres.engine import Engine as PostgresEngine

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Everything that a door needs to open on a flow."""

    settings: Settings
    clock: Clock
    registry: Registry
    readings: ReadingStore
    rollups: RollupStore
    grid: GridStore
    archive: Archive
    watermarks: Watermarks
    jobs: JobStore
    retentions: tuple[Retention, ...]
    """Each removes other kinds of rows."""
    tombstones: Tombstones
    stats: Stats
    stored: tuple[Stored, ...]
    bell: Broker | None
    """Workers beside the service; null: it works on jobs itself."""
    collector: Collector
    turnstile: Turnstile
    factors: pl.DataFrame
    calendar: Calendar
    reports: Reports
    render: Render
    forecasts: Forecasts
    forecaster: Forecaster
    anomalies: Anomalies
    detector: Detector
    machines: pl.DataFrame
    """Nameplates of the mining machines that there are."""
    picture: Callable[[str], bytes]
    """A chart's SVG as PNG."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """A store, and the version of its schema before and after; null before it existed."""

    store: str
    before: str | None
    after: str | None


async def migrate(settings: Settings) -> list[Migrated]:
    """Bring the stores to the newest schema."""
    if settings.postgresql_url is not None:
        registry = await asyncio.to_thread(upgrade, settings.postgresql_url)
        engine = await _postgres(settings)
        await asyncio.to_thread(engine.close)
        place = str(Address.of(settings.postgresql_url))
        return [Migrated(place, registry.before, registry.after)]
    file = await asyncio.to_thread(_open_file, settings)
    try:
        before, after = file.migrated
        registry = await asyncio.to_thread(upgrade, settings.registry_url)
    finally:
        await asyncio.to_thread(file.close)
    return [
        Migrated(str(settings.readings_path), str(before) if before else None, str(after)),
        Migrated(settings.registry_url, registry.before, registry.after),
    ]


@asynccontextmanager
async def open_runtime(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Runtime]:
    """The stores that the settings name, migrated and open until the block ends.

    Raises
    ------
    UnavailableError
        The stores cannot be reached, another process holds them, or a newer version wrote them.
    """
    clock = clock or SystemClock()
    opened = _embedded if settings.postgresql_url is None else _in_postgres
    async with (
        opened(settings, clock) as beside,
        _readings(settings, beside, clock) as stores,
        _pool(settings) as pool,
    ):
        yield Runtime(
            settings=settings,
            clock=clock,
            registry=stores.registry,
            readings=stores.readings,
            rollups=stores.rollups,
            grid=stores.grid,
            archive=stores.archive,
            watermarks=stores.watermarks,
            jobs=stores.jobs,
            retentions=stores.retentions,
            tombstones=stores.tombstones,
            stats=stores.stats,
            stored=stores.stored,
            bell=_bell(settings),
            collector=Collector(registry=stores.registry, readings=stores.readings, clock=clock),
            turnstile=Turnstile(),
            factors=reference.factors(),
            calendar=PublicHolidays(),
            reports=stores.reports,
            render=documents.render,
            forecasts=stores.forecasts,
            forecaster=pool,
            anomalies=stores.anomalies,
            detector=pool,
            machines=reference.asic_models(),
            picture=documents.render_png,
        )


@asynccontextmanager
async def _pool(settings: Settings) -> AsyncIterator[Pool]:
    """Processes that compute: no more than there are cores to spare, or jobs at once."""
    pool = Pool(min(spare_cores(), settings.job_slots))
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def open_house(settings: Settings, clock: Clock | None = None) -> AsyncIterator[House]:
    """What is copied of the store that the settings name; of a bucket, the readings alone.

    Raises
    ------
    UnavailableError
        As `open_runtime`.
    """
    if settings.readings_store == "influxdb":
        async with _bucket(settings) as influx:
            from wattbook.stores.influxdb import archive  # noqa: PLC0415 -- an extra

            yield House(archive=archive.InfluxArchive(influx))
        return
    async with open_runtime(settings, clock) as runtime:
        yield House(
            archive=runtime.archive,
            rollups=runtime.rollups,
            registry=runtime.registry,
            tombstones=runtime.tombstones,
        )


async def is_there(settings: Settings) -> bool:
    """Whether wattbook has ever kept anything in the store that the settings name."""
    if settings.readings_store == "influxdb":
        async with _bucket(settings) as influx:
            from wattbook.stores.influxdb import reader  # noqa: PLC0415 -- an extra

            return await reader.Reader(influx).holds_any()
    if settings.postgresql_url is not None:
        return await asyncio.to_thread(revision, settings.postgresql_url) is not None
    return settings.readings_path.exists()


async def was_created(settings: Settings) -> bool:
    """Whether there are stores that the settings name, without creating or opening them."""
    if settings.postgresql_url is not None:
        return await asyncio.to_thread(revision, settings.postgresql_url) is not None
    return settings.readings_path.exists() or settings.registry_path.exists()


@asynccontextmanager
async def open_jobs(settings: Settings) -> AsyncIterator[JobStore]:
    """The jobs alone: their database may be open elsewhere."""
    async with _sql(settings) as sql:
        yield SqlJobs(sql)


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[Registry]:
    """The registry alone: its database may be open elsewhere."""
    async with _sql(settings) as sql:
        yield SqlRegistry(sql)


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
    engine = await asyncio.to_thread(_open_file, settings)
    try:
        async with _sql(settings) as sql:
            meter_keys = Keys(engine, "meter_keys", "meter_id")
            zone_keys = Keys(engine, "zone_keys", "zone")
            marks = Marks(engine, meter_keys)
            readings = DuckReadings(engine, meter_keys, marks, clock)
            grid = DuckGrid(engine, zone_keys, clock)
            stats = DuckStats(engine)
            yield Stores(
                registry=SqlRegistry(sql),
                watermarks=SqlWatermarks(sql),
                jobs=SqlJobs(sql),
                reports=SqlReports(sql),
                forecasts=SqlForecasts(sql),
                anomalies=SqlAnomalies(sql),
                readings=readings,
                rollups=DuckRollups(engine, meter_keys, marks),
                grid=grid,
                archive=DuckArchive(engine, meter_keys, zone_keys, readings, grid),
                retentions=(DuckRetention(engine, meter_keys), SqlRetention(sql)),
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
        log.warning("timescaledb_not_as_set", reason=note)
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


@asynccontextmanager
async def open_source(settings: Settings) -> AsyncIterator[Source]:
    """The bucket that INFLUXDB_BUCKET names, as a source of readings.

    Raises
    ------
    InputError
        It is not named, or it is where the readings are kept.
    """
    if missing := settings.influxdb_missing:
        raise InputError(f"there is no bucket to pull from: set {', '.join(missing)}")
    naming = settings.naming
    if settings.readings_store == "influxdb" and naming.measurement in (None, "readings"):
        raise InputError(
            "INFLUXDB_BUCKET is where the readings are kept (READINGS_STORE=influxdb);"
            " to pull from it, name another measurement in INFLUXDB_MEASUREMENT"
        )
    async with _bucket(settings) as influx:
        from wattbook.sources.influxdb.bucket import Bucket  # noqa: PLC0415 -- an extra

        yield Bucket(influx, naming)


@asynccontextmanager
async def _bucket(settings: Settings) -> AsyncIterator["Influx"]:
    try:
        from wattbook.clients.influxdb import server  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        raise missing_package(error.name, "influxdb") from error

    assert settings.influxdb_token is not None
    place = server.Place(
        url=str(settings.influxdb_url),
        token=settings.influxdb_token.get_secret_value().strip(),
        org=str(settings.influxdb_org),
        bucket=str(settings.influxdb_bucket),
    )
    async with server.opened(place, patience_s=settings.influxdb_retry_s) as influx:
        yield influx


def _bell(settings: Settings) -> Broker | None:
    if settings.broker_url is None:
        return None
    try:
        from wattbook.sinks.celery import notifier  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        raise missing_package(error.name, "celery") from error
    return notifier.at(settings.broker_url)


def _open_file(settings: Settings) -> Engine:
    try:
        return Engine(
            settings.readings_path,
            memory_limit=settings.duckdb_memory_limit,
            threads=settings.duckdb_threads,
        )
    except StoreLockedError as error:
        raise StoreLockedError(_held(error, settings), holder=error.holder) from error


def _held(error: StoreLockedError, settings: Settings) -> str:
    """Who holds the stores, and how to ask it."""
    service = service_file.running(settings.service_path)
    if service is not None and service.pid == error.holder:
        return f"{error}, which serves it: ask it with --url {service.url}, or stop it"
    return f"{error}; wait until it ends, or stop it"

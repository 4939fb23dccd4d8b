"""Puts the parts together as the settings say; the only place that names a technology."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import polars as pl
import structlog

from wattbook.flows.copy import CopyEndpoint
from wattbook.flows.ingest import Collector, SerialExecutor
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
from wattbook.ports.stats import Stats, Stored
from wattbook.ports.tombstones import Tombstones
from wattbook.ports.watermarks import Watermarks
from wattbook.settings import Settings
from wattbook.sinks import documents
from wattbook.sources.calendar import PublicHolidays
from wattbook.sources.files import reference
from wattbook.stores.address import Address
from wattbook.stores.sql.jobs import SqlJobs
from wattbook.stores.sql.migrate import revision, upgrade
from wattbook.stores.sql.registry import SqlRegistry
from wattbook.wiring import duckdb_file
from wattbook.wiring.stores import _embedded, _in_postgres, _postgres, _readings, _sql
from wattbook.wiring.streams import _bell, _bucket

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
    turnstile: SerialExecutor
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
    file = await asyncio.to_thread(duckdb_file.open_engine, settings)
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
            turnstile=SerialExecutor(),
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
async def open_house(settings: Settings, clock: Clock | None = None) -> AsyncIterator[CopyEndpoint]:
    """What is copied of the store that the settings name; of a bucket, the readings alone.

    Raises
    ------
    UnavailableError
        As `open_runtime`.
    """
    if settings.readings_store == "influxdb":
        async with _bucket(settings) as influx:
            from wattbook.stores.influxdb import archive  # noqa: PLC0415 -- an extra

            yield CopyEndpoint(archive=archive.InfluxArchive(influx))
        return
    async with open_runtime(settings, clock) as runtime:
        yield CopyEndpoint(
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

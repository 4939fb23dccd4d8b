"""Puts the parts together as the settings say; the only place that names a technology."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import structlog
from sqlalchemy.engine import make_url

from wattbook.core.errors import UnavailableError
from wattbook.flows.ingest import Collector, Turnstile
from wattbook.ports.archive import Archive
from wattbook.ports.clock import Clock, SystemClock
from wattbook.ports.grid import GridStore
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import RollupStore
from wattbook.settings import Settings
from wattbook.sources.files import reference
from wattbook.stores.duckdb.archive import DuckArchive
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.grid import DuckGrid
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings
from wattbook.stores.duckdb.rollups import DuckRollups
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.migrate import upgrade
from wattbook.stores.sql.registry import SqlRegistry

if TYPE_CHECKING:
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
    collector: Collector
    turnstile: Turnstile
    factors: pl.DataFrame


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
        place = make_url(settings.postgresql_url).render_as_string()
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
    async with opened(settings, clock) as stores:
        yield Runtime(
            settings=settings,
            clock=clock,
            registry=stores.registry,
            readings=stores.readings,
            rollups=stores.rollups,
            grid=stores.grid,
            archive=stores.archive,
            collector=Collector(registry=stores.registry, readings=stores.readings, clock=clock),
            turnstile=Turnstile(),
            factors=reference.factors(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What keeps the data."""

    registry: Registry
    readings: ReadingStore
    rollups: RollupStore
    grid: GridStore
    archive: Archive


@asynccontextmanager
async def _embedded(settings: Settings, clock: Clock) -> AsyncIterator[Stores]:
    """DuckDB and SQLite in `DATA_DIR`."""
    engine = await asyncio.to_thread(_open_file, settings)
    try:
        async with _registry(settings) as registry:
            meter_keys = Keys(engine, "meter_keys", "meter_id")
            zone_keys = Keys(engine, "zone_keys", "zone")
            marks = Marks(engine, meter_keys)
            readings = DuckReadings(engine, meter_keys, marks, clock)
            grid = DuckGrid(engine, zone_keys, clock)
            yield Stores(
                registry=registry,
                readings=readings,
                rollups=DuckRollups(engine, meter_keys, marks),
                grid=grid,
                archive=DuckArchive(engine, meter_keys, zone_keys, readings, grid),
            )
    finally:
        await asyncio.to_thread(engine.close)


@asynccontextmanager
async def _in_postgres(settings: Settings, _: Clock) -> AsyncIterator[Stores]:
    """Everything in one database; what is known, and when, goes by its clock."""
    async with _registry(settings) as registry:
        engine = await _postgres(settings)
        from wattbook.stores.postgres import series  # noqa: PLC0415 -- an extra

        async with series.opened(engine) as opened:
            yield Stores(
                registry=registry,
                readings=opened.readings,
                rollups=opened.rollups,
                grid=opened.grid,
                archive=opened.archive,
            )


async def _postgres(settings: Settings) -> "PostgresEngine":
    """A way into the database, whose tables are as TIMESCALEDB_ENABLED wants them."""
    try:
        from wattbook.stores.postgres import engine, timescale  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        message = f"{error.name} is missing: pip install 'wattbook[postgres]'"
        raise UnavailableError(message) from error

    assert settings.postgresql_url is not None
    opened = engine.Engine(
        settings.postgresql_url,
        statement_timeout_s=settings.database_statement_timeout_s,
        retry_s=settings.database_retry_s,
    )
    kept = timescale.Kept(settings.retention_readings_days, settings.retention_rollups_days)
    note = await asyncio.to_thread(
        timescale.prepare, opened, wanted=settings.timescaledb_enabled, kept=kept
    )
    if note is not None:
        log.warning("timescaledb_not_as_set", reason=note)
    return opened


@asynccontextmanager
async def _registry(settings: Settings) -> AsyncIterator[Registry]:
    await asyncio.to_thread(upgrade, settings.registry_url)
    sql = create_engine(settings.registry_url)
    try:
        yield SqlRegistry(sql)
    finally:
        await sql.dispose()


def _open_file(settings: Settings) -> Engine:
    return Engine(
        settings.readings_path,
        memory_limit=settings.duckdb_memory_limit,
        threads=settings.duckdb_threads,
    )

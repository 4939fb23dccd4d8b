"""Puts the parts together as the settings say; the only place that names a technology."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import polars as pl

from wattbook.flows.ingest import Collector, Turnstile
from wattbook.ports.clock import Clock, SystemClock
from wattbook.ports.grid import GridStore
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import RollupStore
from wattbook.settings import Settings
from wattbook.sources.files import reference
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.grid import DuckGrid
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings
from wattbook.stores.duckdb.rollups import DuckRollups
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.migrate import upgrade
from wattbook.stores.sql.registry import SqlRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Everything that a door needs to open on a flow."""

    settings: Settings
    clock: Clock
    registry: Registry
    readings: ReadingStore
    rollups: RollupStore
    grid: GridStore
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
    """Bring the stores to the newest schema while no other process holds them."""
    engine = await asyncio.to_thread(_open_file, settings)
    try:
        before, after = engine.migrated
        registry = await asyncio.to_thread(upgrade, settings.registry_url)
    finally:
        await asyncio.to_thread(engine.close)
    return [
        Migrated(str(settings.readings_path), str(before) if before else None, str(after)),
        Migrated(settings.registry_url, registry.before, registry.after),
    ]


def _open_file(settings: Settings) -> Engine:
    return Engine(
        settings.readings_path,
        memory_limit=settings.duckdb_memory_limit,
        threads=settings.duckdb_threads,
    )


@asynccontextmanager
async def open_runtime(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Runtime]:
    """The embedded stores in `DATA_DIR`, migrated and open until the block ends.

    Raises
    ------
    UnavailableError
        Another process holds the files, or they were written by a newer version.
    """
    clock = clock or SystemClock()
    engine = await asyncio.to_thread(_open_file, settings)
    try:
        await asyncio.to_thread(upgrade, settings.registry_url)
        sql = create_engine(settings.registry_url)
        try:
            registry = SqlRegistry(sql)
            meter_keys = Keys(engine, "meter_keys", "meter_id")
            marks = Marks(engine, meter_keys)
            readings = DuckReadings(engine, meter_keys, marks, clock)
            yield Runtime(
                settings=settings,
                clock=clock,
                registry=registry,
                readings=readings,
                rollups=DuckRollups(engine, meter_keys, marks),
                grid=DuckGrid(engine, Keys(engine, "zone_keys", "zone"), clock),
                collector=Collector(registry=registry, readings=readings, clock=clock),
                turnstile=Turnstile(),
                factors=reference.factors(),
            )
        finally:
            await sql.dispose()
    finally:
        await asyncio.to_thread(engine.close)

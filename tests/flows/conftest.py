"""A small world: the embedded stores in memory, a registry, and a clock that can be set."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from wattbook.core.registry.entities import Meter, MeterKind, Site
from wattbook.ports.anomalies import Anomalies
from wattbook.ports.archive import Archive
from wattbook.ports.calendar import Calendar
from wattbook.ports.forecasts import Forecasts
from wattbook.ports.grid import GridStore
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.reports import Reports
from wattbook.ports.retention import Retention
from wattbook.ports.rollups import RollupStore
from wattbook.ports.tombstones import Tombstones
from wattbook.ports.watermarks import Watermarks
from wattbook.sources.calendar import PublicHolidays
from wattbook.stores.duckdb.archive import DuckArchive
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.grid import DuckGrid
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings
from wattbook.stores.duckdb.retention import DuckRetention
from wattbook.stores.duckdb.rollups import DuckRollups
from wattbook.stores.sql.anomalies import SqlAnomalies
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.forecasts import SqlForecasts
from wattbook.stores.sql.migrate import upgrade_on
from wattbook.stores.sql.registry import SqlRegistry
from wattbook.stores.sql.reports import SqlReports
from wattbook.stores.sql.retention import SqlRetention
from wattbook.stores.sql.tombstones import SqlTombstones
from wattbook.stores.sql.watermarks import SqlWatermarks


@dataclass(slots=True)
class SetClock:
    """Tells the time that it was set to."""

    at: datetime = datetime(2026, 6, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that a flow may touch."""

    registry: Registry
    readings: ReadingStore
    rollups: RollupStore
    grid: GridStore
    archive: Archive
    watermarks: Watermarks
    retentions: tuple[Retention, ...]
    tombstones: Tombstones
    reports: Reports
    anomalies: Anomalies
    forecasts: Forecasts
    calendar: Calendar = field(default_factory=PublicHolidays)
    clock: SetClock = field(default_factory=SetClock)

    async def add(
        self,
        site_id: str,
        *meters: Meter,
        operator: str = "alder",
        zone: str = "NO1",
        timezone: str = "Europe/Oslo",
        capacity_kw: float | None = 1000.0,
    ) -> Site:
        """Register a site; without meters it gets a main one that tells energy by the hour."""
        main = Meter(
            id=f"{site_id}.main",
            site_id=site_id,
            kind=MeterKind.INTERVAL,
            expected_interval_s=3600,
        )
        site = Site(
            id=site_id,
            name=site_id,
            operator=operator,
            timezone=timezone,
            zone=zone,
            capacity_kw=capacity_kw,
            created_utc=self.clock.now(),
            updated_utc=self.clock.now(),
            meters=meters or (main,),
        )
        return await self.registry.add(site)


@asynccontextmanager
async def empty_world() -> AsyncIterator[World]:
    sql = create_engine("sqlite://")
    await upgrade_on(sql)
    engine = Engine(None, memory_limit="256MB", threads=2)
    meters, zones = Keys(engine, "meter_keys", "meter_id"), Keys(engine, "zone_keys", "zone")
    marks = Marks(engine, meters)
    readings, grid = DuckReadings(engine, meters, marks), DuckGrid(engine, zones)
    yield World(
        registry=SqlRegistry(sql),
        readings=readings,
        rollups=DuckRollups(engine, meters, marks),
        grid=grid,
        archive=DuckArchive(engine, meters, zones, readings, grid),
        watermarks=SqlWatermarks(sql),
        retentions=(DuckRetention(engine, meters), SqlRetention(sql)),
        tombstones=SqlTombstones(sql),
        reports=SqlReports(sql),
        anomalies=SqlAnomalies(sql),
        forecasts=SqlForecasts(sql),
    )
    engine.close()
    await sql.dispose()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with empty_world() as opened:
        yield opened


@pytest.fixture
async def other() -> AsyncIterator[World]:
    """A second world, apart from the first."""
    async with empty_world() as opened:
        yield opened

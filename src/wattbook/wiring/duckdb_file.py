"""The file of DuckDB that the settings name, and what reads and writes it."""

from dataclasses import dataclass

from wattbook.core.errors import StoreLockedError
from wattbook.ports.clock import Clock
from wattbook.settings import Settings
from wattbook.stores.duckdb.archive import DuckArchive
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.grid import DuckGrid
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings
from wattbook.stores.duckdb.rollups import DuckRollups
from wattbook.wiring import service_file


@dataclass(frozen=True, slots=True)
class FileStores:
    """What is in one file of DuckDB."""

    meter_keys: Keys
    readings: DuckReadings
    rollups: DuckRollups
    grid: DuckGrid
    archive: DuckArchive


def open_engine(settings: Settings) -> Engine:
    """The file, migrated.

    Raises
    ------
    StoreLockedError
        Another process holds it; the message says which, and how to ask a service.
    """
    try:
        return Engine(
            settings.readings_path,
            memory_limit=settings.duckdb_memory_limit,
            threads=settings.duckdb_threads,
        )
    except StoreLockedError as error:
        raise StoreLockedError(_held(error, settings), holder=error.holder) from error


def stores_of(engine: Engine, clock: Clock) -> FileStores:
    """What is in the file of an engine."""
    meter_keys = Keys(engine, "meter_keys", "meter_id")
    zone_keys = Keys(engine, "zone_keys", "zone")
    marks = Marks(engine, meter_keys)
    readings = DuckReadings(engine, meter_keys, marks, clock)
    grid = DuckGrid(engine, zone_keys, clock)
    return FileStores(
        meter_keys=meter_keys,
        readings=readings,
        rollups=DuckRollups(engine, meter_keys, marks),
        grid=grid,
        archive=DuckArchive(engine, meter_keys, zone_keys, readings, grid),
    )


def _held(error: StoreLockedError, settings: Settings) -> str:
    """Which process holds the stores, and how to ask it."""
    service = service_file.running(settings.service_path)
    if service is not None and service.pid == error.holder:
        return f"{error}, which serves it: ask it with --url {service.url}, or stop it"
    return f"{error}; wait until it ends, or stop it"

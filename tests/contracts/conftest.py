"""Every implementation of the ports that keep time series; one joins by a line in `OPENERS`."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from wattbook.ports.grid import GridStore
from wattbook.ports.readings import ReadingStore
from wattbook.ports.rollups import RollupStore
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.grid import DuckGrid
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings
from wattbook.stores.duckdb.rollups import DuckRollups


@dataclass(frozen=True, slots=True)
class Stores:
    """One technology behind the three ports."""

    readings: ReadingStore
    rollups: RollupStore
    grid: GridStore


@asynccontextmanager
async def duckdb(path: Path | None) -> AsyncIterator[Stores]:
    engine = Engine(path, memory_limit="256MB", threads=2)
    try:
        keys = Keys(engine, "meter_keys", "meter_id")
        marks = Marks(engine, keys)
        yield Stores(
            DuckReadings(engine, keys, marks),
            DuckRollups(engine, keys, marks),
            DuckGrid(engine, Keys(engine, "zone_keys", "zone")),
        )
    finally:
        engine.close()


Opener = Callable[[Path], AbstractAsyncContextManager[Stores]]
"""Opens what is kept at a place, or begins it there."""

OPENERS: dict[str, Opener] = {
    "duckdb in memory": lambda _: duckdb(None),
    "duckdb file": lambda folder: duckdb(folder / "readings.duckdb"),
}
LASTING = ("duckdb file",)
"""Those that still know everything when they are opened again."""


@pytest.fixture(scope="session", params=OPENERS)
def begin(request, tmp_path_factory) -> Callable[[], AbstractAsyncContextManager[Stores]]:
    """Opens empty stores, new ones at every call."""
    opener, numbers = OPENERS[request.param], count()
    folder = tmp_path_factory.mktemp("stores")
    return lambda: opener(folder / str(next(numbers)))


@pytest.fixture
async def stores(begin) -> AsyncIterator[Stores]:
    async with begin() as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(begin) -> AsyncIterator[Stores]:
    """Stores for many examples, each of which brings ids of its own."""
    async with begin() as opened:
        yield opened


@pytest.fixture(params=LASTING)
def reopen(request, tmp_path) -> Callable[[], AbstractAsyncContextManager[Stores]]:
    """Opens the same stores at every call."""
    return lambda: OPENERS[request.param](tmp_path)

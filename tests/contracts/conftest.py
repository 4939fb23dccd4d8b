"""Every implementation of the ports that keep time series; one joins by a line in `OPENERS`."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.services.influxdb import InfluxDB
from tests.services.postgres import Postgres

from wattbook.clients.influxdb import server as influx
from wattbook.ports.archive import Archive
from wattbook.ports.grid import GridStore
from wattbook.ports.readings import ReadingStore
from wattbook.ports.retention import Retention
from wattbook.ports.rollups import RollupStore
from wattbook.stores.duckdb.archive import DuckArchive
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.grid import DuckGrid
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings
from wattbook.stores.duckdb.retention import DuckRetention
from wattbook.stores.duckdb.rollups import DuckRollups
from wattbook.stores.influxdb import readings as influx_readings
from wattbook.stores.influxdb.archive import InfluxArchive
from wattbook.stores.influxdb.retention import Beside
from wattbook.stores.postgres import series, timescale
from wattbook.stores.postgres.engine import Engine as PostgresEngine
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.migrate import upgrade, upgrade_on


@dataclass(frozen=True, slots=True)
class Stores:
    """One technology behind the ports."""

    readings: ReadingStore
    rollups: RollupStore
    grid: GridStore
    archive: Archive
    retention: Retention


@asynccontextmanager
async def duckdb(path: Path | None) -> AsyncIterator[Stores]:
    engine = Engine(path, memory_limit="256MB", threads=2)
    try:
        meters, zones = Keys(engine, "meter_keys", "meter_id"), Keys(engine, "zone_keys", "zone")
        marks = Marks(engine, meters)
        readings, grid = DuckReadings(engine, meters, marks), DuckGrid(engine, zones)
        yield Stores(
            readings,
            DuckRollups(engine, meters, marks),
            grid,
            DuckArchive(engine, meters, zones, readings, grid),
            DuckRetention(engine, meters),
        )
    finally:
        engine.close()


@asynccontextmanager
async def postgres(url: str) -> AsyncIterator[Stores]:
    async with series.opened(PostgresEngine(url), stamped=False) as opened:
        yield Stores(opened.readings, opened.rollups, opened.grid, opened.archive, opened.retention)


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> Iterator[str]:
    """URL of a migrated database, from which others are copied."""
    with postgres.fresh() as url:
        upgrade(url)
        yield url


@pytest.fixture(scope="session")
def migrated_timescale(fresh_timescale_database) -> Iterator[str]:
    """The same with hypertables."""
    with fresh_timescale_database() as url:
        upgrade(url)
        engine = PostgresEngine(url)
        assert timescale.prepare(engine, wanted=True) is None
        engine.close()
        yield url


@asynccontextmanager
async def influxdb(where: influx.Place, path: Path) -> AsyncIterator[Stores]:
    async with (
        duckdb(path) as beside,
        influx.opened(where) as server,
        influx_readings.opened(server, beside.rollups.mark, alone=True) as readings,
    ):
        yield replace(
            beside,
            readings=readings,
            archive=InfluxArchive(server, readings),
            retention=Beside(beside.retention),
        )


Begin = Callable[[], AbstractAsyncContextManager[Stores]]
"""Opens stores."""
Place = Callable[[], AbstractContextManager[Begin]]
"""Finds a new place for stores; what it gives opens what is kept there at every call."""
Opener = Callable[[pytest.FixtureRequest], Place]


def in_folders(opener: Callable[[Path], AbstractAsyncContextManager[Stores]]) -> Opener:
    """Stores that are kept in a folder."""

    def prepare(request: pytest.FixtureRequest) -> Place:
        factory = request.getfixturevalue("tmp_path_factory")

        @contextmanager
        def place() -> Iterator[Begin]:
            folder = factory.mktemp("stores")
            yield lambda: opener(folder / "store")

        return place

    return prepare


def in_databases(template: str) -> Opener:
    """Stores that are kept in a database of a server."""

    def prepare(request: pytest.FixtureRequest) -> Place:
        like = request.getfixturevalue(template)
        server: Postgres = request.getfixturevalue("postgres")

        @contextmanager
        def place() -> Iterator[Begin]:
            with server.fresh(like=like) as url:
                yield lambda: postgres(url)

        return place

    return prepare


def beside_a_bucket(request: pytest.FixtureRequest) -> Place:
    """Readings in a bucket of InfluxDB, all else in a file beside it."""
    server: InfluxDB = request.getfixturevalue("influxdb")
    factory = request.getfixturevalue("tmp_path_factory")

    @contextmanager
    def place() -> Iterator[Begin]:
        folder = factory.mktemp("stores")
        with server.fresh() as bucket:
            where = influx.Place(url=server.url, token=server.token, org=server.org, bucket=bucket)
            yield lambda: influxdb(where, folder / "store")

    return place


OPENERS: dict[str, Opener] = {
    "duckdb in memory": in_folders(lambda _: duckdb(None)),
    "duckdb file": in_folders(duckdb),
    "postgresql": in_databases("migrated"),
    "timescaledb": in_databases("migrated_timescale"),
    "influxdb": beside_a_bucket,
}
SERVED = ("postgresql", "timescaledb", "influxdb")
MARKS = {"duckdb file": [pytest.mark.slow]} | {name: [pytest.mark.services] for name in SERVED}
EVERY = [pytest.param(name, marks=MARKS.get(name, [])) for name in OPENERS]
LASTING = [param for param in EVERY if param.values != ("duckdb in memory",)]
"""Those that still know everything when they are opened again."""


KEPT_ELSEWHERE = {"influxdb": ("test_grid_store.py",)}
"""What is no matter of a technology: the stores beside it are tested by themselves."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def elsewhere(item: pytest.Item) -> bool:
        params = getattr(item, "callspec", None)
        name = None if params is None else params.params.get("place", params.params.get("reopen"))
        return item.path.name in KEPT_ELSEWHERE.get(str(name), ())

    items[:] = [item for item in items if not elsewhere(item)]


@pytest.fixture(scope="session", params=EVERY)
def place(request) -> Place:
    return OPENERS[request.param](request)


@pytest.fixture
def begin(place) -> Begin:
    """Opens empty stores, new ones at every call."""

    @asynccontextmanager
    async def fresh() -> AsyncIterator[Stores]:
        with place() as opened_here:
            async with opened_here() as opened:
                yield opened

    return fresh


@pytest.fixture
async def stores(begin) -> AsyncIterator[Stores]:
    """Empty stores."""
    async with begin() as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(place) -> AsyncIterator[Stores]:
    """Stores for many examples, each of which brings ids of its own."""
    with place() as opened_here:
        async with opened_here() as opened:
            yield opened


@pytest.fixture(params=LASTING)
def reopen(request) -> Iterator[Begin]:
    """Opens the same stores at every call."""
    with OPENERS[request.param](request)() as opened_here:
        yield opened_here


SQL = [
    "memory",
    pytest.param("file", marks=pytest.mark.slow),
    pytest.param("postgresql", marks=pytest.mark.services),
]


@pytest.fixture(params=SQL)
def sql_url(request, tmp_path) -> Iterator[str]:
    """URL of a migrated database, or of one that is migrated when it is first reached."""
    if request.param == "postgresql":
        like = request.getfixturevalue("migrated")
        with request.getfixturevalue("postgres").fresh(like=like) as url:
            yield url
    elif request.param == "file":
        yield f"sqlite:///{tmp_path}/registry.sqlite"
    else:
        yield "sqlite://"


@pytest.fixture
async def sql_engine(sql_url) -> AsyncIterator[AsyncEngine]:
    """A way into each kind of SQL database."""
    engine = create_engine(sql_url)
    await upgrade_on(engine)
    yield engine
    await engine.dispose()

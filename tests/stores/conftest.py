"""PostgreSQL as one process of ours meets it, and a few rows to write there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import polars as pl
import pytest
from adbc_driver_postgresql import dbapi
from tests.services.cluster import sql
from tests.services.postgres import Postgres
from tests.services.proxy import Proxy
from tests.services.server import wait

from wattbook.core import frames
from wattbook.core.periods import Period
from wattbook.core.readings.rejects import Rejects
from wattbook.core.rollups import aggregation
from wattbook.ports.readings import Batch, WriteResult
from wattbook.stores.postgres import series
from wattbook.stores.postgres.engine import Engine
from wattbook.stores.postgres.series import Series
from wattbook.stores.sql.migrate import upgrade

T = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EVER = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
NUMBERS = count()
Key = tuple[str, int]
"""A meter, and minutes after `T`."""
OURS = "from pg_stat_activity where datname = current_database() and application_name = 'wattbook'"
"""The connections of ours to a database."""
Migrated = Callable[[], AbstractContextManager[str]]


@asynccontextmanager
async def opened(url: str, *, timeout_s: float = 60, retry_s: float = 10) -> AsyncIterator[Series]:
    """The stores as a process of its own opens them."""
    engine = Engine(url, statement_timeout_s=timeout_s, retry_s=retry_s)
    async with series.opened(engine) as stores:
        yield stores


def batch(rows: Mapping[Key, float], *, rejects: Sequence[str] = ()) -> Batch:
    """Power by meter and minute; a row is refused for each of `rejects`."""
    kept = pl.DataFrame(
        [
            dict.fromkeys(frames.READINGS.columns)
            | {"row": row, "meter_id": meter, "ts_utc": T + minute * MINUTE, "power_kw": value}
            | {"quality": "measured", "known_utc": T, "revision": 0}
            for row, ((meter, minute), value) in enumerate(rows.items())
        ],
        schema={"row": pl.UInt32, **frames.READINGS.schema},
    )
    refused = pl.DataFrame(
        [(len(rows) + row, why, f"it is {why}", "{}") for row, why in enumerate(rejects)],
        schema=frames.REJECTS.schema,
        orient="row",
    )
    return Batch(
        batch_id=f"b-{next(NUMBERS)}",
        source="test",
        sha256="0" * 64,
        received_utc=T,
        received=len(rows) + len(rejects),
        kept=kept,
        rejects=Rejects.of(refused),
    )


def grid_batch(loads: Mapping[tuple[str, int], float]) -> Batch:
    """Load by zone and hour after `T`."""
    kept = pl.DataFrame(
        [
            dict.fromkeys(frames.GRID.columns)
            | {"row": row, "zone": zone, "start_utc": T + 60 * hour * MINUTE, "load_mw": load}
            | {"interval_s": 3600, "known_utc": T, "revision": 0}
            for row, ((zone, hour), load) in enumerate(loads.items())
        ],
        schema={"row": pl.UInt32, **frames.GRID.schema},
    )
    return replace(batch({}), kept=kept, received=kept.height)


def figures(values: Mapping[int, float]) -> pl.DataFrame:
    """Rollups of all grains of the meter `a`, as they are first written."""
    about = {"site_id": "s", "operator": "alder", "zone": "NO1", "timezone": "UTC"}
    about |= {"meter_id": "a", "kind": "power", "role": "main"}
    meters = pl.DataFrame(
        [about | {"expected_interval_s": 900, "max_hold_s": 900}], schema=frames.METERS.schema
    )
    readings = batch({("a", minute): value for minute, value in values.items()}).kept.drop("row")
    return aggregation.with_revisions(
        aggregation.every_grain(aggregation.quarters(readings, meters), meters), T
    )


def counts(written: WriteResult) -> tuple[int, int, int, int]:
    """Accepted, duplicates, corrected, rejected."""
    receipt = written.receipt
    return receipt.accepted, receipt.duplicates, receipt.corrected, receipt.rejected


async def power(stores: Series, *meters: str, **options) -> list[float | None]:
    found: list[float | None] = (await stores.readings.read(list(meters), **options))[
        "power_kw"
    ].to_list()
    return found


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> Iterator[str]:
    with postgres.fresh() as url:
        upgrade(url)
        yield url


@pytest.fixture
def migrated(postgres: Postgres, template: str) -> Migrated:
    """`with migrated() as url`: a migrated database of its own at every call."""
    return lambda: postgres.fresh(like=template)


@pytest.fixture
def url(migrated: Migrated) -> Iterator[str]:
    """A migrated database."""
    with migrated() as one:
        yield one


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    """A way to the migrated database that can be cut."""
    with Proxy(url) as between:
        yield between


@contextmanager
def blocked(url: str, table: str, mode: str = "access exclusive") -> Iterator[None]:
    """Another transaction has a table, for itself unless the mode says otherwise."""
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"lock table {table} in {mode} mode")
        yield
        connection.rollback()


def connections(url: str) -> int:
    """How many of ours there are."""
    ((number,),) = sql(url, f"select count(*) {OURS}")
    return int(number)


def waiting(url: str) -> int:
    """How many of ours wait for a lock."""
    ((number,),) = sql(url, f"select count(*) {OURS} and wait_event_type = 'Lock'")
    return int(number)


async def until(done: Callable[[], bool], limit_s: float = 20) -> None:
    """Wait for something to become true."""
    await asyncio.to_thread(wait, done, limit_s)


CATALOG = {
    "tables": "select relname, relkind, relpersistence, reloptions::text,"
    " pg_get_partkeydef(oid) from pg_class"
    " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'S')",
    "columns": "select relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull,"
    " attidentity, attstorage, collname, pg_get_expr(adbin, adrelid) from pg_attribute a"
    " join pg_class c on c.oid = attrelid left join pg_collation o on o.oid = attcollation"
    " left join pg_attrdef on adrelid = attrelid and adnum = attnum"
    " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    " and attnum > 0 and not attisdropped",
    "constraints": "select conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
    " from pg_constraint where connamespace = 'public'::regnamespace",
    "indexes": "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'",
}


def catalog(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All that a database says of its tables."""
    return {
        what: sql(url, f"select * from ({query}) q order by q::text")
        for what, query in CATALOG.items()
    }

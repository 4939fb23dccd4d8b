"""The stores side by side: readings in through the service, out by Arrow, a day rolled up.

PostgreSQL is the server of DATABASE_URL, or one of our own as in the tests; TimescaleDB is measured
where that server has it. InfluxDB is the server of INFLUXDB_URL, or one of our own. Beside what
comes in through the service stands the same server's COPY of the same rows into the same table:
what it can do at best.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from ingest import body, ms
from service import fire, machine, readings, register, request, running

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.services.influxdb import InfluxDB  # noqa: E402
from tests.services.influxdb import ours as buckets_of_our_own  # noqa: E402
from tests.services.postgres import Postgres, ours, programs  # noqa: E402
from tests.services.server import NoServerError  # noqa: E402

from wattbook.core import frames  # noqa: E402
from wattbook.core.periods import Period  # noqa: E402
from wattbook.flows import rollup  # noqa: E402
from wattbook.settings import load  # noqa: E402
from wattbook.stores.postgres import timescale  # noqa: E402
from wattbook.stores.postgres.engine import Engine  # noqa: E402
from wattbook.stores.postgres.partitions import Partitions  # noqa: E402
from wattbook.stores.postgres.readings import COLUMNS  # noqa: E402
from wattbook.stores.sql.migrate import upgrade  # noqa: E402
from wattbook.wiring.runtime import Runtime, open_runtime  # noqa: E402

METERS, ROWS, CONNECTIONS = 1_000, 10_000, 4
START = datetime(2025, 1, 1, tzinfo=UTC)
FORMS = ("ndjson", "parquet")


@dataclass(frozen=True)
class Store:
    """Where readings go, by the settings that say so."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)
    copy: Callable[[list[pl.DataFrame]], float] | None = None
    """Seconds of the store's own bulk load of the same rows."""
    dump: Callable[[], float] | None = None
    """Seconds of the server alone to send all readings, to a client that looks at none."""


def bodies(count: int) -> list[pl.DataFrame]:
    return [readings(n, meters=METERS, rows=ROWS, interval_s=60) for n in range(count)]


def rows_of_table(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of a body in the columns of the table `readings`."""
    number = pl.col("meter_id").rank("dense").cast(pl.Int32) - 1
    filled = frame.with_columns(
        *(
            pl.lit(None, dtype=pl.Float64).alias(name)
            for name in frames.READING_VALUES
            if name not in frame.columns
        )
    )
    return filled.select(
        ts_utc=pl.col("timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        known_utc=pl.lit(START, dtype=frames.UTC),
        **{name: pl.col(name) for name in frames.READING_VALUES},
        meter_key=number,
        revision=pl.lit(0, dtype=pl.Int32),
        quality=pl.lit(0, dtype=pl.Int16),
    )


def copy_into(url: str, *, timescaledb: bool, parts: list[pl.DataFrame]) -> float:
    """Seconds that a client needs for COPY, one transaction for each body."""
    upgrade(url)
    engine = Engine(url)
    timescale.prepare(engine, wanted=timescaledb)
    tables = [rows_of_table(frame) for frame in parts]
    asyncio.run(Partitions(engine, "readings").make(pl.concat(tables)["ts_utc"]))
    session = engine.connect()
    began = time.perf_counter()
    for table in tables:
        with session.transaction():
            session.copy("readings", table)
    seconds = time.perf_counter() - began
    session.close()
    engine.close()
    return seconds


def copy_out_of(url: str) -> float:
    """Seconds that the server needs for COPY to a client that throws everything away."""
    query = f"copy (select {COLUMNS} from readings) to stdout (format binary)"
    began = time.perf_counter()
    subprocess.run(["psql", url, "-qc", query], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def influxdb_of(stack: ExitStack) -> InfluxDB | None:
    """The server of INFLUXDB_URL, or one of our own where its program is."""
    names = ("INFLUXDB_URL", "INFLUXDB_TOKEN", "INFLUXDB_ORG")
    if names[0] in os.environ:
        return InfluxDB(*(os.environ.pop(name) for name in names))
    try:
        return buckets_of_our_own(stack)
    except NoServerError:
        return None


@contextmanager
def stores(asked: list[str]) -> Iterator[list[Callable[[], Store]]]:
    """Ways to make each store anew."""
    with ExitStack() as stack:
        made: dict[str, Callable[[], Store]] = {"duckdb": lambda: Store("duckdb")}
        if url := os.environ.pop("DATABASE_URL", None):
            server = Postgres(url)
        else:
            binaries, _ = programs()
            settings = {"shared_buffers": "1GB", "max_wal_size": "4GB"}
            server = ours(stack, binaries, settings=settings)

        def in_postgres(*, timescaledb: bool) -> Store:
            url, other = (
                stack.enter_context(server.fresh(timescaledb=timescaledb)) for _ in range(2)
            )
            name = "timescaledb" if timescaledb else "postgresql"
            wanted = {"DATABASE_URL": url, "TIMESCALEDB_ENABLED": str(timescaledb)}
            return Store(
                f"{name} {server.version}",
                wanted,
                lambda parts: copy_into(other, timescaledb=timescaledb, parts=parts),
                lambda: copy_out_of(url),
            )

        made["postgresql"] = lambda: in_postgres(timescaledb=False)
        if not server.no_timescale():
            made["timescaledb"] = lambda: in_postgres(timescaledb=True)
        buckets = influxdb_of(stack)

        def in_influxdb() -> Store:
            assert buckets is not None
            about = {"URL": buckets.url, "TOKEN": buckets.token, "ORG": buckets.org}
            about["BUCKET"] = stack.enter_context(buckets.fresh())
            wanted = {f"INFLUXDB_{name}": value for name, value in about.items()}
            name = f"influxdb {buckets.version}"
            return Store(name, wanted | {"READINGS_STORE": "influxdb"})

        if buckets is not None:
            made["influxdb"] = in_influxdb
        yield [make for name, make in made.items() if not asked or name in asked]


def through_the_service(store: Store, folder: Path, form: str, parts: list[pl.DataFrame]) -> str:
    settings = store.settings | {"ROLLUP_IDLE_S": "3600"}
    with running(folder, **settings) as service:
        register(service, METERS)
        requests = [request("/ingest/telemetry", *body(frame, form)) for frame in parts]
        before = service.cpu_s()
        found = fire(service.port, requests, CONNECTIONS)
        used = service.cpu_s() - before
    assert found.statuses == {200: len(parts)}, found.statuses
    rate = len(parts) * ROWS / found.seconds / 1e6
    beside = ""
    if store.copy is not None:
        raw = len(parts) * ROWS / store.copy(parts) / 1e6
        beside = f"   COPY {raw:5.2f} M/s: {rate / raw:4.0%} of it (asked ≥ 60 %)"
    return (
        f"in {form:8s} {rate:5.2f} M/s   p50 {ms(found, 50):6.1f} ms  p99 {ms(found, 99):6.1f} ms"
        f"   service {used / len(parts) * 1e3:5.1f} ms CPU a body{beside}"
    )


async def out(runtime: Runtime, store: Store) -> list[str]:
    ids = (await runtime.registry.meters())["meter_id"].to_list()
    period = Period(START - timedelta(days=1), START + timedelta(days=400))
    began = time.perf_counter()
    found = await runtime.readings.read(ids, period)
    seconds = time.perf_counter() - began
    rate = found.height / seconds / 1e6
    beside = ""
    if store.dump is not None:
        raw = found.height / store.dump() / 1e6
        beside = f"   the server's own COPY out {raw:5.2f} M/s: {rate / raw:4.0%} of it"
    lines = [f"scan        {rate:5.2f} M/s   of {found.height:,} rows (asked ≥ 2 M/s){beside}"]
    began = time.perf_counter()
    rolled = await rollup.catch_up(
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        clock=runtime.clock,
    )
    seconds = time.perf_counter() - began
    lines.append(
        f"roll-up     {seconds:5.2f} s     of {found.height:,} readings into"
        f" {rolled.rows_written:,} rows (asked < 3 s for a day of 1,000 meters × 1 min)"
    )
    return lines


async def _out(store: Store, folder: Path) -> list[str]:
    os.environ.update(store.settings)
    try:
        async with open_runtime(load(data_dir=folder)) as runtime:
            return await out(runtime, store)
    finally:
        for name in store.settings:
            del os.environ[name]


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bodies", type=int, default=144, help="bodies of 10,000 rows")
    options.add_argument("--only", nargs="*", default=[], help="duckdb postgresql timescaledb …")
    chosen = options.parse_args()
    print(machine())
    print(f"{METERS} meters × 1 min, {ROWS} rows a body, {CONNECTIONS} connections, same cores")
    parts = bodies(chosen.bodies)
    with stores(chosen.only) as ways:
        for make in ways:
            for form in FORMS:
                store, folder = make(), Path(tempfile.mkdtemp())
                try:
                    told = through_the_service(store, folder, form, parts)
                    print(f"{store.name:18s} {told}", flush=True)
                    if form == FORMS[-1]:
                        for line in asyncio.run(_out(store, folder)):
                            print(f"{store.name:18s} {line}", flush=True)
                finally:
                    shutil.rmtree(folder)

"""A database is turned to hypertables with all that is in it; old chunks take what comes late."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import polars as pl
import pytest
from adbc_driver_postgresql import dbapi
from polars.testing import assert_frame_equal, assert_series_equal
from tests.services.cluster import sql
from tests.services.postgres import Postgres
from tests.services.proxy import Proxy
from tests.services.server import wait
from tests.stores.conftest import (
    EVER,
    T,
    batch,
    blocked,
    catalog,
    counts,
    figures,
    opened,
    power,
)

from wattbook.core import frames
from wattbook.core.errors import UnavailableError
from wattbook.core.periods import Grain
from wattbook.core.readings.merge import ACCEPTED, CORRECTED, DUPLICATE
from wattbook.stores.postgres import timescale
from wattbook.stores.postgres.engine import Engine
from wattbook.stores.sql.migrate import upgrade

DAY = 24 * 60
QUARTERS = [30 * DAY * month + 15 * quarter for month in range(4) for quarter in range(6)]
"""Six quarters at the beginning of each of four months."""
VALUES = {("a", at): 0.1 * at for at in QUARTERS} | {("⚡", at): -0.0 for at in QUARTERS}
SCHEMA = {
    "hypertables": "select hypertable_name, num_dimensions, compression_enabled"
    " from timescaledb_information.hypertables",
    "dimensions": "select hypertable_name, column_name, column_type, time_interval"
    " from timescaledb_information.dimensions",
    "compression": "select hypertable_name, attname, segmentby_column_index, orderby_column_index,"
    " orderby_asc, orderby_nullsfirst from timescaledb_information.compression_settings",
    "policies": "select proc_name, hypertable_name, schedule_interval,"
    " config - 'hypertable_id' from timescaledb_information.jobs where hypertable_name is not null",
}


def prepare(url: str, *, wanted: bool) -> str | None:
    engine = Engine(url)
    try:
        return timescale.prepare(engine, wanted=wanted)
    finally:
        engine.close()


def hypertables(url: str) -> dict[str, list[tuple[object, ...]]]:
    return {
        what: sql(url, f"select q::text from ({query}) q order by 1")
        for what, query in SCHEMA.items()
    }


def rows(url: str, table: str) -> list[tuple[object, ...]]:
    """Every row as text, which tells each bit of a number."""
    return sql(url, f"select t::text from {table} t order by 1")


def compress(url: str) -> None:
    """Compress every chunk; the policy may be at it too, and who meets it is refused."""
    rest = "from timescaledb_information.chunks where not is_compressed"

    def none_left() -> bool:
        with suppress(dbapi.Error):
            sql(
                url,
                f"select compress_chunk(format('%I.%I', chunk_schema, chunk_name))::text {rest}",
            )
        return sql(url, f"select count(*) {rest}") == [(0,)]

    wait(none_left, 20)


@pytest.fixture(scope="session")
def extended(postgres: Postgres, fresh_timescale_database) -> Iterator[str]:
    """A migrated database with the extension and without hypertables, to be copied."""
    with fresh_timescale_database() as url:
        upgrade(url)
        yield url


@pytest.fixture
def plain(postgres: Postgres, extended: str) -> Iterator[str]:
    with postgres.fresh(like=extended) as url:
        yield url


@pytest.fixture
async def filled(plain) -> str:
    """The same with readings and rollups of four months, some of them corrected."""
    async with opened(plain) as stores:
        await stores.readings.write(batch(VALUES))
        await stores.readings.write(batch({("a", QUARTERS[3]): 7.0, ("a", QUARTERS[9]): 8.0}))
        none = frames.ROLLUPS.empty()
        await stores.rollups.write(
            figures({minute: value for (meter, minute), value in VALUES.items() if meter == "a"}),
            none.select(frames.ROLLUPS.key),
            frames.EVENTS.empty(),
            frames.DIRTY.empty(),
            await stores.rollups.dirty(),
        )
    return str(plain)


async def test_partitions_with_data_become_hypertables_to_the_last_bit(
    filled, postgres, extended
) -> None:
    before = {table: rows(filled, table) for table in ("readings", "rollups", "reading_revisions")}
    assert len(before["readings"]) == len(VALUES)

    assert prepare(filled, wanted=True) is None

    assert {table: rows(filled, table) for table in before} == before
    with postgres.fresh(like=extended) as fresh:
        assert prepare(fresh, wanted=True) is None
        assert catalog(filled) == catalog(fresh)
        assert hypertables(filled) == hypertables(fresh)
    assert prepare(filled, wanted=True) is None  # again
    assert {table: rows(filled, table) for table in before} == before


async def test_compressed_chunks_take_late_rows_corrections_and_duplicates(filled) -> None:
    assert prepare(filled, wanted=True) is None
    compress(filled)
    ((now,),) = sql(filled, "select clock_timestamp()")
    async with opened(filled) as stores:
        before = await stores.readings.read(["a", "⚡"])

        late = {("a", minute + 1): 9.0 for minute in QUARTERS} | {("new", QUARTERS[0]): 1.0}
        assert counts(await stores.readings.write(batch(late))) == (len(QUARTERS) + 1, 0, 0, 0)
        assert counts(await stores.readings.write(batch(late))) == (0, len(QUARTERS) + 1, 0, 0)
        again = {("a", QUARTERS[0]): 0.0, ("a", QUARTERS[4]): 5.0, ("⚡", QUARTERS[20]): 0.0}
        written = await stores.readings.write(batch(again | {("a", QUARTERS[4] + 2): 3.0}))

        # 0.0 and -0.0 are the same value; see core.readings.merge
        assert written.outcomes.to_list() == [DUPLICATE, CORRECTED, DUPLICATE, ACCEPTED]
        assert_frame_equal(await stores.readings.read(["a", "⚡"], as_of=now), before)
        there = {
            (meter, int((at - T).total_seconds() // 60)): value
            for meter, at, value in (await stores.readings.read(["a", "⚡", "new"]))
            .select("meter_id", "ts_utc", "power_kw")
            .iter_rows()
        }
        corrected = {("a", QUARTERS[3]): 7.0, ("a", QUARTERS[9]): 8.0, ("a", QUARTERS[4]): 5.0}
        assert there == VALUES | late | corrected | {("a", QUARTERS[4] + 2): 3.0}


async def test_compressed_chunks_take_changed_figures(filled) -> None:
    assert prepare(filled, wanted=True) is None
    compress(filled)
    doubled = figures({minute: 0.2 * minute for minute in QUARTERS})
    async with opened(filled) as stores:
        await stores.rollups.write(
            doubled.filter(grain="15min").with_columns(revision=pl.lit(1, pl.Int64)),
            doubled.filter(grain="day").select(frames.ROLLUPS.key),
            frames.EVENTS.empty(),
            frames.DIRTY.empty(),
            frames.DIRTY.empty(),
        )

        there = await stores.rollups.read(["a"], Grain.QUARTER, EVER)
        assert_series_equal(there["energy_kwh"], doubled.filter(grain="15min")["energy_kwh"])
        assert (await stores.rollups.read(["a"], Grain.DAY, EVER)).is_empty()
        assert (await stores.rollups.read(["a"], Grain.HOUR, EVER)).height == 8


async def test_an_answer_lost_over_compressed_chunks_is_found_out(filled) -> None:
    assert prepare(filled, wanted=True) is None
    compress(filled)
    with Proxy(filled) as proxy:
        async with opened(proxy.url) as stores:
            await stores.readings.write(batch({("a", QUARTERS[0]): 0.0}))
            proxy.cut_commit("after", of="asked_readings")

            sent = {("a", QUARTERS[1]): 4.0, ("a", QUARTERS[2]): VALUES["a", QUARTERS[2]]}
            written = await stores.readings.write(batch(sent | {("a", QUARTERS[2] + 1): 1.0}))

            assert proxy.cuts == 1
            assert written.outcomes.to_list() == [CORRECTED, DUPLICATE, ACCEPTED]


def test_switched_off_later_hypertables_stay_and_it_is_said(plain) -> None:
    assert prepare(plain, wanted=False) is None
    assert prepare(plain, wanted=True) is None
    before = hypertables(plain)

    assert prepare(plain, wanted=False) == (
        "the tables are hypertables already and stay so, whatever TIMESCALEDB_ENABLED says"
    )

    assert hypertables(plain) == before


def test_a_table_that_another_transaction_reads_is_a_clear_end_and_no_standstill(plain) -> None:
    with (
        blocked(plain, "readings", mode="access share"),
        pytest.raises(UnavailableError, match="another transaction holds readings or rollups"),
    ):
        prepare(plain, wanted=True)

    assert hypertables(plain)["hypertables"] == []
    assert prepare(plain, wanted=True) is None


async def test_what_is_written_while_the_tables_become_hypertables_is_not_lost(plain) -> None:
    days = [DAY * day for day in range(60)]
    none = frames.ROLLUPS.empty().select(frames.ROLLUPS.key)
    rest = (none, frames.EVENTS.empty(), frames.DIRTY.empty(), frames.DIRTY.empty())
    daily = [figures({day: 1.0}).filter(grain="15min") for day in days]
    async with opened(plain) as stores:
        await stores.readings.write(batch({("a", -1): 1.0}))

        async def stream_readings() -> list[tuple[int, ...]]:
            return [counts(await stores.readings.write(batch({("a", day): 1.0}))) for day in days]

        async def stream_rollups() -> None:
            for rows in daily:
                await stores.rollups.write(rows, *rest)

        readings = asyncio.create_task(stream_readings())
        rollups = asyncio.create_task(stream_rollups())
        await asyncio.sleep(0.1)
        assert await asyncio.to_thread(prepare, plain, wanted=True) is None
        assert not readings.done()
        assert not rollups.done()
        await rollups

        assert set(await readings) == {(1, 0, 0, 0)}
        assert await power(stores, "a") == [1.0] * 61
        there = await stores.rollups.read(["a"], Grain.QUARTER, EVER)
        assert_frame_equal(there, pl.concat(daily))
    assert len(hypertables(plain)["hypertables"]) == 2


# --- where it cannot be had --------------------------------------------------------------------


def test_who_may_not_create_the_extension_keeps_partitions_and_is_told(postgres, migrated) -> None:
    if reason := postgres.no_timescale():
        pytest.skip(reason)
    with migrated() as url:
        name = url.rpartition("/")[2]
        sql(postgres.admin_url, f"alter database {name} owner to postgres")

        said = prepare(url, wanted=True)

        assert said is not None
        assert "TimescaleDB cannot be switched on (permission denied to create extension" in said
        assert "plain partitions by month" in said
        assert sql(url, "select relkind::text from pg_class where relname = 'readings'") == [("p",)]


def test_where_the_server_did_not_load_it_partitions_are_kept_and_it_is_said(own_postgres) -> None:
    server = own_postgres()
    if reason := server.no_timescale():
        pytest.skip(reason)
    with (server.cluster.data / "postgresql.conf").open("a") as conf:
        conf.write("shared_preload_libraries = ''\n")
    server.restart()
    with server.fresh() as url:
        upgrade(url)

        said = prepare(url, wanted=True)

        assert said is not None
        assert "TimescaleDB cannot be switched on (" in said
        assert sql(url, "select relkind::text from pg_class where relname = 'readings'") == [("p",)]

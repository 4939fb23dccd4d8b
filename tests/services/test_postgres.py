"""The servers that tests get are what they are taken for."""

from urllib.parse import urlsplit

import asyncpg
import pytest
from adbc_driver_postgresql import dbapi
from tests.services.cluster import sql

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


async def test_a_fresh_database_is_empty_and_apart(fresh_database) -> None:
    with fresh_database() as one, fresh_database() as other:
        sql(one, "CREATE TABLE kept (n int)")
        connection = await asyncpg.connect(other)
        try:
            assert await connection.fetchval(TABLES) == 0
        finally:
            await connection.close()
        assert sql(one, TABLES) == [(1,)]


def test_a_database_is_gone_after_the_test(postgres) -> None:
    with postgres.fresh() as url:
        name = urlsplit(url).path.removeprefix("/")
        count = f"SELECT count(*) FROM pg_database WHERE datname = '{name}'"
        assert sql(postgres.admin_url, count) == [(1,)]
    assert sql(postgres.admin_url, count) == [(0,)]


async def test_a_wrong_password_is_refused(postgres, database) -> None:
    if postgres.password is None:
        pytest.skip("whether the server of DATABASE_URL asks for one is its own affair")
    wrong = database.replace(postgres.password, "wrong")
    with pytest.raises(dbapi.Error, match="password authentication failed"):
        sql(wrong, "SELECT 1")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)


@pytest.fixture(scope="module")
def own(own_postgres):
    return own_postgres()


@pytest.mark.parametrize("how", ["stop", "kill", "restart"])
def test_committed_rows_outlive(own, how: str) -> None:
    with own.fresh() as url:
        sql(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
        getattr(own, how)()
        if how != "restart":
            with pytest.raises(dbapi.Error, match="refused"):
                sql(url, "SELECT 1")
            own.start()
        assert sql(url, "SELECT n FROM kept") == [(7,)]


def test_a_server_of_ones_own_is_none_of_the_others(own, postgres) -> None:
    own.restart("immediate")
    assert own.admin_url != postgres.admin_url
    assert sql(postgres.admin_url, "SELECT 1") == [(1,)]


def test_a_full_disk_refuses_a_statement_and_takes_it_when_there_is_room(own_postgres) -> None:
    small = own_postgres(disk_mb=96, wal_apart=True)
    with small.fresh() as url:
        insert = "INSERT INTO kept SELECT generate_series(1, 100000)"  # 3.5 MB
        sql(url, "CREATE TABLE kept (n int)")
        small.cluster.fill(leaving_mb=2)
        with pytest.raises(dbapi.Error, match="No space left on device"):
            sql(url, insert)
        small.cluster.empty()
        sql(url, insert)
        assert sql(url, "SELECT count(*) FROM kept") == [(100_000,)]


def test_timescale_makes_a_hypertable(timescale_database) -> None:
    sql(
        timescale_database,
        "CREATE TABLE readings (start_utc timestamptz NOT NULL, energy_kwh float8)",
        "SELECT create_hypertable('readings', 'start_utc')::text",
    )
    count = "SELECT count(*) FROM timescaledb_information.hypertables"
    assert sql(timescale_database, count) == [(1,)]

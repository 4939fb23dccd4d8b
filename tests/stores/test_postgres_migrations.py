"""The tables in PostgreSQL are the same however they came to be, or it is said what is wrong."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from tests.services.cluster import sql
from tests.stores.conftest import OURS, blocked, catalog, connections, until, waiting

from wattbook.cli.exit_codes import CODES
from wattbook.core.errors import UnavailableError, UnknownEntityError
from wattbook.core.registry.entities import Site
from wattbook.stores.sql.engine import POOL_SIZE, create_engine
from wattbook.stores.sql.migrate import SCRIPTS, Upgrade, upgrade
from wattbook.stores.sql.registry import SqlRegistry
from wattbook.stores.sql.schema import metadata

ROOT = Path(__file__).parents[2]
T = datetime(2026, 1, 1, tzinfo=UTC)


def config() -> Config:
    made = Config()
    made.set_main_option("script_location", SCRIPTS)
    made.set_main_option("path_separator", "os")
    return made


def revisions() -> list[str]:
    """From the first to the newest."""
    return [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()][
        ::-1
    ]


async def upgrade_to(url: str, revision: str) -> None:
    def run(connection: Connection) -> None:
        steps = config()
        steps.attributes["connection"] = connection
        command.upgrade(steps, revision)

    engine = create_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


async def test_step_by_step_and_at_once_give_the_same_tables_and_keep_what_is_there(
    fresh_database, database
) -> None:
    first, *_, newest = revisions()
    with fresh_database() as stepwise:
        for revision in revisions():
            await upgrade_to(stepwise, revision)
            if revision == first:  # what the first release would have written
                sql(
                    stepwise,
                    "insert into sites values ('pecos-1', 'Zürich ⚡', 'alder', 'America/Chicago',"
                    f" 'US-TEX-ERCO', 0.1, null, null, 'active', false, '{T}', '{T}')",
                    "insert into meters values ('pecos-1.main', 'pecos-1', 'power', 'main', null,"
                    " 60, null, null)",
                )
        assert await asyncio.to_thread(upgrade, database) == Upgrade(None, newest)

        assert catalog(stepwise) == catalog(database)
        assert await asyncio.to_thread(upgrade, stepwise) == Upgrade(newest, newest)
        engine = create_engine(stepwise)
        site = await SqlRegistry(engine).site("pecos-1")
        await engine.dispose()
    assert (site.name, site.capacity_kw, site.created_utc) == ("Zürich ⚡", 0.1, T)
    assert [meter.id for meter in site.meters] == ["pecos-1.main"]


async def test_what_was_rolled_up_of_registers_before_is_rolled_up_again(database) -> None:
    """Registers over missing readings have been estimated since 0024."""
    await upgrade_to(database, "0023")
    columns = "meter_key, ts_utc, register_kwh, power_kw, quality, known_utc, revision"
    sql(
        database,
        "create table march partition of readings for values from ('2026-03-01 00:00Z')"
        " to ('2026-04-01 00:00Z')",
        f"insert into readings ({columns}) values"
        f" (1, '2026-03-01 10:00Z', 5, null, 0, '{T}', 0),"
        f" (1, '2026-03-01 23:45Z', 7, null, 0, '{T}', 0),"
        f" (1, '2026-03-02 00:00Z', 8, null, 0, '{T}', 0),"
        f" (2, '2026-03-01 10:00Z', null, 9, 0, '{T}', 0)",
    )

    await asyncio.to_thread(upgrade, database)

    day = datetime(2026, 3, 1, tzinfo=UTC)
    assert sql(database, "select meter_key, from_utc, to_utc from dirty order by 2") == [
        (1, day + timedelta(hours=10), day + timedelta(hours=23, minutes=45)),
        (1, day + timedelta(days=1), day + timedelta(days=1)),
    ]


async def test_alembic_finds_the_tables_as_they_are_described(url) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True, "include_name": ours}
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        )

    engine = create_engine(url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def ours(name: str | None, kind: str, _: object) -> bool:
    """Those of the series are made by statements alone."""
    return kind != "table" or name in metadata.tables


def test_a_database_of_a_newer_release_is_left_alone(url) -> None:
    before = catalog(url)
    sql(url, "update alembic_version set version_num = '9999'")

    with pytest.raises(UnavailableError, match=r"revision '9999'.*a newer one wrote it"):
        upgrade(url)

    assert catalog(url) == before
    assert sql(url, "select version_num from alembic_version") == [("9999",)]


def test_processes_that_start_at_once_on_an_empty_database_migrate_it_once(database) -> None:
    migrate, sites = ([sys.executable, "-m", "wattbook", word] for word in ("migrate", "sites"))
    alembic = [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini"), "upgrade", "head"]
    settings = {"DATABASE_URL": database, "TIMESCALEDB_ENABLED": "true"}

    started = [
        subprocess.Popen(
            each,
            env=os.environ | settings,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for each in (migrate, alembic, sites, migrate)
    ]
    said = [process.communicate(timeout=600) for process in started]

    ended = [process.returncode for process in started]
    if ended[2]:  # a command that only reads may have come before there was a store
        assert "`wattbook migrate` creates one" in said[2][1], said
        ended[2] -= CODES[UnknownEntityError]
    assert ended == [0] * 4, said
    out = [line for each, _ in said for line in each.splitlines()]
    made = [line for line in out if "created at schema" in line]
    known = [line for line in out if "up to date at schema" in line]
    assert len(made) + len(known) == 2, said
    by_others = "Running upgrade" in said[1][1] or not made  # it may have been `sites`
    assert len(made) + by_others == 1, said
    slots = "(select count(*) from turns) = 256"
    once = f"select count(*) from alembic_version, registry_version where {slots}"
    assert sql(database, once) == [(1,)]


def test_a_table_that_another_transaction_holds_is_a_clear_end_and_no_standstill(database) -> None:
    asyncio.run(upgrade_to(database, revisions()[0]))
    held = pytest.raises(UnavailableError, match="another transaction holds a table")
    with blocked(database, "alembic_version"), held:
        upgrade(database)  # it ends while the table is held

    assert upgrade(database).after == revisions()[-1]


# --- what the registry says of a database that is in trouble -----------------------------------


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_write_that_the_server_ends_is_no_fault_of_the_caller(url, how: str) -> None:
    engine = create_engine(url)
    registry = SqlRegistry(engine)
    site = Site(
        id="pecos-1",
        name="p",
        operator="o",
        timezone="UTC",
        zone="NO1",
        created_utc=T,
        updated_utc=T,
    )
    with blocked(url, "sites"):
        adding = asyncio.create_task(registry.add(site))
        await until(lambda: waiting(url) == 1)
        sql(url, f"select {how}(pid) {OURS} and wait_event_type = 'Lock'")

        with pytest.raises(UnavailableError, match=r": (canceling|terminating) "):
            await adding

    assert (await registry.add(site)).id == "pecos-1"
    await engine.dispose()


async def test_connections_that_died_while_they_stood_idle_are_replaced_unnoticed(url) -> None:
    engine = create_engine(url)
    registry = SqlRegistry(engine)
    await asyncio.gather(*(registry.sites() for _ in range(8)))
    assert connections(url) == POOL_SIZE
    sql(url, f"select pg_terminate_backend(pid) {OURS}")

    found = await asyncio.gather(*(registry.sites() for _ in range(8)))

    assert [page.sites for page in found] == [()] * 8
    assert connections(url) <= POOL_SIZE
    await engine.dispose()

"""The tables of the registry are the same, whether migrated or made at once."""

import asyncio
import logging
import re
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbook.core.errors import DamagedStoreError, InputError, UnavailableError
from wattbook.stores.duckdb.engine import Engine, fetch
from wattbook.stores.sql.engine import ALONE, create_engine
from wattbook.stores.sql.migrate import SCRIPTS, Upgrade, upgrade, upgrade_on
from wattbook.stores.sql.schema import metadata

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
VERSIONS = ROOT / "src/wattbook/stores/sql/migrations/versions"
NEWEST = max(path.name.split("_")[0] for path in VERSIONS.glob("0*.py"))


def tables(path: Path) -> dict[str, str]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        found = dict(rows)
    connection.close()
    return {name: sql for name, sql in found.items() if name != "alembic_version"}


def lines(sql: str) -> list[str]:
    """A table's definition, whatever the order of its constraints."""
    # SQLite writes columns that were added later on one line at the end.
    # A table that was made again under its old name is quoted.
    sql = re.sub(r'^CREATE TABLE "(\w+)"', r"CREATE TABLE \1", sql.strip())
    parts = re.split(r"\n|, (?=\w+ [A-Z]+)", sql.removesuffix(")"))
    return sorted(part.strip(" \t,") for part in parts if part.strip(" \t,"))


async def test_alembic_finds_no_difference_between_fresh_and_migrated() -> None:
    engine = create_engine("sqlite://")
    await upgrade_on(engine)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_fresh_and_migrated_say_the_same_down_to_each_constraint(tmp_path: Path) -> None:
    fresh = create_engine(f"sqlite:///{tmp_path / 'fresh'}")
    async with fresh.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await fresh.dispose()
    await asyncio.to_thread(upgrade, f"sqlite:///{tmp_path / 'migrated'}")

    made, migrated = tables(tmp_path / "fresh"), tables(tmp_path / "migrated")

    assert made.keys() == migrated.keys()
    assert {name: lines(sql) for name, sql in made.items()} == {
        name: lines(sql) for name, sql in migrated.items()
    }


def test_a_second_upgrade_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/in/registry.sqlite"

    assert upgrade(url) == Upgrade(None, NEWEST)
    assert upgrade(url) == Upgrade(NEWEST, NEWEST)


def test_two_at_once_take_turns(tmp_path: Path) -> None:
    program = (
        "import sys; from wattbook.stores.sql.migrate import upgrade; print(upgrade(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, f"sqlite:///{tmp_path / 'registry.sqlite'}"]

    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)
    ]
    outcomes = [process.communicate(timeout=600) for process in started]

    assert [process.returncode for process in started] == [0, 0, 0], outcomes
    said = sorted(out.decode().strip() for out, _ in outcomes)
    assert said == [
        f"Upgrade(before='{NEWEST}', after='{NEWEST}')",
        f"Upgrade(before='{NEWEST}', after='{NEWEST}')",
        f"Upgrade(before=None, after='{NEWEST}')",
    ]


async def test_a_database_of_a_newer_release_is_left_alone() -> None:
    engine = create_engine("sqlite://")
    await upgrade_on(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(UnavailableError, match=r"revision '9999'.*a newer one wrote it"):
        await upgrade_on(engine)

    await engine.dispose()


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database at all, but long enough to be looked at" * 9)
    (tmp_path / "file").touch()

    with pytest.raises(DamagedStoreError, match=r"notes\.txt"):
        upgrade(f"sqlite:///{tmp_path / 'notes.txt'}")
    with pytest.raises(UnavailableError, match="registry"):
        upgrade(f"sqlite:///{tmp_path / 'file' / 'registry.sqlite'}")


def test_an_address_that_is_none_is_refused_without_repeating_it() -> None:
    with pytest.raises(InputError) as caught:
        create_engine("my-secret-password")

    assert "secret" not in str(caught.value)


async def test_sqlite_is_opened_for_durability() -> None:
    engine = create_engine("sqlite://")
    async with engine.connect() as connection:
        asked = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("synchronous", "foreign_keys", "busy_timeout")
        ]
    await engine.dispose()

    assert asked == [2, 1, 10_000]  # 2 is FULL


def test_plain_alembic_upgrade_head_works(tmp_path: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini"), "upgrade", "head"],
        cwd=tmp_path,
        env={"DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr
    assert NEWEST in outcome.stderr
    assert "sites" in tables(tmp_path / "data" / "registry.sqlite")


def test_migrating_says_nothing_when_a_program_does_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        upgrade(f"sqlite:///{tmp_path / 'registry.sqlite'}")

    assert caplog.records == []


async def migrated_to(engine: AsyncEngine, revision: str, *statements: str) -> None:
    """Bring an empty database to a revision, and run the statements in it."""

    def upgrade_to(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", SCRIPTS)
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with engine.execution_options(**ALONE).begin() as connection:
        await connection.run_sync(upgrade_to)
        for statement in statements:
            await connection.exec_driver_sql(statement)
    await engine.dispose()


async def test_errors_of_jobs_of_an_older_release_get_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    errors = {
        "a": "'UnknownEntityError: no site x'",
        "b": "'KeyError: 7'",
        "c": "'its worker fell silent, and 3 tries are enough'",
        "d": "NULL",
    }
    columns = (
        "job_id, kind, params, state, priority, done, unit, order_sha256, requested_by,"
        " created, not_before, attempt, tries, error"
    )
    await migrated_to(
        create_engine(f"sqlite:///{path}"),
        "0021",
        *(
            f"INSERT INTO jobs ({columns}) VALUES ('{job}', 'report', '{{}}', 'failed', 0, 0, '',"
            f" '', '', '2026-01-01', '2026-01-01', 1, 1, {error})"
            for job, error in errors.items()
        ),
        "INSERT INTO job_attempts (job_id, number, worker, started, error)"
        f" VALUES ('a', 1, 'w', '2026-01-01', {errors['a']})",
    )

    await asyncio.to_thread(upgrade, f"sqlite:///{path}")

    with sqlite3.connect(path) as stored:
        rows = stored.execute("SELECT job_id, error_kind, error FROM jobs ORDER BY job_id")
        assert rows.fetchall() == [
            ("a", "unknown_entity", "no site x"),
            ("b", "internal", "KeyError: 7"),
            ("c", "internal", "its worker fell silent, and 3 tries are enough"),
            ("d", None, None),
        ]
        assert stored.execute("SELECT error FROM job_attempts").fetchall() == [("no site x",)]
    stored.close()


async def test_a_store_whose_meters_stand_behind_others_is_migrated_with_their_parents(
    tmp_path: Path,
) -> None:
    path = tmp_path / "registry.sqlite"
    await migrated_to(
        create_engine(f"sqlite:///{path}"),
        "0012",
        "INSERT INTO sites (id, name, operator, timezone, zone, status, simulated,"
        " created_utc, updated_utc) VALUES ('s', 's', 'o', 'UTC', 'Z', 'active', 0,"
        " '2026-01-01', '2026-01-01')",
        *(
            "INSERT INTO meters (id, site_id, kind, role, parent, expected_interval_s)"
            f" VALUES ('{meter}', 's', 'power', 'main', {parent}, 900)"
            for meter, parent in (("s.main", "NULL"), ("s.hall", "'s.main'"))
        ),
    )

    await asyncio.to_thread(upgrade, f"sqlite:///{path}")

    with sqlite3.connect(path) as kept:
        rows = kept.execute("SELECT id, parent FROM meters ORDER BY id").fetchall()
    kept.close()
    assert rows == [("s.hall", "s.main"), ("s.main", None)]


def test_what_was_rolled_up_of_registers_before_is_rolled_up_again(tmp_path: Path) -> None:
    """Registers over missing readings have been estimated since schema 6."""
    path = tmp_path / "series.duckdb"
    steps = sorted((ROOT / "src/wattbook/stores/duckdb/migrations").glob("*.sql"))
    with duckdb.connect(str(path)) as con:
        con.execute("create table schema_version (version integer not null)")
        for version, step in enumerate(steps[:5], start=1):
            con.execute(step.read_text("utf-8"))
            con.execute("insert into schema_version values (?)", [version])
        con.execute(
            "insert into readings (meter_key, ts_utc, register_kwh, power_kw, quality, known_utc,"
            " revision) values"
            " (1, '2026-03-01 10:00', 5, null, 0, '2026-03-02', 0),"
            " (1, '2026-03-01 23:45', 7, null, 0, '2026-03-02', 0),"
            " (1, '2026-03-02 00:00', 8, null, 0, '2026-03-02', 0),"
            " (2, '2026-03-01 10:00', null, 9, 0, '2026-03-02', 0)"
        )

    engine = Engine(path, memory_limit="200MB", threads=1)
    try:
        marks = engine.on_cursor(
            lambda con: fetch(con, "select meter_key, from_utc, to_utc from dirty order by all")
        )
    finally:
        engine.close()

    day = datetime.fromisoformat("2026-03-01T00:00")
    assert marks.rows() == [
        (1, day + timedelta(hours=10), day + timedelta(hours=23, minutes=45)),
        (1, day + timedelta(days=1), day + timedelta(days=1)),
    ]

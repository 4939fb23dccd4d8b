"""What is said at the end of a run, and when it fails the run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.services.cluster import sql

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NOWHERE = "postgresql://nobody:secret@127.0.0.1:9/postgres"
FILES = ("test_postgres.py", "test_influxdb.py", "test_server.py")
DATABASES = "SELECT count(*) FROM pg_database WHERE datname LIKE 'wattbook_test_%'"


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    """A run of the tests beside these: its exit code, and all that it says."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, *FILES],
        cwd=ROOT / "tests" / "services",
        env=os.environ | {"REQUIRE_SERVICES": "", "COLUMNS": "120"} | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_unknown_server_cannot_be_required() -> None:
    code, said = run(REQUIRE_SERVICES="postgres,oracle")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "REQUIRE_SERVICES names oracle, but the servers are postgres, timescaledb" in said


def test_no_server_is_asked_for_where_no_test_needs_one() -> None:
    code, said = run("-m", "not services", DATABASE_URL=NOWHERE, REQUIRE_SERVICES="postgres")
    assert code == pytest.ExitCode.OK
    assert "none: no test of this run asked for one" in said


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_server_that_cannot_be_had_is_skipped_and_named_once(workers: str) -> None:
    chosen = ("-n", workers, "-k", "fresh_database or a_bucket")
    code, said = run(*chosen, DATABASE_URL=NOWHERE, INFLUXD="/nowhere/influxd")
    assert code == pytest.ExitCode.OK
    assert said.count("postgres     | not exercised | DATABASE_URL: ") == 1
    assert said.count("influxdb     | not exercised | ") == 1
    assert "timescaledb  | not exercised | no test of this run asked for it" in said
    assert "secret" not in said


def test_a_server_that_is_required_and_cannot_be_had_fails_the_run() -> None:
    chosen = ("-k", "a_bucket")
    code, said = run(*chosen, INFLUXD="/nowhere/influxd", REQUIRE_SERVICES="influxdb")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "REQUIRE_SERVICES lists influxdb: the run has failed" in said


def test_a_server_that_is_given_is_used_and_left_as_it_was(own_postgres) -> None:
    given = own_postgres()
    url = given.admin_url.replace("postgresql:", "postgresql+asyncpg:")
    code, said = run("-k", "fresh_database or is_gone or hypertable", DATABASE_URL=url)
    assert code == pytest.ExitCode.OK
    assert f"postgres     | {given.version} " in said
    assert "| DATABASE_URL" in said
    assert sql(given.admin_url, DATABASES) == [(0,)]


def test_what_names_a_server_for_the_tests_is_no_setting_of_the_service() -> None:
    assert "DATABASE_URL" not in os.environ
    assert "INFLUXDB_URL" not in os.environ

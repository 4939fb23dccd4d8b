"""Who starts with a database that cannot be had is told so in a line, without the password."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.services.cluster import sql

from wattbook.stores.sql.migrate import upgrade

pytestmark = [pytest.mark.process, pytest.mark.services]
FAULTS: dict[str, tuple[str, str, str, int]] = {
    # what is replaced, by what; what is said of it; the exit code
    "wrong password": (r"(?<=:)\w+(?=@)", "s3cret", "password authentication failed", 5),
    "empty password": (r"(?<=:)\w+(?=@)", "", "password", 5),
    "unknown host": (r"127\.0\.0\.1", "no-such-host.invalid", "no-such-host.invalid:", 5),
    "closed port": (r":\d+/", ":1/", "127.0.0.1:1/", 5),
    "unknown database": ("$", "_gone", "_gone", 5),
    "no encryption": ("$", "?sslmode=require", "SSL", 5),
    "no percent-encoding": (r"(?<=:)\w+(?=@)", "s3/cr@et", "DATABASE_URL: no address", 2),
    "no port": (r":\d+/", ":s3cret/", "DATABASE_URL: no address", 2),
}
COMMANDS = ("serve", "migrate", "sites")


def said(url: str, folder: Path, *commands: str) -> list[tuple[int, str, str]]:
    """Exit code, output and complaint of commands that run beside each other."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "wattbook", *command.split()],
            env=os.environ
            | {"DATABASE_URL": url, "API_PORT": "0", "PGPASSFILE": str(folder / "none")},
            cwd=folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for command in commands
    ]
    told = [process.communicate(timeout=600) for process in started]
    return [(process.returncode, *each) for process, each in zip(started, told, strict=True)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_database_that_cannot_be_had_is_one_clear_line(
    postgres, database, tmp_path, fault: str
) -> None:
    found, instead, why, code = FAULTS[fault]
    url = re.sub(found, instead, database, count=1)
    commands = COMMANDS if fault == "wrong password" else COMMANDS[:1]

    for exit_code, out, complaint in said(url, tmp_path, *commands):
        assert (exit_code, out) == (code, ""), complaint
        assert len(complaint.splitlines()) == 1, complaint
        assert complaint.startswith("wattbook: "), complaint
        assert why in complaint
        assert "Traceback" not in complaint
        for secret in (postgres.password, "s3", "cr@et"):
            assert secret is None or secret not in complaint
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_a_newer_release_wrote_is_left_alone(database, tmp_path) -> None:
    upgrade(database)
    sql(database, "update alembic_version set version_num = '9999'")

    ((exit_code, out, complaint),) = said(database, tmp_path, "serve")

    assert (exit_code, out) == (5, "")
    assert "revision '9999'" in complaint
    assert len(complaint.splitlines()) == 1
    assert sql(database, "select version_num from alembic_version") == [("9999",)]


def test_a_service_keeps_to_its_schema_and_to_itself(start, run, database) -> None:
    sql(database, "create schema house")
    asked = f"{database}?options={quote('-csearch_path=house', '')}&application_name=my%20house"
    service = start(DATABASE_URL=asked)
    service.register()

    rows = [{"meter_id": "a.main", "timestamp": "2026-01-01T00:00:00Z", "power_kw": 4}]
    status, receipt = service.call("POST", "/ingest/telemetry", rows)

    assert (status, receipt["accepted"]) == (200, 1)
    assert sql(database, "select power_kw from house.readings") == [(4.0,)]
    assert sql(database, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]
    named = (
        "select distinct application_name from pg_stat_activity where datname = current_database()"
    )
    assert ("my house",) in sql(database, named)
    code, shown = run("config", DATABASE_URL=asked)
    assert code == 0
    secret = re.findall(r":(\w+)@", database)[0]
    assert secret not in shown
    assert service.stop() == 0
    assert secret not in service.log.read_text()


def test_hypertables_that_are_there_already_are_said_once(run, timescale_database) -> None:
    code, shown = run("migrate", DATABASE_URL=timescale_database, TIMESCALEDB_ENABLED="true")
    assert code == 0
    assert "timescaledb_settings_mismatch" not in shown

    code, shown = run("sites", DATABASE_URL=timescale_database, TIMESCALEDB_ENABLED="false")

    assert code == 0
    assert shown.count("timescaledb_settings_mismatch") == 1
    assert "hypertables already" in shown

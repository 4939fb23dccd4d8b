"""`wattbook pull`, and readings that are kept in InfluxDB."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from wattbook.cli.period_options import instant

T = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())


@pytest.fixture
def theirs(influxdb, bucket, monkeypatch):
    """Writes lines with stamps in hours after March 1st; the settings name their bucket."""
    for name, value in {
        "URL": influxdb.url,
        "TOKEN": influxdb.token,
        "ORG": influxdb.org,
        "BUCKET": bucket,
    }.items():
        monkeypatch.setenv(f"INFLUXDB_{name}", value)

    def put(*lines: str) -> None:
        pairs = (line.rsplit(" ", 1) for line in lines)
        body = "\n".join(f"{point} {T + 3600 * int(hour)}" for point, hour in pairs)
        path = f"/api/v2/write?org={influxdb.org}&bucket={bucket}&precision=s"
        influxdb.call("POST", path, body)

    return put


def counts(result) -> list[int]:
    """Received, accepted, duplicates, corrected, rejected."""
    document = json.loads(result.stdout)
    names = ("received", "accepted", "duplicates", "corrected", "rejected")
    return [document[name] for name in names]


def test_what_is_new_comes_in_and_what_is_known_is_counted(run, site, theirs, monkeypatch) -> None:
    monkeypatch.setenv("INFLUXDB_FIELDS", "energy_kwh=kwh")
    theirs("m,meter_id=oslo-1.main kwh=10 0", "m,meter_id=oslo-1.main kwh=20 1")

    first = run("pull")
    assert first.exit_code == 0, first.output
    assert "2026-03-01 00:00:00 to" in first.stdout
    assert "received  accepted  duplicates  corrected  rejected" in first.stdout

    again = run("pull", "--since", "2026-03-01", "--json")
    assert counts(again) == [2, 0, 2, 0, 0]
    document = json.loads(again.stdout)
    assert document["source"].endswith(document["source"].split("/")[-1])
    assert document["period"]["start"] == "2026-03-01T00:00:00Z"
    figures = run("metrics", "oslo-1", "--from", "2026-03-01", "--to", "2026-03-02", "--json")
    assert json.loads(figures.stdout)["total"]["energy_kwh"] == 30.0


def test_refused_rows_are_shown_with_their_reason_and_told_by_the_exit_code(
    run, site, theirs
) -> None:
    theirs("m,meter_id=oslo-1.main energy_kwh=10 0", "m,meter_id=stranger energy_kwh=1 0")

    result = run("pull")

    assert result.exit_code == 1
    assert "unknown_meter" in result.stdout
    assert "no meter stranger is registered" in result.stdout
    assert run("pull", "--since", "2026-03-01", "--allow-rejects").exit_code == 0


def test_a_dry_run_shows_the_names_and_the_first_rows_and_takes_in_nothing(
    run, site, theirs, monkeypatch
) -> None:
    monkeypatch.setenv("INFLUXDB_FIELDS", "energy_kwh=kwh")
    monkeypatch.setenv("INFLUXDB_METER_TAG", "meter")
    theirs("m,meter=oslo-1.main kwh=10 0", "m,meter=oslo-1.main kwh=-1 1")

    result = run("pull", "--dry-run")

    assert result.exit_code == 0, result.output
    for said in ("measurement: any", "tag meter, else device_id, else site_id", "kwh"):
        assert said in result.stdout
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("oslo-1.main")]
    assert rows == [
        ["oslo-1.main", "2026-03-01", "00:00:00", "10.0", "kept"],
        ["oslo-1.main", "2026-03-01", "01:00:00", "-1.0", "negative_energy"],
    ]
    assert counts(run("pull", "--allow-rejects", "--json")) == [2, 1, 0, 0, 1]


def test_stamps_at_the_end_of_intervals_are_moved_by_option_or_by_setting(
    run, site, theirs, monkeypatch
) -> None:
    theirs("m,meter_id=oslo-1.main energy_kwh=10 1", "m,meter_id=oslo-1.main energy_kwh=20 24")
    words = ("metrics", "oslo-1", "--from", "2026-03-01T00:00:00Z", "--to", "2026-03-02T00:00:00Z")

    assert (
        "stamps: end of the interval" in run("pull", "--dry-run", "--interval-label", "end").stdout
    )
    assert counts(run("pull", "--interval-label", "end", "--json")) == [2, 2, 0, 0, 0]
    # The hours from 0 and from 23 o'clock: both lie within March 1st.
    total = json.loads(run(*words, "--grain", "hour", "--json").stdout)["total"]
    assert total["energy_kwh"] == 30.0

    monkeypatch.setenv("INFLUXDB_INTERVAL_LABEL", "end")
    assert counts(run("pull", "--since", "2026-03-01", "--json")) == [2, 0, 2, 0, 0]
    moved = run("pull", "--since", "2026-03-01", "--interval-label", "start", "--json")
    assert counts(moved) == [2, 2, 0, 0, 0]  # the option goes before the setting

    monkeypatch.setenv("INFLUXDB_INTERVAL_LABEL", "middle")
    wrong = run("pull")
    assert wrong.exit_code == 2
    assert "INFLUXDB_INTERVAL_LABEL" in wrong.stderr


@pytest.mark.process
def test_a_run_that_is_killed_is_finished_by_the_next_and_nothing_is_doubled(
    run, site, theirs, folder
) -> None:
    hours = 50_000
    theirs(
        *(f"m,meter_id=oslo-1.main energy_kwh={hour % 7} {hour - 60_000}" for hour in range(hours))
    )
    registry = folder / "data" / "registry.sqlite"

    def reached() -> bool:
        with sqlite3.connect(registry) as connection:
            (marks,) = connection.execute("SELECT count(*) FROM watermarks").fetchone()
        connection.close()
        return bool(marks)

    command = [sys.executable, "-m", "wattbook", "pull"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as pulling:
        while not reached() and pulling.poll() is None:
            time.sleep(0.01)
        pulling.kill()
    assert pulling.returncode == -signal.SIGKILL

    received, accepted, duplicates, corrected, rejected = counts(run("pull", "--json"))
    assert received == accepted + duplicates
    assert 0 < accepted < hours
    assert (corrected, rejected) == (0, 0)
    assert f"{hours:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") in run("export", "out").stdout


def test_an_empty_bucket_is_nothing_new(run, site, theirs) -> None:
    assert "nothing new" in run("pull").stdout
    assert "there are no such points" in run("pull", "--dry-run").stdout
    assert json.loads(run("pull", "--json").stdout)["period"] is None


@pytest.mark.slow
def test_settings_that_are_missing_are_named(run, site, monkeypatch) -> None:
    nothing = run("pull")
    assert nothing.exit_code == 2
    assert "set INFLUXDB_URL, INFLUXDB_TOKEN, INFLUXDB_ORG, INFLUXDB_BUCKET" in nothing.stderr

    monkeypatch.setenv("INFLUXDB_URL", "http://127.0.0.1:8086")
    monkeypatch.setenv("INFLUXDB_TOKEN", "t")
    for command in ("pull", "sites", "config"):
        half = run(command)
        assert half.exit_code == 2
        assert "INFLUXDB_ORG, INFLUXDB_BUCKET: missing" in half.stderr


def test_a_token_that_is_wrong_is_told_and_nothing_that_is_secret_is_shown(
    run, site, theirs, monkeypatch
) -> None:
    monkeypatch.setenv("INFLUXDB_TOKEN", "wr0ng-t0ken")

    result = run("pull")

    assert result.exit_code == 5
    assert "see INFLUXDB_TOKEN" in result.stderr
    assert "wr0ng-t0ken" not in result.output + run("config").output


def test_an_address_that_is_none_is_refused_at_the_start(run, monkeypatch) -> None:
    for name in ("TOKEN", "ORG", "BUCKET"):
        monkeypatch.setenv(f"INFLUXDB_{name}", "x")
    monkeypatch.setenv("INFLUXDB_URL", "localhost:8086")

    result = run("sites")

    assert result.exit_code == 2
    assert "INFLUXDB_URL" in result.stderr


def test_since_is_a_date_or_an_instant_with_offset() -> None:
    assert instant("2026-03-01", "UTC", "--since") == datetime(2026, 3, 1, tzinfo=UTC)


# --- readings that are kept there --------------------------------------------------------------


@pytest.fixture
def kept(theirs, monkeypatch):
    monkeypatch.setenv("READINGS_STORE", "influxdb")


def test_readings_are_kept_in_the_bucket_and_all_else_beside_it(run, site, kept, folder) -> None:
    file = folder / "day.csv"
    hours = "\n".join(f"oslo-1.main,2026-03-01T{hour:02}:00:00Z,{hour}" for hour in range(24))
    file.write_text(f"meter_id,timestamp,energy_kwh\n{hours}\n")

    assert counts_of(run("ingest", file, "--json")) == [24, 24, 0, 0, 0]
    assert counts_of(run("ingest", file, "--json")) == [24, 0, 24, 0, 0]
    file.write_text("meter_id,timestamp,energy_kwh\noslo-1.main,2026-03-01T00:00:00Z,100\n")
    assert counts_of(run("ingest", file, "--json")) == [1, 0, 0, 1, 0]

    figures = run("metrics", "oslo-1", "--from", "2026-03-01", "--to", "2026-03-03", "--json")
    assert json.loads(figures.stdout)["total"]["energy_kwh"] == 376.0  # 0 + 1 + … + 23, and 100
    assert "rolled up 1 meters" in run("rollup", "--all").stdout
    assert "24" in run("export", folder / "out").stdout


def counts_of(result) -> list[int]:
    assert result.exit_code == 0, result.output
    total = json.loads(result.stdout)["total"]
    return [total[name] for name in ("received", "accepted", "duplicates", "corrected", "rejected")]


def test_what_is_not_kept_there_is_refused_in_clear_words(run, site, kept, folder) -> None:
    past = run("metrics", "oslo-1", "--from", "2026-03-01", "--as-of", "2026-03-01T00:00:00Z")
    assert past.exit_code == 6
    (said,) = past.stderr.splitlines()
    assert "READINGS_STORE=influxdb" in said
    assert "as of a past instant" in said

    own = run("pull")
    assert own.exit_code == 2
    assert "INFLUXDB_BUCKET is where the readings are kept" in own.stderr


def test_points_of_another_measurement_can_be_pulled_into_the_same_bucket(
    run, site, kept, theirs, monkeypatch
) -> None:
    monkeypatch.setenv("INFLUXDB_MEASUREMENT", "plant")
    theirs("plant,meter_id=oslo-1.main energy_kwh=10 0", "readings,meter_id=oslo-1.main x=1 0")

    assert counts(run("pull", "--json")) == [1, 1, 0, 0, 0]


def test_a_bucket_that_must_be_there_is_named_where_it_is_not(run, folder, monkeypatch) -> None:
    monkeypatch.setenv("READINGS_STORE", "influxdb")

    result = run("sites")

    assert result.exit_code == 2
    assert "INFLUXDB_URL, INFLUXDB_TOKEN, INFLUXDB_ORG, INFLUXDB_BUCKET: missing" in result.stderr


def test_a_job_imports_what_is_new_here_too(run, site, theirs) -> None:
    theirs(
        "m,meter_id=oslo-1.main energy_kwh=10 0",
        "m,meter_id=oslo-1.main energy_kwh=20 1",
        "m,meter_id=stranger energy_kwh=1 1",
    )

    first = run("jobs", "run", "import_influxdb")
    again = run("jobs", "run", "import_influxdb", "--param", "since=2026-03-01T00:00:00Z")

    assert first.exit_code == 0, first.output
    result = json.loads(first.stdout)["result"]
    assert (result["received"], result["accepted"], result["rejected"]) == (3, 2, 1)
    assert result["reasons"] == {"unknown_meter": 1}
    assert result["start"] == "2026-03-01T00:00:00+00:00"
    assert json.loads(again.stdout)["result"]["duplicates"] == 2


@pytest.mark.slow
def test_a_job_that_has_nothing_to_import_from_fails_and_says_what_is_missing(run, site) -> None:
    result = run("jobs", "run", "import_influxdb")

    assert result.exit_code == 1
    assert "there is no bucket to pull from: set INFLUXDB_URL" in json.loads(result.stdout)["error"]

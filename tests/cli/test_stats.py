"""Legal holds and figures of the service on the command line."""

import json
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_site_is_held_and_released(run, site: str) -> None:
    held = run("sites", "hold", site, "--reason", "case 12/26")
    shown = run("sites", "show", site)
    released = run("sites", "hold", site, "--release")

    assert held.exit_code == 0, held.output
    assert held.output.startswith("oslo-1 is on hold since 20")
    assert "on hold" in shown.output
    assert "case 12/26" in shown.output
    assert released.output == "oslo-1 is not on hold\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["oslo-1"], 2),
        (["oslo-1", "--release", "--reason", "x"], 2),
        (["oslo-1", "--reason", " "], 2),
        (["nowhere", "--reason", "x"], 3),
    ],
)
def test_a_hold_that_cannot_be_meant_is_refused(run, site: str, words, code) -> None:
    assert run("sites", "hold", *words).exit_code == code


@pytest.mark.slow
def test_stats_are_tables_or_the_document_of_the_api(run, site: str, folder: Path) -> None:
    (folder / "r.csv").write_text(
        "meter_id,timestamp,energy_kwh\n"
        "oslo-1.main,2026-01-01T00:00:00Z,1.5\noslo-1.main,2026-01-01T01:00:00Z,1.5\n"
    )
    run("ingest", "r.csv")
    run("jobs", "run", "aggregate")

    told = run("stats")
    document = json.loads(run("stats", "--json").stdout)

    assert told.exit_code == 0, told.output
    for word in ("received", "aggregate", "succeeded", "readings", "sqlite", "up to date"):
        assert word in told.output
    assert document["ingestion"]["total"]["accepted"] == 2
    assert run("stats", "--from", "yesterday").exit_code == 2


@pytest.mark.slow
def test_a_clean_up_is_a_job_like_others(run, site: str, monkeypatch) -> None:
    monkeypatch.setenv("RETENTION_READINGS_DAYS", "30")

    job = json.loads(run("jobs", "run", "cleanup", "--param", "dry_run=true").stdout)

    assert job["result"] == {"dry_run": True, "rows": 0, "removed": [], "refused": []}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ROLLUPS_DAY": "30"}, "RETENTION_ROLLUPS_QUARTER_DAYS"),
        ({"READINGS": "30", "ROLLUPS_QUARTER": "20"}, "RETENTION_READINGS_DAYS"),
        ({"RECEIPTS": "30"}, "RETENTION_REJECTS_DAYS"),
        ({"READINGS": "0"}, "RETENTION_READINGS_DAYS"),
    ],
)
def test_what_others_rest_on_is_not_removed_later_than_they(
    run, monkeypatch, settings, named
) -> None:
    for name, days in settings.items():
        monkeypatch.setenv(f"RETENTION_{name}_DAYS", days)

    result = run("sites")

    assert result.exit_code == 2
    assert named in result.output

"""Earlier values of corrected readings on the command line."""

import json
import re

import pytest

HEADER = "meter_id,timestamp,energy_kwh\n"


@pytest.fixture
def corrected(run, site, folder) -> str:
    """An hour of 10 kWh that was corrected to 12.5 kWh."""
    for name, kwh in (("first", 10), ("second", 12.5)):
        (folder / f"{name}.csv").write_text(f"{HEADER}oslo-1.main,2026-01-01T00:00:00Z,{kwh}\n")
        result = run("ingest", f"{name}.csv")
        assert result.exit_code == 0, result.output
    return f"{site}.main"


def test_the_value_before_a_correction_is_shown_with_when_it_was_known_and_superseded(
    run, corrected
):
    shown = run("revisions", corrected)
    (row,) = json.loads(run("revisions", corrected, "--json").stdout)["rows"]
    csv = run("revisions", corrected, "--csv").stdout.splitlines()

    assert shown.exit_code == 0, shown.output
    assert "2026-01-01 00:00:00" in shown.output
    assert "10.000" in shown.output
    assert (row["energy_kwh"], row["revision"]) == (10.0, 0)
    assert row["known"] < row["superseded"]
    assert len(csv) == 2


def test_a_time_without_corrections_and_an_unknown_meter_are_said(run, corrected):
    nothing = run("revisions", corrected, "--from", "2026-02-01")
    absent = run("revisions", "nowhere.main")

    assert "no reading of this meter was corrected in this time" in nothing.output
    assert (nothing.exit_code, absent.exit_code) == (0, 3)


@pytest.mark.slow
def test_a_service_shows_the_same_earlier_values(run, corrected, start):
    here = run("revisions", corrected, "--json").stdout
    _, line = start("serve", "--port", "0")
    address = re.search(r"http://[\d.]+:\d+", line)
    assert address is not None

    there = run("revisions", corrected, "--url", address[0], "--json")

    assert there.exit_code == 0, there.output
    assert json.loads(there.stdout) == json.loads(here)

"""`wattbook sites remove` and `remove-meter`."""

from pathlib import Path

import pytest

from wattbook.flows import deletion


@pytest.fixture(autouse=True)
def at_once(monkeypatch) -> None:
    monkeypatch.setattr(deletion, "QUIET_S", 0.0)


@pytest.fixture
def read(run, site: str, folder: Path) -> str:
    """A day of 10 kWh every hour at the site."""
    rows = (f"oslo-1.main,2026-01-01T{hour:02}:00:00+01:00,10" for hour in range(24))
    (folder / "r.csv").write_text("\n".join(["meter_id,timestamp,energy_kwh", *rows]) + "\n")
    assert run("ingest", "r.csv").exit_code == 0
    return site


def test_a_mistaken_site_is_removed(run, site: str) -> None:
    removed = run("sites", "remove", site, "--reason", "typed twice")
    again = run("sites", "remove", site)

    assert removed.exit_code == 0, removed.output
    assert "deleted site oslo-1" in removed.output
    assert "deleted meter oslo-1.main" in removed.output
    assert again.exit_code == 3
    assert "no site is registered" in run("sites").output


def test_readings_are_removed_by_force_alone(run, read: str) -> None:
    refused = run("sites", "remove-meter", read, "oslo-1.main")
    forced = run("sites", "remove-meter", read, "oslo-1.main", "--force")

    assert refused.exit_code == 4
    assert "has 24 readings" in refused.output
    assert forced.exit_code == 0, forced.output
    assert "deleted meter oslo-1.main: 24 readings" in forced.output
    assert "checksum of its readings: " in forced.output


def test_a_legal_hold_refuses_it(run, read: str) -> None:
    assert run("sites", "hold", read, "--reason", "case 12/26").exit_code == 0

    refused = run("sites", "remove", read, "--force")

    assert refused.exit_code == 4
    assert "legal hold (case 12/26)" in refused.output


@pytest.mark.slow
@pytest.mark.process
def test_a_service_removes_it_too(run, read: str, start) -> None:
    _, line = start("serve", "--port", "0")
    url = next(word for word in line.split() if word.startswith("http://"))

    refused = run("sites", "remove", read, "--url", url)
    forced = run("sites", "remove", read, "--force", "--reason", "typed twice", "--url", url)

    assert (refused.exit_code, forced.exit_code) == (4, 0), refused.output + forced.output
    assert "has 24 readings" in refused.output
    assert "deleted meter oslo-1.main: 24 readings" in forced.output
    assert "no site is registered" in run("sites", "list", "--url", url).output

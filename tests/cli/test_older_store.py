"""A store of an older release gives the same figures, and its reports the same fingerprint.

The store was written by the release before names changed (`tests/golden/README.md`), and these
answers were recorded with it.
"""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "older_store"
MARCH = ("--from", "2026-03-01", "--to", "2026-04-01")
FIVE_WEEKS = ("--from", "2026-03-01", "--to", "2026-04-06")
COMMANDS = {
    "metrics": ("metrics", "hill-1", *FIVE_WEEKS, "--grain", "day", "--json"),
    "cost": ("cost", "hill-1", *MARCH, "--json"),
    "carbon": ("carbon", "hill-1", *FIVE_WEEKS, "--json"),
    "anomalies": ("anomalies", "--json"),
    "batches": ("batches", "--json"),
    "jobs": ("jobs", "list", "--json"),
    "site": ("sites", "show", "hill-1", "--json"),
}


@pytest.fixture
def answers() -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads((GOLDEN / "answers.json").read_text(encoding="utf-8"))
    return recorded


@pytest.fixture
def opened(run, folder: Path) -> Path:
    with tarfile.open(GOLDEN / "data.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    assert run("migrate").exit_code == 0
    return folder


def differences(recorded: Any, now: Any, place: str = "") -> Iterator[str]:
    """What was recorded and is not the same now; what came in addition is none."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        for name, value in recorded.items():
            yield from differences(value, now.get(name, "no such key"), f"{place}.{name}")
    elif isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        for at, (before, after) in enumerate(zip(recorded, now, strict=True)):
            yield from differences(before, after, f"{place}[{at}]")
    elif recorded != now:
        yield f"{place}: {recorded!r} is {now!r}"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_figures_of_an_older_store_are_the_same(run, opened, answers, name: str) -> None:
    result = run(*COMMANDS[name])

    assert result.exit_code == 0, result.output
    assert list(differences(answers[name], json.loads(result.stdout), name)) == []


def test_a_report_over_an_older_store_has_the_same_fingerprint(run, opened, answers) -> None:
    result = run("report", "hill-1", *MARCH, "--format", "json", "--out", "report.json")

    assert result.exit_code == 0, result.output
    made = json.loads((opened / "report.json").read_text(encoding="utf-8"))
    recorded = answers["report"]["fingerprint"]
    assert made["fingerprint"]["manifest"] == recorded["manifest"]
    assert made["fingerprint"]["sha256"] == recorded["sha256"]

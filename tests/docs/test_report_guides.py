"""The guides to reports: commands run, pictures are small, words are those of reports."""

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wattbook.cli.main import app
from wattbook.sinks.documents import costs, cover, evidence, notices

ROOT = Path(__file__).parents[2]
FIRST = ROOT / "docs/first-report.md"
READING = ROOT / "docs/reading-a-report.md"
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
T = datetime(2021, 6, 1, 5, tzinfo=UTC)  # midnight in Chicago
MAX_BYTES = 300_000


def commands() -> list[list[str]]:
    """The wattbook commands of the page, in their order."""
    lines = "".join(SHELL.findall(FIRST.read_text("utf-8"))).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("wattbook ")]


@pytest.mark.slow
def test_the_commands_of_the_first_report_run(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    run = CliRunner().invoke
    site = [
        "sites", "add", "--id", "pecos-1", "--name", "Pecos 1", "--operator", "alder",
        "--timezone", "America/Chicago", "--zone", "US-TEX-ERCO", "--telemetry", "interval",
        "--expected-interval", "3600", "--capacity-kw", "500",
    ]  # fmt: skip
    assert run(app, site).exit_code == 0
    rows = [f"pecos-1.main,{(T + timedelta(hours=at)).isoformat()},10" for at in range(720)]
    Path("june.csv").write_text("\n".join(["meter_id,timestamp,energy_kwh", *rows]) + "\n")
    assert run(app, ["ingest", "june.csv"]).exit_code == 0

    for words in commands():
        result = run(app, words)
        assert result.exit_code == 0, f"{words}: {result.output}"

    assert len(commands()) == 5
    for form in ("pdf", "html", "json"):
        assert Path(f"site-pecos-1_2021-06-01_2021-06-30.{form}").exists()
    page = Path("site-pecos-1_2021-06-01_2021-06-30.html").read_text("utf-8")
    assert "PUCT LFL-2021-0042" in page


@pytest.mark.parametrize("page", [FIRST, READING], ids=lambda page: page.stem)
def test_the_pictures_of_a_guide_are_there_and_small(page: Path) -> None:
    names = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text("utf-8"))

    assert names
    for name in names:
        assert (page.parent / name).stat().st_size < MAX_BYTES


def test_the_notices_and_labels_that_the_guide_explains_are_those_of_reports() -> None:
    code = "".join(
        Path(str(each.__file__)).read_text("utf-8") for each in (cover, notices, evidence, costs)
    )
    code += (ROOT / "src/wattbook/sinks/documents/tables.py").read_text("utf-8")
    table = re.findall(r"^\| ([A-Z][^|]+) \|", READING.read_text("utf-8"), re.MULTILINE)

    named = [word.strip(" …") for row in table[1:] for word in row.split(",")]
    assert len(named) >= 8
    for word in named:
        assert word.removesuffix(" exceeded") in code
    for word in ("Due by the month", "Readings received", "Incomplete"):
        assert word in code

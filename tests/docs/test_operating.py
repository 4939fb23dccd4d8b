"""The commands of docs/operating.md work as they stand there."""

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from typer.main import get_command

from wattbook.cli.main import app
from wattbook.core.formatting import THIN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
REAL = PAGE.split("## Bringing in real files", 1)[1]
MOVING = PAGE.split("## Moving house\n", 1)[1].split("\n## ", 1)[0]
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SQL = re.compile(r"^```sql\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^(?:    .*\n)+", re.MULTILINE)
SITES = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECEIPT = re.compile(r"^\| `(\S+)` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (?:`(\w+)`)?")
COUNTS = ("received", "accepted", "duplicates", "corrected", "rejected")
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT_S = 900


def commands(text: str) -> list[list[str]]:
    """The arguments of each wattbook command in the shell blocks."""
    found = []
    for block in SHELL.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line)
            if "wattbook" in words:
                found.append(words[words.index("wattbook") + 1 :])
    return found


def receipts() -> dict[str, tuple[dict[str, int], str]]:
    """Counts and reason by file, as the table says."""
    rows = [hit.groups() for line in REAL.splitlines() if (hit := RECEIPT.match(line))]
    return {
        name: (dict(zip(COUNTS, map(int, counts), strict=True)), reason or "")
        for name, *counts, reason in rows
    }


def run(arguments: list[str], folder: Path, data: str = "data") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("wattbook"), *arguments],
        cwd=folder / "here",
        env={**os.environ, "DATA_DIR": str(folder / data)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_every_command_in_the_tables_exists() -> None:
    named = set(re.findall(r"`wattbook ([a-z]+)", PAGE))
    known = set(getattr(get_command(app), "commands", {}))
    assert named <= known
    assert known <= named


def test_every_file_comes_with_the_checkout_and_has_its_receipt() -> None:
    files = [ROOT / words[1] for words in commands(REAL) if words[0] == "ingest"]
    assert [str(path.relative_to(ROOT)) for path in files] == list(receipts())
    assert all(path.is_file() for path in files)


@pytest.mark.parametrize(("name", "told"), receipts().items(), ids=list(receipts()))
def test_the_receipts_of_the_page_add_up(name: str, told: tuple[dict[str, int], str]) -> None:
    counts, reason = told
    assert counts["received"] == sum(counts[each] for each in COUNTS[1:])
    assert bool(counts["rejected"]) == bool(reason)


@pytest.mark.process
def test_the_commands_bring_in_the_files_with_these_receipts(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "examples").symlink_to(ROOT / "examples")
    (sites,) = SITES.findall(REAL)
    (here / "sites.json").write_text(sites, encoding="utf-8")
    told = receipts()
    for arguments in commands(REAL):
        if arguments[0] != "ingest":
            assert run(arguments, tmp_path).returncode == 0
            continue
        counts, reason = told[arguments[1]]
        done = run([*arguments, "--json"], tmp_path)
        assert done.returncode == (1 if counts["rejected"] else 0), done.stderr
        document = json.loads(done.stdout)
        (file,) = document["files"]
        assert {name: file[name] for name in COUNTS} == counts
        assert file["reasons"] == ({reason: counts["rejected"]} if reason else {})
        again = json.loads(run([*arguments, "--json"], tmp_path).stdout)["total"]
        assert again["duplicates"] == counts["accepted"]
        assert again["accepted"] == again["corrected"] == 0


@pytest.mark.process
def test_a_house_moves_and_hands_out_its_readings_as_the_page_says(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    stamps = [JANUARY + number * timedelta(minutes=15) for number in range(31 * 96)]
    rows = [f"oslo-1.main,{at.isoformat()},{at.hour}.5" for at in stamps]
    (here / "r.csv").write_text("\n".join(["meter_id,timestamp,energy_kwh", *rows]) + "\n")
    site = "--id oslo-1 --name Oslo --operator fir --timezone Europe/Oslo --zone NO1"

    def ours(*arguments: str) -> str:
        done = run([*arguments], tmp_path, "here/wattbook-data")
        assert done.returncode == 0, done.stderr
        return done.stdout

    ours("sites", "add", *site.split(), "--telemetry", "interval", "--expected-interval", "900")
    ours("ingest", "r.csv")
    said = [ours(*arguments) for arguments in commands(MOVING)]

    table, *_ = SHOWN.findall(MOVING)
    assert [line.strip() for line in table.splitlines()] == [
        line.strip() for line in said[0].replace(THIN, " ").splitlines()
    ]
    (query,) = SQL.findall(MOVING)
    with duckdb.connect() as connection:
        (found,) = connection.execute(query.replace("parquet/", f"{here}/parquet/")).fetchall()
    cut = stamps[:-4]  # until midnight in Oslo
    assert found == ("oslo-1.main", "2026-01", sum(at.hour + 0.5 for at in cut))
    ours("--data-dir", "other-house", "export", "again")
    assert subprocess.run(["diff", "-r", "parquet", "again"], cwd=here, check=False).returncode == 0

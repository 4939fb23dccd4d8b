"""What the README promises in its first minute is true.

The picture is made from what the demo prints: `UPDATE_DOCS=1 pytest tests/docs/test_readme.py`.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.docs.terminal import picture, texts, words_of
from typer.main import get_command

from wattbook.cli.main import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PICTURE = ROOT / "docs" / "img" / "demo.svg"
FIRST_SCREEN = 45
WIDTH = 126
FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIMIT_S = 900


def wattbook(*arguments: str, data_dir: Path, **more: str) -> str:
    """What the command prints."""
    environment = {**os.environ, "DATA_DIR": str(data_dir), "COLUMNS": str(WIDTH), **more}
    done = subprocess.run(
        [Path(sys.executable).with_name("wattbook"), *arguments],
        env=environment,
        cwd=data_dir.parent,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines() -> Iterator[str]:
    """The commands and outputs of the README, which are indented by four."""
    for line in README.splitlines():
        if line.startswith("    "):
            yield line.strip()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the loaded demo, and what it printed."""
    folder = tmp_path_factory.mktemp("readme") / "demo"
    said = wattbook("demo", "--no-serve", data_dir=folder)
    assert "Nothing flowed" in said or "No reading came" in said  # a finding
    assert "p10 to p90" in said  # a forecast
    assert (folder / "pecos-1-2021-07.pdf").read_bytes().startswith(b"%PDF")
    return folder, wattbook("demo", "--load-only", data_dir=folder, FORCE_COLOR="1")


def test_the_first_screen_is_short() -> None:
    before = README.split("## Use it as a library", 1)[0]
    assert before.count("\n") <= FIRST_SCREEN


def test_every_make_target_named_exists() -> None:
    targets = set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    named = {word for line in lines() for word in re.findall(r"^make +([a-z]+)", line)}
    assert named
    assert named <= targets


def test_every_command_named_exists() -> None:
    commands = set(getattr(get_command(app), "commands", {}))
    named = set(re.findall(r"wattbook (?:--data-dir \S+ )?([a-z]+) ", "\n".join(lines())))
    assert named
    assert named <= commands


@pytest.mark.process
def test_the_command_of_the_first_screen_prints_what_is_shown(demo: tuple[Path, str]) -> None:
    shown = list(lines())
    at = next(index for index, line in enumerate(shown) if line.startswith("$ "))
    _, *arguments = shlex.split(shown[at].removeprefix("$ "))
    place = arguments.index("--data-dir")
    said = wattbook(*arguments[:place], *arguments[place + 2 :], data_dir=demo[0])
    assert words_of(said.splitlines()[0]) == words_of(shown[at + 1])


def test_the_library_example_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    (example,) = FENCED.findall(README)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {"meter_id": "m1", "timestamp": start + timedelta(minutes=15 * n), "power_kw": 40.0}
        for n in range(4)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "readings.parquet")
    monkeypatch.chdir(tmp_path)

    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102  the example is the test

    days = names["days"]
    assert isinstance(days, pl.DataFrame)
    # 40 kW from 00:00 to 00:45 and held for another 45 minutes: 40 × 1.5 h
    assert days["energy_kwh"].to_list() == [60.0]
    assert days["coverage"].to_list() == pytest.approx([1.5 / 24])
    assert "energy_kwh" in capsys.readouterr().out


@pytest.mark.process
def test_the_picture_shows_what_the_demo_prints(demo: tuple[Path, str]) -> None:
    shown = demo[1].rstrip().rsplit("\n", 1)[0]  # the last line names a folder
    fresh = picture(shown, "make demo", WIDTH)
    if os.environ.get("UPDATE_DOCS"):
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(fresh, encoding="utf-8")

    assert texts(PICTURE.read_text(encoding="utf-8")) == texts(fresh)

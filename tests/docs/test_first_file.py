"""The guide to a first file: its commands print what it shows, and its picture is what they print.

The picture is made anew with `UPDATE_DOCS=1 pytest tests/docs/test_first_file.py`.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.terminal import picture, texts, words_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "first-file.md").read_text(encoding="utf-8")
PICTURE = ROOT / "docs" / "img" / "first-file.svg"
WIDTH = 112
SHOWN = re.compile(r"^    \$ (.+)\n((?:    .*\n)*)", re.MULTILINE)
SKIPPED = "…"
LIMIT_S = 180


def run(command: str, folder: Path, **more: str) -> str:
    """What the command prints, in a folder with the examples of a checkout."""
    program, *arguments = shlex.split(command)
    assert program == "wattbook"
    done = subprocess.run(
        [Path(sys.executable).with_name("wattbook"), *arguments],
        env={**os.environ, "DATA_DIR": str(folder / "data"), "COLUMNS": str(WIDTH), **more},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


@pytest.mark.process
def test_the_commands_print_what_the_page_shows(folder: Path) -> None:
    steps = SHOWN.findall(PAGE)
    assert [shlex.split(command)[1] for command, _ in steps] == [
        "ingest",
        "sites",
        "ingest",
        "metrics",
    ]
    for command, shown in steps:
        printed = [words_of(line) for line in run(command, folder).splitlines()]
        for line in shown.splitlines():
            words = words_of(line)
            assert words in printed or words == [SKIPPED], line


@pytest.mark.process
def test_the_picture_shows_what_the_preview_prints(folder: Path) -> None:
    (command, _), *_ = SHOWN.findall(PAGE)
    fresh = picture(run(command, folder, FORCE_COLOR="1"), "wattbook ingest --preview", WIDTH)
    if os.environ.get("UPDATE_DOCS"):
        PICTURE.write_text(fresh, encoding="utf-8")
    assert texts(PICTURE.read_text(encoding="utf-8")) == texts(fresh)


def test_the_preview_and_the_ingestion_say_the_same_of_the_file() -> None:
    commands = [shlex.split(command) for command, _ in SHOWN.findall(PAGE)]
    preview, _, taken, _ = commands
    assert [word for word in preview if word != "--preview"] == taken

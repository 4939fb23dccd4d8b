"""The guide to a first bill is run as it stands, and prints what it shows.

The picture and the output are made anew by `UPDATE_DOCS=1 pytest tests/docs/test_first_bill.py`.
"""

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.terminal import picture, words_of

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "first-bill.md"
PICTURE = ROOT / "docs" / "img" / "first-bill.svg"
WIDTH = 130
LIMIT_S = 300
STEPS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"(?<=^```text\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)


def run(script: str, folder: Path, **more: str) -> str:
    """What the commands of one step print."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "DATA_DIR": str(folder / "data"), "COLUMNS": str(WIDTH), **more}
    done = subprocess.run(
        ["bash", "-euc", script],
        env={**os.environ, **own},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What the last step prints, plain and in colours."""
    folder = tmp_path_factory.mktemp("bill")
    shutil.copytree(ROOT / "examples", folder / "examples")
    *steps, last = STEPS.findall(GUIDE.read_text(encoding="utf-8"))
    for step in steps:
        run(step, folder)
    return run(last, folder, NO_COLOR="1"), run(last, folder, FORCE_COLOR="1")


@pytest.mark.process
def test_the_guide_prints_the_bills_that_it_shows(printed: tuple[str, str]) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    if os.environ.get("UPDATE_DOCS"):
        plain = "\n".join(line.rstrip() for line in printed[0].rstrip().split("\n"))
        text = SHOWN.sub(lambda _: f"{plain}\n", text)
        GUIDE.write_text(text, encoding="utf-8")

    (shown,) = SHOWN.findall(text)
    assert words_of(shown) == words_of(printed[0])
    assert "5847.31" in printed[0].replace("\u202f", "")  # 72 100 kWh × 0.0811
    assert "1050.00" in printed[0].replace("\u202f", "")  # 0.75 × 200 kW × 7


@pytest.mark.process
def test_the_picture_shows_the_bills(printed: tuple[str, str]) -> None:
    fresh = picture(printed[1], "wattbook cost", WIDTH)
    if os.environ.get("UPDATE_DOCS"):
        PICTURE.write_text(fresh, encoding="utf-8")

    def texts(svg: str) -> list[str]:
        return words_of(" ".join(map(html.unescape, re.findall(r">([^<>]+)</text>", svg))))

    assert texts(PICTURE.read_text(encoding="utf-8")) == texts(fresh)

"""A folder of its own for every test, and the command line in it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from wattbook.cli.main import app

Run = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("DEBUG", raising=False)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Iterator[Run]:
    yield lambda *words: CliRunner().invoke(app, [str(word) for word in words])
    structlog.reset_defaults()  # a command's log went where its own output went


@pytest.fixture
def site(run: Run) -> str:
    result = run(
        "sites", "add", "--id", "oslo-1", "--name", "Oslo 1", "--operator", "fir",
        "--timezone", "Europe/Oslo", "--zone", "NO", "--telemetry", "interval",
        "--expected-interval", "3600", "--capacity-kw", "500",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return "oslo-1"


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., tuple["subprocess.Popen[str]", str]]]:
    """Starts `wattbook …` as a process; returns it and the line that says it is ready."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> tuple["subprocess.Popen[str]", str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "wattbook", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if "http://" in line:
                return process, line
        assert process.stderr is not None
        pytest.fail(f"not ready: {process.stderr.read()}")

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()

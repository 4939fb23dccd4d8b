"""`wattbook serve`: real processes on real files."""

import re
import signal
import subprocess
import sys
import urllib.request

import pytest

pytestmark = pytest.mark.process


def beside(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "wattbook", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def address(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found is not None
    return found[0]


def test_it_serves_and_tells_others_what_is_taken(start):
    process, line = start("serve", "--port", "0")
    port = address(line).rpartition(":")[2]

    with urllib.request.urlopen(f"{address(line)}/docs") as answer:
        assert answer.status == 200
    command = beside("rollup")
    same_files = beside("serve", "--port", "0")
    same_port = beside("--data-dir", "elsewhere", "serve", "--port", port)

    for second, named in ((command, process.pid), (same_files, process.pid), (same_port, port)):
        assert second.returncode == 5
        assert str(named) in second.stderr
        assert len(second.stderr.splitlines()) == 1
        assert second.stdout == ""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_when_it_is_told_to(start, signum, monkeypatch):
    monkeypatch.setenv("LOG_LEVEL", "WARNING")  # that a job ended is said, and is no warning
    process, _ = start("serve", "--port", "0")

    process.send_signal(signum)
    out, err = process.communicate(timeout=600)

    assert process.returncode == 0
    assert (out, err) == ("", "")
    assert beside("rollup").returncode == 0


def test_it_listens_on_this_machine_only(folder):
    result = beside("serve", "--host", "0.0.0.0")  # noqa: S104  refused is what is tested

    assert result.returncode == 2
    assert "API_HOST" in result.stderr

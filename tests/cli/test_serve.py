"""`wattbook serve`: real processes on real files."""

import re
import signal
import subprocess
import sys
import urllib.request

import pytest


def beside(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "wattbook", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def address(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found is not None
    return found[0]


def test_it_serves_and_tells_others_that_the_files_are_taken(start):
    process, line = start("serve", "--port", "0")

    with urllib.request.urlopen(f"{address(line)}/docs") as answer:  # noqa: S310  our own
        assert answer.status == 200
    second = beside("rollup")

    assert second.returncode == 5
    assert str(process.pid) in second.stderr
    assert len(second.stderr.splitlines()) == 1


def test_a_second_service_is_told_which_port_is_taken(start):
    _, line = start("serve", "--port", "0")
    port = address(line).rpartition(":")[2]

    second = beside("--data-dir", "elsewhere", "serve", "--port", port)

    assert second.returncode == 5
    assert port in second.stderr
    assert len(second.stderr.splitlines()) == 1


def test_a_second_service_on_the_same_files_is_told_in_one_line(start):
    process, _ = start("serve", "--port", "0")

    second = beside("serve", "--port", "0")

    assert second.returncode == 5
    assert str(process.pid) in second.stderr
    assert len(second.stderr.splitlines()) == 1


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_when_it_is_told_to(start, signum):
    process, _ = start("serve", "--port", "0")

    process.send_signal(signum)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 0
    assert (out, err) == ("", "")
    assert beside("rollup").returncode == 0


def test_it_listens_on_this_machine_only(folder):
    result = beside("serve", "--host", "0.0.0.0")  # noqa: S104  refused is what is tested

    assert result.returncode == 2
    assert "API_HOST" in result.stderr

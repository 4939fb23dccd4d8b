"""Jobs on the command line: done here, or at a service; followed, cancelled, listed."""

import http.server
import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

import pytest

from wattbook.core.jobs import JobKind

pytestmark = pytest.mark.slow

READINGS = "".join(f"oslo-1.main,2026-01-01T0{hour}:00:00Z,{10 * hour}\n" for hour in range(1, 5))
PERIOD = ("start=2026-01-01T02:00:00Z", "end=2026-01-01T03:00:00Z")
QUIET = {"SCHEDULES_ENABLED": "false", "ROLLUP_IDLE_S": "3600"}


@pytest.fixture
def read(run, site, folder) -> str:
    """A site with 10, 20, 30 and 40 kWh in four hours."""
    (folder / "energy.csv").write_text(f"meter_id,timestamp,energy_kwh\n{READINGS}")
    result = run("ingest", "energy.csv")
    assert result.exit_code == 0, result.output
    return str(site)


def document(result: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def service(start, read, monkeypatch) -> str:
    """Address of a service over the same folder."""
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    _, line = start("serve", "--port", "0")
    found = re.search(r"http://[\d.]+:\d+", line)
    assert found is not None
    return found[0]


def test_a_job_is_done_here_and_now_and_shown(run, read):
    result = run("jobs", "run", "aggregate", "--param", "everything=true")

    job = document(result)
    assert (result.exit_code, job["state"], job["requested_by"]) == (0, "succeeded", "cli")
    # Four hours of quarters, four hours, a day, a week and a month.
    assert job["result"] == {"meters": 1, "rows_written": 23}
    assert "succeeded" in result.stderr
    assert document(run("jobs", "show", job["job_id"]))["result"] == job["result"]


def test_the_figures_of_a_period_are_computed_again(run, read):
    result = run(
        "jobs", "run", "aggregate", *(word for each in PERIOD for word in ("--param", each))
    )

    job = document(result)
    assert (result.exit_code, job["result"]) == (0, {"meters": 1, "rows_written": 0})
    assert job["params"]["start"] == "2026-01-01T02:00:00Z"
    # From 02:00 to 03:00, and the hour's reading is held for three hours: until 06:00.
    assert job["progress"] == {
        "done": 17,
        "total": 17,
        "unit": "quarters",
        "eta_s": None,
    }
    shown = run("metrics", read, "--from", "2026-01-01", "--to", "2026-01-02", "--json")
    assert json.loads(shown.stdout)["rows"][0]["energy_kwh"] == 100.0  # 10 + 20 + 30 + 40


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "mine_bitcoin"), 2, "aggregate"),
        (("run", "aggregate", "--param", "start=2026-01-01T00:00:00Z"), 2, "belong together"),
        (("run", "aggregate", "--param", "sight=x"), 2, "params.sight"),
        (("run", "aggregate", "--param", "everything"), 2, "NAME=VALUE"),
        (("run", "forecast", "--param", "entity_id=nowhere"), 2, "params.entity_id"),
        (("show", "nothing"), 3, "nothing"),
        (("watch", "nothing"), 3, "nothing"),
        (("cancel", "nothing"), 3, "nothing"),
        (("list", "--kind", "mine_bitcoin"), 2, "aggregate"),
        (("list", "--url", "ftp://x"), 2, "http://127.0.0.1:8000"),
        (("list", "--url", "http://127.0.0.1:9"), 5, "http://127.0.0.1:9"),
    ],
)
def test_what_cannot_be_done_is_said_on_one_line(site, words, code, said):
    done = subprocess.run(
        [sys.executable, "-m", "wattbook", "jobs", *words],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_that_fails_leaves_with_code_1_and_is_listed_with_its_error(run, read):
    result = run("jobs", "run", "aggregate", "--param", "site_id=nowhere")

    assert (result.exit_code, document(result)["state"]) == (1, "failed")
    listed = run("jobs", "list", "--state", "failed")
    assert "nowhere" in listed.stdout
    assert json.loads(run("jobs", "list", "--state", "succeeded", "--json").stdout)["jobs"] == []


def waits(folder: Path) -> str:
    """A job that nobody works on, as a service leaves it that is stopped."""
    job_id = "0" * 32
    with sqlite3.connect(folder / "data" / "registry.sqlite") as connection:
        connection.execute(
            "INSERT INTO jobs (job_id, kind, params, state, priority, done, unit, order_sha256,"
            " requested_by, created, not_before, attempt, tries) VALUES (?, 'aggregate', '{}',"
            " 'queued', 0, 0, 'steps', '', 'test', '2026-01-01 00:00:00.000000',"
            " '2026-01-01 00:00:00.000000', 0, 0)",
            (job_id,),
        )
    connection.close()
    return job_id


def test_a_job_that_waits_is_watched_until_someone_cancels_it(run, read, folder):
    job_id = waits(folder)
    with subprocess.Popen(
        [sys.executable, "-m", "wattbook", "jobs", "watch", job_id],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        time.sleep(1.5)
        assert watching.poll() is None

        cancelled = run("jobs", "cancel", job_id)
        out, err = watching.communicate(timeout=600)

    assert cancelled.stdout == f"{job_id}: cancelled\n"
    assert (watching.returncode, json.loads(out)["state"]) == (1, "cancelled")
    assert "aggregate: cancelled" in err


@pytest.mark.process
def test_a_service_is_asked_over_http_and_answers_as_the_store_does(run, service):
    result = run("jobs", "run", "aggregate", "--param", "everything=true", "--priority", "3",
                 "--url", service)  # fmt: skip

    job = document(result)
    assert (result.exit_code, job["state"], job["priority"]) == (0, "succeeded", 3)
    assert (job["requested_by"], job["result"]["rows_written"]) == ("http", 23)
    watched = run("jobs", "watch", job["job_id"], "--url", service)
    assert document(watched)["result"] == job["result"]
    there, here = (
        json.loads(run("jobs", "list", "--json", *where).stdout)["jobs"]
        for where in (("--url", service), ())
    )
    assert [each["job_id"] for each in there] == [each["job_id"] for each in here]
    assert there[0]["children"] == here[0]["children"] == {}
    refused = run("jobs", "cancel", job["job_id"], "--url", service)
    assert (refused.exit_code, refused.stdout) == (4, "")


@pytest.mark.process
def test_a_job_here_beside_a_service_says_where_to_ask(run, service):
    done = subprocess.run(
        [sys.executable, "-m", "wattbook", "jobs", "run", "aggregate"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 5
    assert "--url" in done.stderr


class Restarts:
    """Answers for a job: once that it runs, is then away for a while, and last that it is done."""

    def __init__(self, away_s: float) -> None:
        self._away_s, self._asked = away_s, threading.Event()
        self._server = self._listen("running", 0)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._server.shutdown()
        self._server.server_close()

    def _run(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()
        self._asked.wait()
        self._server.shutdown()
        self._server.server_close()
        time.sleep(self._away_s)
        self._server = self._listen("succeeded", self.port)
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()

    def _listen(self, state: str, port: int) -> http.server.HTTPServer:
        asked = self._asked
        progress = {"done": 0, "total": None, "unit": "steps"}
        told = {"kind": "aggregate", "state": state, "progress": progress, "children": {}}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(told).encode())
                asked.set()

            def log_message(self, *_: object) -> None: ...

        return http.server.HTTPServer(("127.0.0.1", port), Handler)


def test_who_watches_outlives_a_restart_of_the_service(run):
    with Restarts(away_s=1.0) as service:
        result = run("jobs", "watch", "x", "--url", f"http://127.0.0.1:{service.port}")

    assert (result.exit_code, document(result)["state"]) == (0, "succeeded"), result.output
    said = [line for line in result.stderr.splitlines() if "asking again for 60 s" in line]
    assert len(said) == 1
    assert f"no service answers at http://127.0.0.1:{service.port}" in said[0]


def test_a_service_that_stays_away_is_given_up(run, monkeypatch):
    monkeypatch.setattr("wattbook.cli.jobs.RECONNECT_TIMEOUT_S", 0.5)
    with Restarts(away_s=2.0) as service:
        result = run("jobs", "watch", "x", "--url", f"http://127.0.0.1:{service.port}")

    assert result.exit_code == 5


def test_the_help_names_every_kind_of_job(run):
    words = run("jobs", "run", "--help").output.replace(",", " ").split()

    assert {str(kind) for kind in JobKind} <= {word.strip(".") for word in words}


def test_who_works_beside_a_service_needs_a_broker(folder, monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)

    done = subprocess.run(
        [sys.executable, "-m", "wattbook", "work"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "REDIS_URL" in done.stderr

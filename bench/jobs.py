"""Jobs: how many a second are taken in, how soon they begin, and how long a real one takes.

    python bench/jobs.py [embedded year | celery]

`celery` needs DATABASE_URL of an empty database, and REDIS_URL; the others need them unset.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import service as bench

QUIET = {"ROLLUP_IDLE_S": "3600", "SCHEDULES_ENABLED": "false"}
COUNT = 1000
PACED = 50
METERS, ROWS_AT_ONCE, INTERVAL_S = 100, 350_400, 900
YEAR = METERS * 365 * 24 * 4


def line(what: str, asked: str, reached: str) -> None:
    print(f"{what:44} {asked:>14} {reached:>14}")


def seconds(early: str, late: str) -> float:
    return (datetime.fromisoformat(late) - datetime.fromisoformat(early)).total_seconds()


def finished(service: bench.Service, job_id: str) -> dict:
    while True:
        job = service.call("GET", f"/jobs/{job_id}")
        if job["finished"]:
            return job
        time.sleep(0.02)


def starts(service: bench.Service, name: str, asked: str) -> None:
    """From submitted to begun, one after the other, as on a quiet day."""
    service.call("POST", "/aggregate")
    time.sleep(3)
    waits = []
    for _ in range(PACED):
        job = finished(service, service.call("POST", "/aggregate")["job_id"])
        waits.append(seconds(job["created"], job["started"]))
    line(f"{name}: queue to start, p95 of {PACED}", asked, f"{p95(waits) * 1000:.0f} ms")


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def submits(service: bench.Service, name: str) -> None:
    body = json.dumps({"kind": "aggregate"}).encode()
    load = bench.fire(
        service.port, [bench.request("/jobs", body, "application/json")] * COUNT, connections=16
    )
    assert load.statuses == {202: COUNT}, load.statuses
    line(f"{name}: submitted over HTTP", "300 /s", f"{COUNT / load.seconds:.0f} /s")
    begin = time.perf_counter()
    while service.call("GET", "/jobs?state=queued&limit=1")["jobs"]:
        time.sleep(0.1)
    rest = time.perf_counter() - begin
    line(f"{name}: done, with those submitted", "", f"{COUNT / (rest + load.seconds):.0f} /s")


def year(service: bench.Service) -> None:
    """Everything of a year of 100 meters, computed afresh."""
    bench.register(service, METERS, interval_s=INTERVAL_S)
    for number in range(YEAR // ROWS_AT_ONCE):
        rows = bench.readings(number, meters=METERS, rows=ROWS_AT_ONCE, interval_s=INTERVAL_S)
        body = rows.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ").encode()
        made = bench.request("/ingest/telemetry", body, "text/csv")
        assert bench.fire(service.port, [made], 1).statuses == {200: 1}
    job_id = service.call("POST", "/aggregate", {"everything": True})["job_id"]
    moved, done = [time.perf_counter()], 0
    while True:
        job = service.call("GET", f"/jobs/{job_id}")
        if job["progress"]["done"] != done or job["finished"]:
            moved.append(time.perf_counter())
            done = job["progress"]["done"]
        if job["finished"]:
            break
        time.sleep(0.05)
    took = seconds(job["started"], job["finished"])
    line(f"aggregate, {METERS} meters, {YEAR:,} readings", "10 s", f"{took:.1f} s")
    longest = max(late - early for early, late in pairwise(moved))
    line("  progress moves at least every", "1 s", f"{longest:.1f} s")


@contextmanager
def workers(folder: str) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-m", "wattbook", "work", "--slots", "2"],
        cwd=folder,
        env=os.environ | QUIET | {"LOG_LEVEL": "WARNING"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def main() -> None:
    asked = sys.argv[1:] or ["embedded", "year"]
    print(bench.machine())
    line("", "asked", "reached")
    with tempfile.TemporaryDirectory() as folder:
        if "embedded" in asked:
            with bench.running(Path(folder) / "embedded", **QUIET) as service:
                starts(service, "embedded", "100 ms")
                submits(service, "embedded")
        if "year" in asked:
            with bench.running(Path(folder) / "year", **QUIET) as service:
                year(service)
        if "celery" in asked:
            with bench.running(Path(folder) / "celery", **QUIET) as service, workers(folder):
                time.sleep(8)
                starts(service, "celery", "1000 ms")
                submits(service, "celery")


if __name__ == "__main__":
    main()

"""An acknowledgement means on disk: the process is killed in mid-stream, and nothing is missing."""

import json
import threading
import urllib.error
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.client import HTTPException

import pytest
from tests.journeys.conftest import Service

pytestmark = pytest.mark.process
START = datetime(2026, 1, 1, tzinfo=UTC)
Start = Callable[..., Service]


def row(worker: int, number: int) -> dict[str, object]:
    at = START + timedelta(minutes=number)
    return {"meter_id": f"s{worker}.main", "timestamp": at.isoformat(), "power_kw": number % 900}


def energy_readings(service: Service, worker: int) -> int:
    query = "start=2026-01-01T00:00:00Z&end=2026-12-31T00:00:00Z&grain=month"
    status, document = service.call("GET", f"/metrics/site/s{worker}?{query}")
    assert status == 200, document
    count: int = document["total"]["readings"]
    return count


@pytest.mark.parametrize("kind", ["batches", "singles"])
def test_after_kill_9_every_acknowledged_reading_is_there_once(start: Start, kind: str) -> None:
    service = start()
    workers = range(4)
    for worker in workers:
        service.register(f"s{worker}")
    acknowledged = dict.fromkeys(workers, 0)
    enough = threading.Event()
    size = 200 if kind == "batches" else 1

    def stream(worker: int) -> None:
        number = 0
        while True:
            rows = [row(worker, number + each) for each in range(size)]
            try:
                if kind == "batches":
                    status, _ = service.call("POST", "/ingest/telemetry", rows)
                else:
                    status, _ = service.call("POST", "/ingest/realtime", rows[0])
            except (OSError, HTTPException, urllib.error.URLError, json.JSONDecodeError):
                return
            assert status in (200, 201)
            number += size
            acknowledged[worker] = number
            if min(acknowledged.values()) >= 40 * size:
                enough.set()

    threads = [threading.Thread(target=stream, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    service.kill()
    for thread in threads:
        thread.join(30)

    again = start()
    for worker in workers:
        stored = energy_readings(again, worker)
        # A group that was on disk when the process died may never have been answered.
        assert acknowledged[worker] <= stored <= acknowledged[worker] + size
        repeated = [row(worker, number) for number in range(acknowledged[worker])]
        status, receipt = again.call("POST", "/ingest/telemetry", repeated)
        assert status == 200
        assert receipt["duplicates"] == acknowledged[worker]
        assert energy_readings(again, worker) == stored


def test_on_a_full_disk_the_service_says_so_and_what_it_acknowledged_stays(start: Start) -> None:
    full = start(largest_file=3 << 20)
    full.register("s0")
    acknowledged, status = 0, 200
    while status == 200 and acknowledged < 400_000:
        rows = [row(0, acknowledged + number) for number in range(2_000)]
        status, document = full.call("POST", "/ingest/telemetry", rows)
        acknowledged += 2_000 if status == 200 else 0

    assert status == 503, document
    assert "the store failed" in document["detail"]
    assert full.process.poll() is None
    full.kill()

    assert energy_readings(start(), 0) == acknowledged > 0


def test_a_service_that_is_stopped_ends_cleanly_and_starts_again(start: Start) -> None:
    service = start()
    service.register("s0")
    service.call("POST", "/ingest/telemetry", [row(0, number) for number in range(10)])

    assert service.stop() == 0

    assert energy_readings(start(), 0) == 10

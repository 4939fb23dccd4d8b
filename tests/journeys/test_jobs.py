"""A service that works on jobs itself ends in mid-job, and goes on with it when it starts."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.journeys.conftest import Service

pytestmark = pytest.mark.process
START = datetime(2026, 1, 1, tzinfo=UTC)
SITES, EACH = 12, 60_000
Start = Callable[..., Service]
QUIET = {"ROLLUP_IDLE_S": "3600", "SCHEDULES_ENABLED": "false", "JOB_LEASE_S": "2"}


def take_in(service: Service) -> None:
    """More than is rolled up in one step."""
    for site in range(SITES):
        service.register(f"s{site}")
        rows = "\n".join(
            f"s{site}.main,{(START + timedelta(minutes=n)).isoformat()},60" for n in range(EACH)
        )
        body = f"meter_id,timestamp,power_kw\n{rows}\n".encode()
        status, receipt = service.call("POST", "/ingest/telemetry", body, "text/csv")
        assert (status, receipt["accepted"]) == (200, EACH)


def look(service: Service, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = service.call("GET", f"/jobs/{job_id}")[1]
    return job


@pytest.mark.parametrize(("how", "outcome"), [("stop", "given_back"), ("kill", "lost")])
def test_a_job_goes_on_after_the_service_ended(start: Start, how: str, outcome: str) -> None:
    service = start(**QUIET)
    take_in(service)
    _, job = service.call("POST", "/aggregate", {"everything": True})
    while look(service, job["job_id"])["state"] == "queued":
        time.sleep(0.01)

    getattr(service, how)()

    again = start(**QUIET)
    end = time.monotonic() + 30
    while (seen := look(again, job["job_id"]))["state"] not in ("succeeded", "failed"):
        assert time.monotonic() < end, seen
        time.sleep(0.05)
    assert [attempt["outcome"] for attempt in seen["attempts"]] == [outcome, "succeeded"]
    query = "start=2026-01-01T00:00:00Z&end=2026-01-01T01:00:00Z&grain=hour"
    rows = again.call("GET", f"/metrics?{query}")[1]["rows"]
    assert [row["energy_kwh"] for row in rows] == [60.0] * SITES

"""A service that works on jobs itself ends in mid-job, and goes on with it when it starts."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.journeys.conftest import Service

pytestmark = pytest.mark.process
START = datetime(2026, 1, 1, tzinfo=UTC)
SITES = 12
TOGETHER, APART = 40_000, 60_000
"""Readings of each site: not worth a second job, and worth one."""
Start = Callable[..., Service]
QUIET = {"ROLLUP_IDLE_S": "3600", "SCHEDULES_ENABLED": "false", "JOB_LEASE_S": "2"}


def take_in(service: Service, each: int) -> None:
    """More than is rolled up in one step."""
    for site in range(SITES):
        service.register(f"s{site}")
        rows = "\n".join(
            f"s{site}.main,{(START + timedelta(minutes=n)).isoformat()},60" for n in range(each)
        )
        body = f"meter_id,timestamp,power_kw\n{rows}\n".encode()
        status, receipt = service.call("POST", "/ingest/telemetry", body, "text/csv")
        assert (status, receipt["accepted"]) == (200, each)


def look(service: Service, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = service.call("GET", f"/jobs/{job_id}")[1]
    return job


@pytest.mark.parametrize(("how", "outcome"), [("stop", "given_back"), ("kill", "lost")])
def test_a_job_goes_on_after_the_service_ended(start: Start, how: str, outcome: str) -> None:
    service = start(**QUIET)
    take_in(service, TOGETHER)
    _, job = service.call("POST", "/aggregate", {"everything": True})
    while look(service, job["job_id"])["state"] == "queued":
        time.sleep(0.01)

    getattr(service, how)()

    again = start(**QUIET)
    assert outcomes(ended(again, job["job_id"])) == [outcome, "succeeded"]
    assert_right(again)


@pytest.mark.parametrize(("how", "outcome"), [("stop", "given_back"), ("kill", "lost")])
def test_a_divided_job_goes_on_after_the_service_ended(
    start: Start, how: str, outcome: str
) -> None:
    service = start(**QUIET, JOB_SLOTS="1")
    take_in(service, APART)
    _, job = service.call("POST", "/aggregate", {"everything": True})
    while not look(service, job["job_id"])["children"].get("running"):
        time.sleep(0.01)

    getattr(service, how)()

    again = start(**QUIET, JOB_SLOTS="1")
    parent = ended(again, job["job_id"])
    parts = again.call("GET", f"/jobs?parent_id={job['job_id']}")[1]["jobs"]
    assert outcomes(parent) == ["divided", "succeeded"]
    # 12 × 60,000 readings are two parts of about 500,000 at most.
    assert sorted(map(outcomes, parts)) == sorted([[outcome, "succeeded"], ["succeeded"]])
    assert parent["result"]["meters"] == sum(part["result"]["meters"] for part in parts)
    assert_right(again)


def ended(service: Service, job_id: str) -> dict[str, Any]:
    end = time.monotonic() + 600
    while (seen := look(service, job_id))["state"] not in ("succeeded", "failed"):
        assert time.monotonic() < end, seen
        time.sleep(0.05)
    return seen


def outcomes(job: dict[str, Any]) -> list[str]:
    return [attempt["outcome"] for attempt in job["attempts"]]


def assert_right(again: Service) -> None:
    query = "start=2026-01-01T00:00:00Z&end=2026-01-01T01:00:00Z&grain=hour"
    rows = again.call("GET", f"/metrics?{query}")[1]["rows"]
    assert [row["energy_kwh"] for row in rows] == [60.0] * SITES

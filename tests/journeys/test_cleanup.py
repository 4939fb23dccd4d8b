"""A clean-up is killed with its process, and another one ends it as if nothing had been."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.journeys.conftest import Service

pytestmark = pytest.mark.process
SITES = [f"s{number}" for number in range(4)]
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
MINUTES = 100 * 1440
SETTINGS = {"RETENTION_READINGS_DAYS": "10", "JOB_LEASE_S": "1", "SCHEDULES_ENABLED": "false"}


def fill(service: Service) -> None:
    begin = TODAY - timedelta(days=100)
    for site in SITES:
        service.register(site)
        stamps = (begin + minute * timedelta(minutes=1) for minute in range(MINUTES))
        rows = "\n".join(f"{site}.main,{at:%Y-%m-%dT%H:%M:%SZ},{at.hour}.5" for at in stamps)
        body = f"meter_id,timestamp,power_kw\n{rows}\n".encode()
        status, receipt = service.call("POST", "/ingest/telemetry", body, "text/csv")
        assert (status, receipt["accepted"]) == (200, MINUTES)


def total(service: Service) -> list[dict[str, Any]]:
    query = f"start={TODAY - timedelta(days=100):%FT%TZ}&end={TODAY:%FT%TZ}&grain=day"
    _, document = service.call("GET", f"/metrics/aggregate?{query}")
    return [{name: row[name] for name in ("start", "energy_kwh")} for row in document["rows"]]


def wait(service: Service, job_id: str) -> dict[str, Any]:
    end = time.monotonic() + 600
    while time.monotonic() < end:
        job: dict[str, Any] = service.call("GET", f"/jobs/{job_id}")[1]
        if job["state"] in ("succeeded", "failed"):
            return job
        time.sleep(0.1)
    raise AssertionError(job)


def test_a_clean_up_that_is_killed_ends_as_one_that_was_not(start: Callable[..., Service]) -> None:
    service = start(**SETTINGS)
    fill(service)
    before = total(service)
    _, dry = service.call("POST", "/jobs", {"kind": "cleanup", "params": {"dry_run": True}})
    plan = wait(service, dry["job_id"])["result"]["removed"]

    _, job = service.call("POST", "/jobs", {"kind": "cleanup"})
    kills = 0
    for stage in ("drawn", "counted"):
        while True:
            _, page = service.call("GET", "/tombstones")
            stones = page["tombstones"]
            if stones and (stage == "drawn" or stones[0]["rows"] is not None):
                break
            time.sleep(0.01)
        service.kill()
        kills += 1
        service = start(**SETTINGS)
    done = wait(service, job["job_id"])

    assert done["state"] == "succeeded", done
    assert len(done["attempts"]) >= kills
    assert done["result"]["removed"] == plan
    _, page = service.call("GET", "/tombstones")
    assert sorted(stone["owner"] for stone in page["tombstones"]) == [f"{s}.main" for s in SITES]
    # 90 days of minutes, but for twice three minutes beside the line
    assert {stone["rows"] for stone in page["tombstones"]} == {90 * 1440 - 15 - 3}
    assert all(stone["removed"] for stone in page["tombstones"])
    assert total(service) == before
    _, job = service.call("POST", "/jobs", {"kind": "aggregate", "params": {"everything": True}})
    assert wait(service, job["job_id"])["state"] == "succeeded"
    assert total(service) == before

"""A forecast goes on whatever is killed: the service in the midst of it, or the process."""

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.journeys.conftest import Service
from tests.journeys.test_jobs import QUIET, ended, look, outcomes

pytestmark = pytest.mark.process
T = datetime(2026, 1, 1, tzinfo=UTC)
Start = Callable[..., Service]


def take_in(service: Service) -> None:
    service.register("a", telemetry="interval", expected_interval_s=3600)
    rows = "\n".join(
        f"a.main,{(T + timedelta(hours=at)).isoformat()},{100 + at % 24}" for at in range(24 * 60)
    )
    body = f"meter_id,timestamp,energy_kwh\n{rows}\n".encode()
    assert service.call("POST", "/ingest/telemetry", body, "text/csv")[1]["accepted"] == 24 * 60


def children(pid: int) -> list[int]:
    """The processes of a process that compute; not the one that tracks what they share."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    found = [each for thread in threads for each in (thread / "children").read_text().split()]
    words = {int(each): Path(f"/proc/{each}/cmdline").read_text() for each in found}
    return [each for each, line in words.items() if "wattbook.models.process_pool" in line]


def begun(service: Service) -> str:
    status, job = service.call("GET", "/forecast/load?entity_id=a")
    assert status == 202, job
    while look(service, job["job_id"])["state"] == "queued":
        time.sleep(0.01)
    return str(job["job_id"])


def assert_right(service: Service) -> None:
    status, document = service.call("GET", "/forecast/load?entity_id=a&horizon=1&wait=true")
    assert status == 200
    assert [row["mean"] for row in document["rows"]] == pytest.approx(
        [100 + hour for hour in range(24)], rel=0.02
    )


@pytest.mark.parametrize(("how", "first"), [("stop", [[], ["given_back"]]), ("kill", [["lost"]])])
def test_a_forecast_goes_on_after_the_service_ended(
    start: Start, how: str, first: list[list[str]]
) -> None:
    service = start(**QUIET)
    take_in(service)
    job_id = begun(service)

    getattr(service, how)()

    again = start(**QUIET)
    # Who is told to stop has ten seconds, in which a forecast may come to its end.
    assert outcomes(ended(again, job_id)) in [[*each, "succeeded"] for each in first]
    assert_right(again)


def test_a_process_that_is_killed_is_a_failed_attempt_and_no_dead_service(start: Start) -> None:
    service = start(**QUIET)
    take_in(service)
    job_id = begun(service)
    while not (found := children(service.process.pid)):
        time.sleep(0.01)

    os.kill(found[0], signal.SIGKILL)

    job = ended(service, job_id)
    assert outcomes(job) == ["failed", "succeeded"]
    assert "was killed" in job["attempts"][0]["error"]
    assert_right(service)


def test_a_forecast_that_is_cancelled_leaves_no_process_at_work(start: Start) -> None:
    service = start(**QUIET)
    take_in(service)
    job_id = begun(service)

    assert service.call("POST", f"/jobs/{job_id}/cancel")[0] == 200

    end = time.monotonic() + 600
    while look(service, job_id)["state"] != "cancelled":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert children(service.process.pid) == []
    assert service.stop() == 0

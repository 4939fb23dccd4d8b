"""A job that was divided: whatever happens to those who work on its parts, all is done once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from adbc_driver_postgresql import dbapi
from celery import Celery as App
from tests.workers.conftest import LEASE_S, Farm, ended, look, outcomes, submit, until

pytestmark = pytest.mark.process
SITES = ("a", "b", "c")


def take_in(service) -> None:
    """60 kWh in the first second of 2026 and 1 kWh a week later, at each site.

    With a reading expected every second a week is more than is worth a job of its own.
    """
    for site in SITES:
        service.register(site, telemetry="interval", expected_interval_s=1, capacity_kw=1e6)
    rows = [
        {"meter_id": f"{site}.main", "timestamp": f"2026-01-{day}T00:00:00Z", "energy_kwh": kwh}
        for site in SITES
        for day, kwh in (("01", 60), ("08", 1))
    ]
    status, receipt = service.call("POST", "/ingest/telemetry", rows)
    assert (status, receipt["accepted"]) == (200, 6)


def everything(service) -> str:
    return submit(service, params={"everything": True})


def parts(service, parent_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.call("GET", f"/jobs?parent_id={parent_id}")[1]["jobs"]
    return sorted(found, key=lambda job: job["params"]["site_ids"])


def at_work(service, parent_id: str, attempt: int = 1) -> dict[str, Any]:
    """A part that is worked on for the how-many-eth time."""

    def seen() -> dict[str, Any] | None:
        found = [job for job in parts(service, parent_id) if job["state"] == "running"]
        return next((job for job in found if len(job["attempts"]) == attempt), None)

    found: dict[str, Any] = until(seen)
    return found


def assert_done_once(service, farm: Farm, parent_id: str) -> dict[str, Any]:
    """The job ended well, each site was one part of it, and all figures are right."""
    parent = ended(service, parent_id)
    assert (parent["state"], parent["children"]) == ("succeeded", {"succeeded": 3})
    done = parts(service, parent_id)
    assert [job["params"]["site_ids"] for job in done] == [[site] for site in SITES]
    assert [outcomes(job).count("succeeded") for job in done] == [1, 1, 1]
    assert parent["result"]["meters"] == 3
    # 4 + 4 quarters (each reading's own, and what its hold reaches into is empty), and above them
    assert parent["result"]["rows_written"] == sum(job["result"]["rows_written"] for job in done)
    assert parent["progress"]["done"] == parent["progress"]["total"] > 0
    query = "start=2026-01-01T00:00:00Z&end=2026-01-01T01:00:00Z&grain=hour"
    status, document = service.call("GET", f"/metrics?{query}")
    assert status == 200, document
    assert [row["energy_kwh"] for row in document["rows"]] == [60.0] * 3
    with dbapi.connect(farm.database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select count(*), count(distinct (meter_key, grain, start_utc)) from rollups"
        )
        ((rows, keys),) = cursor.fetchall()
        cursor.execute("select count(*) from dirty")
        assert (rows, cursor.fetchall()) == (keys, [(0,)])
    return parent


def test_one_worker_with_one_slot_does_the_parts_and_then_the_whole(farm) -> None:
    service = farm.serve()
    farm.work(slots=1)
    take_in(service)

    parent = assert_done_once(service, farm, everything(service))

    assert outcomes(parent) == ["divided", "succeeded"]
    # What comes every hour is not divided.
    assert ended(service, submit(service))["children"] == {}


def test_a_part_whose_worker_is_killed_is_finished_by_another(farm) -> None:
    service, first = farm.serve(), farm.work()
    take_in(service)
    with farm.held() as release:
        job_id = everything(service)
        at_work(service, job_id)
        first.kill()
        farm.work()
        lost = at_work(service, job_id, attempt=2)
        release()
        parent = assert_done_once(service, farm, job_id)

    assert outcomes(look(service, lost["job_id"])) == ["lost", "succeeded"]
    assert outcomes(parent) == ["divided", "succeeded"]


def test_a_job_whose_worker_is_killed_while_it_is_divided_has_each_part_once(farm) -> None:
    service, first = farm.serve(), farm.work()
    take_in(service)
    with dbapi.connect(farm.database) as connection, connection.cursor() as cursor:
        cursor.execute("lock table dirty in access exclusive mode")  # nothing can be marked
        job_id = everything(service)
        until(lambda: look(service, job_id)["state"] == "running")
        time.sleep(1)
        assert look(service, job_id)["children"] == {}
        first.kill()
        farm.work()
        until(lambda: len(look(service, job_id)["attempts"]) == 2)
        connection.rollback()

    parent = assert_done_once(service, farm, job_id)

    assert outcomes(parent) == ["lost", "divided", "succeeded"]


def test_a_worker_that_slept_while_its_part_was_done_by_another_changes_nothing(farm) -> None:
    service, sleeper = farm.serve(), farm.work()
    take_in(service)
    with farm.held() as release:
        job_id = everything(service)
        at_work(service, job_id)
        sleeper.signal(signal.SIGSTOP)
        farm.work()
        stolen = at_work(service, job_id, attempt=2)
        sleeper.signal(signal.SIGCONT)
        time.sleep(LEASE_S)
        assert look(service, stolen["job_id"])["attempts"] == stolen["attempts"]
        release()
        assert_done_once(service, farm, job_id)

    assert outcomes(look(service, stolen["job_id"])) == ["lost", "succeeded"]


def test_messages_that_come_many_times_are_one_attempt_of_each_part(farm) -> None:
    service = farm.serve()
    take_in(service)
    job_id = everything(service)
    app = App("test", broker=farm.settings["REDIS_URL"], set_as_current=False)
    for _ in range(50):
        app.send_task("wattbook.work", ["io"], queue="io")
    app.close()
    farm.work(slots=2)
    farm.work(slots=2)

    parent = assert_done_once(service, farm, job_id)

    assert outcomes(parent) == ["divided", "succeeded"]
    assert [outcomes(job) for job in parts(service, job_id)] == [["succeeded"]] * 3


def test_one_whose_clock_is_wrong_takes_no_part_from_another(farm, an_hour_ahead) -> None:
    service = farm.serve()
    farm.work()
    take_in(service)
    with farm.held() as release:
        job_id = everything(service)
        first = at_work(service, job_id)
        farm.work(**an_hour_ahead)
        until(lambda: len(until(lambda: running(service, job_id))) == 2)
        time.sleep(2 * LEASE_S)
        assert look(service, first["job_id"])["attempts"] == first["attempts"]
        release()
        assert_done_once(service, farm, job_id)

    assert [outcomes(job) for job in parts(service, job_id)] == [["succeeded"]] * 3


def running(service, job_id: str) -> list[dict[str, Any]]:
    return [job for job in parts(service, job_id) if job["state"] == "running"]


def test_who_cancels_the_whole_stops_the_parts_and_a_retry_does_the_rest(farm) -> None:
    service = farm.serve()
    farm.work()
    take_in(service)
    with farm.held():
        job_id = everything(service)
        at_work(service, job_id)
        service.call("POST", f"/jobs/{job_id}/cancel")
        job = ended(service, job_id)  # while its work still waits for the lock

    assert (job["state"], job["children"]) == ("cancelled", {"cancelled": 3})
    assert service.call("POST", f"/jobs/{job_id}/retry")[0] == 200
    assert_done_once(service, farm, job_id)


@contextmanager
def by_hand(farm: Farm) -> Iterator["subprocess.Popen[str]"]:
    """`wattbook jobs run` of all there is, on the stores that the workers share."""
    words = ("jobs", "run", "aggregate", "--param", "everything=true")
    with subprocess.Popen(
        [sys.executable, "-m", "wattbook", *words],
        env=os.environ | farm.settings | {"JOB_SLOTS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def of_the_command_line(service) -> str:
    """The job that was asked for by hand, once parts of it are worked on."""

    def seen() -> str | None:
        found = service.call("GET", "/jobs?requested_by=cli")[1]["jobs"]
        return found[0]["job_id"] if found and found[0]["children"].get("running") else None

    job_id: str = until(seen)
    return job_id


def test_a_job_that_is_done_by_hand_is_followed_though_others_took_parts_of_it(farm) -> None:
    service = farm.serve()
    farm.work()
    take_in(service)
    with farm.held() as release, by_hand(farm) as process:
        job_id = of_the_command_line(service)
        until(lambda: len(running(service, job_id)) == 2)
        workers = {job["attempts"][0]["worker"] for job in running(service, job_id)}
        release()
        out, err = process.communicate(timeout=600)

    assert (process.returncode, len(workers), "cli" in workers) == (0, 2, True), err
    assert json.loads(out)["children"] == {"succeeded": 3}
    assert_done_once(service, farm, job_id)


def test_who_interrupts_a_job_that_is_done_by_hand_cancels_it(farm) -> None:
    service = farm.serve()
    take_in(service)
    with farm.held(), by_hand(farm) as process:
        job_id = of_the_command_line(service)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=600)

    assert (process.returncode, out, "Traceback" in err) == (130, "", False), err
    job = look(service, job_id)
    assert (job["state"], job["children"]) == ("cancelled", {"cancelled": 3})

"""Workers beside the service are killed, stopped, woken twice; jobs are done once all the same."""

import os
import signal
import subprocess
import sys
import time

import pytest
from celery import Celery as App
from tests.workers.conftest import LEASE_S, ended, look, outcomes, running, submit, until

pytestmark = pytest.mark.process


def take_in(service, meter: str = "a") -> None:
    """An hour of 60 kW: 60 kWh in an hour, a day, a week, a month, and in four quarters."""
    service.register(meter)
    rows = [
        {"meter_id": f"{meter}.main", "timestamp": f"2026-01-01T00:{minute:02}:00Z", "power_kw": 60}
        for minute in range(60)
    ]
    status, receipt = service.call("POST", "/ingest/telemetry", rows)
    assert (status, receipt["accepted"]) == (200, 60)


def energy(service, meter: str = "a") -> float:
    query = f"meter_id={meter}.main&start=2026-01-01T00:00:00Z&end=2026-01-01T01:00:00Z"
    status, document = service.call("GET", f"/metrics?{query}")
    assert status == 200, document
    (row,) = document["rows"]
    total: float = row["energy_kwh"]
    return total


def everything(service) -> str:
    return submit(service, params={"everything": True})


def test_a_job_whose_worker_is_killed_is_finished_by_another_from_its_checkpoint(farm) -> None:
    service, first = farm.serve(), farm.work()
    take_in(service)
    with farm.held() as release:
        job_id = everything(service)
        running(service, job_id)
        first.kill()
        farm.work()
        running(service, job_id, attempt=2)
        release()
        job = ended(service, job_id)

    assert outcomes(job) == ["lost", "succeeded"]
    assert len({attempt["worker"] for attempt in job["attempts"]}) == 2
    assert (job["result"]["meters"], energy(service)) == (1, 60.0)


def test_a_worker_forecasts_in_a_process_of_its_own_and_all_see_the_run(farm) -> None:
    service, worker = farm.serve(), farm.work()
    service.register("f", telemetry="interval", expected_interval_s=3600)
    rows = [
        {
            "meter_id": "f.main",
            "timestamp": f"2026-01-{day:02}T{hour:02}:00:00Z",
            "energy_kwh": hour,
        }
        for day in range(1, 29)
        for hour in range(24)
    ]
    assert service.call("POST", "/ingest/telemetry", rows)[1]["accepted"] == 28 * 24

    status, document = service.call(
        "GET", "/forecast/load?entity_id=f&model=naive&wait=60&horizon=1"
    )

    assert status == 200, document
    assert [row["mean"] for row in document["rows"]] == pytest.approx(list(range(24)))
    job = look(service, document["run_id"])
    assert not job["attempts"][0]["worker"].endswith(f":{service.process.pid}")
    assert worker.terminate() == 0


def test_a_worker_makes_a_report_and_the_service_hands_it_out(farm) -> None:
    service = farm.serve()
    farm.work()
    take_in(service)
    period = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"}
    params = {"entity_id": "a", "formats": ["json", "pdf"], **period}

    job = ended(service, submit(service, kind="report", params=params))

    assert outcomes(job) == ["succeeded"], job
    status, document = service.call("GET", f"/reports/{job['job_id']}.json")
    assert (status, document["total"]["energy_kwh"]) == (200, 60.0)
    assert document["fingerprint"]["sha256"] == job["result"]["fingerprint"]


def test_a_worker_that_slept_beyond_its_lease_can_no_longer_write_the_end(farm) -> None:
    service, sleeper = farm.serve(), farm.work()
    take_in(service)
    with farm.held() as release:
        job_id = everything(service)
        running(service, job_id)
        sleeper.signal(signal.SIGSTOP)
        farm.work()
        taken = running(service, job_id, attempt=2)
        sleeper.signal(signal.SIGCONT)
        time.sleep(LEASE_S)
        assert look(service, job_id)["attempts"] == taken["attempts"]
        release()
        job = ended(service, job_id)

    assert outcomes(job) == ["lost", "succeeded"]
    assert sleeper.process.poll() is None
    # It is none the worse for it.
    assert ended(service, submit(service))["state"] == "succeeded"


def test_a_worker_that_is_shut_down_gives_its_job_back(farm) -> None:
    service, first = farm.serve(), farm.work()
    take_in(service)
    with farm.held() as release:
        job_id = everything(service)
        running(service, job_id)
        other = farm.work()
        assert first.terminate() == 0  # while its work still waits for the lock
        running(service, job_id, attempt=2)
        release()
        job = ended(service, job_id)

    assert outcomes(job) == ["given_back", "succeeded"]
    assert other.terminate() == 0


def test_a_job_that_hears_nothing_is_cancelled(farm) -> None:
    service = farm.serve()
    farm.work()
    take_in(service)
    with farm.held():
        job_id = everything(service)
        running(service, job_id)
        service.call("POST", f"/jobs/{job_id}/cancel")
        job = ended(service, job_id)  # while its work still waits for the lock

    assert (job["state"], outcomes(job)) == ("cancelled", ["cancelled"])


def test_a_message_that_comes_many_times_is_one_attempt(farm) -> None:
    service = farm.serve()
    job_id = everything(service)
    app = App("test", broker=farm.settings["REDIS_URL"], set_as_current=False)
    for _ in range(50):
        app.send_task("wattbook.work", ["io"], queue="io")
    app.close()
    farm.work(slots=2)

    job = ended(service, job_id)

    time.sleep(1)
    assert look(service, job_id) == job
    assert outcomes(job) == ["succeeded"]


def test_messages_that_redis_lost_are_sent_again(farms, own_redis) -> None:
    broker = own_redis()
    farm = farms(broker.url)
    service = farm.serve()
    waiting = [submit(service) for _ in range(20)]
    broker.server.kill()
    broker.server.start()
    farm.work()
    assert {ended(service, job_id)["state"] for job_id in waiting} == {"succeeded"}

    broker.server.kill()
    broker.server.start()  # the worker's connection went with it
    assert ended(service, submit(service))["state"] == "succeeded"


def test_a_job_is_accepted_at_once_though_the_broker_is_away(farms, own_redis) -> None:
    broker = own_redis()
    farm = farms(broker.url)
    service = farm.serve()
    farm.work()
    broker.server.stop()

    job_id = submit(service)  # answered while there is no broker
    time.sleep(1)
    assert look(service, job_id)["state"] == "queued"

    broker.server.start()
    assert ended(service, job_id)["state"] == "succeeded"


def test_one_whose_clock_is_wrong_takes_no_job_from_another(farm, an_hour_ahead) -> None:
    service, right = farm.serve(), farm.work()
    take_in(service)
    with farm.held() as release:
        job_id = everything(service)
        running(service, job_id)
        farm.work(**an_hour_ahead)
        app = App("test", broker=farm.settings["REDIS_URL"], set_as_current=False)
        for _ in range(3 * LEASE_S):
            app.send_task("wattbook.work", ["io"], queue="io")
            time.sleep(1)
        app.close()
        assert len(look(service, job_id)["attempts"]) == 1
        release()
        assert outcomes(ended(service, job_id)) == ["succeeded"]

    right.terminate()
    job = ended(service, submit(service))
    assert job["created"] <= job["started"] <= job["finished"]
    assert job["finished"][:13] == look(service, job_id)["finished"][:13]  # no hour ahead


def test_two_services_and_beat_submit_a_slot_once(farm) -> None:
    often = {"AGGREGATE_EVERY_S": "4"}
    farm.settings |= {"SCHEDULES_ENABLED": "true"}
    service, _ = farm.serve(**often), farm.serve(**often)
    farm.work(**often)
    farm.celery("beat", "--loglevel", "warning", **often)

    def keys() -> list[str]:
        _, found = service.call("GET", "/jobs?requested_by=schedule:aggregate")
        return [job["idempotency_key"] for job in found["jobs"]]

    until(lambda: len(keys()) >= 3)

    assert len(keys()) == len(set(keys()))
    assert not (farm.folder / "celerybeat-schedule").exists()


def test_wattbook_work_does_jobs_until_it_is_told_to_stop(farm) -> None:
    service = farm.serve()
    with subprocess.Popen(
        [sys.executable, "-m", "wattbook", "work", "--slots", "1", "--queue", "io"],
        cwd=farm.folder,
        env=os.environ | farm.settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as working:
        try:
            assert ended(service, submit(service))["state"] == "succeeded"
        finally:
            working.terminate()
        assert working.wait(600) == 0


IN_THE_PARENT = """\
import os, sys, wattbook.workers.celery
print(len(os.listdir("/proc/self/task")), {"polars", "duckdb", "pyarrow"} & sys.modules.keys())
"""


def test_the_parent_of_a_worker_begins_no_thread_and_loads_nothing_that_computes() -> None:
    told = subprocess.run(
        [sys.executable, "-c", IN_THE_PARENT],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if not name.endswith("_URL")},
    )
    assert told.stdout == "1 set()\n"

"""A service, and Celery workers beside it, as processes of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_postgresql import dbapi
from tests.journeys.conftest import Service
from tests.services import debian
from tests.services.server import NoServerError

LEASE_S = 2
ENDED = ("succeeded", "failed", "cancelled")
FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"
TURN = 7_741_005
"""Advisory lock that all share who roll up: while a test has it, a job at work stays at work."""


class Celery:
    """A running `celery worker`, or `celery beat`."""

    def __init__(self, folder: Path, *words: str, **settings: str) -> None:
        self.log = folder / f"celery-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "wattbook.workers.celery", *words],
                cwd=folder,
                env=os.environ | settings,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, which: signal.Signals) -> None:
        """To the parent and all its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, which)

    def terminate(self) -> int:
        """End it as an operator would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)
        self.process.wait(20)


class Farm:
    """A database, a broker, and who works with them."""

    def __init__(self, folder: Path, database: str, broker: str) -> None:
        self.folder = folder
        self.database = database
        self.settings = {
            "DATABASE_URL": database,
            "REDIS_URL": broker,
            "JOB_LEASE_S": str(LEASE_S),
            "ROLLUP_IDLE_S": "3600",
            "SCHEDULES_ENABLED": "false",
        }
        self.started: list[Celery] = []
        self.services: list[Service] = []

    def serve(self, **settings: str) -> Service:
        all_of_them = self.settings | settings
        self.services.append(Service(self.folder / "data", largest_file=None, **all_of_them))
        return self.services[-1]

    def work(self, slots: int = 1, **settings: str) -> Celery:
        words = ("worker", "-Q", "io,cpu", "-c", str(slots), "--loglevel", "warning")
        return self.celery(*words, **settings)

    def celery(self, *words: str, **settings: str) -> Celery:
        self.started.append(Celery(self.folder, *words, **self.settings | settings))
        return self.started[-1]

    @contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """Nobody can roll up until the block ends, or until what it gives is called."""
        connection = dbapi.connect(self.database, autocommit=True)
        cursor = connection.cursor()
        cursor.execute(f"SELECT pg_advisory_lock({TURN})")
        cursor.fetchall()

        def release() -> None:
            cursor.execute("SELECT pg_advisory_unlock_all()")
            cursor.fetchall()

        try:
            yield release
        finally:
            cursor.close()
            connection.close()

    def end(self) -> None:
        for celery in self.started:
            celery.kill()
        for service in self.services:
            service.kill()


def until(look: Callable[[], Any], limit_s: float = 600.0) -> Any:
    """What is seen as soon as there is something to be seen."""
    end = time.monotonic() + limit_s
    while not (seen := look()):
        assert time.monotonic() < end, f"not within {limit_s} s"
        time.sleep(0.05)
    return seen


def submit(service: Service, **order: object) -> str:
    status, job = service.call("POST", "/jobs", {"kind": "aggregate"} | order)
    assert status == 202, job
    return str(job["job_id"])


def look(service: Service, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = service.call("GET", f"/jobs/{job_id}")[1]
    return job


def running(service: Service, job_id: str, attempt: int = 1) -> dict[str, Any]:
    def seen() -> dict[str, Any] | None:
        job = look(service, job_id)
        return job if job["state"] == "running" and len(job["attempts"]) == attempt else None

    found: dict[str, Any] = until(seen)
    return found


def ended(service: Service, job_id: str, limit_s: float = 600.0) -> dict[str, Any]:
    def seen() -> dict[str, Any] | None:
        job = look(service, job_id)
        return job if job["state"] in ENDED else None

    found: dict[str, Any] = until(seen, limit_s)
    return found


def outcomes(job: dict[str, Any]) -> list[str | None]:
    return [attempt["outcome"] for attempt in job["attempts"]]


@pytest.fixture
def farms(tmp_path: Path, database: str) -> Iterator[Callable[[str], Farm]]:
    """Makes farms with a broker; all that they started ends."""
    made: list[Farm] = []

    def one(broker: str) -> Farm:
        made.append(Farm(tmp_path, database, broker))
        return made[-1]

    yield one
    for farm in made:
        farm.end()


@pytest.fixture
def farm(farms, redis) -> Farm:
    made: Farm = farms(redis.url)
    return made


@pytest.fixture(scope="session")
def an_hour_ahead() -> dict[str, str]:
    """Settings of a process whose clock is wrong."""
    try:
        library = next(iter(Path("/").glob(FAKETIME.removeprefix("/"))), None)
        if library is None:
            debian.install("faketime")
            library = next(Path("/").glob(FAKETIME.removeprefix("/")))
    except NoServerError as error:
        pytest.skip(f"no faketime: {error}")
    return {"LD_PRELOAD": str(library), "FAKETIME": "+1h", "DONT_FAKE_MONOTONIC": "1"}


Held = Callable[[], AbstractContextManager[Callable[[], None]]]

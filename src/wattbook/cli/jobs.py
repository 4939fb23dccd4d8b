"""Jobs: asking for them, watching them, stopping them; here, or at a service."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

from wattbook import duties, settings, wiring
from wattbook.cli import door, progress, show
from wattbook.cli.show import NOTHING, Column, number
from wattbook.core.errors import (
    ConflictError,
    InputError,
    UnavailableError,
    UnknownEntityError,
    WattbookError,
)
from wattbook.core.jobs import Job, JobState
from wattbook.flows.jobs import Worker
from wattbook.ports.jobs import JobStore, Order
from wattbook.wiring import Runtime

BY_HAND: Final = "cli"
LOOK_S: Final = 0.25
ANSWER_S: Final = 30
HERE: Final = "cli"
REFUSALS: Final[dict[int, type[WattbookError]]] = {
    404: UnknownEntityError,
    409: ConflictError,
    422: InputError,
    503: UnavailableError,
}

Document = dict[str, Any]
Found = TypeVar("Found")


def list_all(url: str | None, state: str | None, kind: str | None, limit: int) -> list[Document]:
    """The newest jobs."""
    if url is not None:
        asked = {"state": state, "kind": kind, "limit": limit}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        found: list[Document] = call(url, "GET", f"/jobs?{query}")["jobs"]
        return found

    async def work(jobs: JobStore) -> list[Document]:
        wanted = None if state is None else JobState(state)
        page = await jobs.jobs(
            state=wanted, kind=None if kind is None else duties.known(kind), limit=limit
        )
        return [_document(job) for job in page.jobs]

    return _in_store(work)


def read(url: str | None, job_id: str) -> Document:
    """One job."""
    if url is not None:
        return call(url, "GET", f"/jobs/{job_id}")

    async def work(jobs: JobStore) -> Document:
        return _document(await jobs.job(job_id))

    return _in_store(work)


def cancel(url: str | None, job_id: str) -> Document:
    """Have a job stopped."""
    if url is not None:
        return call(url, "POST", f"/jobs/{job_id}/cancel")

    async def work(jobs: JobStore) -> Document:
        return _document(await jobs.steer(job_id, JobState.CANCELLED))

    return _in_store(work)


def submit(url: str, kind: str, params: Mapping[str, Any], priority: int) -> Document:
    """Ask a service for a job."""
    return call(url, "POST", "/jobs", {"kind": kind, "params": params, "priority": priority})


def run_here(kind: str, params: Mapping[str, Any]) -> Document:
    """Do a job here and now, on the stores that the settings name, with a bar."""
    known, checked = duties.checked(kind, params)
    order = Order(kind=known, params=checked, requested_by=BY_HAND)

    async def work(runtime: Runtime) -> Document:
        jobs = runtime.jobs
        job = await jobs.submit(order)
        lease = timedelta(seconds=runtime.settings.job_lease_s)
        worker = Worker(jobs, duties.of(runtime), name=HERE, lease=lease)
        claim = await jobs.claim(HERE, lease, job_id=job.job_id)
        if claim is not None:
            working = asyncio.create_task(worker.carry_out(claim))
            with bar(known) as step:
                while not working.done():
                    await asyncio.wait([working], timeout=LOOK_S)
                    step(_document(await jobs.job(job.job_id)))
            await working
        return _document(await jobs.job(job.job_id))

    try:
        return door.run(work)
    except UnavailableError as error:
        if "another process" not in str(error):
            raise
        raise UnavailableError(
            f"{error}; ask it with `wattbook jobs run {kind} --url http://127.0.0.1:8000`"
        ) from error


def watch(url: str | None, job_id: str) -> Document:
    """Follow a job with a bar until it ends."""
    job = read(url, job_id)
    with bar(job["kind"]) as step:
        while job["state"] not in ENDED:
            step(job)
            time.sleep(LOOK_S)
            job = read(url, job_id)
        step(job)
    return job


ENDED: Final = frozenset(str(state) for state in JobState if state.ended)


@contextmanager
def bar(label: str) -> Iterator[Callable[[Document], None]]:
    """A bar that a job's progress moves."""
    with progress.rows(label) as step:

        def tell(job: Document) -> None:
            if job["progress"]["total"]:
                unit = f"{job['progress']['unit']}, {job['state']}"
                step(job["progress"]["done"], job["progress"]["total"], unit)

        yield tell


def table(jobs: list[Document]) -> None:
    """Jobs, one to a line."""
    show.table(
        [
            Column("job", [job["job_id"] for job in jobs], right=False),
            Column("kind", [job["kind"] for job in jobs], right=False),
            Column("state", [job["state"] for job in jobs], right=False),
            Column("done", [_done(job["progress"]) for job in jobs]),
            Column("attempts", [number(len(job["attempts"])) for job in jobs], worth=3),
            Column("asked for by", [job["requested_by"] for job in jobs], right=False, worth=2),
            Column("created", [str(job["created"])[:19] for job in jobs], right=False, worth=4),
            Column("error", [job["error"] or NOTHING for job in jobs], right=False, folds=True),
        ]
    )


def _done(done: Document) -> str:
    return f"{number(done['done'])} of {number(done['total'])}" if done["total"] else NOTHING


def _document(job: Job) -> Document:
    return {
        "job_id": job.job_id,
        "kind": str(job.kind),
        "params": dict(job.params),
        "state": str(job.state),
        "priority": job.priority,
        "progress": {
            "done": job.progress.done,
            "total": job.progress.total,
            "unit": job.progress.unit,
        },
        "attempts": [
            {
                "number": attempt.number,
                "worker": attempt.worker,
                "started": attempt.started,
                "ended": attempt.ended,
                "outcome": attempt.outcome,
                "error": attempt.error,
                "traceback_id": attempt.traceback_id,
            }
            for attempt in job.attempts
        ],
        "result": None if job.result is None else dict(job.result),
        "error": job.error,
        "idempotency_key": job.idempotency_key,
        "requested_by": job.requested_by,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
    }


def _in_store(work: Callable[[JobStore], Awaitable[Found]]) -> Found:
    """Ask the table of jobs, which may be read while a service holds the other stores."""

    async def whole() -> Found:
        async with wiring.open_jobs(settings.load()) as jobs:
            return await work(jobs)

    return asyncio.run(whole())


def call(url: str, method: str, path: str, body: object = None) -> Document:
    """What the service answers; its refusals are our errors."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"{url!r} is no address of a service, as in http://127.0.0.1:8000")
    request = urllib.request.Request(  # noqa: S310 -- its scheme was looked at
        f"{url.rstrip('/')}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
            document: Document = json.load(answer)
            return document
    except urllib.error.HTTPError as refusal:
        detail = json.loads(refusal.read() or b"{}").get("detail", str(refusal))
        raise REFUSALS.get(refusal.code, WattbookError)(detail) from refusal
    except OSError as error:
        raise UnavailableError(f"no service answers at {url}: {error}") from error

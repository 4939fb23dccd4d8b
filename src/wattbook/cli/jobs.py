"""Jobs: asking for them, watching them, stopping them; here, or at a service."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.client import HTTPException
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
PATIENCE_S: Final = 60.0
"""So long a service that was watched may be away: it is upgraded, or the machine starts anew."""
LONGEST_PAUSE_S: Final = 4.0
ANSWER_S: Final = 30
HERE: Final = "cli"
WHOLE: Final = 1000
"""Length of a bar: what a job counts, and how much of it there is, may change as it goes on."""
REFUSALS: Final[dict[int, type[WattbookError]]] = {
    404: UnknownEntityError,
    409: ConflictError,
    422: InputError,
    502: UnavailableError,  # of a proxy, before a service that is away
    503: UnavailableError,
    504: UnavailableError,
}

Document = dict[str, Any]
Found = TypeVar("Found")


def list_all(
    url: str | None, state: str | None, kind: str | None, parent: str | None, limit: int
) -> list[Document]:
    """The newest jobs."""
    if url is not None:
        asked = {"state": state, "kind": kind, "parent_id": parent, "limit": limit}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        found: list[Document] = call(url, "GET", f"/jobs?{query}")["jobs"]
        return found

    async def work(jobs: JobStore) -> list[Document]:
        wanted = None if state is None else JobState(state)
        page = await jobs.jobs(
            state=wanted,
            kind=None if kind is None else duties.known(kind),
            parent_id=parent,
            limit=limit,
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
    """Do a job here and now, on the stores that the settings name, with a bar.

    Where a worker beside it takes the job, or children of it, it is followed to its end.
    """
    known, checked = duties.checked(kind, params)
    order = Order(kind=known, params=checked, requested_by=BY_HAND)

    async def work(runtime: Runtime) -> Document:
        jobs = runtime.jobs
        await duties.check(known, checked, runtime)
        job_id = (await jobs.submit(order)).job_id
        lease = timedelta(seconds=runtime.settings.job_lease_s)
        worker = Worker(jobs, duties.of(runtime), name=HERE, lease=lease, bell=runtime.bell)
        hands = [
            asyncio.create_task(_help(worker, job_id, jobs=jobs, lease=lease))
            for _ in range(runtime.settings.job_slots)
        ]
        try:
            return await _followed(job_id, hands, jobs=jobs)
        except asyncio.CancelledError:  # as by Ctrl-C
            await jobs.steer(job_id, JobState.CANCELLED)
            raise
        finally:
            worker.halt.set()
            await asyncio.gather(*hands, return_exceptions=True)

    try:
        return door.run(work)
    except UnavailableError as error:
        if "is open in" not in str(error):
            raise
        raise UnavailableError(
            f"{error}; ask it with `wattbook jobs run {kind} --url http://127.0.0.1:8000`"
        ) from error


async def _help(worker: Worker, job_id: str, *, jobs: JobStore, lease: timedelta) -> None:
    """Work on a job and its children until the worker is halted."""
    while not worker.halt.is_set():
        claim = await jobs.claim(HERE, lease, job_id=job_id)
        if claim is None:
            await asyncio.sleep(LOOK_S)
        else:
            await worker.carry_out(claim)


async def _followed(job_id: str, hands: list[asyncio.Task[None]], *, jobs: JobStore) -> Document:
    """A job when it has ended, with a bar until then; raises what one of the hands raised."""
    job = _document(await jobs.job(job_id))
    with bar(job["kind"]) as step:
        while job["state"] not in ENDED:
            step(job)
            done, _ = await asyncio.wait(hands, timeout=LOOK_S, return_when=asyncio.FIRST_EXCEPTION)
            for hand in done:
                hand.result()
            job = _document(await jobs.job(job_id))
        step(job)
    return job


def watch(url: str | None, job_id: str) -> Document:
    """Follow a job with a bar until it ends, also over a restart of the service."""
    job = read(url, job_id)
    with bar(job["kind"]) as step:
        while job["state"] not in ENDED:
            step(job)
            time.sleep(LOOK_S)
            job = _read_again(url, job_id)
        step(job)
    return job


def _read_again(url: str | None, job_id: str) -> Document:
    """The job; of a service that was there and went away, when it is back."""
    until = time.monotonic() + PATIENCE_S
    pause_s = LOOK_S
    while True:
        try:
            return read(url, job_id)
        except UnavailableError as error:
            if url is None or time.monotonic() + pause_s > until:
                raise
            if pause_s == LOOK_S:
                show.say(f"{error}; asking again for {PATIENCE_S:.0f} s", err=True)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


ENDED: Final = frozenset(str(state) for state in JobState if state.ended)


@contextmanager
def bar(label: str) -> Iterator[Callable[[Document], None]]:
    """A bar that a job's progress moves."""
    with progress.bar(label, WHOLE) as step:

        def tell(job: Document) -> None:
            done = job["progress"]
            step(WHOLE * done["done"] // done["total"] if done["total"] else 0, _said(job))

        yield tell


def _said(job: Document) -> str:
    """How far a job is, in words."""
    parts = job["children"]
    divided = f"{parts.get('succeeded', 0)} of {sum(parts.values())} parts" if parts else ""
    done = job["progress"]
    counted = f"{_done(done)} {done['unit']}" if done["total"] else ""
    return ", ".join(word for word in (job["state"], divided, counted) if word)


def table(jobs: list[Document]) -> None:
    """Jobs, one to a line."""
    show.table(
        [
            Column("job", [job["job_id"] for job in jobs], right=False),
            Column("kind", [job["kind"] for job in jobs], right=False),
            Column("state", [job["state"] for job in jobs], right=False),
            Column("done", [_done(job["progress"]) for job in jobs]),
            Column("parts", [_parts(job["children"]) for job in jobs], worth=5),
            Column("attempts", [number(len(job["attempts"])) for job in jobs], worth=3),
            Column("asked for by", [job["requested_by"] for job in jobs], right=False, worth=2),
            Column("created", [str(job["created"])[:19] for job in jobs], right=False, worth=4),
            Column("error", [job["error"] or NOTHING for job in jobs], right=False, folds=True),
        ]
    )


def _parts(children: Document) -> str:
    return number(sum(children.values())) if children else NOTHING


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
        "parent_id": job.parent_id,
        "children": {str(state): count for state, count in job.children.items()},
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
        raise REFUSALS.get(refusal.code, WattbookError)(_detail(refusal)) from refusal
    except (OSError, HTTPException, json.JSONDecodeError) as error:
        raise UnavailableError(f"no service answers at {url}: {error}") from error


def _detail(refusal: urllib.error.HTTPError) -> str:
    """What is wrong, in the words of the service, or of a proxy before it."""
    try:
        return str(json.loads(refusal.read())["detail"])
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return str(refusal)

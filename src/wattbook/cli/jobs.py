# ruff: noqa: PLC0415 -- a command that only shows jobs imports nothing that carries them out
"""Jobs: asking for them, watching them, stopping them; here, or at a service."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from wattbook.cli import ask, local, progress, show
from wattbook.cli.show import NOTHING, Column, number
from wattbook.core.errors import UnavailableError
from wattbook.core.jobs import Job, JobState, job_kind
from wattbook.schemas.jobs import JobOut, JobPageOut
from wattbook.wiring import reading

if TYPE_CHECKING:
    from wattbook.flows.jobs import Worker
    from wattbook.ports.jobs import JobStore
    from wattbook.settings import Settings
    from wattbook.wiring.runtime import Runtime

BY_HAND: Final = "cli"
POLL_INTERVAL_S: Final = 0.25
RECONNECT_TIMEOUT_S: Final = 60.0
"""So long a service that was watched may be away: it is upgraded, or the machine starts anew."""
MAX_DELAY_S: Final = 4.0
HERE: Final = "cli"
WHOLE: Final = 1000
"""Length of a bar: what a job counts, and how much of it there is, may change as it goes on."""
Document = dict[str, Any]


def list_all(
    url: str | None, state: str | None, kind: str | None, parent: str | None, limit: int
) -> Document:
    """The newest jobs."""
    if url is not None:
        asked = {"state": state, "kind": kind, "parent_id": parent, "limit": limit}
        found: Document = ask.get(url, "/jobs", asked)
        return found

    page = local.read(
        lambda config: reading.jobs(
            config,
            state=None if state is None else JobState(state),
            kind=None if kind is None else job_kind(kind),
            parent_id=parent,
            limit=limit,
        )
    )
    return JobPageOut.of(page).model_dump(mode="json")


def read(url: str | None, job_id: str) -> Document:
    """One job."""
    if url is not None:
        found: Document = ask.get(url, f"/jobs/{ask.step(job_id)}")
        return found

    return _document(local.read(lambda config: reading.job(config, job_id)))


def cancel(url: str | None, job_id: str) -> Document:
    """Have a job stopped."""
    if url is not None:
        found: Document = ask.send(url, "POST", f"/jobs/{ask.step(job_id)}/cancel", {})
        return found

    from wattbook.wiring.runtime import open_jobs

    async def steer(config: "Settings") -> Document:
        async with open_jobs(config) as jobs:
            return _document(await jobs.steer(job_id, JobState.CANCELLED))

    return local.read(steer)


def submit(url: str, kind: str, params: Mapping[str, Any], priority: int) -> Document:
    """Ask a service for a job."""
    order = {"kind": kind, "params": params, "priority": priority}
    found: Document = ask.send(url, "POST", "/jobs", order)
    return found


def run_to_end(
    kind: str, params: Mapping[str, Any], url: str | None, priority: int = 0
) -> Document:
    """A job that has ended: done here and now, or by a service."""
    if url is None:
        return run_here(kind, params)
    return watch(url, submit(url, kind, params, priority)["job_id"])


def run_here(kind: str, params: Mapping[str, Any]) -> Document:
    """Do a job here and now, on the stores that the settings name, with a bar.

    Where a worker beside it takes the job, or children of it, it is followed to its end.
    """
    from wattbook.flows.jobs import Worker
    from wattbook.jobs import registry
    from wattbook.ports.jobs import JobRequest

    known, checked = registry.validate(kind, params)
    order = JobRequest(kind=known, params=checked, requested_by=BY_HAND)

    async def work(runtime: "Runtime") -> Document:
        jobs = runtime.jobs
        await registry.check(known, checked, runtime)
        job_id = (await jobs.submit(order)).job_id
        lease = timedelta(seconds=runtime.settings.job_lease_s)
        worker = Worker(
            jobs, registry.build_handlers(runtime), name=HERE, lease=lease, bell=runtime.bell
        )
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

    return local.run(work)


async def _help(worker: "Worker", job_id: str, *, jobs: "JobStore", lease: timedelta) -> None:
    """Work on a job and its children until the worker is halted."""
    while not worker.halt.is_set():
        claim = await jobs.claim(HERE, lease, job_id=job_id)
        if claim is None:
            await asyncio.sleep(POLL_INTERVAL_S)
        else:
            await worker.carry_out(claim)


async def _followed(job_id: str, hands: list[asyncio.Task[None]], *, jobs: "JobStore") -> Document:
    """A job when it has ended, with a bar until then; raises what one of the hands raised."""
    job = _document(await jobs.job(job_id))
    with bar(job["kind"]) as step:
        while job["state"] not in ENDED:
            step(job)
            done, _ = await asyncio.wait(
                hands, timeout=POLL_INTERVAL_S, return_when=asyncio.FIRST_EXCEPTION
            )
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
            time.sleep(POLL_INTERVAL_S)
            job = _read_again(url, job_id)
        step(job)
    return job


def _read_again(url: str | None, job_id: str) -> Document:
    """The job; of a service that was there and went away, when it is back."""
    until = time.monotonic() + RECONNECT_TIMEOUT_S
    pause_s = POLL_INTERVAL_S
    while True:
        try:
            return read(url, job_id)
        except UnavailableError as error:
            if url is None or time.monotonic() + pause_s > until:
                raise
            if pause_s == POLL_INTERVAL_S:
                show.say(f"{error}; asking again for {RECONNECT_TIMEOUT_S:.0f} s", err=True)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, MAX_DELAY_S)


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
    return JobOut.of(job).model_dump(mode="json")

"""Working on jobs: taking one, keeping its lease, noting how it goes and how it ended."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog

from wattbook.core.errors import WattbookError
from wattbook.core.jobs import (
    MAX_TRIES,
    Job,
    JobKind,
    JobState,
    Outcome,
    Progress,
    pause,
    worth_another_try,
)
from wattbook.ports.jobs import Claim, Ending, JobStore

log = structlog.get_logger()

QUEUES: Final = ("io", "cpu")
"""Of the workers: one for what waits for stores, one for what computes for long."""
CPU_KINDS: Final = frozenset({JobKind.REPORT})
LEASE: Final = timedelta(seconds=30)
"""After so much silence of a worker its job is anybody's."""
BEAT_S: Final = 0.5
"""Progress moves at least this often, and a wish to cancel is heard within it."""


def queue_of(kind: JobKind) -> str:
    """The queue of a kind of job."""
    return QUEUES[kind in CPU_KINDS]


class Stopped(Exception):  # noqa: N818 -- a wish, no error
    """The job is to end here: it was cancelled, lost, or its worker shuts down."""


@dataclass(slots=True)
class Running:
    """A job at work: what its duty is given."""

    claim: Claim
    progress: Progress = field(default_factory=Progress)
    checkpoint: dict[str, Any] = field(default_factory=dict)
    state: JobState | None = JobState.RUNNING
    """As last heard of; null where the claim is lost."""
    shutting_down: bool = False

    def step(self, done: int, total: int | None, unit: str, **checkpoint: object) -> None:
        """Note how far the work is; a good place to stop.

        Raises
        ------
        Stopped
            The work is to end here; what is in the checkpoint need not be done again.
        """
        self.progress = Progress(done, total, unit)
        self.checkpoint |= checkpoint
        if self.state is not JobState.RUNNING or self.shutting_down:
            raise Stopped


Duty = Callable[[Running], Awaitable[Mapping[str, Any]]]
"""What a kind of job does; returns the result. Run twice, it has the effect of once."""


async def work_on(running: Running, duty: Duty, *, jobs: JobStore) -> None:
    """Carry out a claimed job to its end, whatever that is."""
    beating = asyncio.create_task(_beat(running, jobs))
    try:
        ending = await _outcome(running, duty)
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
    job = running.claim.job
    last = await jobs.beat(running.claim, LEASE, running.progress, running.checkpoint or None)
    noted = last is not None and await jobs.end(running.claim, ending)
    outcome = str(ending.outcome) if noted else str(Outcome.LOST)
    log.info("job_ended", job_id=job.job_id, kind=str(job.kind), outcome=outcome)


async def _beat(running: Running, jobs: JobStore) -> None:
    """Renew the lease until cancelled; hear whether the job is still wanted, and still ours."""
    while running.state is not None:
        await asyncio.sleep(BEAT_S)
        try:
            running.state = await jobs.beat(
                running.claim, LEASE, running.progress, running.checkpoint or None
            )
        except WattbookError as error:  # the store is away: until the lease runs out we go on
            log.warning("job_unheard", job_id=running.claim.job.job_id, reason=str(error))


async def _outcome(running: Running, duty: Duty) -> Ending:
    job = running.claim.job
    try:
        result = await duty(running)
    except Stopped:
        if running.shutting_down and running.state is JobState.RUNNING:
            return Ending(outcome=Outcome.GIVEN_BACK, state=JobState.QUEUED, pause=timedelta())
        return Ending(outcome=Outcome.CANCELLED, state=JobState.CANCELLED)
    except Exception as error:  # a worker outlives whatever a job does
        traceback_id = uuid.uuid4().hex
        log.exception(
            "job_failed", job_id=job.job_id, kind=str(job.kind), traceback_id=traceback_id
        )
        again = worth_another_try(error) and running.claim.tries < MAX_TRIES
        return Ending(
            outcome=Outcome.FAILED,
            state=JobState.QUEUED if again else JobState.FAILED,
            error=f"{type(error).__name__}: {error}",
            traceback_id=traceback_id,
            pause=pause(running.claim.tries) if again else None,
        )
    return Ending(outcome=Outcome.SUCCEEDED, state=JobState.SUCCEEDED, result=result)


POLL_S: Final = 1.0
"""Without a ring the runner looks this often: for jobs of others, and for those that waited."""


class Runner:
    """Works on jobs within this process, a few at a time; the store remembers all of them."""

    def __init__(
        self, jobs: JobStore, duties: Mapping[JobKind, Duty], *, worker: str, slots: int
    ) -> None:
        self._jobs = jobs
        self._duties = duties
        self._worker = worker
        self._slots = asyncio.Semaphore(slots)
        self._bell = asyncio.Event()
        self._at_work: dict[asyncio.Task[None], Running] = {}

    async def ring(self, _: Job) -> None:
        """Say that there is a new job."""
        self._bell.set()

    async def run(self) -> None:
        """Take jobs and work on them until cancelled."""
        while True:
            await self._slots.acquire()
            try:
                claim = await self._jobs.claim(self._worker, LEASE)
            except WattbookError as error:
                log.warning("jobs_out_of_reach", reason=str(error))
                claim = None
            if claim is None:
                self._slots.release()
                await self._wait()
                continue
            running = Running(claim, checkpoint=dict(claim.job.checkpoint or {}))
            duty = self._duties[claim.job.kind]
            task = asyncio.create_task(work_on(running, duty, jobs=self._jobs))
            self._at_work[task] = running
            task.add_done_callback(self._done)

    async def stop(self) -> None:
        """Ask what is at work to stop at its next step, and give it back."""
        for running in self._at_work.values():
            running.shutting_down = True
        await asyncio.gather(*self._at_work, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._at_work[task]
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("job_left_behind", reason=str(error))  # its lease runs out, another takes it

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), POLL_S)
        self._bell.clear()

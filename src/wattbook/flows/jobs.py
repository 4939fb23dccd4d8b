"""Working on jobs: taking one, keeping its lease, noting how it goes and how it ended."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import structlog

from wattbook.core.errors import ConflictError, Failure, UnavailableError, WattbookError
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
from wattbook.ports.jobs import AttemptResult, Child, Claim, JobQueue, JobStore, WorkerNotifier

log = structlog.get_logger()

HEARTBEAT_INTERVAL_S: Final = 0.5
"""Progress moves at least this often, and a wish to cancel is heard within it."""
BEATS_IN_A_LEASE: Final = 6
"""At least: one that is late or lost costs nobody the job."""
CANCEL_GRACE_S: Final = 0.2
"""So long after a job was cancelled its work may look for a good place to stop."""
GRACE_S: Final = 10.0
"""The same when the worker shuts down."""
LAST_BEAT_S: Final = 5.0
"""A beat that is under way when the work is over has so long to come back."""
AGAIN_S: Final = 0.5
"""Pause before the end of an attempt is noted again, where the store was away."""


class Stopped(Exception):  # noqa: N818 -- a wish, no error
    """The job is to end here: it was cancelled, lost, or its worker shuts down."""


@dataclass(slots=True)
class Running:
    """A job at work: what its duty is given."""

    claim: Claim
    halt: asyncio.Event
    """Set when the worker shuts down."""
    progress: Progress = field(default_factory=Progress)
    checkpoint: dict[str, Any] = field(default_factory=dict)
    state: JobState | None = JobState.RUNNING
    """As last heard of; null where the claim is lost."""

    @classmethod
    def of(cls, claim: Claim, halt: asyncio.Event) -> "Running":
        """A claimed job, from where an earlier attempt left it."""
        return cls(claim, halt, claim.job.progress, dict(claim.job.checkpoint or {}))

    @property
    def given_back(self) -> bool:
        """Whether another worker is to go on with it."""
        return self.state is JobState.RUNNING and self.halt.is_set()

    def step(self, done: int, total: int | None, unit: str, **checkpoint: object) -> None:
        """Note how far the work is; a good place to stop.

        Raises
        ------
        Stopped
            The work is to end here; what is in the checkpoint need not be done again.
        """
        self.progress = Progress(done, total, unit)
        self.checkpoint |= checkpoint
        if self.state is not JobState.RUNNING or self.halt.is_set():
            raise Stopped


@dataclass(frozen=True, slots=True)
class FannedOut:
    """What a job leaves to children; when the last of them has ended it is begun again."""

    children: tuple[Child, ...]


JobHandler = Callable[[Running], Awaitable[Mapping[str, Any] | FannedOut]]
"""What a kind of job does; returns the result. Run twice, it has the effect of once."""


def was_fanned_out(job: Job) -> bool:
    """Whether its children have done the work."""
    return any(attempt.outcome is Outcome.DIVIDED for attempt in job.attempts)


MAX_LISTED: Final = 10
"""So many children that did not succeed are named by their parent; the others are counted."""


async def sum_children(parent: Job, *, jobs: JobStore) -> dict[str, int]:
    """The results of a job's children, added up name by name.

    Raises
    ------
    ConflictError
        Some did not succeed; it names them.
    """
    results: Counter[str] = Counter()
    amiss: list[str] = []
    count, cursor = 0, None
    while True:
        page = await jobs.jobs(parent_id=parent.job_id, after=cursor, limit=1000)
        count += len(page.jobs)
        for child in page.jobs:
            if child.state is JobState.SUCCEEDED:
                results.update(child.result or {})
            else:
                said = f": {child.failure.detail}" if child.failure else ""
                amiss.append(f"{child.job_id} {child.state}{said}")
        if (cursor := page.cursor) is None:
            break
    if amiss:
        more = f" and {len(amiss) - MAX_LISTED} more" if len(amiss) > MAX_LISTED else ""
        named = "; ".join(amiss[:MAX_LISTED])
        raise ConflictError(f"{len(amiss)} of {count} parts did not succeed: {named}{more}")
    return dict(results)


class Worker:
    """Takes jobs and carries them out; one that is told to halt gives them back."""

    def __init__(
        self,
        jobs: JobQueue,
        duties: Mapping[JobKind, JobHandler],
        *,
        name: str,
        lease: timedelta,
        bell: WorkerNotifier | None = None,
    ) -> None:
        self._jobs = jobs
        self._bell = bell
        self._duties = duties
        self._name = name
        self._lease = lease
        self.halt = asyncio.Event()

    async def claim(self, kinds: Collection[JobKind] = tuple(JobKind)) -> Claim | None:
        """The next job of these kinds that this worker knows how to do."""
        known = [kind for kind in kinds if kind in self._duties]
        return await self._jobs.claim(self._name, self._lease, kinds=known)

    async def carry_out(self, claim: Claim) -> Outcome:
        """Work on a job to the end of the attempt, whatever that is."""
        job = claim.job
        running = Running.of(claim, self.halt)
        work = asyncio.create_task(_outcome(running, self._duties[job.kind]))
        over = asyncio.Event()
        watching = asyncio.create_task(self._watch(running, work, over))
        try:
            ending = await work
        finally:
            over.set()
            await asyncio.wait([watching], timeout=LAST_BEAT_S)
            watching.cancel()
        outcome = await self._note(running, ending)
        log.info("job_finished", job_id=job.job_id, kind=str(job.kind), outcome=str(outcome))
        if outcome is Outcome.DIVIDED and self._bell is not None:
            await self._bell.ring(job.kind, len(ending.children))
        return outcome

    async def _watch(
        self, running: Running, work: asyncio.Task[AttemptResult], over: asyncio.Event
    ) -> None:
        """Renew the lease; end work that goes on though it was told to stop."""
        now = asyncio.get_running_loop().time
        beat_s = min(HEARTBEAT_INTERVAL_S, self._lease.total_seconds() / BEATS_IN_A_LEASE)
        halted: float | None = None
        while running.state is JobState.RUNNING:
            if running.halt.is_set():
                halted = halted or now()
                if now() - halted > GRACE_S:
                    break
            if await _within(beat_s, over):
                return
            try:
                running.state = await self._jobs.beat(
                    running.claim, self._lease, running.progress, running.checkpoint or None
                )
            except Exception as error:  # noqa: BLE001 -- until the lease runs out we go on
                log.warning("heartbeat_failed", job_id=running.claim.job.job_id, reason=str(error))
        else:
            await _within(CANCEL_GRACE_S, over)
        work.cancel()

    async def _note(self, running: Running, ending: AttemptResult) -> Outcome:
        ending = replace(ending, progress=running.progress, checkpoint=running.checkpoint or None)
        try:
            noted = await self._insist(running.claim, ending)
        except WattbookError:
            raise
        except Exception as error:  # noqa: BLE001 -- its result cannot be kept
            noted = await self._insist(running.claim, _failure(running, error))
        return ending.outcome if noted else Outcome.LOST

    async def _insist(self, claim: Claim, ending: AttemptResult) -> bool:
        """Have the end noted; a store that is away may come back within a lease."""
        now = asyncio.get_running_loop().time
        until = now() + self._lease.total_seconds()
        while True:
            try:
                return await self._jobs.end(claim, ending)
            except UnavailableError:
                if now() > until:
                    raise
            await asyncio.sleep(AGAIN_S)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether it happens within so many seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


async def _outcome(running: Running, duty: JobHandler) -> AttemptResult:
    try:
        result = await duty(running)
    except (Stopped, asyncio.CancelledError):
        if running.given_back:
            return AttemptResult(
                outcome=Outcome.GIVEN_BACK, state=JobState.QUEUED, pause=timedelta()
            )
        if running.state is JobState.RUNNING:  # who waits for us was cancelled
            raise
        return AttemptResult(outcome=Outcome.CANCELLED, state=JobState.CANCELLED)
    except Exception as error:  # noqa: BLE001 -- a worker outlives whatever a job does
        return _failure(running, error)
    if isinstance(result, FannedOut):
        return AttemptResult(
            outcome=Outcome.DIVIDED, state=JobState.RUNNING, children=result.children
        )
    return AttemptResult(outcome=Outcome.SUCCEEDED, state=JobState.SUCCEEDED, result=result)


def _failure(running: Running, error: Exception) -> AttemptResult:
    job = running.claim.job
    traceback_id = uuid.uuid4().hex
    again = worth_another_try(error) and running.claim.tries < MAX_TRIES
    log.error(
        "job_failed",
        job_id=job.job_id,
        kind=str(job.kind),
        traceback_id=traceback_id,
        again=again,
        exc_info=error,
    )
    return AttemptResult(
        outcome=Outcome.FAILED,
        state=JobState.QUEUED if again else JobState.FAILED,
        failure=Failure.from_error(error),
        traceback_id=traceback_id,
        pause=pause(running.claim.tries) if again else None,
    )


POLL_S: Final = 1.0
"""Without a ring the runner looks this often: for jobs of others, and for those that waited."""


class Runner:
    """Works on jobs within this process, a few at a time; the store remembers all of them."""

    def __init__(self, worker: Worker, *, slots: int) -> None:
        self._worker = worker
        self._slots = asyncio.Semaphore(slots)
        self._bell = asyncio.Event()
        self._at_work: set[asyncio.Task[Outcome]] = set()

    async def ring(self, _: JobKind, times: int = 1) -> None:  # noqa: ARG002 -- one look finds all
        """Say that there is a new job."""
        self._bell.set()

    async def run(self) -> None:
        """Take jobs and work on them until told to stop."""
        while True:
            await self._slots.acquire()
            if self._worker.halt.is_set():
                break
            claim = await self._claim()
            if claim is None:
                self._slots.release()
                await self._wait()
                continue
            task = asyncio.create_task(self._worker.carry_out(claim))
            self._at_work.add(task)
            task.add_done_callback(self._done)
        await self._all_done()  # also with what was claimed while it was told to stop

    async def stop(self) -> None:
        """Have what is at work stop at its next step, and give it back."""
        self._worker.halt.set()
        self._bell.set()
        await self._all_done()

    async def _all_done(self) -> None:
        while self._at_work:
            await asyncio.wait(self._at_work)

    async def _claim(self) -> Claim | None:
        try:
            return await self._worker.claim()
        except Exception as error:  # noqa: BLE001 -- whatever it was, the next look may succeed
            log.warning("job_store_unavailable", reason=str(error))
            return None

    def _done(self, task: asyncio.Task[Outcome]) -> None:
        self._at_work.discard(task)
        self._slots.release()
        self._bell.set()  # it may have left children, or been the last that its parent waited for
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("job_crashed", reason=str(error))  # its lease runs out, another takes it

    async def _wait(self) -> None:
        await _within(POLL_S, self._bell)
        if not self._worker.halt.is_set():
            self._bell.clear()

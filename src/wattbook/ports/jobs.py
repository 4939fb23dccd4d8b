"""What keeps jobs: its rows are the truth about who does what."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from wattbook.core.errors import Failure
from wattbook.core.jobs import Job, JobKind, JobState, Outcome, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A job that is asked for."""

    kind: JobKind
    params: Mapping[str, Any]
    requested_by: str
    idempotency_key: str | None = None
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A part of a job that is divided: a job of the same kind."""

    params: Mapping[str, Any]
    progress: Progress
    """How much there is to do."""


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first, and the cursor for those that follow; null at the end."""

    jobs: tuple[Job, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a job, until the lease runs out or another attempt begins."""

    job: Job
    attempt: int
    """The how-many-eth run: whoever holds an older number has lost the job."""
    tries: int
    """Runs since a person last asked for the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """How an attempt ended, and the state in which it leaves the job."""

    outcome: Outcome
    state: JobState
    result: Mapping[str, Any] | None = None
    failure: Failure | None = None
    traceback_id: str | None = None
    pause: timedelta | None = None
    """For a job that is queued again: how long it waits."""
    progress: Progress | None = None
    """As far as the attempt came."""
    checkpoint: Mapping[str, Any] | None = None
    children: tuple[Child, ...] = ()
    """What is left to others: the job waits, at no worker, until the last of them has ended."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How many jobs there are, and how long those took that succeeded of late."""

    counts: Mapping[tuple[JobKind, JobState], int]
    durations: Mapping[JobKind, tuple[timedelta, ...]]
    """From the beginning of the first attempt to the end of the last; the newest first."""


@dataclass(frozen=True, slots=True)
class Daily:
    """How many jobs of a kind that were created on one UTC day are in a state."""

    day: date
    kind: JobKind
    state: JobState
    jobs: int


class WorkerNotifier(Protocol):
    """Tells workers that jobs wait; a bell that nobody hears is no error."""

    async def ring(self, kind: JobKind, times: int = 1) -> None:
        """Wake so many workers, as far as they are idle: jobs of this kind wait."""
        ...


class Broker(WorkerNotifier, Protocol):
    """A bell in a process of its own, which can be out of reach."""

    async def check(self) -> None:
        """Raise UnavailableError where the broker does not answer."""
        ...


class JobQueue(Protocol):
    """What a worker needs of the jobs; all times are by the clock of the store."""

    async def claim(
        self,
        worker: str,
        lease: timedelta,
        *,
        kinds: Collection[JobKind] | None = None,
        job_id: str | None = None,
    ) -> Claim | None:
        """A job whose worker fell silent, or the next that waits; null if there is none.

        Only one of these kinds, or only this one and its children, where that is said. Of many
        that ask at once exactly one gets a job.
        """
        ...

    async def beat(
        self,
        claim: Claim,
        lease: timedelta,
        progress: Progress | None = None,
        checkpoint: Mapping[str, Any] | None = None,
    ) -> JobState | None:
        """Renew the lease and note progress; the job's state, or null where the claim is lost."""
        ...

    async def end(self, claim: Claim, ending: AttemptResult) -> bool:
        """Note how the attempt ended; false where the claim is lost, and then nothing is noted.

        Children begin with the same transaction; who ends the last one wakes the parent.
        """
        ...

    async def backlog(self) -> Mapping[JobKind, int]:
        """How many jobs of each kind could be claimed now."""
        ...


class JobStore(JobQueue, Protocol):
    """Keeps jobs."""

    async def submit(self, order: JobRequest) -> Job:
        """A new job; the same key with the same order is the same job.

        Raises
        ------
        ConflictError
            The key was used for another order, or with another priority.
        """
        ...

    async def job(self, job_id: str) -> Job:
        """One job; UnknownEntityError if there is none."""
        ...

    async def jobs(
        self,
        *,
        state: JobState | None = None,
        kind: JobKind | None = None,
        requested_by: str | None = None,
        parent_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> JobPage:
        """Jobs by the time of their creation, newest first."""
        ...

    async def steer(self, job_id: str, wanted: JobState) -> Job:
        """Have a job cancelled (`CANCELLED`) or, after it ended, run again (`QUEUED`).

        Its children are cancelled with it; of them run again those that did not succeed.

        Raises
        ------
        ConflictError
            The state that it is in does not allow it.
        """
        ...

    async def figures(self, newest: int = 1000) -> Figures:
        """How many jobs there are, and how long the newest of them took that succeeded."""
        ...

    async def daily(self, since: datetime, until: datetime) -> Sequence[Daily]:
        """How many jobs were created between two instants, by day, kind and state."""
        ...

    async def now(self) -> datetime:
        """The time by which everything here is stamped."""
        ...

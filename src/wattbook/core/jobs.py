"""Background work: what a job is, which states it goes through, when it is tried again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from wattbook.core.errors import (
    ConflictError,
    Failure,
    InputError,
    Problem,
    UnavailableError,
    UnknownEntityError,
    UnsupportedError,
    WattbookError,
)

MAX_TRIES: Final = 5
"""So often a job is tried, unless a person asks for more."""
FIRST_DELAY_S: Final = 2
MAX_DELAY_S: Final = 300


class JobKind(StrEnum):
    """Kind of the jobs."""

    AGGREGATE = "aggregate"
    PROCESS_DEVICE = "process_device"
    CLEANUP = "cleanup"
    REPORT = "report"
    IMPORT_INFLUXDB = "import_influxdb"
    FORECAST = "forecast"
    RETRAIN = "retrain"
    DETECT_ANOMALIES = "detect_anomalies"


def job_kind(name: str) -> JobKind:
    """The kind of that name.

    Raises
    ------
    InputError
        If there is none; it lists them.
    """
    if name not in tuple(JobKind):
        detail = f"there is no kind of job {name!r}: must be one of {', '.join(JobKind)}"
        raise InputError(detail, [Problem("unknown_kind", detail, field="kind")])
    return JobKind(name)


QUEUES: Final = ("io", "cpu")
"""Of the workers: one for what waits for stores, one for what computes for long."""
CPU_KINDS: Final = frozenset(
    {JobKind.REPORT, JobKind.FORECAST, JobKind.RETRAIN, JobKind.DETECT_ANOMALIES}
)


def queue_of(kind: JobKind) -> str:
    """The queue of a kind of job.

    Examples
    --------
    >>> queue_of(JobKind.AGGREGATE), queue_of(JobKind.REPORT)
    ('io', 'cpu')
    """
    return QUEUES[kind in CPU_KINDS]


class JobState(StrEnum):
    """Where a job stands in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    """Its worker fell silent, and another took over."""
    GIVEN_BACK = "given_back"
    """Its worker was shut down in good order."""
    DIVIDED = "divided"
    """Its children do the work; the last of them that ends wakes it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a job is done."""

    done: int = 0
    total: int | None = None
    unit: str = "steps"

    def eta_s(self, started: datetime | None, now: datetime) -> int | None:
        """Seconds until all is done at the pace so far; null where none can be told."""
        if started is None or not self.total or not self.done:
            return None
        seconds = (now - started) / timedelta(seconds=1)
        return round(seconds * (self.total - self.done) / self.done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a job on one worker."""

    number: int
    worker: str
    started: datetime
    ended: datetime | None = None
    outcome: Outcome | None = None
    error: str | None = None
    traceback_id: str | None = None
    """Under which the traceback is in the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One background run."""

    job_id: str
    kind: JobKind
    params: Mapping[str, Any]
    state: JobState
    priority: int = 0
    """Higher goes first."""
    progress: Progress = field(default_factory=Progress)
    """Its own, or the sum of its children's."""
    checkpoint: Mapping[str, Any] | None = None
    """From where a next attempt goes on."""
    attempts: tuple[Attempt, ...] = ()
    result: Mapping[str, Any] | None = None
    failure: Failure | None = None
    """Why it failed; null unless it did."""
    idempotency_key: str | None = None
    parent_id: str | None = None
    children: Mapping[JobState, int] = field(default_factory=dict)
    """How many of the jobs that it was divided into are in which state."""
    requested_by: str
    created: datetime
    not_before: datetime
    started: datetime | None = None
    finished: datetime | None = None


def worth_another_try(error: BaseException) -> bool:
    """Whether the same job may succeed later: a part was away, or something unforeseen broke."""
    return isinstance(error, UnavailableError) or not isinstance(error, WattbookError)


def pause(attempt: int) -> timedelta:
    """How long to wait after so many attempts: twice as long each time, up to a limit.

    Examples
    --------
    >>> [pause(attempt).seconds for attempt in (1, 2, 3, 20)]
    [2, 4, 8, 300]
    """
    return timedelta(seconds=min(FIRST_DELAY_S << min(attempt - 1, 16), MAX_DELAY_S))


CALLERS_FAULT: Final = (InputError, UnknownEntityError, ConflictError, UnsupportedError)
"""Errors that a caller can do something about."""


def error_of(job_id: str, state: str, failure: Failure | None) -> WattbookError:
    """The error to raise for a job that did not succeed.

    An error that the caller can do something about is the same as if the job had run at once;
    anything else is a conflict that names the job.

    >>> error_of("j1", "failed", Failure("invalid_input", "grain: unknown"))
    InputError('grain: unknown')
    >>> error_of("j1", "cancelled", None)
    ConflictError('the job j1 is cancelled')
    """
    error = None if failure is None else failure.to_error()
    if isinstance(error, CALLERS_FAULT):
        return error
    why = "" if error is None else f": {error}"
    return ConflictError(f"the job {job_id} is {state}{why}")

"""Answers about background jobs."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from wattbook.core.jobs import Job, JobKind, JobState, Outcome
from wattbook.ports.jobs import JobPage
from wattbook.schemas.fields import Answer
from wattbook.schemas.problems import Fault


class ProgressOut(Answer):
    """How much of a job is done."""

    done: int
    total: int | None
    unit: str
    eta_s: int | None = Field(description="seconds until it is done, at the pace so far")


class AttemptOut(Answer):
    """One run of a job on one worker."""

    number: int
    worker: str
    started: datetime
    ended: datetime | None
    outcome: Outcome | None
    error: str | None
    traceback_id: str | None = Field(description="under which the traceback is in the log")


class JobOut(BaseModel):
    """One background run."""

    job_id: str
    kind: JobKind
    params: dict[str, Any]
    state: JobState
    priority: int
    progress: ProgressOut
    attempts: list[AttemptOut]
    result: dict[str, Any] | None
    error: str | None = Field(description="why the job failed")
    error_kind: str | None = Field(
        description="kind of that error, such as invalid_input, unknown_entity or unavailable"
    )
    errors: list[Fault] = Field(description="each thing that is wrong with the input")
    idempotency_key: str | None
    parent_id: str | None = Field(description="the job that it is a part of")
    children: dict[JobState, int] = Field(
        description="how many of the parts that it was divided into are in which state"
    )
    requested_by: str
    created: datetime
    started: datetime | None
    finished: datetime | None

    @classmethod
    def of(cls, job: Job) -> "JobOut":
        """The answer about a job."""
        failure = job.failure
        begun = job.attempts[-1].started if job.attempts else None
        eta = None if job.state.ended else job.progress.eta_s(begun, datetime.now(UTC))
        return cls(
            job_id=job.job_id,
            kind=job.kind,
            params=dict(job.params),
            state=job.state,
            priority=job.priority,
            progress=ProgressOut(
                done=job.progress.done,
                total=job.progress.total,
                unit=job.progress.unit,
                eta_s=eta,
            ),
            attempts=[AttemptOut.model_validate(attempt) for attempt in job.attempts],
            result=None if job.result is None else dict(job.result),
            error=failure.detail if failure else None,
            error_kind=failure.kind if failure else None,
            errors=[Fault(**asdict(each)) for each in (failure.problems if failure else ())],
            idempotency_key=job.idempotency_key,
            parent_id=job.parent_id,
            children=dict(job.children),
            requested_by=job.requested_by,
            created=job.created,
            started=job.started,
            finished=job.finished,
        )


class JobPageOut(BaseModel):
    """Some jobs, newest first, and the cursor for those that follow."""

    jobs: list[JobOut]
    cursor: str | None

    @classmethod
    def of(cls, page: JobPage) -> "JobPageOut":
        """The answer about a page."""
        return cls(jobs=[JobOut.of(job) for job in page.jobs], cursor=page.cursor)

"""What a kind of job is, and what the parameters of all kinds have in common."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from wattbook.core.errors import ConflictError, InputError, Problem, UnknownEntityError
from wattbook.core.jobs import Job, JobKind, JobState
from wattbook.core.periods import Period
from wattbook.flows.jobs import FannedOut, Running
from wattbook.flows.schedules import Schedule
from wattbook.ports.jobs import JobStore
from wattbook.schemas.fields import DayOrInstant
from wattbook.settings import Settings
from wattbook.wiring.runtime import Runtime

READABLE: Final = r"^[^\x00-\x1f\x7f-\x9f]+$"
"""No control characters."""
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=READABLE)]
EntityId = Annotated[str, Field(min_length=1, max_length=80, pattern=READABLE)]
"""An id, or an id behind its kind: `operator:alder`."""


class Params(BaseModel):
    """Parameters of a job; an unknown parameter is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OverPeriod(Params):
    """Parameters of a job over a period."""

    start: DayOrInstant = Field(description="start (inclusive)")
    end: DayOrInstant = Field(description="end (exclusive)")

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end must be after start")
        return self

    @property
    def period(self) -> Period:
        """The period."""
        return Period(self.start, self.end)


P = TypeVar("P", bound=Params)
Result = Mapping[str, Any] | FannedOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[P]):
    """A kind of job: all that the registry needs to know about it."""

    kind: JobKind
    params: type[P]
    handler: Callable[[Running, P, Runtime], Awaitable[Result]]
    """Runs a job; returns its result, or the child jobs that it is divided into."""
    problems: Callable[[P, Runtime], Awaitable[list[Problem]]] | None = None
    """Finds parameters with which a job cannot succeed, before the job is accepted."""
    schedule: Callable[[Settings], Schedule | None] | None = None
    """When the job runs by itself; None where the settings switch it off."""


async def problems_of(name: str, lookup: Awaitable[object]) -> list[Problem]:
    """The problem of the parameter `name` if the lookup of what it names fails, else none."""
    try:
        await lookup
    except (UnknownEntityError, InputError, ConflictError) as error:
        reason = next((problem.reason for problem in error.problems), "unknown_entity")
        return [Problem(reason, str(error), field=f"params.{name}")]
    return []


async def refuse_second(job: Job, jobs: JobStore, name: str) -> None:
    """Refuse to run beside a job of the same kind that was requested before it.

    Raises
    ------
    ConflictError
        Naming the other job.
    """
    for state in (JobState.RUNNING, JobState.CANCELLING):
        for other in (await jobs.jobs(kind=job.kind, state=state)).jobs:
            first = (other.created, other.job_id) < (job.created, job.job_id)
            if first and not other.params.get("dry_run"):
                raise ConflictError(f"the {name} of job {other.job_id} is running")

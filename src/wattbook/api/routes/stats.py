"""How the service fares."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, Field

from wattbook.api.deps import RuntimeDep, strict
from wattbook.api.problems import responses
from wattbook.core.anomaly.finding import Category
from wattbook.core.errors import InvalidPeriodError
from wattbook.core.jobs import JobKind, JobState
from wattbook.core.readings.registers import EventKind
from wattbook.flows import stats as flow
from wattbook.schemas.fields import Day


class Counts(BaseModel):
    """What became of rows."""

    batches: int
    received: int
    accepted: int
    duplicates: int
    corrected: int
    rejected: int


class DayCounts(Counts):
    """What became of the rows of one UTC day."""

    day: date


class Ingestion(BaseModel):
    """What came in, as the receipts that are still kept tell it."""

    total: Counts
    received_per_s: float | None = Field(description="rows over the time of the days so far")
    last_received: AwareDatetime | None = Field(description="of these days")
    silence_s: float | None = Field(description="since the last batch [s]")
    days: list[DayCounts] = Field(description="days without a batch are left out")


class Waiting(BaseModel):
    """How far the rollups are behind the readings."""

    meters_waiting: int = Field(description="meters with a change that is not rolled up yet")
    spans_waiting: int
    waiting_from: AwareDatetime | None = Field(description="stamp of the oldest such reading")
    waiting_to: AwareDatetime | None = Field(description="stamp of the newest such reading")


class Durations(BaseModel):
    """How long the newest 1000 jobs took that succeeded, from first attempt to end."""

    kind: JobKind
    jobs: int
    median_s: float
    p95_s: float
    max_s: float


class DayJobs(BaseModel):
    """Jobs that were created on one UTC day, by the state that they are in."""

    day: date
    kind: JobKind
    state: JobState
    jobs: int


class Jobs(BaseModel):
    """What was done in the background."""

    states: list[dict[str, Any]] = Field(description="all jobs there are, by kind and state")
    durations: list[Durations]
    days: list[DayJobs]


class DayEvents(BaseModel):
    """Events of one kind on one UTC day."""

    day: date
    kind: EventKind
    events: int


class DayFindings(BaseModel):
    """Findings of one category that begin on one UTC day."""

    day: date
    category: Category
    findings: int


class Anomalies(BaseModel):
    """What was noticed: what registers did other than count up, and what was found unusual."""

    register_events: list[DayEvents]
    findings: list[DayFindings] = Field(description="but for those that were dismissed")


class Stored(BaseModel):
    """The size of one store."""

    store: str
    bytes: int
    rows: dict[str, int] = Field(description="by table, about: what the catalogue says")


class StatsOut(BaseModel):
    """Counts, rates, lag and durations."""

    start: date
    end: date
    ingestion: Ingestion | None = Field(description="null where receipts are in InfluxDB")
    rollups: Waiting
    jobs: Jobs
    anomalies: Anomalies
    storage: list[Stored]


router = APIRouter(tags=["stats"], dependencies=[Depends(strict)])


@router.get("/stats", responses=responses(InvalidPeriodError))
async def stats(
    runtime: RuntimeDep,
    start: Annotated[Day | None, Query(description="first day (UTC); seven if left out")] = None,
    end: Annotated[Day | None, Query(description="first day after; tomorrow if left out")] = None,
) -> StatsOut:
    """Counts, rates, lag and durations of ingestion, rollups, jobs and storage, by day."""
    found = await flow.look(
        flow.days(start, end, runtime.clock.now()),
        stats=runtime.stats,
        stored=runtime.stored,
        rollups=runtime.rollups,
        jobs=runtime.jobs,
        anomalies=runtime.anomalies,
        clock=runtime.clock,
    )
    return StatsOut.model_validate(found)

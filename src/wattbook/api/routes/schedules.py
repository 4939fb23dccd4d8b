"""What the service does again and again."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from wattbook.api.deps import RuntimeDep, strict
from wattbook.core.jobs import JobKind, JobState
from wattbook.flows import schedules as flow
from wattbook.flows.schedules import PlannedRun
from wattbook.jobs import registry


class LastRun(BaseModel):
    """The newest job of a schedule."""

    job_id: str
    state: JobState
    created: datetime
    finished: datetime | None


class ScheduleOut(BaseModel):
    """A job that is submitted again and again."""

    name: str
    kind: JobKind
    every_s: int = Field(description="from one to the next")
    params: dict[str, Any]
    last: LastRun | None = Field(description="null until the first")
    next: datetime = Field(description="when the next is due")

    @classmethod
    def of(cls, planned: PlannedRun) -> "ScheduleOut":
        """The answer about a schedule."""
        schedule, job = planned.schedule, planned.last
        last = None
        if job is not None:
            last = LastRun(
                job_id=job.job_id, state=job.state, created=job.created, finished=job.finished
            )
        return cls(
            name=schedule.name,
            kind=schedule.kind,
            every_s=round(schedule.every.total_seconds()),
            params=dict(schedule.params),
            last=last,
            next=planned.next_due,
        )


class SchedulesOut(BaseModel):
    """Every schedule; none where SCHEDULES_ENABLED is false."""

    schedules: list[ScheduleOut]


router = APIRouter(tags=["jobs"], dependencies=[Depends(strict)])


@router.get("/schedules")
async def list_schedules(runtime: RuntimeDep) -> SchedulesOut:
    """Schedules: the last job of each, and when the next is due."""
    planned = await flow.planned(registry.build_schedules(runtime.settings), jobs=runtime.jobs)
    return SchedulesOut(schedules=[ScheduleOut.of(one) for one in planned])

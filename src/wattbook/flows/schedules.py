"""What is to be done again and again: one list, and who looks at it never does a thing twice."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from wattbook.core.errors import WattbookError
from wattbook.core.jobs import Job, JobKind, JobState
from wattbook.core.periods import EPOCH
from wattbook.ports.clock import Clock
from wattbook.ports.jobs import Bell, JobStore, Order

log = structlog.get_logger()

BY_SCHEDULE: Final = "schedule"
TICK_S: Final = 5.0
UNHEARD: Final = timedelta(seconds=5)
"""A job that waits for longer may have been rung for in vain."""
AGAIN_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A job that is submitted at every multiple of `every`, counted from `offset`."""

    name: str
    kind: JobKind
    every: timedelta
    offset: timedelta = timedelta()
    params: Mapping[str, Any] = field(default_factory=dict)

    def slot(self, now: datetime) -> datetime:
        """The latest time at which it was due."""
        return now - (now - EPOCH - self.offset) % self.every

    def key(self, now: datetime) -> str:
        """The same for all who look within one slot: of many jobs with it there is one."""
        return f"{BY_SCHEDULE}:{self.name}:{self.slot(now):%Y-%m-%dT%H:%M:%SZ}"


async def tick(schedules: Sequence[Schedule], *, jobs: JobStore, bell: Bell, clock: Clock) -> None:
    """Submit what is due, and ring for what has waited long.

    After a time in which nobody looked, what was missed is caught up once: the latest slot counts.
    """
    now = clock.now()
    for schedule in schedules:
        job = await _submit(schedule, now, jobs)
        if job.state is JobState.QUEUED and job.created >= now - UNHEARD:
            await bell.ring(job)
    waiting = await jobs.jobs(
        state=JobState.QUEUED, until=now - UNHEARD, limit=AGAIN_AT_ONCE, oldest_first=True
    )
    for job in waiting.jobs:
        await bell.ring(job)


async def keep(schedules: Sequence[Schedule], *, jobs: JobStore, bell: Bell, clock: Clock) -> None:
    """Tick until cancelled."""
    while True:
        try:
            await tick(schedules, jobs=jobs, bell=bell, clock=clock)
        except WattbookError as error:
            log.warning("schedules_postponed", reason=str(error))
        await asyncio.sleep(TICK_S)


async def _submit(schedule: Schedule, now: datetime, jobs: JobStore) -> Job:
    return await jobs.submit(
        Order(
            kind=schedule.kind,
            params=schedule.params,
            requested_by=BY_SCHEDULE,
            idempotency_key=schedule.key(now),
        )
    )

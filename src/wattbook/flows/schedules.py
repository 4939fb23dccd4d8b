"""What is to be done again and again: one list, and who looks at it never does a thing twice."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from wattbook.core.errors import WattbookError
from wattbook.core.jobs import Job, JobKind
from wattbook.core.periods import EPOCH
from wattbook.ports.jobs import JobRequest, JobStore, WorkerNotifier

log = structlog.get_logger()

BY_SCHEDULE: Final = "schedule"
TICK_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A job that is submitted at every multiple of `every`, counted from `offset`."""

    name: str
    kind: JobKind
    every: timedelta
    offset: timedelta = timedelta()
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def requested_by(self) -> str:
        """What its jobs say of who asked for them."""
        return f"{BY_SCHEDULE}:{self.name}"

    def slot(self, now: datetime) -> datetime:
        """The latest time at which it was due."""
        return now - (now - EPOCH - self.offset) % self.every

    def key(self, now: datetime) -> str:
        """The same for all who look within one slot: of many jobs with it there is one."""
        return f"{self.requested_by}:{self.slot(now):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A schedule, its last job, and when the next is due."""

    schedule: Schedule
    last: Job | None
    next_due: datetime


async def tick(
    schedules: Sequence[Schedule], now: datetime, *, jobs: JobStore, bell: WorkerNotifier
) -> None:
    """Submit what is due by `now`, and ring for all that could be taken.

    After a time in which nobody looked, what was missed is caught up once: the latest slot counts.
    """
    for schedule in schedules:
        try:
            await _submit(schedule, now, jobs)
        except WattbookError as error:  # one that cannot be had does not hold up the others
            log.warning("schedule_submit_failed", name=schedule.name, reason=str(error))
    for kind, waiting in (await jobs.backlog()).items():
        await bell.ring(kind, waiting)


async def keep(
    schedules: Sequence[Schedule], halt: asyncio.Event, *, jobs: JobStore, bell: WorkerNotifier
) -> None:
    """Tick until told to halt."""
    while not halt.is_set():
        try:
            await tick(schedules, await jobs.now(), jobs=jobs, bell=bell)
        except Exception as error:  # noqa: BLE001 -- whatever it was, the next tick may succeed
            log.warning("schedule_tick_failed", reason=str(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(halt.wait(), TICK_S)


async def planned(schedules: Sequence[Schedule], *, jobs: JobStore) -> list[PlannedRun]:
    """Each schedule with its last job and the time of its next."""
    now = await jobs.now()
    found = []
    for schedule in schedules:
        page = await jobs.jobs(kind=schedule.kind, requested_by=schedule.requested_by, limit=1)
        due = schedule.slot(now) + schedule.every
        found.append(PlannedRun(schedule, next(iter(page.jobs), None), due))
    return found


async def _submit(schedule: Schedule, now: datetime, jobs: JobStore) -> Job:
    return await jobs.submit(
        JobRequest(
            kind=schedule.kind,
            params=schedule.params,
            requested_by=schedule.requested_by,
            idempotency_key=schedule.key(now),
        )
    )

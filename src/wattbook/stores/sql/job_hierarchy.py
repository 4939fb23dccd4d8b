"""Jobs that are divided: children, and the parent that waits for them.

A parent that waits is at work without a lease. Its row is locked before a child's is, always.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, case, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.core.jobs import Job, JobState
from wattbook.ports.jobs import Child, JobRequest
from wattbook.stores.sql.rows import change, failure_columns, fresh
from wattbook.stores.sql.schema import jobs

AT_WORK: Final = (JobState.RUNNING, JobState.CANCELLING)
GONE_WRONG: Final = (JobState.FAILED, JobState.CANCELLED)
ENDED: Final = tuple(state for state in JobState if state.ended)


def child_row(parent: Job, child: Child, now: datetime) -> dict[str, Any]:
    """The row of a part of a job: it stands where the whole stood in the queue."""
    order = JobRequest(
        kind=parent.kind,
        params=child.params,
        requested_by=f"job:{parent.job_id}",
        priority=parent.priority,
    )
    return fresh(order, now) | {
        "parent_id": parent.job_id,
        "not_before": parent.not_before,
        "done": child.progress.done,
        "total": child.progress.total,
        "unit": child.progress.unit,
    }


def unless_cancelled(state: JobState, now: datetime) -> dict[str, Any]:
    """What is set to have a job go on in a state, or end where that is wished."""
    wish = jobs.c.state == JobState.CANCELLING
    return {
        "state": case((wish, JobState.CANCELLED.value), else_=state.value),
        "finished": case((wish, now), else_=None),
    }


async def hold(connection: AsyncConnection, parent_id: str | None, *, wait: bool = True) -> bool:
    """Keep others from the family of a job: the parent's row is always locked before a child's."""
    if parent_id is None:
        return True
    row = select(jobs.c.job_id).where(jobs.c.job_id == parent_id)
    locked = row.with_for_update(skip_locked=not wait)
    return (await connection.execute(locked)).first() is not None


async def wake(connection: AsyncConnection, parent_id: str | None, now: datetime) -> None:
    """Have the parent go on, which is locked, if the last of its children has ended."""
    if parent_id is None:
        return
    unfinished = (jobs.c.parent_id == parent_id) & jobs.c.state.not_in(ENDED)
    if (await connection.execute(select(jobs.c.job_id).where(unfinished).limit(1))).first():
        return
    waits = and_(
        jobs.c.job_id == parent_id, jobs.c.state.in_(AT_WORK), jobs.c.lease_until.is_(None)
    )
    news = unless_cancelled(JobState.QUEUED, now)
    await connection.execute(update(jobs).where(waits).values(news))


async def cancel(connection: AsyncConnection, job: Job, now: datetime) -> None:
    """Stop a job that has not ended, and its children; its parent is locked."""
    gone = {"state": JobState.CANCELLED, "finished": now}
    if job.state is JobState.QUEUED:
        await change(connection, job.job_id, gone)
        await wake(connection, job.parent_id, now)
        return
    await change(connection, job.job_id, {"state": JobState.CANCELLING})
    if job.children:
        own = update(jobs).where(jobs.c.parent_id == job.job_id)
        await connection.execute(own.where(jobs.c.state == JobState.QUEUED).values(gone))
        at_work = own.where(jobs.c.state == JobState.RUNNING)
        await connection.execute(at_work.values({"state": JobState.CANCELLING}))
        await wake(connection, job.job_id, now)


async def again(connection: AsyncConnection, job: Job, now: datetime) -> None:
    """Run a job again that ended, or its children that did not succeed; its parent is locked."""
    anew = {"not_before": now, "finished": None, "tries": 0} | failure_columns(None)
    waits = {"state": JobState.RUNNING, "finished": None, "tries": 0} | failure_columns(None)
    if any(job.children.get(state) for state in GONE_WRONG):
        own = and_(jobs.c.parent_id == job.job_id, jobs.c.state.in_(GONE_WRONG))
        children = update(jobs).where(own).values({"state": JobState.QUEUED} | anew)
        await connection.execute(children)
        await change(connection, job.job_id, waits)
        return
    await change(connection, job.job_id, {"state": JobState.QUEUED} | anew)
    if job.parent_id is not None:  # it had given up, and waits once more
        ended = and_(jobs.c.job_id == job.parent_id, jobs.c.state.in_(GONE_WRONG))
        await connection.execute(update(jobs).where(ended).values(waits))

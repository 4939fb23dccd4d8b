"""Rows of jobs: how one begins, changes, and is read."""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.core.errors import Failure
from wattbook.core.jobs import Job, JobState, Outcome, Progress
from wattbook.ports.jobs import JobRequest
from wattbook.stores.sql import assembly
from wattbook.stores.sql.schema import attempts, jobs

NUL: Final = "\0"


def fresh(order: JobRequest, now: datetime) -> dict[str, Any]:
    """The row of a job that is new."""
    return {
        "job_id": uuid.uuid4().hex,
        "kind": str(order.kind),
        "params": dict(order.params),
        "state": JobState.QUEUED,
        "priority": order.priority,
        "done": 0,
        "unit": Progress().unit,
        "idempotency_key": order.idempotency_key,
        "order_sha256": sha256_of(order),
        "requested_by": order.requested_by,
        "created": now,
        "not_before": now,
        "attempt": 0,
        "tries": 0,
    }


async def change(connection: AsyncConnection, job_id: str, news: Mapping[str, Any]) -> None:
    await connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(news))


async def note(
    connection: AsyncConnection,
    job_id: str,
    number: int,
    now: datetime,
    outcome: Outcome,
    error: str | None = None,
    traceback_id: str | None = None,
) -> None:
    ended = {"ended": now, "outcome": outcome, "error": error, "traceback_id": traceback_id}
    which = and_(attempts.c.job_id == job_id, attempts.c.number == number)
    await connection.execute(update(attempts).where(which).values(ended))


async def one(connection: AsyncConnection, job_id: str, *, alone: bool = False) -> Job:
    query = select(jobs).where(jobs.c.job_id == job_id)
    query = query.with_for_update() if alone else query
    # PostgreSQL keeps no text with a NUL in it, nor looks for one.
    rows = [] if NUL in job_id else (await connection.execute(query)).mappings().all()
    if not rows:
        raise assembly.unknown_job(job_id)
    return (await whole(connection, rows))[0]


async def whole(connection: AsyncConnection, rows: Sequence[RowMapping]) -> tuple[Job, ...]:
    """Jobs with their attempts and what their children add up to."""
    sums = (func.count(), func.sum(jobs.c.done), func.sum(jobs.c.total), func.max(jobs.c.unit))
    query = (
        select(jobs.c.parent_id, jobs.c.state, *sums)
        .where(jobs.c.parent_id.in_([row["job_id"] for row in rows]))
        .group_by(jobs.c.parent_id, jobs.c.state)
    )
    sums_of_children = (await connection.execute(query)).all()
    return await with_attempts(connection, rows, assembly.families_of(sums_of_children))


async def with_attempts(
    connection: AsyncConnection,
    rows: Sequence[Mapping[str, Any] | RowMapping],
    families: Mapping[str, assembly.Family],
) -> tuple[Job, ...]:
    ids = [row["job_id"] for row in rows]
    query = select(attempts).where(attempts.c.job_id.in_(ids)).order_by(attempts.c.number)
    made = (await connection.execute(query)).mappings().all()
    return assembly.jobs_of(rows, made, families)


def failure_columns(failure: Failure | None) -> dict[str, Any]:
    """The columns of a job that say why it failed; PostgreSQL keeps no text with a NUL in it."""
    if failure is None:
        return {"error": None, "error_kind": None, "error_problems": None}
    problems = [
        {name: _storable(value) for name, value in asdict(problem).items()}
        for problem in failure.problems
    ]
    return {
        "error": _storable(failure.detail),
        "error_kind": failure.kind,
        "error_problems": problems,
    }


def _storable(value: Any) -> Any:  # noqa: ANN401 -- a text, a number or null
    return value.replace(NUL, "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def sha256_of(order: JobRequest) -> str:
    """What makes two orders the same."""
    said = json.dumps([str(order.kind), order.params], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()

"""Jobs, in SQLite or PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wattbook.core.errors import INTERNAL, ConflictError, Failure, Problem
from wattbook.core.jobs import (
    MAX_TRIES,
    Job,
    JobKind,
    JobState,
    Outcome,
    Progress,
)
from wattbook.core.paging import Listing
from wattbook.ports.jobs import AttemptResult, Claim, Daily, Figures, JobPage, JobRequest
from wattbook.stores.sql import assembly
from wattbook.stores.sql.engine import ALONE, reached
from wattbook.stores.sql.job_hierarchy import (
    AT_WORK,
    again,
    cancel,
    child_row,
    hold,
    unless_cancelled,
    wake,
)
from wattbook.stores.sql.rows import (
    NUL,
    change,
    failure_columns,
    fresh,
    note,
    one,
    sha256_of,
    whole,
    with_attempts,
)
from wattbook.stores.sql.schema import attempts, jobs

NOTHING_YET: Final[dict[str, Any]] = dict.fromkeys(jobs.c.keys())
"""A row of which nothing is known."""
STEERED: Final[dict[JobState, tuple[JobState, ...]]] = {
    JobState.CANCELLED: (JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING),
    JobState.QUEUED: (JobState.FAILED, JobState.CANCELLED),
}
"""From which states a job can be steered to another."""


class SqlJobs:
    """`ports.jobs.JobStore` in an SQL database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # SQLite lets whoever finds it locked sleep and try again; here they stand in a queue.
        self._turn = asyncio.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    async def submit(self, order: JobRequest) -> Job:
        """A new job; the same key with the same order is the same job."""
        async with self._writing() as connection:
            if order.idempotency_key is not None:
                found = await _by_key(connection, order.idempotency_key)
                if found is not None:
                    return await self._same(connection, found, order)
            row = fresh(order, await _now(connection))
            if order.idempotency_key is None:
                await connection.execute(insert(jobs), row)
                return assembly.job_of(NOTHING_YET | row, ())
            try:
                async with connection.begin_nested():
                    await connection.execute(insert(jobs), row)
            except IntegrityError:  # another submitted this key between the look and the insert
                found = await _by_key(connection, order.idempotency_key)
                if found is None:
                    raise
                return await self._same(connection, found, order)
            return assembly.job_of(NOTHING_YET | row, ())

    async def job(self, job_id: str) -> Job:
        """One job."""
        async with self._reading() as connection:
            return await one(connection, job_id)

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
        named = {
            "state": state,
            "kind": None if kind is None else str(kind),
            "requested_by": requested_by,
            "parent_id": parent_id,
        }
        listing = Listing("jobs", named | {"since": since, "until": until})
        asked: list[ColumnElement[bool]] = [
            jobs.c[name] == value for name, value in named.items() if value is not None
        ]
        if since is not None:
            asked.append(jobs.c.created >= since)
        if until is not None:
            asked.append(jobs.c.created < until)
        if after is not None:
            asked.append(tuple_(jobs.c.created, jobs.c.job_id) < listing.read_dated(after))
        order = (jobs.c.created.desc(), jobs.c.job_id.desc())
        query = select(jobs).where(*asked).order_by(*order).limit(limit + 1)
        async with self._reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
            found = await whole(connection, rows[:limit])
        last = found[-1] if len(rows) > limit else None
        return JobPage(found, None if last is None else listing.after(last.created, last.job_id))

    async def claim(
        self,
        worker: str,
        lease: timedelta,
        *,
        kinds: Collection[JobKind] | None = None,
        job_id: str | None = None,
    ) -> Claim | None:
        """A job whose worker fell silent, or the next that waits; null if there is none."""
        asked: list[ColumnElement[bool]] = []
        if kinds is not None:
            asked.append(jobs.c.kind.in_([str(kind) for kind in kinds]))
        if job_id is not None:
            asked.append(or_(jobs.c.job_id == job_id, jobs.c.parent_id == job_id))
        if job_id is not None and NUL in job_id:
            return None
        async with self._writing() as connection:
            now = await _now(connection)
            while (row := await _silent(connection, now, asked)) is not None:
                ended = _ended_by_silence(row)
                if ended is not None and not await hold(connection, row["parent_id"], wait=False):
                    break  # whoever has its parent may want this row: another look ends it
                await note(connection, row["job_id"], row["attempt"], now, Outcome.LOST)
                if ended is None:
                    return await _take(connection, row, worker, now, lease)
                gone = {"state": ended[0], "finished": now, "lease_until": None}
                await change(connection, row["job_id"], gone | failure_columns(ended[1]))
                await wake(connection, row["parent_id"], now)
            row = await _most_urgent(connection, now, asked)
            return None if row is None else await _take(connection, row, worker, now, lease)

    async def beat(
        self,
        claim: Claim,
        lease: timedelta,
        progress: Progress | None = None,
        checkpoint: Mapping[str, Any] | None = None,
    ) -> JobState | None:
        """Renew the lease and note progress."""
        async with self._writing() as connection:
            news: dict[str, Any] = {"lease_until": await _now(connection) + lease}
            if progress is not None:
                news |= {"done": progress.done, "total": progress.total, "unit": progress.unit}
            if checkpoint is not None:
                news["checkpoint"] = dict(checkpoint)
            mine = update(jobs).where(_mine(claim)).values(news).returning(jobs.c.state)
            state: JobState | None = (await connection.execute(mine)).scalar()
            return state

    async def end(self, claim: Claim, ending: AttemptResult) -> bool:
        """Note how the attempt ended."""
        async with self._writing() as connection:
            await hold(connection, claim.job.parent_id)
            now = await _now(connection)
            news = _news(ending, now)
            mine = update(jobs).where(_mine(claim)).values(news).returning(jobs.c.state)
            state: JobState | None = (await connection.execute(mine)).scalar()
            if state is None:
                return False
            outcome = ending.outcome
            if ending.children and state.ended:
                outcome = Outcome.CANCELLED
            elif ending.children:
                made = [child_row(claim.job, child, now) for child in ending.children]
                await connection.execute(insert(jobs), made)
            if state.ended:
                await wake(connection, claim.job.parent_id, now)
            await note(
                connection,
                claim.job.job_id,
                claim.attempt,
                now,
                outcome,
                failure_columns(ending.failure)["error"],
                ending.traceback_id,
            )
            return True

    async def backlog(self) -> Mapping[JobKind, int]:
        """How many jobs of each kind could be claimed now."""
        async with self._reading() as connection:
            now = await _now(connection)
            waits = and_(jobs.c.state == JobState.QUEUED, jobs.c.not_before <= now)
            query = (
                select(jobs.c.kind, func.count())
                .where(or_(waits, _is_silent(now)))
                .group_by(jobs.c.kind)
            )
            rows = (await connection.execute(query)).all()
        return {JobKind(kind): count for kind, count in rows}

    async def figures(self, newest: int = 1000) -> Figures:
        """How many jobs there are, and how long the newest of them took that succeeded."""
        counted = select(jobs.c.kind, jobs.c.state, func.count()).group_by(
            jobs.c.kind, jobs.c.state
        )
        latest = (
            select(jobs.c.kind, jobs.c.started, jobs.c.finished)
            .where(jobs.c.state == JobState.SUCCEEDED)
            .order_by(jobs.c.created.desc())
            .limit(newest)
        )
        async with self._reading() as connection:
            counts = (await connection.execute(counted)).all()
            times = (await connection.execute(latest)).all()
        took: dict[JobKind, list[timedelta]] = {}
        for kind, started, finished in times:
            took.setdefault(JobKind(kind), []).append(finished - started)
        return Figures(
            {(JobKind(kind), state): count for kind, state, count in counts},
            {kind: tuple(durations) for kind, durations in took.items()},
        )

    async def daily(self, since: datetime, until: datetime) -> Sequence[Daily]:
        """How many jobs were created between two instants, by day, kind and state."""
        if self._engine.dialect.name == "postgresql":
            day = func.to_char(func.timezone("UTC", jobs.c.created), "YYYY-MM-DD")
        else:
            day = func.strftime("%Y-%m-%d", jobs.c.created)
        parts = (day.label("day"), jobs.c.kind, jobs.c.state)
        query = (
            select(*parts, func.count())
            .where(jobs.c.created >= since, jobs.c.created < until)
            .group_by(*(text(str(place)) for place in (1, 2, 3)))
            .order_by(*(text(str(place)) for place in (1, 2, 3)))
        )
        async with self._reading() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Daily(date.fromisoformat(day), JobKind(kind), state, count)
            for day, kind, state, count in rows
        ]

    async def now(self) -> datetime:
        """The time by which everything here is stamped."""
        async with self._reading() as connection:
            return await _now(connection)

    async def steer(self, job_id: str, wanted: JobState) -> Job:
        """Have a job cancelled or, after it ended, run again."""
        async with self._writing() as connection:
            await hold(connection, (await one(connection, job_id)).parent_id)
            job = await one(connection, job_id, alone=True)
            if job.state is wanted:
                return job
            if job.state not in STEERED[wanted]:
                detail = f"job {job_id} is {job.state}: it cannot become {wanted}"
                raise ConflictError(detail, [Problem("wrong_state", detail, field="state")])
            now = await _now(connection)
            if wanted is JobState.QUEUED:
                await again(connection, job, now)
            else:
                await cancel(connection, job, now)
            return await one(connection, job_id)

    async def _same(self, connection: AsyncConnection, found: RowMapping, order: JobRequest) -> Job:
        detail = None
        if found["order_sha256"] != sha256_of(order):
            detail = "this idempotency key was used for another job"
        elif found["priority"] != order.priority:
            detail = f"this idempotency key was used with the priority {found['priority']}"
        if detail is not None:
            raise ConflictError(detail, [Problem("key_used", detail, field="idempotency_key")])
        return await one(connection, found["job_id"])

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        with reached(self._engine.url):
            async with self._turn, self._engine.execution_options(**ALONE).begin() as connection:
                yield connection


Asked = Sequence[ColumnElement[bool]]


def _is_silent(now: datetime) -> ColumnElement[bool]:
    return and_(jobs.c.lease_until < now, jobs.c.state.in_(AT_WORK))


async def _silent(connection: AsyncConnection, now: datetime, asked: Asked) -> RowMapping | None:
    """A job at work whose worker has fallen silent."""
    query = select(jobs).where(_is_silent(now), *asked).order_by(jobs.c.lease_until)
    return await _first(connection, query)


async def _most_urgent(
    connection: AsyncConnection, now: datetime, asked: Asked
) -> RowMapping | None:
    """The job of the highest priority that waits, and of those the oldest.

    One priority after the other, because then an index leads to the row however many wait.
    """
    waits = [jobs.c.state == JobState.QUEUED, jobs.c.not_before <= now, *asked]
    below: list[ColumnElement[bool]] = []
    while True:
        highest = select(func.max(jobs.c.priority)).where(*waits, *below)
        priority = (await connection.execute(highest)).scalar()
        if priority is None:
            return None
        query = (
            select(jobs)
            .where(*waits, jobs.c.priority == priority)
            .order_by(jobs.c.not_before, jobs.c.created)
        )
        if (row := await _first(connection, query)) is not None:
            return row
        below = [jobs.c.priority < priority]  # others are about to take all of these


async def _first(connection: AsyncConnection, query: Select[tuple[Any, ...]]) -> RowMapping | None:
    alone = query.limit(1).with_for_update(skip_locked=True)
    found: RowMapping | None = (await connection.execute(alone)).mappings().first()
    return found


def _mine(claim: Claim) -> ColumnElement[bool]:
    """The job of a claim, as long as no other attempt began: the number of the attempt fences."""
    return and_(
        jobs.c.job_id == claim.job.job_id,
        jobs.c.attempt == claim.attempt,
        jobs.c.state.in_(AT_WORK),
        jobs.c.lease_until.is_not(None),
    )


def _news(ending: AttemptResult, now: datetime) -> dict[str, Any]:
    """What the end of an attempt changes in the row of its job."""
    news: dict[str, Any] = {
        "state": ending.state,
        "lease_until": None,
    }
    news |= failure_columns(ending.failure)
    if ending.state.ended:
        news["finished"] = now
    if ending.result is not None:
        news["result"] = dict(ending.result)
    if (progress := ending.progress) is not None:
        news |= {"done": progress.done, "total": progress.total, "unit": progress.unit}
    if ending.checkpoint is not None:
        news["checkpoint"] = dict(ending.checkpoint)
    if ending.outcome in (Outcome.GIVEN_BACK, Outcome.DIVIDED):
        news["tries"] = jobs.c.tries - 1  # it was no fault of the job
    if ending.pause is not None:
        news["not_before"] = now + ending.pause
    if not ending.state.ended:
        # Whoever asked meanwhile for it to be cancelled is not overruled.
        news |= unless_cancelled(ending.state, now)
    return news


def _ended_by_silence(row: RowMapping) -> tuple[JobState, Failure | None] | None:
    """What becomes of a job that nobody should take up again."""
    if row["state"] is JobState.CANCELLING:
        return JobState.CANCELLED, None
    if row["state"] is JobState.RUNNING and row["tries"] >= MAX_TRIES:
        detail = f"its worker stopped responding {row['tries']} times, so it is not tried again"
        return JobState.FAILED, Failure(INTERNAL, detail)
    return None


async def _take(
    connection: AsyncConnection, row: RowMapping, worker: str, now: datetime, lease: timedelta
) -> Claim:
    number = row["attempt"] + 1
    news = {
        "state": JobState.RUNNING,
        "attempt": number,
        "tries": row["tries"] + 1,
        "lease_until": now + lease,
        "started": row["started"] or now,
    }
    await change(connection, row["job_id"], news)
    fresh = {"job_id": row["job_id"], "number": number, "worker": worker, "started": now}
    await connection.execute(insert(attempts), fresh)
    (job,) = await with_attempts(connection, [dict(row) | news], {})
    return Claim(job, number, row["tries"] + 1)


async def _now(connection: AsyncConnection) -> datetime:
    """The time by the one clock that all workers share: the server's, or this machine's."""
    if connection.dialect.name == "postgresql":
        now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        return now.astimezone(UTC)
    return datetime.now(UTC)


async def _by_key(connection: AsyncConnection, key: str) -> RowMapping | None:
    query = select(jobs).where(jobs.c.idempotency_key == key)
    return (await connection.execute(query)).mappings().first()

"""What every store of jobs does."""

import asyncio
from datetime import datetime, timedelta

import pytest

from wattbook.core.errors import (
    ConflictError,
    Failure,
    InputError,
    Problem,
    UnknownEntityError,
)
from wattbook.core.jobs import MAX_TRIES, JobKind, JobState, Outcome, Progress
from wattbook.ports.jobs import AttemptResult, JobRequest, JobStore
from wattbook.stores.sql.jobs import SqlJobs


@pytest.fixture
def jobs(sql_engine) -> JobStore:
    return SqlJobs(sql_engine)


LONG, OVER = timedelta(minutes=5), timedelta(seconds=-1)
DONE = AttemptResult(outcome=Outcome.SUCCEEDED, state=JobState.SUCCEEDED, result={"rows": 3})


def order(**changes) -> JobRequest:
    plain = {"kind": JobKind.AGGREGATE, "params": {"everything": True}, "requested_by": "test"}
    return JobRequest(**(plain | changes))


async def test_a_job_is_queued_as_it_was_asked_for(jobs: JobStore) -> None:
    job = await jobs.submit(order(priority=3, params={"site_id": "⚡", "deep": {"a": [1, None]}}))

    assert (job.kind, job.state, job.priority) == (JobKind.AGGREGATE, JobState.QUEUED, 3)
    assert job.params == {"site_id": "⚡", "deep": {"a": [1, None]}}
    assert (job.attempts, job.result, job.started, job.finished) == ((), None, None, None)
    assert job.created.tzinfo is not None
    assert await jobs.job(job.job_id) == job


@pytest.mark.parametrize("job_id", ["", "nothing", "'; drop table jobs; --", "⚡"])
async def test_a_job_that_never_was_is_unknown(jobs: JobStore, job_id: str) -> None:
    with pytest.raises(UnknownEntityError):
        await jobs.job(job_id)
    with pytest.raises(UnknownEntityError):
        await jobs.steer(job_id, JobState.CANCELLED)
    assert await jobs.claim("w", LONG, job_id=job_id) is None


async def test_the_same_key_and_order_are_the_same_job_and_another_order_is_refused(jobs) -> None:
    first = await jobs.submit(order(idempotency_key="k", params={"a": 1, "b": 2}))

    assert await jobs.submit(order(idempotency_key="k", params={"b": 2, "a": 1})) == first
    with pytest.raises(ConflictError) as caught:
        await jobs.submit(order(idempotency_key="k", params={"a": 2}))
    assert caught.value.problems[0].field == "idempotency_key"
    assert (await jobs.jobs()).jobs == (first,)


async def test_the_same_key_with_another_priority_is_refused(jobs: JobStore) -> None:
    first = await jobs.submit(order(idempotency_key="k", priority=1))

    with pytest.raises(ConflictError, match="with the priority 1") as caught:
        await jobs.submit(order(idempotency_key="k", priority=2))
    assert caught.value.problems[0].field == "idempotency_key"
    assert await jobs.submit(order(idempotency_key="k", priority=1, requested_by="b")) == first


async def test_of_many_who_submit_one_key_at_once_all_get_one_job(jobs) -> None:
    made = await asyncio.gather(*(jobs.submit(order(idempotency_key="k")) for _ in range(20)))

    assert len({job.job_id for job in made}) == 1


async def test_the_urgent_goes_first_and_then_the_oldest(jobs) -> None:
    one, two = await jobs.submit(order()), await jobs.submit(order())
    urgent = await jobs.submit(order(priority=1))

    claims = [await jobs.claim("w", LONG) for _ in range(4)]

    assert [claim and claim.job.job_id for claim in claims] == [
        urgent.job_id,
        one.job_id,
        two.job_id,
        None,
    ]


async def test_of_many_workers_exactly_one_gets_a_job(jobs) -> None:
    made = [await jobs.submit(order()) for _ in range(5)]

    claims = await asyncio.gather(*(jobs.claim(f"w{number}", LONG) for number in range(20)))

    got = [claim.job.job_id for claim in claims if claim is not None]
    assert sorted(got) == sorted(job.job_id for job in made)


async def test_a_claimed_job_runs_beats_and_ends(jobs) -> None:
    await jobs.submit(order())
    claim = await jobs.claim("w", LONG)

    assert (claim.attempt, claim.tries, claim.job.state) == (1, 1, JobState.RUNNING)
    state = await jobs.beat(claim, LONG, Progress(3, 10, "meters"), {"meter": "c"})
    assert state is JobState.RUNNING
    running = await jobs.job(claim.job.job_id)
    assert (running.progress, running.checkpoint) == (Progress(3, 10, "meters"), {"meter": "c"})

    assert await jobs.end(claim, DONE)

    job = await jobs.job(claim.job.job_id)
    assert (job.state, job.result) == (JobState.SUCCEEDED, {"rows": 3})
    assert job.created <= job.started <= job.finished
    (attempt,) = job.attempts
    assert (attempt.number, attempt.worker, attempt.outcome) == (1, "w", Outcome.SUCCEEDED)
    assert await jobs.claim("w", LONG) is None


async def test_a_job_whose_worker_fell_silent_is_taken_over_and_the_silent_one_is_refused(
    jobs,
) -> None:
    await jobs.submit(order())
    silent = await jobs.claim("silent", OVER)
    await jobs.beat(silent, OVER, checkpoint={"month": 3})

    other = await jobs.claim("other", LONG)

    assert (other.attempt, other.job.checkpoint) == (2, {"month": 3})
    assert await jobs.beat(silent, LONG) is None
    assert not await jobs.end(silent, DONE)
    assert await jobs.end(other, DONE)
    job = await jobs.job(other.job.job_id)
    assert [attempt.outcome for attempt in job.attempts] == [Outcome.LOST, Outcome.SUCCEEDED]


async def test_a_job_that_silences_every_worker_is_given_up(jobs) -> None:
    job = await jobs.submit(order())
    for _ in range(MAX_TRIES):
        assert await jobs.claim("w", OVER) is not None

    assert await jobs.claim("w", LONG) is None

    given_up = await jobs.job(job.job_id)
    assert given_up.state is JobState.FAILED
    assert given_up.failure.kind == "internal"
    assert "stopped responding" in given_up.failure.detail


async def test_a_job_that_failed_waits_before_it_is_tried_again(jobs) -> None:
    await jobs.submit(order())
    claim = await jobs.claim("w", LONG)
    failed = AttemptResult(
        outcome=Outcome.FAILED,
        state=JobState.QUEUED,
        failure=Failure("unavailable", "away", (Problem("away", "no\0answer", row=3),)),
        traceback_id="t" * 32,
        pause=timedelta(seconds=2),
    )

    assert await jobs.end(claim, failed)

    assert await jobs.claim("w", LONG) is None
    await asyncio.sleep(2.05)
    again = await jobs.claim("w", LONG)
    assert again.attempt == 2
    assert again.job.attempts[0].error == "away"
    assert again.job.failure == Failure(
        "unavailable", "away", (Problem("away", "no\N{REPLACEMENT CHARACTER}answer", row=3),)
    )
    assert again.job.attempts[0].traceback_id == "t" * 32


async def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_when_it_hears(jobs) -> None:
    waiting = await jobs.submit(order())
    assert (await jobs.steer(waiting.job_id, JobState.CANCELLED)).state is JobState.CANCELLED
    assert await jobs.claim("w", LONG) is None

    running = await jobs.submit(order())
    claim = await jobs.claim("w", LONG)
    assert (await jobs.steer(running.job_id, JobState.CANCELLED)).state is JobState.CANCELLING
    assert await jobs.beat(claim, LONG) is JobState.CANCELLING
    ending = AttemptResult(outcome=Outcome.CANCELLED, state=JobState.CANCELLED)
    assert await jobs.end(claim, ending)
    assert (await jobs.job(running.job_id)).state is JobState.CANCELLED


async def test_a_wish_to_cancel_is_not_overruled_by_another_try(jobs) -> None:
    job = await jobs.submit(order())
    claim = await jobs.claim("w", LONG)
    await jobs.steer(job.job_id, JobState.CANCELLED)

    await jobs.end(claim, AttemptResult(outcome=Outcome.FAILED, state=JobState.QUEUED, pause=LONG))

    assert (await jobs.job(job.job_id)).state is JobState.CANCELLED


async def test_a_cancelled_job_whose_worker_fell_silent_ends(jobs) -> None:
    job = await jobs.submit(order())
    await jobs.claim("w", OVER)
    await jobs.steer(job.job_id, JobState.CANCELLED)

    assert await jobs.claim("other", LONG) is None
    assert (await jobs.job(job.job_id)).state is JobState.CANCELLED


async def test_only_what_has_failed_or_was_cancelled_can_be_tried_again(jobs) -> None:
    job = await jobs.submit(order())
    claim = await jobs.claim("w", LONG)
    with pytest.raises(ConflictError):
        await jobs.steer(job.job_id, JobState.QUEUED)

    await jobs.end(claim, DONE)

    for wanted in (JobState.QUEUED, JobState.CANCELLED):
        with pytest.raises(ConflictError) as caught:
            await jobs.steer(job.job_id, wanted)
        assert caught.value.problems[0].field == "state"


async def test_a_person_s_retry_gives_all_tries_anew(jobs) -> None:
    job = await jobs.submit(order())
    claim = await jobs.claim("w", LONG)
    await jobs.end(
        claim,
        AttemptResult(
            outcome=Outcome.FAILED, state=JobState.FAILED, failure=Failure("invalid_input", "no")
        ),
    )

    again = await jobs.steer(job.job_id, JobState.QUEUED)

    assert (again.state, again.failure, again.finished) == (JobState.QUEUED, None, None)
    claim = await jobs.claim("w", LONG)
    assert (claim.attempt, claim.tries) == (2, 1)


async def test_jobs_are_listed_newest_first_by_state_kind_and_time_in_pages(jobs) -> None:
    made = [await jobs.submit(order(params={"n": n})) for n in range(5)]
    other = await jobs.submit(order(kind=JobKind.CLEANUP))
    await jobs.steer(made[0].job_id, JobState.CANCELLED)

    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await jobs.jobs(limit=2, after=cursor)
        seen += [job.job_id for job in page.jobs]
        cursor = page.cursor
        if cursor is None:
            break

    assert seen == [other.job_id, *(job.job_id for job in reversed(made))]
    assert [job.job_id for job in (await jobs.jobs(kind=JobKind.CLEANUP)).jobs] == [other.job_id]
    cancelled = await jobs.jobs(state=JobState.CANCELLED)
    assert [job.job_id for job in cancelled.jobs] == [made[0].job_id]
    between = await jobs.jobs(since=made[1].created, until=made[3].created)
    assert {job.job_id for job in between.jobs} >= {made[1].job_id}
    assert made[3].job_id not in {job.job_id for job in between.jobs}
    assert (await jobs.jobs(until=datetime.min.replace(tzinfo=made[0].created.tzinfo))).jobs == ()
    with pytest.raises(InputError):
        await jobs.jobs(after="⚡")

"""What every store of jobs does with one that is divided: its children, and who waits for them."""

import asyncio
from datetime import timedelta

import pytest

from wattbook.core.errors import Failure
from wattbook.core.jobs import MAX_TRIES, Job, JobKind, JobState, Outcome, Progress
from wattbook.ports.jobs import AttemptResult, Child, Claim, JobRequest, JobStore
from wattbook.stores.sql.jobs import SqlJobs

LONG, OVER = timedelta(minutes=5), timedelta(seconds=-1)
DONE = AttemptResult(outcome=Outcome.SUCCEEDED, state=JobState.SUCCEEDED, result={"rows": 3})
FAILED = AttemptResult(
    outcome=Outcome.FAILED, state=JobState.FAILED, failure=Failure("invalid_input", "no")
)
STOPPED = AttemptResult(outcome=Outcome.CANCELLED, state=JobState.CANCELLED)


@pytest.fixture
def jobs(sql_engine) -> JobStore:
    return SqlJobs(sql_engine)


def parts(count: int) -> AttemptResult:
    """An attempt that ends by leaving so many parts of 100 quarters each to others."""
    made = [Child(params={"n": n}, progress=Progress(0, 100, "quarters")) for n in range(count)]
    return AttemptResult(outcome=Outcome.DIVIDED, state=JobState.RUNNING, children=tuple(made))


async def claimed(jobs: JobStore, lease: timedelta = LONG) -> Claim:
    claim = await jobs.claim("w", lease)
    assert claim is not None
    return claim


async def divided(jobs: JobStore, count: int = 3, priority: int = 0) -> Job:
    """A job that waits for so many children."""
    asked = JobRequest(kind=JobKind.AGGREGATE, params={}, requested_by="test", priority=priority)
    await jobs.submit(asked)
    claim = await claimed(jobs)
    assert await jobs.end(claim, parts(count))
    return await jobs.job(claim.job.job_id)


async def children(jobs: JobStore, parent: Job) -> tuple[Job, ...]:
    return (await jobs.jobs(parent_id=parent.job_id)).jobs


async def test_a_job_that_is_divided_waits_without_a_lease_and_its_children_are_claimed(
    jobs,
) -> None:
    parent = await divided(jobs)

    assert (parent.state, parent.children) == (JobState.RUNNING, {JobState.QUEUED: 3})
    assert parent.progress == Progress(0, 300, "quarters")
    assert [attempt.outcome for attempt in parent.attempts] == [Outcome.DIVIDED]
    claims = [await claimed(jobs) for _ in range(3)]
    assert {claim.job.parent_id for claim in claims} == {parent.job_id}
    assert {claim.job.params["n"] for claim in claims} == {0, 1, 2}
    assert await jobs.claim("w", LONG) is None
    assert (await jobs.backlog()) == {}


async def test_a_parent_s_progress_is_the_sum_of_its_children_s(jobs) -> None:
    parent = await divided(jobs)
    one, two = await claimed(jobs), await claimed(jobs)

    await jobs.beat(one, LONG, Progress(30, 100, "quarters"))
    await jobs.beat(two, LONG, Progress(50, 120, "quarters"))  # more was marked meanwhile

    seen = await jobs.job(parent.job_id)
    assert seen.progress == Progress(80, 320, "quarters")  # 30 + 50 + 0 of 100 + 120 + 100
    assert seen.children == {JobState.RUNNING: 2, JobState.QUEUED: 1}
    (listed,) = (await jobs.jobs(requested_by="test")).jobs
    assert listed == seen


async def test_the_last_child_that_ends_wakes_the_parent_once(jobs) -> None:
    parent = await divided(jobs)
    claims = [await claimed(jobs) for _ in range(3)]

    assert all(await asyncio.gather(*(jobs.end(claim, DONE) for claim in claims)))

    woken = await claimed(jobs)
    assert (woken.job.job_id, woken.attempt, woken.tries) == (parent.job_id, 2, 1)
    assert await jobs.claim("w", LONG) is None
    await jobs.end(woken, DONE)
    ended = await jobs.job(parent.job_id)
    assert (ended.state, ended.children) == (JobState.SUCCEEDED, {JobState.SUCCEEDED: 3})


async def test_children_stand_where_their_parent_stood_in_the_queue(jobs) -> None:
    asked = JobRequest(kind=JobKind.AGGREGATE, params={}, requested_by="test")
    first = await jobs.submit(asked)
    later = await jobs.submit(asked)
    await jobs.end(await claimed(jobs), parts(2))

    order = [(await claimed(jobs)).job for _ in range(3)]

    assert [job.parent_id for job in order] == [first.job_id, first.job_id, None]
    assert order[-1].job_id == later.job_id


async def test_who_lost_the_claim_divides_nothing(jobs) -> None:
    await jobs.submit(JobRequest(kind=JobKind.AGGREGATE, params={}, requested_by="test"))
    silent = await claimed(jobs, OVER)
    other = await claimed(jobs)

    assert not await jobs.end(silent, parts(3))
    assert await jobs.end(other, parts(2))

    assert not await jobs.end(other, parts(2))  # as one who did not hear that it was noted
    assert await jobs.beat(other, LONG) is None  # nor has who divided it any lease
    (parent,) = (await jobs.jobs(requested_by="test")).jobs
    assert parent.children == {JobState.QUEUED: 2}


async def test_a_silent_child_is_taken_over_and_one_that_silences_all_wakes_its_parent(
    jobs,
) -> None:
    parent = await divided(jobs, 1)
    for _ in range(MAX_TRIES):
        assert (await claimed(jobs, OVER)).job.parent_id == parent.job_id

    woken = await claimed(jobs)

    assert woken.job.job_id == parent.job_id
    assert (await jobs.job(parent.job_id)).children == {JobState.FAILED: 1}


async def test_a_wish_to_cancel_reaches_the_children_and_the_last_of_them_ends_it(jobs) -> None:
    parent = await divided(jobs)
    done, at_work = await claimed(jobs), await claimed(jobs)
    await jobs.end(done, DONE)

    wished = await jobs.steer(parent.job_id, JobState.CANCELLED)

    assert wished.state is JobState.CANCELLING
    assert wished.children == {
        JobState.SUCCEEDED: 1,
        JobState.CANCELLING: 1,
        JobState.CANCELLED: 1,
    }
    assert await jobs.claim("w", LONG) is None
    assert await jobs.beat(at_work, LONG) is JobState.CANCELLING
    await jobs.end(at_work, STOPPED)
    ended = await jobs.job(parent.job_id)
    assert (ended.state, ended.finished is not None) == (JobState.CANCELLED, True)


async def test_a_parent_of_which_nothing_is_at_work_is_cancelled_at_once(jobs) -> None:
    parent = await divided(jobs)

    assert (await jobs.steer(parent.job_id, JobState.CANCELLED)).state is JobState.CANCELLED
    assert {child.state for child in await children(jobs, parent)} == {JobState.CANCELLED}
    assert await jobs.claim("w", LONG) is None


async def test_a_job_that_is_cancelled_while_it_is_divided_has_no_children(jobs) -> None:
    await jobs.submit(JobRequest(kind=JobKind.AGGREGATE, params={}, requested_by="test"))
    claim = await claimed(jobs)
    await jobs.steer(claim.job.job_id, JobState.CANCELLED)

    assert await jobs.end(claim, parts(3))

    job = await jobs.job(claim.job.job_id)
    assert (job.state, job.children) == (JobState.CANCELLED, {})
    assert [attempt.outcome for attempt in job.attempts] == [Outcome.CANCELLED]


async def one_of_three_fails(jobs: JobStore) -> tuple[Job, Job]:
    """A parent that failed, and the child for which it did."""
    parent = await divided(jobs)
    failing = await claimed(jobs)
    await jobs.end(failing, FAILED)
    for _ in range(2):
        await jobs.end(await claimed(jobs), DONE)
    woken = await claimed(jobs)
    assert woken.job.job_id == parent.job_id
    await jobs.end(woken, FAILED)
    return parent, failing.job


@pytest.mark.parametrize("whom", ["parent", "child"])
async def test_a_retry_runs_those_again_that_did_not_succeed(jobs, whom) -> None:
    parent, failed = await one_of_three_fails(jobs)

    await jobs.steer((parent if whom == "parent" else failed).job_id, JobState.QUEUED)

    waiting = await jobs.job(parent.job_id)
    assert (waiting.state, waiting.failure) == (JobState.RUNNING, None)
    assert waiting.children == {JobState.SUCCEEDED: 2, JobState.QUEUED: 1}
    again = await claimed(jobs)
    assert (again.job.job_id, again.attempt, again.tries) == (failed.job_id, 2, 1)
    assert await jobs.claim("w", LONG) is None
    await jobs.end(again, DONE)
    assert (await claimed(jobs)).job.job_id == parent.job_id


@pytest.mark.slow
async def test_a_parent_that_failed_by_itself_is_run_again_alone(jobs) -> None:
    parent = await divided(jobs, 1)
    await jobs.end(await claimed(jobs), DONE)
    await jobs.end(await claimed(jobs), FAILED)

    again = await jobs.steer(parent.job_id, JobState.QUEUED)

    assert (again.state, again.children) == (JobState.QUEUED, {JobState.SUCCEEDED: 1})


async def test_a_child_that_is_cancelled_alone_wakes_its_parent(jobs) -> None:
    parent = await divided(jobs, 2)
    await jobs.end(await claimed(jobs), DONE)
    (waiting,) = [job for job in await children(jobs, parent) if job.state is JobState.QUEUED]

    await jobs.steer(waiting.job_id, JobState.CANCELLED)

    assert (await claimed(jobs)).job.job_id == parent.job_id


@pytest.mark.slow
async def test_many_who_end_cancel_and_claim_at_once_leave_no_family_half_way(jobs) -> None:
    for _ in range(5):
        parent = await divided(jobs, 6)
        claims = [await claimed(jobs) for _ in range(4)]

        await asyncio.gather(
            *(jobs.end(claim, DONE) for claim in claims),
            jobs.steer(parent.job_id, JobState.CANCELLED),
            *(jobs.claim("w", LONG, job_id=parent.job_id) for _ in range(3)),
            *(jobs.beat(claim, LONG) for claim in claims),
        )
        for child in await children(jobs, parent):  # those that were claimed in between
            if not child.state.ended:
                own = Claim(child, len(child.attempts), 1)
                assert await jobs.end(own, STOPPED)

        ended = await jobs.job(parent.job_id)
        assert ended.state is JobState.CANCELLED
        assert sum(ended.children.values()) == 6
        assert await jobs.claim("w", LONG) is None


async def test_a_claim_of_one_job_may_be_of_its_children(jobs) -> None:
    parent, other = await divided(jobs, 2), await divided(jobs, 2, priority=1)

    claims = [await jobs.claim("w", LONG, job_id=parent.job_id) for _ in range(3)]

    assert [claim and claim.job.parent_id for claim in claims] == [parent.job_id] * 2 + [None]
    assert (await jobs.job(other.job_id)).children == {JobState.QUEUED: 2}

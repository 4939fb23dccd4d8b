"""Working on jobs: an attempt begins, is heard of, and ends; whatever happens to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from wattbook import logs
from wattbook.core.errors import InputError, UnavailableError
from wattbook.core.jobs import MAX_TRIES, JobKind, JobState, Outcome, Progress
from wattbook.flows import jobs as flow
from wattbook.flows import schedules
from wattbook.flows.jobs import FannedOut, JobHandler, Runner, Running, Worker
from wattbook.flows.schedules import Schedule
from wattbook.ports.jobs import Child, JobRequest, JobStore
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.jobs import SqlJobs
from wattbook.stores.sql.migrate import upgrade, upgrade_on

LEASE = timedelta(seconds=2)
ORDER = JobRequest(kind=JobKind.AGGREGATE, params={}, requested_by="test")


@pytest.fixture(autouse=True)
def _few_words() -> Iterator[None]:
    logs.configure("ERROR")
    yield
    structlog.reset_defaults()


@pytest.fixture
async def jobs(tmp_path) -> AsyncIterator[JobStore]:
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    await asyncio.to_thread(upgrade, url)
    engine = create_engine(url)
    yield SqlJobs(engine)
    await engine.dispose()


def worker(jobs: JobStore, duty: JobHandler) -> Worker:
    return Worker(jobs, {JobKind.AGGREGATE: duty}, name="w", lease=LEASE)


async def attempt(jobs: JobStore, duty: JobHandler, *, tries: int = 1) -> Outcome:
    """Submit a job and carry it out once."""
    await jobs.submit(ORDER)
    claim = await worker(jobs, duty).claim()
    assert claim is not None
    return await worker(jobs, duty).carry_out(replace(claim, tries=tries))


async def until(seen: Callable[[], Awaitable[object]], every_s: float = 0.02) -> None:
    while not await seen():  # noqa: ASYNC110  what is waited for is in a database
        await asyncio.sleep(every_s)


async def only(jobs: JobStore):
    (job,) = (await jobs.jobs()).jobs
    return job


async def for_ever(_: Running) -> Mapping[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_job_that_ends_has_its_result_and_all_its_progress(jobs) -> None:
    async def duty(running: Running) -> Mapping[str, Any]:
        running.step(3, 3, "meters", month=12)
        return {"rows": 3}

    assert await attempt(jobs, duty) is Outcome.SUCCEEDED

    job = await only(jobs)
    assert (job.result, job.progress) == ({"rows": 3}, Progress(3, 3, "meters"))
    assert job.checkpoint == {"month": 12}


@pytest.mark.parametrize(
    ("error", "kind", "tries", "state"),
    [
        (UnavailableError("away"), "unavailable", 1, JobState.QUEUED),
        (ZeroDivisionError("odd"), "internal", 1, JobState.QUEUED),
        (InputError("no"), "invalid_input", 1, JobState.FAILED),
        (UnavailableError("away"), "unavailable", MAX_TRIES, JobState.FAILED),
        (ValueError("a\0b"), "internal", MAX_TRIES, JobState.FAILED),
    ],
)
async def test_what_may_help_is_tried_again_but_not_for_ever(
    jobs, error, kind, tries, state
) -> None:
    async def duty(_: Running) -> Mapping[str, Any]:
        raise error

    assert await attempt(jobs, duty, tries=tries) is Outcome.FAILED

    job = await only(jobs)
    assert (job.state, job.attempts[0].outcome) == (state, Outcome.FAILED)
    assert job.failure.kind == kind
    assert job.failure.detail.endswith(str(error).replace("\0", "\N{REPLACEMENT CHARACTER}"))
    assert (job.not_before > job.created) == (state is JobState.QUEUED)


async def test_a_result_that_cannot_be_kept_is_a_failure_and_no_silence(jobs) -> None:
    async def duty(_: Running) -> Mapping[str, Any]:
        return {"rows": object()}

    await attempt(jobs, duty, tries=MAX_TRIES)

    job = await only(jobs)
    assert job.state is JobState.FAILED
    assert "object" in job.failure.detail


async def test_work_that_never_looks_up_is_cancelled(jobs) -> None:
    working = asyncio.create_task(attempt(jobs, for_ever))

    async def begun() -> object:
        return (await jobs.jobs(state=JobState.RUNNING)).jobs

    await until(begun)

    await jobs.steer((await only(jobs)).job_id, JobState.CANCELLED)

    assert await working is Outcome.CANCELLED  # though the work itself never ends
    assert (await only(jobs)).state is JobState.CANCELLED


async def test_a_lease_lasts_as_long_as_its_worker(jobs) -> None:
    working = asyncio.create_task(attempt(jobs, for_ever))
    await asyncio.sleep(2 * LEASE.total_seconds())
    assert await jobs.claim("other", LEASE) is None
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    await asyncio.sleep(LEASE.total_seconds() + 0.1)

    taken = await jobs.claim("other", LEASE)

    assert taken.job.attempts[0].outcome is Outcome.LOST


async def test_a_runner_that_stops_gives_back_and_that_is_no_try(jobs) -> None:
    async def duty(running: Running) -> Mapping[str, Any]:
        for number in range(running.checkpoint.get("next", 0), 1000):
            running.step(number, 1000, "steps", next=number + 1)
            await asyncio.sleep(0.01)
        raise AssertionError

    await jobs.submit(ORDER)
    for number in range(MAX_TRIES + 1):
        runner = Runner(worker(jobs, duty), slots=1)
        working = asyncio.create_task(runner.run())
        await asyncio.sleep(0.1)
        await runner.stop()
        await working
        job = await only(jobs)
        assert job.state is JobState.QUEUED
        assert [each.outcome for each in job.attempts] == [Outcome.GIVEN_BACK] * (number + 1)

    assert job.checkpoint["next"] > MAX_TRIES + 1
    claim = await jobs.claim("w", LEASE)
    assert claim.tries == 1


@pytest.mark.slow
async def test_a_runner_works_on_so_many_at_once_and_the_urgent_first(jobs) -> None:
    at_once: list[int] = []
    begun: list[int] = []
    now = 0

    async def duty(running: Running) -> Mapping[str, Any]:
        nonlocal now
        now += 1
        at_once.append(now)
        begun.append(running.claim.job.priority)
        await asyncio.sleep(0.1)
        now -= 1
        return {}

    for number in range(30):
        await jobs.submit(replace(ORDER, priority=number % 3))
    runner = Runner(worker(jobs, duty), slots=3)
    working = asyncio.create_task(runner.run())

    async def all_done() -> bool:
        return len((await jobs.jobs(state=JobState.SUCCEEDED)).jobs) == 30

    await until(all_done)
    await runner.stop()
    await working

    assert max(at_once) == 3
    assert begun == sorted(begun, reverse=True)


async def test_a_runner_outlives_a_store_that_breaks_and_a_kind_it_does_not_know(jobs) -> None:
    class Breaking(SqlJobs):
        looks = 0

        async def claim(self, *arguments, **named):
            self.looks += 1
            if self.looks == 1:
                raise RuntimeError("a driver's own trouble")
            return await jobs.claim(*arguments, **named)

        beat, end = jobs.beat, jobs.end

    async def duty(_: Running) -> Mapping[str, Any]:
        return {}

    await jobs.submit(replace(ORDER, kind=JobKind.CLEANUP))
    known = await jobs.submit(ORDER)
    runner = Runner(worker(Breaking(create_engine("sqlite://")), duty), slots=1)
    working = asyncio.create_task(runner.run())

    async def done() -> object:
        return (await jobs.job(known.job_id)).state.ended

    await until(done)
    await runner.stop()
    await working

    assert len((await jobs.jobs(state=JobState.QUEUED, kind=JobKind.CLEANUP)).jobs) == 1


PART = Progress(0, 4, "quarters")


@pytest.mark.slow
async def test_one_slot_is_enough_for_a_divided_job_which_fails_with_a_part_and_names_it(
    jobs,
) -> None:
    async def duty(running: Running) -> Mapping[str, Any] | FannedOut:
        job = running.claim.job
        if flow.was_fanned_out(job):
            return await flow.sum_children(job, jobs=jobs)
        if job.parent_id is None:
            return FannedOut(tuple(Child(params={"rows": n}, progress=PART) for n in (10, 20, 30)))
        if job.params["rows"] == 20 and running.claim.attempt == 1:
            raise InputError("no such meter")
        return {"rows": job.params["rows"]}

    parent = await jobs.submit(ORDER)
    runner = Runner(worker(jobs, duty), slots=1)
    working = asyncio.create_task(runner.run())

    async def ended() -> object:
        return (await jobs.job(parent.job_id)).state.ended

    await until(ended)
    failed = await jobs.job(parent.job_id)
    (part,) = (await jobs.jobs(parent_id=parent.job_id, state=JobState.FAILED)).jobs
    assert failed.state is JobState.FAILED
    assert failed.failure.kind == "conflict"
    assert failed.failure.detail.startswith("1 of 3 parts did not succeed: ")
    assert part.job_id in failed.failure.detail
    assert "no such meter" in failed.failure.detail

    await jobs.steer(parent.job_id, JobState.QUEUED)
    await until(ended)
    await runner.stop()
    await working

    job = await jobs.job(parent.job_id)
    assert (job.state, job.result) == (JobState.SUCCEEDED, {"rows": 60})  # 10 + 20 + 30
    assert [each.outcome for each in job.attempts] == [
        Outcome.DIVIDED, Outcome.FAILED, Outcome.SUCCEEDED,
    ]  # fmt: skip
    attempts = [len(each.attempts) for each in (await jobs.jobs(parent_id=parent.job_id)).jobs]
    assert sorted(attempts) == [1, 1, 2]


async def test_who_divides_a_job_rings_for_its_parts(jobs) -> None:
    async def duty(_: Running) -> Mapping[str, Any] | FannedOut:
        return FannedOut((Child(params={}, progress=PART),) * 3)

    bell = Rings()
    await jobs.submit(ORDER)
    at_work = Worker(jobs, {JobKind.AGGREGATE: duty}, name="w", lease=LEASE, bell=bell)

    claim = await at_work.claim()

    assert claim is not None
    assert await at_work.carry_out(claim) is Outcome.DIVIDED

    assert bell.heard == [(JobKind.AGGREGATE, 3)]


async def test_a_runner_ends_when_all_that_it_claimed_has_ended(jobs) -> None:
    class Slow(SqlJobs):
        async def claim(self, *arguments, **named):
            claim = await jobs.claim(*arguments, **named)
            claiming.set()
            await asyncio.sleep(0.2)  # it is told to stop before it hears that it has a job
            return claim

        beat, end = jobs.beat, jobs.end

    async def duty(running: Running) -> Mapping[str, Any]:
        await asyncio.sleep(0.1)
        return {}

    claiming = asyncio.Event()
    await jobs.submit(ORDER)
    runner = Runner(worker(Slow(create_engine("sqlite://")), duty), slots=1)
    working = asyncio.create_task(runner.run())
    await claiming.wait()
    await runner.stop()

    await working

    assert (await only(jobs)).state is JobState.SUCCEEDED


class Rings:
    def __init__(self) -> None:
        self.heard: list[tuple[JobKind, int]] = []

    async def ring(self, kind: JobKind, times: int = 1) -> None:
        self.heard.append((kind, times))


HOURLY = Schedule(
    name="hourly",
    kind=JobKind.AGGREGATE,
    every=timedelta(hours=1),
    offset=timedelta(minutes=5),
)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_a_slot_has_one_job_and_what_was_missed_is_caught_up_once(jobs) -> None:
    for minutes in (4, 5, 6, 64, 65, 5 * 60 + 30, 5 * 60 + 40):
        at = NOON + timedelta(minutes=minutes)
        await asyncio.gather(
            *(schedules.tick([HOURLY], at, jobs=jobs, bell=Rings()) for _ in range(3))
        )

    keys = sorted(job.idempotency_key for job in (await jobs.jobs()).jobs)
    # 12:04 is in the slot of 11:05, 13:04 in that of 12:05; after 13:05 comes 17:05, once.
    assert [key[-9:-4] for key in keys] == ["11:05", "12:05", "13:05", "17:05"]


async def test_a_schedule_that_cannot_be_had_holds_up_no_other(jobs) -> None:
    await schedules.tick([HOURLY], NOON, jobs=jobs, bell=Rings())
    changed = replace(HOURLY, params={"everything": True})
    other = replace(HOURLY, name="other")
    bell = Rings()

    await schedules.tick([changed, other], NOON, jobs=jobs, bell=bell)

    assert {job.requested_by for job in (await jobs.jobs()).jobs} == {
        "schedule:hourly",
        "schedule:other",
    }
    assert bell.heard == [(JobKind.AGGREGATE, 2)]


async def test_a_tick_rings_for_those_whose_worker_fell_silent(jobs) -> None:
    await jobs.submit(ORDER)
    await jobs.claim("w", timedelta(seconds=-1))
    bell = Rings()

    await schedules.tick([], NOON, jobs=jobs, bell=bell)

    assert bell.heard == [(JobKind.AGGREGATE, 1)]


@pytest.mark.slow
async def test_of_ten_thousand_jobs_the_urgent_go_first_and_go_fast() -> None:
    engine = create_engine("sqlite://")
    await upgrade_on(engine)
    count = 2_000
    async with engine.begin() as connection:  # as `submit` leaves them, in one transaction
        await connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
            " INSERT INTO jobs (job_id, kind, params, state, priority, done, unit, order_sha256,"
            " requested_by, created, not_before, attempt, tries) SELECT printf('%05d', i),"
            " 'aggregate', '{}', 'queued', i % 10, 0, 'steps', '', 'test',"
            " '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000', 0, 0 FROM n"
        )
    store, begun = SqlJobs(engine), []
    succeeded = (JobKind.AGGREGATE, JobState.SUCCEEDED)

    async def duty(running: Running) -> Mapping[str, Any]:
        begun.append(running.claim.job.priority)
        return {}

    runner = Runner(worker(store, duty), slots=2)
    working = asyncio.create_task(runner.run())

    async def done() -> bool:
        return (await store.figures(0)).counts.get(succeeded, 0) >= count

    await until(done, 0.5)
    await runner.stop()
    await working

    figures = await store.figures()
    assert len(figures.durations[JobKind.AGGREGATE]) == 1000
    assert begun == sorted(begun, reverse=True)
    await engine.dispose()


def test_a_beat_leaves_room_in_a_lease() -> None:
    assert flow.HEARTBEAT_INTERVAL_S * flow.BEATS_IN_A_LEASE <= 30

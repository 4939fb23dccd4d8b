"""What stores of SQL know of themselves, on a real server."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.contracts.test_retention import batch

from wattbook.core.jobs import JobKind
from wattbook.core.periods import Period
from wattbook.ports.jobs import JobRequest
from wattbook.stores.postgres import series
from wattbook.stores.postgres.engine import Engine
from wattbook.stores.sql.jobs import SqlJobs

T = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


async def test_jobs_are_counted_by_day(sql_engine) -> None:
    jobs = SqlJobs(sql_engine)
    for _ in range(2):
        await jobs.submit(JobRequest(kind=JobKind.AGGREGATE, params={}, requested_by="t"))
    now = await jobs.now()

    (found,) = await jobs.daily(now - DAY, now + DAY)

    assert (found.kind, found.state, found.jobs) == (JobKind.AGGREGATE, "queued", 2)
    assert found.day == now.date()


@pytest.fixture(params=["migrated", "migrated_timescale"])
def template(request) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.mark.services
async def test_postgresql_counts_receipts_and_its_tables(postgres, template) -> None:
    with postgres.fresh(like=template) as url:
        async with series.opened(Engine(url), stamped=False) as stores:
            await stores.readings.write(batch({("a", T): 1.0}, at=T, rejects=2))

            received = await stores.stats.received(Period(T, T + DAY))
            events = await stores.stats.events(Period(T, T + DAY))
            storage = await stores.stats.storage()

    assert received.select("batches", "received", "accepted", "rejected").rows() == [(1, 3, 1, 2)]
    assert (received["day"][0], received["last_utc"][0]) == (T.date(), T)
    assert events.is_empty()
    assert storage.bytes > 0
    # One reading and two rejects of one batch, of tables that were never analysed.
    assert (storage.rows["readings"], storage.rows["rejects"]) == (1, 2)
    assert storage.rows["receipts"] == 1

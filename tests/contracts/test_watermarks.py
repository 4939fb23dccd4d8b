"""What everything does that remembers how far sources were read; implementations: conftest.py."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from wattbook.ports.watermarks import Watermarks
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.migrate import upgrade_on
from wattbook.stores.sql.watermarks import SqlWatermarks

T = datetime(2026, 3, 1, 12, 0, 0, 123_456, UTC)
HOUR = timedelta(hours=1)
BUCKET = "influxdb:127.0.0.1:8086/⚡/ours"


@pytest.fixture
def watermarks(sql_engine) -> Watermarks:
    return SqlWatermarks(sql_engine)


async def test_a_source_that_was_never_read_has_no_watermark(watermarks) -> None:
    assert await watermarks.reached(BUCKET) is None


async def test_how_far_a_source_was_read_is_known_to_the_microsecond(watermarks) -> None:
    await watermarks.reach(BUCKET, T, T + HOUR)

    assert await watermarks.reached(BUCKET) == T
    assert await watermarks.reached("influxdb:127.0.0.1:8086/⚡/theirs") is None


async def test_it_goes_forward_and_never_back(watermarks) -> None:
    for at in (T, T + HOUR, T - HOUR, T + HOUR):
        await watermarks.reach(BUCKET, at, T)

    assert await watermarks.reached(BUCKET) == T + HOUR


async def test_an_instant_is_the_same_in_any_zone(watermarks) -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    await watermarks.reach(BUCKET, T.astimezone(kolkata), T)
    await watermarks.reach(BUCKET, T - HOUR, T)

    assert await watermarks.reached(BUCKET) == T


async def test_of_many_at_once_the_furthest_stays(watermarks) -> None:
    await asyncio.gather(*(watermarks.reach(BUCKET, T + at * HOUR, T) for at in range(20)))

    assert await watermarks.reached(BUCKET) == T + 19 * HOUR


async def test_it_is_there_when_the_database_is_opened_again(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    for expected in (None, T):
        engine = create_engine(url)
        await upgrade_on(engine)
        watermarks = SqlWatermarks(engine)
        assert await watermarks.reached(BUCKET) == expected
        await watermarks.reach(BUCKET, T, T)
        await engine.dispose()

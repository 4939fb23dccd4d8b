"""Forecasts in processes of their own: whatever happens to one, the service goes on."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.core.anomaly.examples import T as MONDAY
from tests.core.anomaly.examples import watched

from wattbook.core import frames
from wattbook.core.anomaly.finding import Rule
from wattbook.core.errors import InputError, UnavailableError
from wattbook.core.forecast.task import ForecastTask, ModelName
from wattbook.core.periods import Grain, Period
from wattbook.models.process_pool import Pool, spare_cores
from wattbook.ports.forecaster import STEPS

T = datetime(2026, 1, 1, tzinfo=UTC)
ASK = ForecastTask(
    horizon=timedelta(days=1), grain=Grain.HOUR, timezone="UTC", model=ModelName.NAIVE
)


def history(hours: int) -> pl.DataFrame:
    starts = [T + timedelta(hours=at) for at in range(hours)]
    values = [float(at % 24) for at in range(hours)]
    return pl.DataFrame({"start_utc": starts, "value": values}).cast({"start_utc": frames.UTC})


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool(1)
    yield pool
    await pool.close()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
async def test_a_forecast_comes_from_another_process(pool) -> None:
    outlook = await pool.forecast(history(24 * 28), ASK)

    (pid,) = pool.pids
    assert pid != os.getpid()
    assert outlook.rows["mean"].to_list() == pytest.approx([float(hour) for hour in range(24)])
    assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.slow
async def test_each_step_is_told_here_in_the_loop(pool) -> None:
    heard: list[int] = []

    await pool.forecast(history(24 * 60), replace(ASK, model=ModelName.AUTO),
                        step=lambda: heard.append(threading.get_ident()))  # fmt: skip

    assert heard == [threading.get_ident()] * STEPS


@pytest.mark.slow
async def test_a_meter_is_judged_by_the_same_processes(pool) -> None:
    kw = 100 + np.random.default_rng(0).normal(0, 1, 24 * 35)
    kw[24 * 30 : 24 * 30 + 4] = 0.0
    span = Period(MONDAY + timedelta(days=28), MONDAY + timedelta(days=35))

    judged = await pool.detect(watched(kw), span, per_month=1.0)
    await pool.forecast(history(24 * 28), ASK)

    assert len(pool.pids) == 1
    assert [each.rule for each in judged.noticed] == [Rule.ZERO]
    assert judged.scores.height == 7 * 24


@pytest.mark.slow
async def test_what_is_wrong_is_raised_here_with_its_problems(pool) -> None:
    with pytest.raises(InputError) as refusal:
        await pool.forecast(history(5), ASK)

    assert refusal.value.problems[0].reason == "too_short"
    await pool.forecast(history(24 * 28), ASK)  # the process is none the worse for it


@pytest.mark.slow
async def test_a_process_that_is_killed_is_an_error_and_the_next_one_works(pool) -> None:
    await pool.forecast(history(24 * 28), ASK)
    (pid,) = pool.pids
    asking = asyncio.create_task(pool.forecast(history(24 * 700), ASK))
    await asyncio.sleep(0.01)
    os.kill(pid, signal.SIGKILL)

    with pytest.raises(UnavailableError, match="was killed"):
        await asking

    assert (await pool.forecast(history(24 * 28), ASK)).rows.height == 24
    assert pool.pids != [pid]


@pytest.mark.slow
async def test_who_no_longer_waits_ends_the_process(pool) -> None:
    await pool.forecast(history(24 * 28), ASK)
    (pid,) = pool.pids
    asking = asyncio.create_task(pool.forecast(history(24 * 700), ASK))
    await asyncio.sleep(0.01)

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert not is_there(pid)
    assert (await pool.forecast(history(24 * 28), ASK)).rows.height == 24


@pytest.mark.slow
async def test_as_many_at_once_as_there_are_processes_and_the_others_wait() -> None:
    pool = Pool(2)
    found = await asyncio.gather(*(pool.forecast(history(24 * 28), ASK) for _ in range(5)))

    assert len(found) == 5
    assert len(pool.pids) == 2
    await pool.close()


@pytest.mark.slow
async def test_no_process_is_left_behind() -> None:
    pool = Pool(1)
    await pool.forecast(history(24 * 28), ASK)
    (pid,) = pool.pids

    await pool.close()

    assert not is_there(pid)
    assert pool.pids == []
    assert spare_cores() >= 1

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from wattbook.core.forecast import oneoffs, series
from wattbook.core.forecast.series import Floats, Series
from wattbook.core.forecast.task import ForecastTask
from wattbook.core.periods import Grain

T = datetime(2026, 8, 31, tzinfo=UTC)  # a Monday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def hourly(values: Floats) -> Series:
    return _series(values, Grain.HOUR, HOUR)


def _series(values: Floats, grain: Grain, step: timedelta) -> Series:
    history = pl.DataFrame(
        {"start_utc": [T + step * at for at in range(len(values))], "value": values},
        schema={"start_utc": pl.Datetime("us", "UTC"), "value": pl.Float64},
    )
    return series.series(history, ForecastTask(horizon=DAY, grain=grain, timezone="UTC"))


def load(days: int, seed: int = 0) -> Floats:
    """100 on weekdays, 60 on Saturdays and Sundays, with a little noise."""
    day = np.arange(days * 24) // 24
    noise = np.random.default_rng(seed).normal(size=days * 24)
    return np.where(day % 7 >= 5, 60.0, 100.0) + noise


def test_a_curtailment_of_two_days_is_the_only_thing_left_out() -> None:
    values = load(91)
    values[44 * 24 : 46 * 24] *= 0.2  # Wednesday and Thursday of the seventh week

    cleaned, spans = oneoffs.excluded(hourly(values))

    assert spans == [(44 * 24, 46 * 24)]
    assert np.flatnonzero(np.isnan(cleaned.values)).tolist() == list(range(44 * 24, 46 * 24))


def test_a_curtailment_of_two_days_is_left_out_of_daily_values_too() -> None:
    values = load(91).reshape(-1, 24).mean(axis=1)
    values[44:46] *= 0.2

    assert oneoffs.excluded(_series(values, Grain.DAY, DAY))[1] == [(44, 46)]


@pytest.mark.parametrize("days", [14, 30, 91, 400])
def test_weekends_are_a_pattern(days) -> None:
    assert oneoffs.excluded(hourly(load(days)))[1] == []


def test_what_happens_on_every_second_monday_is_a_pattern() -> None:
    values = load(91)
    for week in range(0, 13, 2):
        values[week * 168 + 8 : week * 168 + 12] = 10.0

    assert oneoffs.excluded(hourly(values))[1] == []


def test_what_lasted_for_more_than_a_week_is_learnt() -> None:
    values = load(91)
    values[40 * 24 : 48 * 24] *= 0.2

    assert oneoffs.excluded(hourly(values))[1] == []


def test_what_has_not_ended_yet_is_learnt() -> None:
    values = load(91)
    values[-12:] = 10.0

    assert oneoffs.excluded(hourly(values))[1] == []


def test_a_public_holiday_is_learnt() -> None:
    values = load(91)
    values[44 * 24 : 45 * 24] = 30.0
    known = hourly(values)
    free = np.zeros(len(known.start_utc), dtype=np.bool_)
    free[44 * 24 : 45 * 24] = True

    assert oneoffs.excluded(replace(known, holiday=free))[1] == []


def test_a_constant_has_no_one_off() -> None:
    assert oneoffs.excluded(hourly(np.full(24 * 30, 5.0)))[1] == []


def test_zeros_most_of_the_time_have_no_one_off() -> None:
    values = np.random.default_rng(1).choice([0.0] * 5 + [50.0, 80.0], size=24 * 28)

    assert oneoffs.excluded(hourly(values))[1] == []

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from wattbook.core.forecast import naive
from wattbook.core.forecast.series import Series, series
from wattbook.core.forecast.task import ForecastTask
from wattbook.core.periods import Grain

T = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def known(values, *, timezone="UTC", start=T, horizon=DAY) -> Series:
    starts = [start + timedelta(hours=number) for number in range(len(values))]
    history = pl.DataFrame(
        {"start_utc": starts, "value": values},
        schema={"start_utc": pl.Datetime("us", "UTC"), "value": pl.Float64},
    )
    return series(history, ForecastTask(horizon=horizon, grain=Grain.HOUR, timezone=timezone))


def test_the_same_hour_of_the_day_before() -> None:
    values = [float(number) for number in range(72)]

    found = naive.seasonal(known(values), np.array([72]), 24, naive.DAY)

    assert found[0].tolist() == values[48:]


def test_beyond_the_season_the_last_known_one_is_repeated() -> None:
    values = [float(number) for number in range(72)]

    found = naive.seasonal(known(values), np.array([72]), 48, naive.DAY)

    assert found[0].tolist() == values[48:] * 2


def test_where_the_day_before_is_unknown_the_day_before_that_is_taken() -> None:
    values: list[float | None] = [float(number) for number in range(72)]
    values[50] = None

    found = naive.seasonal(known(values), np.array([72]), 24, naive.DAY)

    assert found[0][2] == 26.0


def test_the_day_after_the_clock_moved_is_like_the_one_before_by_the_local_clock() -> None:
    # 29 March 2026 in Berlin begins at 23:00 UTC and is an hour short; local hour as the value
    start = datetime(2026, 3, 25, 23, tzinfo=UTC)
    starts = pl.Series([start + timedelta(hours=number) for number in range(24 * 3 + 23)])
    local = starts.dt.convert_time_zone("Europe/Berlin").dt.hour().cast(pl.Float64)
    values = local.to_list()

    at = 24 * 3  # midnight of 29 March
    found = naive.seasonal(
        known(values, timezone="Europe/Berlin", start=start), np.array([at]), 23, naive.DAY
    )

    assert found[0][:3].tolist() == [0.0, 1.0, 3.0]  # 02:00 does not exist on that day
    assert found[0].tolist() == values[at:]


def test_a_year_ago_is_scaled_by_how_much_more_there_is_now() -> None:
    week = [float(1 + number % 24) for number in range(24 * 7)]
    values = week * 52 + [2 * value for value in week] * 8

    found = naive.year_ago(known(values), np.array([len(values)]), 24)

    # 52 weeks ago: the plain pattern, of which the four weeks before the origin are twice
    assert np.allclose(found[0], [2 * value for value in week[:24]])


def test_a_straight_line_goes_on() -> None:
    found = naive.drift(known([float(number) for number in range(72)]), np.array([72]), 3)

    assert found[0].tolist() == [72.0, 73.0, 74.0]


def test_what_lies_after_an_origin_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=24 * 60)
    changed = values.copy()
    changed[800:] += 100
    origins = np.array([700, 800])

    for days in (naive.DAY, naive.WEEK):
        one = naive.seasonal(known(values.tolist()), origins, 48, days)
        other = naive.seasonal(known(changed.tolist()), origins, 48, days)
        assert np.array_equal(one, other, equal_nan=True)

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from wattbook.core.errors import InputError
from wattbook.core.forecast.series import series
from wattbook.core.forecast.task import ForecastTask
from wattbook.core.periods import Grain

T = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def ask(**more) -> ForecastTask:
    return ForecastTask(**{"horizon": DAY, "grain": Grain.HOUR, "timezone": "UTC", **more})


def hours(values, start=T) -> pl.DataFrame:
    starts = [start + HOUR * number for number in range(len(values))]
    return pl.DataFrame(
        {"start_utc": starts, "value": values},
        schema={"start_utc": pl.Datetime("us", "UTC"), "value": pl.Float64},
    )


def test_an_absent_row_and_a_null_and_an_excluded_one_are_unknown_alike() -> None:
    history = hours([1.0] * 60).with_columns(
        excluded=pl.int_range(pl.len()) == 3,
        value=pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise(pl.col("value")),
    )
    history = history.filter(pl.int_range(pl.len()) != 7)

    known = series(history, ask())

    assert np.flatnonzero(np.isnan(known.values)).tolist() == [3, 5, 7]
    assert (known.origin, known.horizon) == (60, 24)


def test_the_steps_between_the_last_row_and_the_origin_are_unknown() -> None:
    known = series(hours([1.0] * 60), ask(), origin=T + 63 * HOUR)

    assert known.origin == 63
    assert np.isnan(known.values[60:]).all()
    assert known.start_utc[63] == T + 63 * HOUR


def test_nothing_from_the_origin_on_is_read() -> None:
    until = T + 50 * HOUR
    changed = hours([1.0] * 50 + [1e6] * 10)

    assert series(changed, ask(), origin=until).values.tolist() == [1.0] * 50


def test_a_day_on_which_the_clock_moves_is_one_step() -> None:
    midnight = datetime(2026, 3, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    midnights = [midnight + DAY * number for number in range(28)]
    local = pl.Series(midnights, dtype=pl.Datetime("us", "UTC"))
    history = pl.DataFrame({"start_utc": local, "value": [1.0] * 28})

    known = series(history, ask(grain=Grain.DAY, timezone="Europe/Berlin", horizon=3 * DAY))

    # 29 March has 23 hours: midnight is at 23:00 UTC before it, at 22:00 UTC after it
    assert [at.hour for at in known.start_utc[28:].to_list()] == [23, 22, 22]


@pytest.mark.parametrize(
    ("history", "reason", "field", "row"),
    [
        (hours([1.0] * 10), "too_short", "value", None),
        (hours([]), "too_short", "start_utc", None),
        (hours([None] * 60), "all_null", "value", None),
        (hours([1.0] * 59 + [float("nan")]), "not_finite", "value", 59),
        (hours([1.0] * 59 + [float("inf")]), "not_finite", "value", 59),
        (pl.concat([hours([1.0] * 60), hours([2.0])]), "duplicate", "start_utc", 0),
        (hours([1.0] * 60, start=T + timedelta(minutes=7)), "irregular", "start_utc", 0),
        (hours([1.0] * 60).drop("value"), "bad_column", "value", None),
        (
            hours([1.0] * 60).with_columns(pl.col("start_utc").dt.replace_time_zone(None)),
            "bad_column",
            "start_utc",
            None,
        ),
    ],
)
def test_what_is_wrong_with_a_history_is_named(history, reason, field, row) -> None:
    with pytest.raises(InputError) as refused:
        series(history, ask())

    problem = refused.value.problems[0]
    assert (problem.reason, problem.field, problem.row) == (reason, field, row)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"horizon": timedelta(days=32)}, "horizon"),
        ({"horizon": timedelta(0)}, "horizon"),
        ({"grain": Grain.MONTH}, "grain"),
        ({"quantiles": (0.1, 1.0)}, "quantiles"),
        ({"quantiles": ()}, "quantiles"),
        ({"quantiles": (0.1, 0.1)}, "quantiles"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
    ],
)
def test_what_cannot_be_asked_is_named(more, field) -> None:
    with pytest.raises(InputError) as refused:
        series(hours([1.0] * 60), ask(**more))

    assert refused.value.problems[0].field == field

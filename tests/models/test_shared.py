"""Young series that learn from others."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook.core.forecast.task import Basis, Donor, ForecastTask, ModelName
from wattbook.core.periods import Grain
from wattbook.models.auto import forecast

pytest.importorskip("sklearn")
pytestmark = pytest.mark.slow

T = datetime(2025, 1, 6, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
DAYS = 140
YOUNG = ForecastTask(horizon=7 * DAY, grain=Grain.HOUR, timezone="UTC")


def rows(values, begin: datetime = T) -> pl.DataFrame:
    starts = [begin + timedelta(hours=at) for at in range(len(values))]
    return pl.DataFrame(
        {"start_utc": starts, "value": list(values)},
        schema={"start_utc": pl.Datetime("us", "UTC"), "value": pl.Float64},
    )


def week(level: float) -> np.ndarray:
    """By day twice of what is drawn at night, and on Saturdays and Sundays half of all."""
    at = np.arange(168)
    free = np.where(at >= 120, 1 / 2, 1.0)
    return level * free * np.where((at % 24 >= 8) & (at % 24 < 20), 2.0, 1.0)


def donors(count: int) -> list[Donor]:
    rng = np.random.default_rng(1)
    noise = 1 + 0.01 * rng.normal(size=(count, DAYS * 24))
    return [
        Donor(history=rows(np.tile(week(10.0**each), DAYS // 7) * noise[each]), timezone="UTC")
        for each in range(count)
    ]


def test_three_days_and_what_others_draw_tell_of_a_weekend_never_seen() -> None:
    young = rows(week(500.0)[:72], T + DAYS * DAY)  # Monday to Wednesday

    outlook = forecast(young, YOUNG, donors=donors(5))

    expected = np.roll(week(500.0), -72)  # from Thursday on
    assert (outlook.basis, outlook.model, outlook.reason) == (Basis.MODEL, ModelName.GLOBAL, None)
    assert outlook.rows["mean"].to_list() == pytest.approx(expected.tolist(), rel=0.1)
    assert outlook.parameters["donors"] == 5
    off = outlook.parameters["off_by_level"]["7d"]
    assert off["global"] < off["naive"] / 4
    low, high = (outlook.rows[name].to_numpy() for name in ("p10", "p90"))
    held = (low <= expected) & (expected <= high)
    assert held.mean() > 0.7


def test_the_same_donors_and_seed_give_the_same_numbers() -> None:
    young = rows(week(500.0)[:72], T + DAYS * DAY)

    one, other = (forecast(young, YOUNG, donors=donors(4)) for _ in range(2))

    assert_frame_equal(one.rows, other.rows, check_exact=True)


@pytest.mark.parametrize(
    "others",
    [
        donors(2),  # too few to be tried on one another
        [Donor(history=rows([0.0] * 24 * DAYS), timezone="UTC")] * 5,  # a share of nothing
        [Donor(history=rows([1.0] * 30), timezone="UTC")] * 5,  # too young themselves
    ],
)
def test_where_others_have_nothing_to_say_it_repeats_itself(others) -> None:
    outlook = forecast(rows([7.0] * 72, T + DAYS * DAY), YOUNG, donors=others)

    assert outlook.basis is Basis.INSUFFICIENT
    assert set(outlook.rows["mean"]) == {7.0}


def test_it_can_be_asked_for_where_there_is_a_long_history_too() -> None:
    old = rows(np.tile(week(3.0), DAYS // 7))
    asked = ForecastTask(horizon=7 * DAY, grain=Grain.HOUR, timezone="UTC", model=ModelName.GLOBAL)

    with_others, alone = forecast(old, asked, donors=donors(4)), forecast(old, asked)

    assert with_others.model is ModelName.GLOBAL
    assert alone.basis is Basis.NAIVE
    assert "too few other series" in str(alone.reason)


def test_donors_of_whom_nothing_is_known_at_such_an_hour_are_none() -> None:
    """The last hour of each day is never told, and that alone is asked for."""
    gaps = np.where(np.arange(DAYS * 24) % 24 == 23, np.nan, np.tile(week(5.0), DAYS // 7))
    others = [Donor(history=rows(gaps).fill_nan(None), timezone="UTC")] * 4
    asked = ForecastTask(horizon=timedelta(hours=1), grain=Grain.HOUR, timezone="UTC")

    outlook = forecast(rows([7.0] * 72, T + DAYS * DAY), asked, donors=others)

    assert outlook.basis is Basis.INSUFFICIENT


def test_a_donor_before_it_was_at_work_does_not_count() -> None:
    """Else what came later would be ten thousand million times its level."""
    begun = np.tile(week(5.0), DAYS // 7)
    begun[: DAYS * 18] = 1e-9
    others = [*donors(3), Donor(history=rows(begun), timezone="UTC")]

    outlook = forecast(rows(week(500.0)[:72], T + DAYS * DAY), YOUNG, donors=others)

    assert outlook.parameters["off_by_level"]["7d"]["global"] < 1


def test_what_donors_did_after_the_origin_is_not_read() -> None:
    young = rows(week(500.0)[:72], T + (DAYS - 7) * DAY)
    known = donors(3)
    later = [
        Donor(
            history=each.history.with_columns(
                value=pl.when(pl.col("start_utc") < T + (DAYS - 4) * DAY)
                .then("value")
                .otherwise(7 * pl.col("value"))
            ),
            timezone="UTC",
        )
        for each in known
    ]

    one, other = (forecast(young, YOUNG, donors=each) for each in (known, later))

    assert one.model is ModelName.GLOBAL
    assert_frame_equal(one.rows, other.rows, check_exact=True)

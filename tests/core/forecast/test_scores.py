from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from wattbook.core.forecast import scores
from wattbook.core.forecast.series import series
from wattbook.core.forecast.task import Band, ForecastTask
from wattbook.core.periods import Grain

T = datetime(2026, 1, 5, tzinfo=UTC)


def test_the_bands_share_the_leads_of_thirty_days_between_them() -> None:
    of = {band: int(scores.leads(band, 720, 24).sum()) for band in Band}

    assert of == {Band.DAY: 24, Band.WEEK: 144, Band.MONTH: 552}


def test_the_unit_of_the_mase_is_the_mean_change_from_week_to_week() -> None:
    starts = [T + timedelta(hours=number) for number in range(336)]
    values = [0.0] * 168 + [3.0] * 84 + [1.0] * 84  # 84 × 3 and 84 × 1: 2 on average
    history = pl.DataFrame({"start_utc": starts, "value": values}).with_columns(
        pl.col("start_utc").cast(pl.Datetime("us", "UTC"))
    )
    ask = ForecastTask(horizon=timedelta(days=1), grain=Grain.HOUR, timezone="UTC")

    assert scores.scale(series(history, ask)) == 2.0


def test_pinball_weighs_what_is_missed_by_the_level() -> None:
    actual = np.array([10.0, 10.0])
    quantiles = np.array([[8.0], [12.0]])  # 2 too low costs 0.9 · 2, 2 too high 0.1 · 2

    assert scores.pinball(actual, quantiles, (0.9,)) == pytest.approx(1.0)


def test_a_value_that_is_not_known_is_not_counted() -> None:
    actual = np.array([1.0, 5.0, np.nan, 3.0])

    assert scores.coverage(actual, np.full(4, 0.0), np.full(4, 3.0)) == pytest.approx(2 / 3)
    assert scores.coverage(np.full(4, np.nan), actual, actual) is None

"""Changes of level that stay, and others that do not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from wattbook.core.forecast import levels, series
from wattbook.core.forecast.series import Floats, Series
from wattbook.core.forecast.task import ForecastTask
from wattbook.core.periods import Grain

T = datetime(2026, 1, 5, tzinfo=UTC)


def series_of(values: Floats) -> Series:
    starts = [T + timedelta(hours=at) for at in range(len(values))]
    history = pl.DataFrame({"start_utc": starts, "value": values}).with_columns(
        pl.col("start_utc").cast(pl.Datetime("us", "UTC"))
    )
    return series.series(
        history, ForecastTask(horizon=timedelta(days=1), grain=Grain.HOUR, timezone="UTC")
    )


def test_a_week_of_heat_and_its_end_are_no_shifts() -> None:
    rng = np.random.default_rng(3)
    days = 100 + rng.normal(0, 1, 90)
    days[80:86] += 60  # and four days after it, the forecast is made
    values = np.repeat(days, 24)

    _, shifts = levels.remove_level_shifts(series_of(values))

    assert shifts == {}


def test_racks_that_went_after_an_outage_are_seen() -> None:
    days = np.full(90, 100.0)
    days[60] = 0.0  # a day without power makes no level of 0 usual
    days[80:] = 60.0  # racks that went
    values = np.repeat(days, 24)

    _, shifts = levels.remove_level_shifts(series_of(values))

    assert shifts == {80 * 24: -40.0}

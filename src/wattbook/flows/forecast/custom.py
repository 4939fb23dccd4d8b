"""A series that a caller sends to be forecast, and the words for its horizon."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from wattbook.core.errors import (
    input_error,
)
from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.scenario import Scenario
from wattbook.core.forecast.task import ForecastTask

UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomSeries:
    """A series of a caller's: its own figures, or meters that are to be added up."""

    rows: pl.DataFrame | None = None
    """`start_utc`, `value`."""
    meter_ids: tuple[str, ...] = ()
    ask: ForecastTask
    quantity: Quantity = Quantity.LOAD
    unit: str = ""
    covariates: pl.DataFrame | None = None
    scenario: Scenario | None = None


def number(text: str) -> float:
    """A number as people write it; ValueError of what only Python takes for one, as 1_0."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def horizon_of(text: str | float, longest_days: int) -> timedelta:
    """A horizon in days, or as `24h`, `7d`.

    Raises
    ------
    InputError
        It is none, or longer than FORECAST_DAYS.
    """
    said = str(text).strip().lower()
    unit = UNITS.get(said[-1:], UNITS["d"])
    try:
        found = number(said.removesuffix(said[-1:]) if said[-1:] in UNITS else said) * unit
    except (ValueError, OverflowError) as error:
        detail = f"{text!r} is not a horizon; use days, such as 7, 7d or 24h"
        raise input_error("bad_horizon", detail, "horizon") from error
    if not found:
        raise input_error("bad_horizon", "the horizon must be positive", "horizon")
    if found > timedelta(days=longest_days):
        detail = f"{text} is longer than {longest_days} days (FORECAST_DAYS)"
        raise input_error("horizon_too_long", detail, "horizon")
    if found < timedelta():
        raise input_error("bad_horizon", "the horizon must be positive", "horizon")
    return found

"""What is asked of a forecast, and what it answers."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import polars as pl

from wattbook.core import manifest
from wattbook.core.periods import Grain, Period

QUANTILES: Final = (1 / 10, 1 / 2, 9 / 10)


class Basis(StrEnum):
    """What a forecast rests on."""

    MODEL = "model"
    NAIVE = "naive"
    INSUFFICIENT = "insufficient"


class Band(StrEnum):
    """Lead times that are judged together: up to a day, from there to a week, to thirty days."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def longest(self) -> timedelta:
        """The longest lead time in it."""
        return {Band.DAY: timedelta(days=1), Band.WEEK: timedelta(days=7)}.get(
            self, timedelta(days=30)
        )


class ModelName(StrEnum):
    """What can be asked for by name."""

    AUTO = "auto"
    ENSEMBLE = "ensemble"
    NAIVE = "naive"
    STATISTICAL = "statistical"
    GBM = "gbm"
    GLOBAL = "global"
    PROPHET = "prophet"


@manifest.named(
    "ForecastTask",
    "horizon grain timezone country quantiles model seed minimum maximum",
    later={"minimum": None, "maximum": None},
)
@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastTask:
    """A forecast that is wanted."""

    horizon: timedelta
    grain: Grain
    timezone: str
    """Of the seasons: an IANA name."""
    country: str | None = None
    """Whose holidays count, ISO 3166-1 alpha-2; null: none."""
    quantiles: tuple[float, ...] = QUANTILES
    model: ModelName = ModelName.AUTO
    seed: int = 0
    minimum: float | None = None
    """No figure is below it; null: 0 where the history never is, else no bound."""
    maximum: float | None = None
    """No figure is above it, before what a scenario adds; null: no bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    """Another series, from which one with little history learns."""

    history: pl.DataFrame
    """As that of the forecast."""
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastResult:
    """A forecast and how good such forecasts were."""

    basis: Basis
    reason: str | None
    """Why it is not a model's, and which quantiles or packages are lacking; null: nothing is."""
    model: ModelName
    """The model whose figures these are; never `auto`."""
    rows: pl.DataFrame
    """`start_utc`, `mean`, a column for each quantile, `column(0.1)` …; sorted, none crosses.

    A quantile is null where too few past errors are known to tell it by.
    """
    leaderboard: pl.DataFrame
    """`model`, `band`, `mase`, `rmae`, `pinball`, `coverage`, `width`, `origins`, by backtest."""
    coverage: pl.DataFrame
    """`band`, `nominal`, `measured`, `days`: how often the widest pair of quantiles held lately."""
    trained: Period | None
    parameters: dict[str, Any] = field(default_factory=dict)
    """What the model was fitted to, plain enough for JSON."""


def column(quantile: float) -> str:
    """The column of a quantile: `p10` of 0.1, `p2.5` of 0.025."""
    return f"p{quantile * 100:g}"

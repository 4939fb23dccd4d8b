"""Exponential smoothing with error, trend and damping chosen by AICc: for days without hours."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from wattbook.core.forecast.series import Floats, Ints, Series

LATEST: Final = 730
"""So many steps are learnt from: what was before says little of today's trend."""
WARM_UP: Final = 180
"""So many steps let the level and the trend settle before an origin."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """An exponential smoothing whose parameters are found."""

    series: Series
    model: Any

    def predict(self, origins: Ints, horizon: int) -> Floats:
        """Level and trend run on to each origin with the parameters that were learnt."""
        values = complete(self.series.values)
        ahead = [
            self.model.forward(values[max(origin - WARM_UP, 0) : origin], horizon)["mean"]
            for origin in origins
        ]
        return np.array(ahead)


class Smoothing:
    """AutoETS of statsforecast, without seasons."""

    def __init__(self, series: Series) -> None:
        self.series = series

    def fit(self, until: int) -> Fitted:
        """Error, trend and damping by AICc of the steps before `until`."""
        from statsforecast.models import AutoETS  # noqa: PLC0415 -- slow

        values = complete(self.series.values[:until])
        return Fitted(self.series, AutoETS(model="ZZN").fit(values[-LATEST:]))


def complete(values: Floats) -> Floats:
    """Values with each unknown one as the last that was known; the first ones as the first."""
    known = np.isfinite(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    first = int(np.argmax(known))
    filled: Floats = values[np.where(last >= 0, last, first)]
    return filled

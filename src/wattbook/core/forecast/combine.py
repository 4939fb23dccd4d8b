"""Several forecasts as one, each by how far off it was."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from wattbook.core.forecast import backtest, scores
from wattbook.core.forecast.backtest import Plan
from wattbook.core.forecast.series import Floats
from wattbook.core.forecast.task import Band

SHARPNESS: Final = 6
"""The power of the inverse error by which a forecast counts: twice as far off counts 1/64."""


def weights(plan: Plan, forecasts: Mapping[str, Floats], per_day: int) -> dict[Band, list[float]]:
    """The share of each forecast in each band, from its error where all of them are known."""
    found = {}
    for band in Band:
        tried = backtest.errors(plan, forecasts, scores.leads(band, plan.actual.shape[1], per_day))
        if not tried:
            found[band] = [1 / len(forecasts)] * len(forecasts)
            continue
        off = np.array([tried.get(name, np.inf) for name in forecasts])
        least = off.min()
        better = (off == least).astype(float) if least == 0 else (least / off) ** SHARPNESS
        found[band] = (better / better.sum()).tolist()
    return found


def combine(
    forecasts: Mapping[str, Floats], share: Mapping[Band, list[float]], per_day: int
) -> Floats:
    """The weighted mean of the forecasts that are known."""
    stacked = np.stack(list(forecasts.values()))
    horizon = stacked.shape[2]
    by_lead = np.zeros((len(stacked), horizon))
    for band, parts in share.items():
        by_lead[:, scores.leads(band, horizon, per_day)] = np.array(parts)[:, None]
    known = np.isfinite(stacked)
    weight = np.where(known, by_lead[:, None, :], 0.0)
    total = weight.sum(axis=0)
    mean: Floats = (np.where(known, stacked, 0.0) * weight).sum(axis=0) / np.where(
        total > 0, total, np.nan
    )
    return mean

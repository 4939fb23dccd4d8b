"""Curtailed hours: left out of what is learnt, and foreseen where their cause is known ahead."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from wattbook.core.forecast.scenario import Scenario
from wattbook.core.forecast.series import Bools, Floats, Series

PRICE: Final = "price_per_mwh"
CURTAILED: Final = "curtailed"
MAX_LEFT: Final = 0.75
"""Curtailed steps leave no more than this share of the power of the others."""
MIN_AGREED: Final = 0.9
"""Share of the steps of which a strike price must say rightly whether they are curtailed."""
MIN_STEPS: Final = 12
"""With fewer curtailed steps nothing is said of what they leave."""
TRIED: Final = (75, 80, 85, 90, 93, 95, 97, 98, 99)
"""Percentiles of the price that may be the strike price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """How a site answers a price: from the strike price on a share of its power is left."""

    strike: float
    left: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Natural:
    """A history without its curtailed hours, and what will be left of each step to come."""

    series: Series
    response: Response | None
    left: Floats


def natural(series: Series, scenario: Scenario | None = None) -> Natural:
    """What the site draws when nothing curtails it, and by how much it will be curtailed.

    Curtailed are the steps of which the covariate `curtailed` says so (not 0), and those whose
    price reached a strike price, where the history shows that there is one.
    """
    ahead = np.ones(series.horizon)
    if series.extras is None and (scenario is None or scenario.prices is None):
        return Natural(series=series, response=None, left=ahead)
    price, marked = _known(series, PRICE), _known(series, CURTAILED) > 0
    history, future = slice(0, series.origin), slice(series.origin, None)
    was_marked = marked[history]
    left = share_left(series.values, was_marked)
    if left is not None:
        ahead[marked[future]] = left
    values = np.where(was_marked, np.nan, series.values)
    response = strike(values, price[history])
    if response is not None:
        values = np.where(price[history] >= response.strike, np.nan, values)
        foreseen = price[future]
        if scenario is not None and scenario.prices is not None:
            foreseen = _of_scenario(series, scenario.prices)
        hit = foreseen >= response.strike
        ahead[hit] = np.minimum(ahead[hit], response.left)
    return Natural(series=replace(series, values=values), response=response, left=ahead)


def share_left(values: Floats, curtailed: Bools) -> float | None:
    """Median of the curtailed values over that of the others; null where there are too few."""
    known = np.isfinite(values)
    less, usual = values[known & curtailed], values[known & ~curtailed]
    if len(less) < MIN_STEPS or len(usual) < MIN_STEPS or np.median(usual) <= 0:
        return None
    return float(np.clip(np.median(less) / np.median(usual), 0, 1))


def strike(values: Floats, price: Floats) -> Response | None:
    """The price from which on less is drawn, where nine tenths of the steps on each side agree.

    >>> prices = np.tile([30.0, 50.0, 200.0, 300.0], 100)
    >>> strike(np.where(prices >= 200, 1.0, 10.0), prices)
    Response(strike=200.0, left=0.1)
    """
    known = np.isfinite(values) & np.isfinite(price)
    drawn, paid = values[known], price[known]
    if len(drawn) < 2 * MIN_STEPS:
        return None
    best: tuple[float, Response] | None = None
    for limit in np.unique(np.percentile(paid, (50, *TRIED), method="higher")):
        above = paid >= limit
        left = share_left(drawn, above)
        if left is None:
            continue
        usual = float(np.median(drawn[~above]))
        low = drawn < usual * (1 + left) / 2
        agreed = min(float(low[above].mean()), float((~low)[~above].mean()))
        if left <= MAX_LEFT and agreed >= MIN_AGREED and (best is None or agreed > best[0]):
            best = agreed, Response(strike=float(limit), left=left)
    return None if best is None else best[1]


def _known(series: Series, name: str) -> Floats:
    """The latest number that was known of each step at the origin; NaN: none."""
    found = np.full(len(series.start_utc), np.nan)
    if series.extras is None or name not in series.extras.columns:
        return found
    origin_us = series.start_utc.to_physical()[series.origin]
    rows = series.extras.filter(pl.col("known_us") <= origin_us, pl.col(name).is_not_null())
    found[rows["step"].to_numpy()] = rows[name].to_numpy()  # of several the last one stays
    return found


def _of_scenario(series: Series, prices: pl.DataFrame) -> Floats:
    ahead = series.start_utc[series.origin :].alias("start_utc").to_frame()
    joined = ahead.join(prices, on="start_utc", how="left", maintain_order="left")
    found: Floats = joined[PRICE].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return found

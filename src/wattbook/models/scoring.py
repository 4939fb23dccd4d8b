"""How good each model was on the days before the forecast: leaderboard and coverage."""

from typing import Any

import numpy as np
import polars as pl

from wattbook.core.forecast import intervals, scores
from wattbook.core.forecast.backtest import Plan
from wattbook.core.forecast.series import Floats, Series
from wattbook.core.forecast.task import Band, ForecastTask


def _judged(known: Series, plan: Plan, point: Floats, levels: tuple[float, ...]) -> Floats:
    """Quantiles at all origins, from errors that were known before the judged days."""
    unit = intervals.unit(known, plan.origins)[:, None]
    past = np.where(plan.learnt, (plan.actual - point) / unit, np.nan)
    return intervals.around(
        point, intervals.offsets(past, known.per_day, levels) * unit[:, :, None]
    )


def leaderboard(
    known: Series, plan: Plan, pool: dict[str, Floats], ask: ForecastTask
) -> pl.DataFrame:
    """`scores.LEADERBOARD` of each model, by errors that were known before the judged days."""
    levels = tuple(sorted(ask.quantiles))
    unit, spread = scores.scale(known), scores.spread(known)
    actual = np.where(plan.judged, plan.actual, np.nan)
    rows: list[dict[str, Any]] = []
    for name, point in pool.items():
        quantiles = _judged(known, plan, point, levels)
        for band in Band:
            inside = scores.leads(band, known.horizon, known.per_day)
            seen, low, high = actual[:, inside], quantiles[:, inside, 0], quantiles[:, inside, -1]
            error = scores.mae(seen - point[:, inside])
            if error is None:
                continue
            rows.append(
                {
                    "model": name,
                    "band": str(band),
                    "mase": scores.over(error, unit),
                    "rmae": scores.over(error, spread),
                    "pinball": scores.pinball(seen, quantiles[:, inside], levels),
                    "coverage": scores.coverage(seen, low, high),
                    "width": scores.mae(np.where(np.isfinite(seen), high - low, np.nan)),
                    "origins": int(np.isfinite(seen).any(axis=1).sum()),
                }
            )
    return pl.DataFrame(rows, schema=scores.LEADERBOARD)


def coverage(known: Series, plan: Plan, point: Floats, ask: ForecastTask) -> pl.DataFrame:
    """`scores.COVERAGE` of the widest pair of quantiles of the forecast that is published."""
    levels = tuple(sorted(ask.quantiles))
    quantiles = _judged(known, plan, point, levels)
    actual = np.where(plan.judged, plan.actual, np.nan)
    rows = []
    for band in Band:
        inside = scores.leads(band, known.horizon, known.per_day)
        held = scores.coverage(actual[:, inside], quantiles[:, inside, 0], quantiles[:, inside, -1])
        if held is not None:
            rows.append(
                {
                    "band": str(band),
                    "nominal": levels[-1] - levels[0],
                    "measured": held,
                    "days": plan.days,
                }
            )
    return pl.DataFrame(rows, schema=scores.COVERAGE)

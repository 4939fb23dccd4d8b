"""The forecast of one series: tries the models on its own past and publishes what was best."""

from datetime import datetime
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl

from wattbook.core.forecast import backtest, intervals, naive, scores, series
from wattbook.core.forecast import scenario as scenarios
from wattbook.core.forecast.backtest import Plan
from wattbook.core.forecast.outlook import Ask, Band, Basis, ModelName, Outlook, column
from wattbook.core.forecast.scenario import Scenario
from wattbook.core.forecast.series import Floats, Series
from wattbook.core.periods import Period
from wattbook.models import holidays

LEAST_TRIED: Final = 14
"""With fewer origins nothing can be said of how good the forecasts are."""


def forecast(
    history: pl.DataFrame,
    ask: Ask,
    *,
    origin: datetime | None = None,
    covariates: pl.DataFrame | None = None,
    scenario: Scenario | None = None,
) -> Outlook:
    """What `history` will be over the horizon, how sure that is, and which model says so."""
    if scenario is not None:
        scenarios.check(scenario)
    known = series.series(
        history,
        ask,
        origin=origin,
        holidays=partial(holidays.between, ask.country),
        covariates=covariates,
    )
    plan = backtest.plan(known)

    pool = {ModelName.NAIVE: naive_of(known, plan)}
    chosen, reason = choose(known, plan, pool)
    point = backtest.by_band(pool, chosen, known.per_day)

    model = max(set(chosen.values()), key=list(chosen.values()).count)
    basis = Basis.NAIVE if model == ModelName.NAIVE else Basis.MODEL
    if plan.tried < LEAST_TRIED:
        basis, reason = Basis.INSUFFICIENT, "the history is too short to try any model on it"
    rows = _rows(known, plan, point, ask, scenario)
    return Outlook(
        basis=basis,
        reason=reason,
        model=ModelName(model),
        rows=rows,
        leaderboard=_leaderboard(known, plan, pool, ask),
        coverage=_coverage(known, plan, point, ask),
        trained=_trained(known),
        parameters={"bands": {str(band): str(name) for band, name in chosen.items()}},
    )


def naive_of(known: Series, plan: Plan) -> Floats:
    """In each band the naive forecast that was best there."""
    kinds = {
        "week": naive.seasonal(known, plan.origins, known.horizon, naive.WEEK),
        "day": naive.seasonal(known, plan.origins, known.horizon, naive.DAY),
        "year": naive.year_ago(known, plan.origins, known.horizon),
    }
    if known.per_day == 1:
        kinds["drift"] = naive.drift(known, plan.origins, known.horizon)
    joined = backtest.by_band(kinds, backtest.best(plan, kinds, known.per_day), known.per_day)
    return np.where(np.isnan(joined), np.nanmedian(known.values), joined)


def choose(
    known: Series, plan: Plan, pool: dict[ModelName, Floats]
) -> tuple[dict[Band, str], str | None]:
    """The best model of each band, and why where that is the naive one."""
    chosen = backtest.best(plan, {str(name): each for name, each in pool.items()}, known.per_day)
    lost = [str(band) for band, name in chosen.items() if name == ModelName.NAIVE]
    reason = f"no model was better than the naive forecast at {', '.join(lost)}" if lost else None
    return chosen, reason


def _rows(
    known: Series, plan: Plan, point: Floats, ask: Ask, scenario: Scenario | None
) -> pl.DataFrame:
    levels = tuple(sorted(ask.quantiles))
    group = intervals.groups(known.horizon, known.per_day)
    offset = intervals.offsets(plan.actual - point, group, levels)
    spread = intervals.around(point[-1], offset)
    mean = point[-1]
    if np.nanmin(known.values) >= 0:
        spread, mean = np.maximum(spread, 0.0), np.maximum(mean, 0.0)
    names = [column(level) for level in levels]
    rows = pl.DataFrame(
        {
            "start_utc": known.start_utc[known.origin :],
            "mean": mean,
            **{name: spread[:, at] for at, name in enumerate(names)},
        }
    )
    return rows if scenario is None else scenarios.under(rows, scenario, ["mean", *names])


def _judged(known: Series, plan: Plan, point: Floats, levels: tuple[float, ...]) -> Floats:
    """Quantiles at all origins, from errors that were known before the judged days."""
    group = intervals.groups(known.horizon, known.per_day)
    past = np.where(plan.learnt, plan.actual - point, np.nan)
    return intervals.around(point, intervals.offsets(past, group, levels))


def _leaderboard(
    known: Series, plan: Plan, pool: dict[ModelName, Floats], ask: Ask
) -> pl.DataFrame:
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
                    "model": str(name),
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


def _coverage(known: Series, plan: Plan, point: Floats, ask: Ask) -> pl.DataFrame:
    levels = tuple(sorted(ask.quantiles))
    quantiles = _judged(known, plan, point, levels)
    actual = np.where(plan.judged, plan.actual, np.nan)
    rows = []
    for band in Band:
        inside = scores.leads(band, known.horizon, known.per_day)
        held = scores.coverage(
            actual[:, inside], quantiles[:, inside, 0], quantiles[:, inside, -1]
        )
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


def _trained(known: Series) -> Period:
    starts = known.start_utc
    return Period(starts[0], starts[known.origin])


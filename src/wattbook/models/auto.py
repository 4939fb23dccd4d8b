"""The forecast of one series: tries the models on its own past and publishes what was best."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from wattbook.core.errors import InputError, UnsupportedError
from wattbook.core.forecast import (
    backtest,
    combine,
    curtailment,
    intervals,
    levels,
    naive,
    scores,
    series,
)
from wattbook.core.forecast import scenario as scenarios
from wattbook.core.forecast.backtest import Plan
from wattbook.core.forecast.outlook import (
    Ask,
    Band,
    Basis,
    Donor,
    ModelName,
    Outlook,
    column,
)
from wattbook.core.forecast.scenario import Scenario
from wattbook.core.forecast.series import Floats, Series
from wattbook.core.periods import Period
from wattbook.models import gbm, holidays, installed, prophet, regression, shared
from wattbook.models.regression import Regression
from wattbook.models.smoothing import Smoothing
from wattbook.ports.forecaster import Step

LEARN_EVERY: Final = 56
"""Days after which the regression learns anew on its way through the past."""
CLEARLY: Final = 0.75
LEAST_TRIED: Final = 14
"""With fewer origins nothing can be said of how good the forecasts are."""
LEAST_GAIN: Final = 1 / 100
"""By so much a model has to be nearer than the naive one."""
LEARNING: Final = (ModelName.AUTO, ModelName.ENSEMBLE, ModelName.GLOBAL)
"""What may be answered by a model of other series."""


def forecast(
    history: pl.DataFrame,
    ask: Ask,
    *,
    origin: datetime | None = None,
    covariates: pl.DataFrame | None = None,
    scenario: Scenario | None = None,
    donors: Sequence[Donor] = (),
    step: Step | None = None,
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
    free = curtailment.natural(known, scenario)
    known, shifts = levels.settled(free.series)
    plan = backtest.plan(known)
    step = step or _nobody_asked
    step()
    if ask.model is ModelName.GLOBAL or plan.tried < LEAST_TRIED:
        found = learnt_from(donors, known, ask, free.left, scenario)
        if found is not None:
            return found
    with threadpool_limits(1):  # jobs run beside each other
        pool = members(known, plan, ask, step)
    chosen, reason = choose(known, plan, pool, ask.model)
    point = backtest.by_band(pool, chosen, known.per_day)
    unit = intervals.unit(known, plan.origins)
    errors = (plan.actual - point) / unit[:, None]

    counts = Counter(chosen.values())
    model = ModelName(counts.most_common(1)[0][0])
    basis = Basis.NAIVE if model is ModelName.NAIVE else Basis.MODEL
    if plan.tried < LEAST_TRIED:
        basis, reason = Basis.INSUFFICIENT, "the history is too short to try any model on it"
    return Outlook(
        basis=basis,
        reason=reason,
        model=model,
        rows=_rows(known, point[-1], errors, unit[-1], ask, free.left, scenario),
        leaderboard=_leaderboard(known, plan, pool, ask),
        coverage=_coverage(known, plan, point, ask),
        trained=Period(known.start_utc[0], known.start_utc[known.origin]),
        parameters={
            "bands": {str(band): name for band, name in chosen.items()},
            "origins": plan.tried,
            "level_shifts": {
                known.start_utc[step].isoformat(): amount for step, amount in shifts.items()
            },
            "price_response": None if free.response is None else asdict(free.response),
            "seed": ask.seed,
        },
    )


def learnt_from(
    donors: Sequence[Donor], known: Series, ask: Ask, left: Floats, scenario: Scenario | None
) -> Outlook | None:
    """What other series say of one with little history; null where they say nothing better."""
    if ask.model not in LEARNING or not installed("sklearn"):
        return None
    import_module("sklearn.ensemble")  # what is loaded later is not held to one thread
    others = [_donor(each, ask, known.start_utc[known.origin]) for each in donors]
    with threadpool_limits(1):
        found = shared.forecast(known, [each for each in others if each is not None], ask.seed)
    if found is None:
        return None
    point, errors = found.naive[0].copy(), found.naive_errors.copy()
    off: dict[str, dict[str, float | None]] = {}
    for band in Band:
        inside = scores.leads(band, known.horizon, known.per_day)
        ours = scores.mae(found.errors[:, inside])
        bar = scores.mae(found.naive_errors[:, inside])
        if ours is not None and bar is not None and ours < bar:
            point[inside], errors[:, inside] = found.point[0, inside], found.errors[:, inside]
            off[str(band)] = {"global": ours, "naive": bar}
    if not off:
        return None
    return Outlook(
        basis=Basis.MODEL,
        reason=None,
        model=ModelName.GLOBAL,
        rows=_rows(known, point, errors, found.level, ask, left, scenario),
        leaderboard=pl.DataFrame(schema=scores.LEADERBOARD),
        coverage=pl.DataFrame(schema=scores.COVERAGE),
        trained=Period(known.start_utc[0], known.start_utc[known.origin]),
        parameters={"donors": found.donors, "off_by_level": off, "seed": ask.seed},
    )


def _donor(donor: Donor, ask: Ask, origin: datetime) -> Series | None:
    """What was known of it at the origin of the young series."""
    try:
        return series.series(
            donor.history.filter(pl.col("start_utc") < origin),
            replace(ask, timezone=donor.timezone),
            holidays=partial(holidays.between, ask.country),
        )
    except InputError:  # too young itself, or unknown: it has nothing to give
        return None


def _nobody_asked() -> None:
    """Nobody wants to know how far it is."""


def members(known: Series, plan: Plan, ask: Ask, step: Step = _nobody_asked) -> dict[str, Floats]:
    """The forecasts of each model that is wanted and can be tried, the naive one first."""
    pool = {str(ModelName.NAIVE): naive_of(known, plan)}
    step()
    if plan.tried < LEAST_TRIED or ask.model is ModelName.NAIVE:
        return pool
    if ask.model is ModelName.PROPHET:
        if not installed("prophet"):
            raise UnsupportedError("Prophet is not installed: install wattbook[forecast]")
        return pool | {str(ModelName.PROPHET): prophet.tried(known, plan)}
    statistical = statistical_of(known, plan, step)
    step()
    pool[str(ModelName.STATISTICAL)] = statistical
    if ask.model is ModelName.STATISTICAL:
        return pool
    boosted = None
    if installed("sklearn"):
        import_module("sklearn.ensemble")  # slow, the first time
        step()
        boosted = gbm.boosted(known, plan, statistical, ask.seed)
    if boosted is not None:
        pool[str(ModelName.GBM)] = boosted
    step()
    share = combine.weights(plan, pool, known.per_day)
    pool[str(ModelName.ENSEMBLE)] = combine.combined(pool, share, known.per_day)
    return pool


def statistical_of(known: Series, plan: Plan, step: Step = _nobody_asked) -> Floats:
    """The regression, also of logarithms where there are any, and of days the smoothing."""
    rolls = {"linear": backtest.rolled(Regression(known), plan, every=LEARN_EVERY)}
    step()
    if regression.fits_logarithms(known):
        logarithmic = Regression(known, logarithms=True)
        rolls["logarithmic"] = backtest.rolled(logarithmic, plan, every=LEARN_EVERY)
    if known.per_day == 1 and installed("statsforecast"):
        smoothing = backtest.rolled(Smoothing(known), plan, every=LEARN_EVERY)
        rolls = {name: each for name, each in rolls.items() if _clearly(plan, each, smoothing)}
        rolls["smoothing"] = smoothing
    return combine.combined(rolls, combine.weights(plan, rolls, known.per_day), known.per_day)


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


def _clearly(plan: Plan, seasonal: Floats, smoothing: Floats) -> bool:
    """Whether seasons explain much; a trend that is taken for one leads far astray."""
    every = np.ones(plan.actual.shape[1], dtype=np.bool_)
    off = backtest.errors(plan, {"seasonal": seasonal, "smoothing": smoothing}, every)
    return bool(off) and off["seasonal"] < CLEARLY * off["smoothing"]


def choose(
    known: Series, plan: Plan, pool: dict[str, Floats], wanted: ModelName
) -> tuple[dict[Band, str], str | None]:
    """The model of each band of the horizon, and why where that is the naive one."""
    bands = [band for band in Band if scores.leads(band, known.horizon, known.per_day).any()]
    if wanted is not ModelName.AUTO:
        if wanted not in pool:
            said = f"the history is too short to try {wanted} on it"
            if wanted is ModelName.GLOBAL:
                said = "too few other series are known to learn from, or they say nothing better"
            return dict.fromkeys(bands, str(ModelName.NAIVE)), said
        pool = {name: pool[name] for name in (str(ModelName.NAIVE), str(wanted))}
    best = backtest.best(plan, pool, known.per_day)
    chosen = {band: _unless_alike(plan, pool, best[band], band, known.per_day) for band in bands}
    lost = [str(band) for band, name in chosen.items() if name == ModelName.NAIVE]
    if not lost or wanted is ModelName.NAIVE:
        return chosen, None
    who = "no model" if wanted is ModelName.AUTO else str(wanted)
    return chosen, f"{who} was not better than the naive forecast at {', '.join(lost)}".replace(
        "no model was not", "no model was"
    )


def _unless_alike(plan: Plan, pool: dict[str, Floats], name: str, band: Band, per_day: int) -> str:
    """The model, or the naive one where the difference is too small to speak of."""
    inside = scores.leads(band, plan.actual.shape[1], per_day)
    naive_name = str(ModelName.NAIVE)
    off = backtest.errors(plan, {each: pool[each] for each in {name, naive_name}}, inside)
    alike = name in off and naive_name in off and off[name] > (1 - LEAST_GAIN) * off[naive_name]
    return naive_name if alike else name


def _rows(
    known: Series,
    point: Floats,
    errors: Floats,
    unit: float,
    ask: Ask,
    left: Floats,
    scenario: Scenario | None,
) -> pl.DataFrame:
    """The forecast `point`, with intervals by past errors, which are told in their unit."""
    levels = tuple(sorted(ask.quantiles))
    offset = intervals.offsets(errors, known.per_day, levels)
    spread = intervals.around(point, offset * unit)
    mean = point
    if np.nanmin(known.values) >= 0:
        spread, mean = np.maximum(spread, 0.0), np.maximum(mean, 0.0)
    names = [column(level) for level in levels]
    rows = pl.DataFrame(
        {
            "start_utc": known.start_utc[known.origin :],
            "mean": mean * left,
            **{name: spread[:, at] * left for at, name in enumerate(names)},
        }
    )
    return rows if scenario is None else scenarios.under(rows, scenario, ["mean", *names])


def _judged(known: Series, plan: Plan, point: Floats, levels: tuple[float, ...]) -> Floats:
    """Quantiles at all origins, from errors that were known before the judged days."""
    unit = intervals.unit(known, plan.origins)[:, None]
    past = np.where(plan.learnt, (plan.actual - point) / unit, np.nan)
    return intervals.around(
        point, intervals.offsets(past, known.per_day, levels) * unit[:, :, None]
    )


def _leaderboard(known: Series, plan: Plan, pool: dict[str, Floats], ask: Ask) -> pl.DataFrame:
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


def _coverage(known: Series, plan: Plan, point: Floats, ask: Ask) -> pl.DataFrame:
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

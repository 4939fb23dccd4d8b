"""The models that are tried on the past of a series, and which of them is published."""

from importlib import import_module
from typing import Final

import numpy as np

from wattbook.core.errors import UnsupportedError
from wattbook.core.forecast import backtest, combine, naive, scores
from wattbook.core.forecast.backtest import Plan
from wattbook.core.forecast.series import Floats, Series
from wattbook.core.forecast.task import Band, ForecastTask, ModelName
from wattbook.models import gbm, installed, prophet, regression
from wattbook.models.regression import Regression
from wattbook.models.smoothing import Smoothing
from wattbook.ports.forecaster import Step

LEARN_EVERY: Final = 56
"""Days after which the regression learns anew on its way through the past."""
CLEARLY: Final = 0.75
LEAST_TRIED: Final = 14
"""With fewer origins nothing can be said of how good the forecasts are."""
MIN_GAIN: Final = 1 / 100
"""By so much a model has to be nearer than the naive one."""
PACKAGES: Final = {
    ModelName.GBM: ("sklearn", "scikit-learn"),
    ModelName.GLOBAL: ("sklearn", "scikit-learn"),
    ModelName.PROPHET: ("prophet", "prophet"),
}
"""The module and the package without which a model cannot be computed."""
SMOOTHING: Final = ("statsforecast", "statsforecast")
"""Those of the smoothing, a part of the statistical model for days."""
WITHOUT_TRIAL: Final = (ModelName.STATISTICAL, ModelName.PROPHET)
"""What can be asked for by name where the history is too short to try it."""


def require(ask: ForecastTask) -> None:
    """Refuse a model that was asked for by name where its package is missing.

    Raises
    ------
    UnsupportedError
        With the package and how to install it.
    """
    module, package = PACKAGES.get(ask.model, ("", ""))
    if module and not installed(module):
        said = (
            f"model {ask.model} needs the package {package}, which is not installed here:"
            " install wattbook with its dependencies (`make demo`, or `pip install .` in the"
            " checkout), or ask for another model"
        )
        raise UnsupportedError(said)


def unavailable(known: Series, ask: ForecastTask) -> dict[str, str]:
    """The models that would have been tried if their packages were installed, and these."""
    if ask.model not in (ModelName.AUTO, ModelName.ENSEMBLE, ModelName.STATISTICAL):
        return {}
    wanted = {} if ask.model is ModelName.STATISTICAL else {"gbm": PACKAGES[ModelName.GBM]}
    if known.per_day == 1:
        wanted["smoothing"] = SMOOTHING
    return {name: each[1] for name, each in wanted.items() if not installed(each[0])}


def _no_step() -> None:
    """Nobody follows the progress."""


def members(
    known: Series, plan: Plan, ask: ForecastTask, step: Step = _no_step
) -> dict[str, Floats]:
    """The forecasts of each model that is wanted and can be tried, the naive one first."""
    pool = {str(ModelName.NAIVE): naive_of(known, plan)}
    step()
    if ask.model is ModelName.NAIVE:
        return pool
    if plan.tried < LEAST_TRIED and ask.model not in WITHOUT_TRIAL:
        return pool
    if ask.model is ModelName.PROPHET:
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
    pool[str(ModelName.ENSEMBLE)] = combine.combine(pool, share, known.per_day)
    return pool


def statistical_of(known: Series, plan: Plan, step: Step = _no_step) -> Floats:
    """The regression, also of logarithms where there are any, and of days the smoothing."""
    rolls = {"linear": backtest.roll_forecasts(Regression(known), plan, every=LEARN_EVERY)}
    step()
    if regression.fits_logarithms(known):
        logarithmic = Regression(known, logarithms=True)
        rolls["logarithmic"] = backtest.roll_forecasts(logarithmic, plan, every=LEARN_EVERY)
    if known.per_day == 1 and installed("statsforecast"):
        smoothing = backtest.roll_forecasts(Smoothing(known), plan, every=LEARN_EVERY)
        rolls = {name: each for name, each in rolls.items() if _clearly(plan, each, smoothing)}
        rolls["smoothing"] = smoothing
    return combine.combine(rolls, combine.weights(plan, rolls, known.per_day), known.per_day)


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
) -> tuple[dict[Band, str], list[str]]:
    """The model of each band of the horizon, and what a reader should know of the choice.

    A model that was asked for by name is published wherever it could be computed. Of the others
    that with the least error is, or the naive one where none is clearly better.
    """
    bands = [band for band in Band if scores.leads(band, known.horizon, known.per_day).any()]
    named = wanted is not ModelName.AUTO
    if named and wanted not in pool:
        said = f"the history is too short to try {wanted} on it"
        if wanted is ModelName.GLOBAL:
            said = "too few other series are known to learn from, or they say nothing better"
        return dict.fromkeys(bands, str(ModelName.NAIVE)), [said]
    if named:
        pool = {name: pool[name] for name in (str(ModelName.NAIVE), str(wanted))}
    best = backtest.best(plan, pool, known.per_day)
    nearest = {band: _unless_alike(plan, pool, best[band], band, known.per_day) for band in bands}
    lost = ", ".join(band for band, name in nearest.items() if name == ModelName.NAIVE)
    if not lost or wanted is ModelName.NAIVE:
        return (dict.fromkeys(bands, str(wanted)) if named else nearest), []
    if named:
        said = f"the naive forecast was at least as good as {wanted} at {lost}"
        return dict.fromkeys(bands, str(wanted)), [said]
    return nearest, [f"no model was better than the naive forecast at {lost}"]


def _unless_alike(plan: Plan, pool: dict[str, Floats], name: str, band: Band, per_day: int) -> str:
    """The model, or the naive one where the difference is too small to speak of."""
    inside = scores.leads(band, plan.actual.shape[1], per_day)
    naive_name = str(ModelName.NAIVE)
    off = backtest.errors(plan, {each: pool[each] for each in {name, naive_name}}, inside)
    alike = name in off and naive_name in off and off[name] > (1 - MIN_GAIN) * off[naive_name]
    return naive_name if alike else name

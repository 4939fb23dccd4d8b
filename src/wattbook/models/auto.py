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

from wattbook.core.errors import InputError
from wattbook.core.forecast import (
    backtest,
    curtailment,
    fan,
    intervals,
    levels,
    oneoffs,
    scores,
    series,
)
from wattbook.core.forecast import scenario as scenarios
from wattbook.core.forecast.backtest import Plan
from wattbook.core.forecast.curtailment import Natural
from wattbook.core.forecast.scenario import Scenario
from wattbook.core.forecast.series import Floats, Series, unknown_weekdays
from wattbook.core.forecast.task import Band, Basis, Donor, ForecastResult, ForecastTask, ModelName
from wattbook.core.periods import Period
from wattbook.models import candidates, holidays, installed, scoring, shared
from wattbook.models.candidates import LEAST_TRIED
from wattbook.ports.forecaster import Step

LEARNING: Final = (ModelName.AUTO, ModelName.ENSEMBLE, ModelName.GLOBAL)
"""What may be answered by a model of other series."""
TOO_SHORT: Final = "the history is too short to try any model on it"
NO_WEEK: Final = "the weekly pattern is not known: the history has no {days}"


def forecast(
    history: pl.DataFrame,
    ask: ForecastTask,
    *,
    origin: datetime | None = None,
    covariates: pl.DataFrame | None = None,
    scenario: Scenario | None = None,
    donors: Sequence[Donor] = (),
    step: Step | None = None,
) -> ForecastResult:
    """What `history` will be over the horizon, how sure that is, and which model says so.

    Raises
    ------
    InputError
        With each thing that is wrong with the history or with what is asked.
    UnsupportedError
        The package of the model that was asked for is not installed.
    """
    candidates.require(ask)
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
    settled, shifts = levels.remove_level_shifts(free.series)
    plan = backtest.plan(settled)  # a one-off is an error of the forecasts before it …
    cleaned, one_offs = oneoffs.excluded(settled)  # … and nothing is learnt from it
    step = step or _nobody_asked
    step()
    if ask.model is ModelName.GLOBAL or plan.tried < LEAST_TRIED:
        found = learnt_from(donors, cleaned, ask, free.left, scenario)
        if found is not None:
            return found
    with threadpool_limits(1):  # jobs run beside each other
        pool = candidates.members(cleaned, plan, ask, step)
    parameters = {
        "origins": plan.tried,
        "level_shifts": {cleaned.start_utc[at].isoformat(): more for at, more in shifts.items()},
        "one_offs": [
            {"start": cleaned.start_utc[begin].isoformat(), "steps": end - begin}
            for begin, end in one_offs
        ],
    }
    return _published(cleaned, plan, pool, ask, free, scenario, parameters)


def _published(
    known: Series,
    plan: Plan,
    pool: dict[str, Floats],
    ask: ForecastTask,
    free: Natural,
    scenario: Scenario | None,
    parameters: dict[str, Any],
) -> ForecastResult:
    """The best of the pool, or what was asked for by name, with its intervals and its scores."""
    chosen, notes = candidates.choose(known, plan, pool, ask.model)
    refined = dict(reversed(pool.items()))  # what is unknown comes from the most similar model
    alone = ask.model is not ModelName.AUTO
    point = backtest.by_band(refined, chosen, known.per_day, alone=alone)
    unit = intervals.unit(known, plan.origins)
    errors = (plan.actual - point) / unit[:, None]
    usual = np.where(np.isfinite(backtest.actual(known, plan.origins)), errors, np.nan)
    rows = fan.rows(known, point[-1], errors, usual, unit[-1], ask, free.left, scenario)

    model = ModelName(Counter(chosen.values()).most_common(1)[0][0])
    basis = Basis.NAIVE if model is ModelName.NAIVE else Basis.MODEL
    if plan.tried < LEAST_TRIED:
        basis, notes = Basis.INSUFFICIENT, [TOO_SHORT]
    if days := unknown_weekdays(known):
        basis = Basis.INSUFFICIENT
        notes.append(NO_WEEK.format(days=", ".join(days)))
    if unknown := [name for name in rows.columns[2:] if rows[name].null_count()]:
        basis = Basis.INSUFFICIENT
        notes.append(f"too few past errors to know {', '.join(unknown)} at every lead time")
    missing = candidates.unavailable(known, ask)
    notes += [f"{name} was not tried: {each} is not installed" for name, each in missing.items()]
    return ForecastResult(
        basis=basis,
        reason="; ".join(notes) or None,
        model=model,
        rows=rows,
        leaderboard=scoring.leaderboard(known, plan, pool, ask),
        coverage=scoring.coverage(known, plan, point, ask),
        trained=Period(known.start_utc[0], known.start_utc[known.origin]),
        parameters={
            **parameters,
            "bands": {str(band): name for band, name in chosen.items()},
            "price_response": None if free.response is None else asdict(free.response),
            "unavailable": list(missing),
            "seed": ask.seed,
        },
    )


def learnt_from(
    donors: Sequence[Donor],
    known: Series,
    ask: ForecastTask,
    left: Floats,
    scenario: Scenario | None,
) -> ForecastResult | None:
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
    return ForecastResult(
        basis=Basis.MODEL,
        reason=None,
        model=ModelName.GLOBAL,
        rows=fan.rows(known, point, errors, errors, found.level, ask, left, scenario),
        leaderboard=pl.DataFrame(schema=scores.LEADERBOARD),
        coverage=pl.DataFrame(schema=scores.COVERAGE),
        trained=Period(known.start_utc[0], known.start_utc[known.origin]),
        parameters={"donors": found.donors, "off_by_level": off, "seed": ask.seed},
    )


def _donor(donor: Donor, ask: ForecastTask, origin: datetime) -> Series | None:
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

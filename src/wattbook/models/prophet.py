"""Prophet with its own defaults; pandas stays in here."""

import logging
from typing import Final

import numpy as np

from wattbook.core.forecast.backtest import Plan
from wattbook.core.forecast.series import Floats, Series

MIN_DAYS: Final = 28
"""Before the judged days, so that there is something to learn from."""


def tried(series: Series, plan: Plan) -> Floats:
    """Learnt twice: before the judged days, where it goes on without learning more, and of all."""
    found = np.full(plan.actual.shape, np.nan)
    begin = len(plan.origins) - 1 - plan.days
    until = int(plan.origins[begin])
    if until >= MIN_DAYS * series.per_day:
        path = predicted(series, until)
        steps = plan.origins[begin:-1, None] - until + np.arange(series.horizon)
        found[begin:-1] = path[steps]
    found[-1] = predicted(series, series.origin)
    return found


def predicted(series: Series, until: int) -> Floats:
    """The steps from `until` on, learnt from what is before it."""
    logging.getLogger("prophet.plot").setLevel(logging.CRITICAL)  # that it cannot draw is no news
    import pandas as pd  # noqa: PLC0415 -- slow
    from prophet import Prophet  # noqa: PLC0415 -- slow

    clock = series.local_us.astype("datetime64[us]")
    known = np.isfinite(series.values[:until])
    history = pd.DataFrame({"ds": clock[:until][known], "y": series.values[:until][known]})
    model = Prophet().fit(history)
    found: Floats = model.predict(pd.DataFrame({"ds": clock[until:]}))["yhat"].to_numpy()
    return found

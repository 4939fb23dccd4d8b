"""Temperature, price and the like, as they were known at the time."""

import numpy as np

from wattbook.core.forecast.series import Floats, Ints, Series


def as_known(series: Series, origins: Ints, horizon: int) -> list[Floats]:
    """Of each covariate, for each origin and lead, what was known at the origin; NaN: nothing."""
    if series.extras is None:
        return []
    names = [name for name in series.extras.columns if name not in ("step", "known_us")]
    step = series.extras["step"].to_numpy()
    known_us = series.extras["known_us"].to_numpy()
    numbers = series.extras.select(names).to_numpy()
    starts_us = series.start_utc.to_physical().to_numpy()
    found = np.full((len(names), len(origins), horizon), np.nan)
    for row, origin in enumerate(origins):
        begin, end = np.searchsorted(step, (origin, origin + horizon))
        usable = begin + np.flatnonzero(known_us[begin:end] <= starts_us[origin])
        found[:, row, step[usable] - origin] = numbers[usable].T  # of several the last one stays
    return list(found)

"""A history as the models see it: steps without gaps in the index, and what is not known as NaN."""

import math
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattbook.core import periods
from wattbook.core.errors import InputError, Problem
from wattbook.core.forecast.task import Band, ForecastTask
from wattbook.core.periods import DAY_US, Grain, Period

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

PER_DAY: Final = {Grain.QUARTER: 96, Grain.HOUR: 24, Grain.DAY: 1}
MIN_DAYS: Final = {Grain.QUARTER: 2, Grain.HOUR: 2, Grain.DAY: 14}
"""With less nothing repeats, so nothing can be said."""
LONGEST: Final = Band.MONTH.longest + timedelta(days=1)
"""Thirty days, or the longest civil month."""
DAYS_PER_WEEK: Final = 7
WEEKDAYS: Final = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
FIRST_MONDAY: Final = 4
"""Days from 1970-01-01, a Thursday, to the first Monday."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Values until the origin, and the steps that are to be forecast after it."""

    start_utc: pl.Series
    """Starts of all steps, known and to come."""
    values: Floats
    """Of the steps before the origin; NaN is unknown, or not to be learnt from."""
    per_day: int
    local_us: Ints
    """The wall clock where the site stands, for each step."""
    holiday: Bools
    """Whether the local day of each step is a public holiday."""
    extras: pl.DataFrame | None = field(default=None)
    """`step`, `known_us` and columns of numbers: what was known of a step, and when."""

    @property
    def origin(self) -> int:
        """How many steps are known."""
        return len(self.values)

    @property
    def horizon(self) -> int:
        """How many steps are to be forecast."""
        return len(self.start_utc) - len(self.values)

    @property
    def slot(self) -> Ints:
        """Which step of its local day each step is."""
        return (self.local_us % DAY_US) * self.per_day // DAY_US

    @property
    def weekday(self) -> Ints:
        """Days since Monday of each step."""
        return (self.local_us // DAY_US - FIRST_MONDAY) % DAYS_PER_WEEK


def unknown_weekdays(known: Series) -> list[str]:
    """Days of the week of which not even half a day's steps are known, in their order."""
    seen = known.weekday[: known.origin][np.isfinite(known.values)]
    counts = np.bincount(seen, minlength=DAYS_PER_WEEK)
    return [day for day, count in zip(WEEKDAYS, counts, strict=True) if 2 * count < known.per_day]


def no_holidays(_first: date, _last: date) -> Container[date]:
    """Where no country is named no day is one."""
    return frozenset()


def series(
    history: pl.DataFrame,
    ask: ForecastTask,
    *,
    origin: datetime | None = None,
    holidays: Callable[[date, date], Container[date]] = no_holidays,
    covariates: pl.DataFrame | None = None,
) -> Series:
    """`history` until the origin on a grid without holes, which goes on for the horizon.

    Parameters
    ----------
    history
        `start_utc`, `value`, and `excluded` where some rows are not to be learnt from.
    ask
        Grain, horizon and time zone.
    origin
        Nothing from here on is read; by default the end of the last row.
    holidays
        The public holidays from one day to another, both included.
    covariates
        `start_utc`, `known_utc` and columns of numbers.

    Raises
    ------
    InputError
        With one problem for each thing that is wrong with the history or what is asked.
    """
    _check_ask(ask)
    _check_rows(history)
    rows = history.sort("start_utc")
    if origin is not None:
        rows = rows.filter(pl.col("start_utc") < periods.floor(origin, ask.grain, ask.timezone))
    if not rows.height:
        raise _refusal("too_short", "there is no history before the origin", field="start_utc")
    first, last = rows["start_utc"][0], rows["start_utc"][-1]
    end = (
        periods.after(last, ask.grain, ask.timezone)
        if origin is None
        else periods.floor(origin, ask.grain, ask.timezone)
    )
    grid = _grid(first, end, ask)
    _check_regular(rows, grid, history)
    values = _values(rows, grid, end)
    _check_known(values, ask)
    local = grid.dt.convert_time_zone(ask.timezone).dt.replace_time_zone(None)
    days = local.dt.date()
    free = holidays(days[0], days[-1])
    off = pl.Series([day for day in days.unique() if day in free], dtype=pl.Date)
    return Series(
        start_utc=grid,
        values=values,
        per_day=PER_DAY[ask.grain],
        local_us=local.to_physical().to_numpy().astype(np.int64),
        holiday=days.is_in(off.implode()).to_numpy(),
        extras=None if covariates is None else _extras(covariates, grid),
    )


def clock_steps(series_: Series) -> Ints:
    """How many steps the local clock is ahead of UTC; always none for whole days."""
    if series_.per_day == 1:
        return np.zeros(len(series_.start_utc), dtype=np.int64)
    utc = series_.start_utc.to_physical().to_numpy()
    ahead: Ints = (series_.local_us - utc) * series_.per_day // DAY_US
    return ahead


def steps_in(horizon: timedelta, per_day: int) -> int:
    """How many steps cover the horizon.

    >>> steps_in(timedelta(hours=25), 24), steps_in(timedelta(hours=25), 1)
    (25, 2)
    """
    return math.ceil(horizon / timedelta(days=1) * per_day)


def _grid(first: datetime, end: datetime, ask: ForecastTask) -> pl.Series:
    count = steps_in(ask.horizon, PER_DAY[ask.grain])
    beyond = end + ask.horizon + timedelta(days=2)
    grid = periods.buckets(Period(first, beyond), ask.grain, ask.timezone)["start_utc"]
    known = int((grid < end).sum())
    return grid.head(known + count)


def _values(rows: pl.DataFrame, grid: pl.Series, end: datetime) -> Floats:
    kept = pl.col("value").cast(pl.Float64)
    if "excluded" in rows.columns:
        kept = pl.when(pl.col("excluded").fill_null(value=False)).then(None).otherwise(kept)
    known = grid.filter(grid < end).alias("start_utc").to_frame()
    joined = known.join(
        rows.select("start_utc", kept.alias("value")),
        on="start_utc",
        how="left",
        maintain_order="left",
    )
    return joined["value"].fill_null(float("nan")).to_numpy().astype(np.float64)


def _extras(covariates: pl.DataFrame, grid: pl.Series) -> pl.DataFrame:
    wanted = {"start_utc": "start of the step", "known_utc": "when it was known"}
    missing = [name for name in wanted if name not in covariates.columns]
    if missing:
        problems = [Problem("bad_column", wanted[name], field=name) for name in missing]
        raise InputError(f"the covariates lack {', '.join(missing)}", problems)
    steps = pl.DataFrame({"start_utc": grid, "step": np.arange(len(grid))})
    numbers = [
        name
        for name, dtype in covariates.schema.items()
        if name not in wanted and (dtype.is_numeric() or dtype == pl.Boolean)
    ]
    return (
        covariates.join(steps, on="start_utc", how="inner")
        .select("step", pl.col("known_utc").to_physical().alias("known_us"), *numbers)
        .with_columns(pl.col(numbers).cast(pl.Float64))
        .sort("step", "known_us")
    )


def _check_ask(ask: ForecastTask) -> None:
    problems = []
    if ask.grain not in PER_DAY:
        problems.append(Problem("bad_grain", "15min, hour or day", field="grain"))
    if ask.horizon <= timedelta(0):
        problems.append(Problem("bad_horizon", "the horizon must be positive", field="horizon"))
    if ask.horizon > LONGEST:
        said = f"at most {LONGEST.days} days"
        problems.append(Problem("horizon_too_long", said, field="horizon"))
    if not ask.quantiles or not all(0 < q < 1 for q in ask.quantiles):
        problems.append(Problem("bad_quantile", "each between 0 and 1", field="quantiles"))
    if len(set(ask.quantiles)) != len(ask.quantiles):
        problems.append(Problem("bad_quantile", "each only once", field="quantiles"))
    if problems:
        raise InputError("; ".join(f"{each.field}: {each.detail}" for each in problems), problems)
    periods.zone(ask.timezone)


def _check_rows(history: pl.DataFrame) -> None:
    lacking = [name for name in ("start_utc", "value") if name not in history.columns]
    if lacking:
        problems = [Problem("bad_column", "the history lacks it", field=name) for name in lacking]
        raise InputError(f"the history lacks {', '.join(lacking)}", problems)
    zoned = history.schema["start_utc"]
    if not isinstance(zoned, pl.Datetime) or zoned.time_zone != "UTC":
        raise _refusal("bad_column", f"start_utc is {zoned}, not an instant in UTC", "start_utc")
    if history["start_utc"].null_count():
        row = int(history["start_utc"].is_null().arg_max() or 0)
        raise _refusal("bad_timestamp", "start_utc is null", "start_utc", row)
    numbers = history.schema["value"]
    if not numbers.is_numeric() and numbers != pl.Null:
        raise _refusal("bad_column", f"value is {numbers}, not a number", "value")
    twice = history["start_utc"].is_duplicated()
    if twice.any():
        row = int(twice.arg_max() or 0)
        raise _refusal("duplicate", f"{history['start_utc'][row]} is given twice", "start_utc", row)
    bad = history["value"].cast(pl.Float64).is_finite().fill_null(value=True).not_()
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise _refusal("not_finite", f"value is {history['value'][row]}", "value", row)


def _check_regular(rows: pl.DataFrame, grid: pl.Series, history: pl.DataFrame) -> None:
    """The row that is named is that of the history, which may be in any order."""
    off_grid = rows["start_utc"].is_in(grid.implode()).not_()
    if off_grid.any():
        at = rows["start_utc"][int(off_grid.arg_max() or 0)]
        row = int((history["start_utc"] == at).arg_max() or 0)
        raise _refusal("irregular", f"{at} begins no step of the grain", "start_utc", row)


def _check_known(values: Floats, ask: ForecastTask) -> None:
    known = int(np.isfinite(values).sum())
    if not known:
        raise _refusal("all_null", "no value of the history is known", "value")
    least = MIN_DAYS[ask.grain] * PER_DAY[ask.grain]
    if known < least:
        said = f"{known} known values, at least {least} are needed"
        raise _refusal("too_short", said, "value")


def _refusal(
    reason: str, detail: str, field: str | None = None, row: int | None = None
) -> InputError:
    return InputError(detail, [Problem(reason, detail, field=field, row=row)])

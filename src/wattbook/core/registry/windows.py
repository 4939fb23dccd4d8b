# ruff: noqa: PLC0415 -- a tariff that is only read needs neither NumPy nor Polars
"""Windows of local time: times of the day, on kinds of days, in months of the year."""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypeAlias

from wattbook.core import manifest

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


class DayKind(StrEnum):
    """What kind of day it is where the site stands; a holiday is one on any day of the week."""

    WEEKDAY = "weekday"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"


DAY_KINDS: Final = tuple(DayKind)
MONTHS: Final = tuple(range(1, 13))
QUARTERS: Final = 96
MINUTES_PER_QUARTER: Final = 15
MINUTES_PER_HOUR: Final = 60
TIME: Final = re.compile(r"([01]\d|2[0-3]):(00|15|30|45)|24:00")
"""A quarter-hour of a day, as 07:45; 24:00 is its end."""

Slots: TypeAlias = "NDArray[np.bool_]"
"""Month × kind of day × quarter-hour of the local clock."""


@manifest.named("Window", "days months start end")
@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `start` until `end` of the local clock, on days of these kinds in these months.

    Where `end` is not after `start` the window is the end and the beginning of one and the same
    day: each quarter-hour is judged by the day in which it lies.
    """

    days: tuple[DayKind, ...] = DAY_KINDS
    months: tuple[int, ...] = MONTHS
    start: str = "00:00"
    end: str = "24:00"


def quarter_of_day(time: str) -> int:
    """How many quarter-hours of the local clock lie before a time of the day.

    >>> quarter_of_day("07:15"), quarter_of_day("24:00")
    (29, 96)
    """
    hours, minutes = time.split(":")
    return (int(hours) * MINUTES_PER_HOUR + int(minutes)) // MINUTES_PER_QUARTER


def time_of(quarter: int) -> str:
    """The time of the day before which so many quarter-hours lie.

    >>> time_of(29)
    '07:15'
    """
    hours, minutes = divmod(quarter * MINUTES_PER_QUARTER, MINUTES_PER_HOUR)
    return f"{hours:02}:{minutes:02}"


def slots(windows: Iterable[Window]) -> Slots:
    """Which quarter-hours of a year lie in at least one of the windows."""
    import numpy as np

    found = np.zeros((len(MONTHS), len(DAY_KINDS), QUARTERS), dtype=np.bool_)
    for window in windows:
        begin, end = quarter_of_day(window.start), quarter_of_day(window.end)
        quarters = np.arange(QUARTERS)
        inside = (quarters >= begin) & (quarters < end)
        if end <= begin:
            inside = (quarters >= begin) | (quarters < end)
        months = np.isin(MONTHS, window.months)
        days = np.isin(np.array(DAY_KINDS), np.array(window.days))
        found |= months[:, None, None] & days[None, :, None] & inside[None, None, :]
    return found


def day_kind(day: date, weekend: Sequence[int], holidays: Container[date]) -> DayKind:
    """What kind of day it is.

    >>> day_kind(date(2026, 7, 4), (6, 7), {date(2026, 7, 4)}).value  # a Saturday
    'holiday'
    """
    if day in holidays:
        return DayKind.HOLIDAY
    return DayKind.WEEKEND if day.isoweekday() in weekend else DayKind.WEEKDAY


def slot(weekend: Sequence[int], holidays: Iterable[date]) -> "pl.Expr":
    """The place of a quarter-hour in the flattened `slots`, from columns of `in_local_time`."""
    import polars as pl

    day = pl.col("day")
    free = pl.lit(pl.Series(sorted(holidays), dtype=pl.Date)).implode()
    kind = (
        pl.when(day.is_in(free))
        .then(DAY_KINDS.index(DayKind.HOLIDAY))
        .when(day.dt.weekday().is_in(list(weekend)))
        .then(DAY_KINDS.index(DayKind.WEEKEND))
        .otherwise(DAY_KINDS.index(DayKind.WEEKDAY))
    )
    months_before = day.dt.month().cast(pl.Int64) - 1
    return (months_before * len(DAY_KINDS) + kind) * QUARTERS + pl.col("quarter")


def is_open(windows: Sequence[Window]) -> "pl.Expr":
    """Whether one of the windows is open in the `slot` of a row; where there are none, always."""
    import polars as pl

    if not windows:
        return pl.lit(value=True)
    return pl.lit(pl.Series(slots(windows).ravel())).gather("slot")


def in_local_time(rows: "pl.DataFrame", timezone: str) -> "pl.DataFrame":
    """`rows` with `day` and `month` (dates where the site stands) and `quarter` of the day."""
    import polars as pl

    local = pl.col("start_utc").dt.convert_time_zone(timezone)
    minutes = local.dt.hour().cast(pl.Int64) * MINUTES_PER_HOUR + local.dt.minute()
    return rows.with_columns(
        day=local.dt.date(),
        month=local.dt.date().dt.truncate("1mo"),
        quarter=minutes // MINUTES_PER_QUARTER,
    )


def gaps(bands: Sequence[tuple[str, Slots]]) -> list[str]:
    """Times that no band covers, each in words."""
    import numpy as np

    covered = np.zeros((len(MONTHS), len(DAY_KINDS), QUARTERS), dtype=np.bool_)
    for _, each in bands:
        covered |= each
    return list(_said(~covered))


def overlaps(bands: Sequence[tuple[str, Slots]]) -> list[str]:
    """Times that two bands cover, each in words with the names of the bands."""
    return [
        f"{one} and {other} on {said}"
        for at, (one, first) in enumerate(bands)
        for other, second in bands[at + 1 :]
        for said in _said(first & second)
    ]


def _said(found: Slots) -> Iterator[str]:
    """Spans of quarter-hours with the kind of day and the months that they share."""
    months: dict[tuple[DayKind, int, int], list[int]] = {}
    for month, day, begin, end in _runs(found):
        months.setdefault((DAY_KINDS[day], begin, end), []).append(month)
    for (kind, begin, end), shared in months.items():
        when = "" if len(shared) == len(MONTHS) else f" in {_months(shared)}"
        yield f"{kind} {time_of(begin)}-{time_of(end)}{when}"


def _runs(found: Slots) -> Iterator[tuple[int, int, int, int]]:
    """Month, kind of day, and first quarter and end of each unbroken span."""
    import numpy as np

    for month, days in zip(MONTHS, found, strict=True):
        for day, quarters in enumerate(days):
            edges = np.flatnonzero(np.diff(quarters, prepend=False, append=False))
            for begin, end in edges.reshape(-1, 2).tolist():
                yield month, day, begin, end


def _months(numbers: Sequence[int]) -> str:
    """Months as ranges.

    >>> _months([1, 2, 3, 11])
    'months 1-3, 11'
    """
    spans = []
    for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        spans.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return f"month{'s' if len(numbers) > 1 else ''} {', '.join(spans)}"

"""Dates and instants as people write them, and periods between two of them."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeAlias

from wattbook.core import periods
from wattbook.core.periods import FIRST_YEAR, LAST_YEAR, Period

When: TypeAlias = date | datetime
"""A civil date (its first instant is meant), or an instant in UTC."""

DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ].+")
WANTED: Final = "must be a date (2026-01-01) or an instant with offset (2026-01-01T00:00:00Z)"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The two ends of a period as they were asked for; without `end` it is where the data end."""

    start: When
    end: When | None = None


def parse(text: str) -> When:
    """The date or the instant that `text` names.

    Raises
    ------
    ValueError
        It names neither, or a year that is out of range.

    >>> parse("2026-06-01"), parse("2026-06-01T02:00:00+02:00").isoformat()
    (datetime.date(2026, 6, 1), '2026-06-01T00:00:00+00:00')
    """
    try:
        found = _found(text)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise ValueError(WANTED)
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(f"the year must be from {FIRST_YEAR} to {LAST_YEAR}")
    return found


def _found(text: str) -> When | None:
    if DATE.fullmatch(text):
        return date.fromisoformat(text)
    if not INSTANT.fullmatch(text):
        return None
    at = datetime.fromisoformat(text)
    return None if at.tzinfo is None else at.astimezone(UTC)


def instant(when: When, timezone: str) -> datetime:
    """`when` in UTC; a date is its first instant in the time zone.

    >>> instant(date(2026, 7, 1), "Asia/Kolkata").isoformat()
    '2026-06-30T18:30:00+00:00'
    """
    return when if isinstance(when, datetime) else periods.midnight(when, timezone)


def period(bounds: Bounds, timezone: str, until: datetime) -> Period:
    """The period between the bounds; until `until` where they name no end.

    Raises
    ------
    InvalidPeriodError
        The end is not after the start.
    """
    start = instant(bounds.start, timezone)
    end = until if bounds.end is None else instant(bounds.end, timezone)
    if end <= start:
        raise periods.invalid("end", f"end ({end:%FT%TZ}) must be after start ({start:%FT%TZ})")
    return Period(start, end)

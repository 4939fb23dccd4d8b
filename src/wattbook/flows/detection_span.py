"""The span in which anomalies are detected, and its pieces."""

from datetime import datetime, timedelta
from typing import Final

from wattbook.core import periods
from wattbook.core.errors import InvalidPeriodError, Problem
from wattbook.core.periods import Grain, Period

SPAN: Final = timedelta(days=7)
"""Judged where nothing else is asked for: late readings and what goes on are judged again."""
FIRST_PIECE: Final = timedelta(days=14)
PIECE: Final = timedelta(days=28)
"""A longer span is detected in pieces, each with all that came before it as history, so that the
whole history at once finds what month by month finds. The first is as short as the model allows."""
LATE: Final = timedelta(hours=1)
"""The last hour is left for its readings to come."""


def span_of(start: datetime | None, end: datetime | None, now: datetime) -> Period:
    """Whole hours of UTC: the last seven days until an hour ago where nothing is said.

    What is to come is no gap: hours that have not ended are left out.

    Raises
    ------
    InvalidPeriodError
        None has ended yet.
    """
    ended = periods.floor(now, Grain.HOUR)
    last = ended - LATE if end is None else min(periods.ceil(end, Grain.HOUR), ended)
    first = periods.floor(last - SPAN if start is None else start, Grain.HOUR)
    if last <= first:
        detail = f"from {first.isoformat()} on no hour has ended yet that could be judged"
        raise InvalidPeriodError(detail, [Problem("not_yet", detail, field="start")])
    return Period(first, last)


def pieces(span: Period) -> list[Period]:
    """The span in pieces of `PIECE`, after a first one of `FIRST_PIECE`.

    >>> from datetime import UTC
    >>> first = datetime(2026, 1, 1, tzinfo=UTC)
    >>> [piece.end.day for piece in pieces(Period(first, first + timedelta(days=45)))]
    [15, 12, 15]
    """
    found = []
    start, length = span.start, FIRST_PIECE
    while start < span.end:
        end = min(start + length, span.end)
        found.append(Period(start, end))
        start, length = end, PIECE
    return found


HISTORY: Final = timedelta(days=90)
"""So much before the span is learnt from."""

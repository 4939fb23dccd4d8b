"""Billing months: civil months, or from one billing day to the next."""

from collections.abc import Sequence
from datetime import date, timedelta

from wattbook.core.registry.tariffs import Span
from wattbook.core.registry.windows import MONTHS


def shifted(day: date, months: int, billing_day: int | None = None) -> date:
    """The same day so many months later, or earlier; the last day of a month that is too short.

    >>> str(shifted(date(2026, 3, 31), -1)), str(shifted(date(2026, 2, 28), 1, billing_day=31))
    ('2026-02-28', '2026-03-31')
    """
    years, month = divmod(day.year * len(MONTHS) + day.month - 1 + months, len(MONTHS))
    return _on(years, month + 1, billing_day or day.day)


def begin(day: date, billing_day: int) -> date:
    """First day of the billing month in which a day lies.

    >>> str(begin(date(2026, 4, 17), 18)), str(begin(date(2026, 3, 1), 31))
    ('2026-03-18', '2026-02-28')
    """
    own = _on(day.year, day.month, billing_day)
    return own if own <= day else shifted(own, -1, billing_day)


def following(day: date, billing_day: int) -> date:
    """First day of the billing month after the one in which a day lies.

    >>> str(following(date(2026, 4, 17), 18)), str(following(date(2026, 2, 28), 31))
    ('2026-04-18', '2026-03-31')
    """
    return shifted(begin(day, billing_day), 1, billing_day)


def share(first: date, end: date, billing_day: int) -> float:
    """Days from `first` until `end` over all days of the billing month in which they lie.

    >>> share(date(2026, 4, 3), date(2026, 4, 18), 18)  # 15 of the 31 days from 18 March
    0.4838709677419355
    """
    whole = following(first, billing_day) - begin(first, billing_day)
    return (end - first).days / whole.days


def months(spans: Sequence[Span]) -> list[tuple[date, date]]:
    """First day and first day after of every billing month of the spans, in their order.

    Where the billing day changes a month ends early: a bill is never of two of them.
    """
    starts: list[date] = []
    for at, span in enumerate(spans):
        before = spans[at - 1] if at else None
        changed = before is None or before.billing_day != span.billing_day
        if changed or begin(span.first, span.billing_day) == span.first:
            starts.append(span.first)
        at_day = following(span.first, span.billing_day)
        while at_day < span.end:
            starts.append(at_day)
            at_day = following(at_day, span.billing_day)
    ends = [*starts[1:], spans[-1].end] if starts else []
    return list(zip(starts, ends, strict=True))


def containing(spans: Sequence[Span], day: date) -> tuple[date, date]:
    """The billing month of the spans in which a day lies."""
    return next(each for each in months(spans) if each[0] <= day < each[1])


def asked(first: date, end: date) -> int | None:
    """The billing day that a question from one day of a month to the same day implies, if any.

    >>> asked(date(2026, 3, 18), date(2026, 4, 18)), asked(date(2026, 1, 31), date(2026, 2, 28))
    (18, 31)
    >>> asked(date(2026, 3, 18), date(2026, 4, 17)) is None
    True
    """
    for billing_day in sorted({first.day, end.day}, reverse=True):
        starts = begin(first, billing_day) == first, begin(end, billing_day) == end
        if all(starts) and first < end:
            return billing_day
    return None


def _on(year: int, month: int, day: int) -> date:
    """The day of a month, or its last where it is shorter."""
    first = date(year, month, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(day, last.day))

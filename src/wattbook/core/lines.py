"""The lines of a bill, and the days that they are for."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from wattbook.core.tariffs import Component, Demand, Holidays, Span
from wattbook.core.windows import DAY_KINDS, day_kind, slots

WHOLE: Final = 10**9
"""A coverage that differs from 1 by less than one part in so many is whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One price of one component: `amount` = `quantity` × `price` × `share`."""

    tariff_id: str | None
    component: str
    kind: str
    band: str | None = None
    first: date
    end: date
    quantity: float | None
    unit: str
    price: float | None
    share: float = 1.0
    amount: float | None
    currency: str | None
    stands: bool = False
    """Whether some of the amount does not follow the energy of each quarter-hour: `standing`."""
    standing: float | None = None
    unpriced_kwh: float = 0.0
    peak_kw: float | None = None
    peak_at: datetime | None = None
    floor_kw: float | None = None
    floor_month: date | None = None
    floor_coverage: float | None = None

    @property
    def floor_lost(self) -> bool:
        """Whether a demand that was measured is unknown for want of the months before it."""
        return self.peak_kw is not None and self.quantity is None

    @property
    def complete(self) -> bool:
        """Whether nothing about the line is unknown."""
        seen = self.floor_coverage is None or whole(self.floor_coverage)
        return self.amount is not None and not self.unpriced_kwh and seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A civil month of a site, with the share of its main meters' time that is covered."""

    first: date
    start: datetime
    end: datetime
    coverage: float
    kept: bool = True
    """Whether none of its quarter-hours was removed."""

    @property
    def following(self) -> date:
        """First day of the month after it."""
        return (self.first + timedelta(days=31)).replace(day=1)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.following - self.first).days


@dataclass(frozen=True, slots=True)
class Part:
    """The days of a month on which one tariff is in force, or none."""

    month: Month
    index: int
    span: Span
    energy_kwh: float | None
    holidays: Holidays

    @property
    def share(self) -> float:
        """Of the month's days."""
        return (self.span.end - self.span.first).days / self.month.days

    @property
    def days(self) -> list[date]:
        """All of them."""
        count = (self.span.end - self.span.first).days
        return [self.span.first + timedelta(days=day) for day in range(count)]

    @property
    def free(self) -> list[date]:
        """The holidays among them."""
        tariff = self.span.tariff
        closed = self.holidays.get(tariff.id, frozenset()) if tariff is not None else ()
        return [day for day in self.days if day in closed]

    def ever(self, component: Demand) -> bool:
        """Whether a window of the component opens on one of the days."""
        tariff = self.span.tariff
        if tariff is None or not component.windows:
            return True
        open_on = slots(component.windows)[self.month.first.month - 1].any(axis=1)
        free = frozenset(self.free)
        kinds = {day_kind(day, tariff.weekend, free) for day in self.days}
        return any(open_on[DAY_KINDS.index(kind)] for kind in kinds)

    def line(
        self,
        component: Component,
        *,
        quantity: float | None,
        unit: str,
        price: float | None,
        amount: float | None,
        band: str | None = None,
        share: float = 1.0,
        currency: str | None = None,
        stands: bool = False,
        standing: float | None = None,
        unpriced_kwh: float = 0.0,
    ) -> Line:
        """A line of these days."""
        tariff = self.span.tariff
        return Line(
            tariff_id=self.span.tariff_id,
            component=component.name,
            kind=str(component.kind),
            band=band,
            first=self.span.first,
            end=self.span.end,
            quantity=quantity,
            unit=unit,
            price=price,
            share=share,
            amount=amount,
            currency=currency if tariff is None else tariff.currency,
            stands=stands,
            standing=standing,
            unpriced_kwh=unpriced_kwh,
        )


def whole(coverage: float) -> bool:
    """Whether a coverage is that of a span without gap, but for rounding."""
    return round(coverage * WHOLE) >= WHOLE


def known(values: Iterable[float | None]) -> float | None:
    """Sum of what is known, rounded once; null where nothing is.

    >>> known([1.5, None, 2.0]), known([None])
    (3.5, None)
    """
    found = [value for value in values if value is not None]
    return math.fsum(found) if found else None


def within(month: Month, spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """The spans that have days in a month, cut to it, each with its number."""
    for index, span in enumerate(spans):
        first, end = max(span.first, month.first), min(span.end, month.following)
        if first < end:
            yield index, Span(first, end, span.tariff)

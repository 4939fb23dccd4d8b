"""The lines of a bill, and the days that they are for."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from wattbook.core.billing import cycle
from wattbook.core.billing.demand import At
from wattbook.core.registry.components import Component, OnDemand, Reactive
from wattbook.core.registry.tariffs import Holidays, Span
from wattbook.core.registry.windows import DAY_KINDS, day_kind, slots

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
    peaks: tuple[At, ...] = ()
    """The intervals whose demand is billed, the highest first."""
    floor_kw: float | None = None
    floor_month: date | None = None
    floor_coverage: float | None = None
    estimated: bool = False
    """Whether the demand may have been higher than what is billed, in time in which readings are
    missing, or were estimated, or in which a meter has one value for a longer time."""
    demand_kw_most: float | None = None
    """The most that a demand can have been [kW]: what is billed, where all of it was measured;
    null where nothing limits it."""
    demand_interval_s: int | None = None
    """The longest time [s] for which a meter whose demand is billed has one value."""
    reactive_kvarh: float | None = None
    """Reactive energy before what is free."""
    reactive_kwh: float | None = None
    """Active energy drawn while reactive power is known."""
    power_factor: float | None = None
    """Active over the apparent energy that it makes with `reactive_kvarh`."""
    reactive_coverage: float | None = None
    """Share of the covered time for which reactive power is known, where it is charged."""

    def with_bound(self, billed_kw: float, most_kw: float) -> "Line":
        """The line with the most that the demand can have been; infinite: nothing limits it."""
        most_kw = max(most_kw, billed_kw)
        return replace(
            self,
            estimated=most_kw > billed_kw * (1 + 1 / WHOLE),
            demand_kw_most=most_kw if math.isfinite(most_kw) else None,
        )

    @property
    def floor_lost(self) -> bool:
        """Whether a demand that was measured is unknown for want of the months before it."""
        return self.peak_kw is not None and self.quantity is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A billing month of a site, with the share of its main meters' time that is covered."""

    first: date
    following: date
    """First day of the month after it."""
    start: datetime
    end: datetime
    coverage: float
    kept: bool = True
    """Whether none of its quarter-hours was removed."""

    @property
    def civil(self) -> bool:
        """Whether it is a month of the calendar."""
        return self.first.day == 1 and self.following == cycle.shifted(self.first, 1)

    @property
    def name(self) -> str:
        """`2026-03`, or the first and the last day where it is no month of the calendar."""
        if self.civil:
            return f"{self.first:%Y-%m}"
        return f"{self.first} to {self.following - timedelta(days=1)}"

    @property
    def months(self) -> set[int]:
        """The months of the year of which it has days."""
        return months_of(self.first, self.following)


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
        """Of the days of the billing month of its tariff."""
        return cycle.share(self.span.first, self.span.end, self.span.billing_day)

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

    @property
    def months(self) -> set[int]:
        """The months of the year of which it has days."""
        return months_of(self.span.first, self.span.end)

    def ever(self, component: OnDemand | Reactive) -> bool:
        """Whether a window of the component opens on one of the days."""
        tariff = self.span.tariff
        if tariff is None or not component.windows:
            return True
        open_on = np.any(slots(component.windows), axis=2)
        free = frozenset(self.free)
        kinds = {(day.month, day_kind(day, tariff.weekend, free)) for day in self.days}
        return any(bool(open_on[month - 1, DAY_KINDS.index(kind)]) for month, kind in kinds)

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
        peaks: tuple[At, ...] = (),
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
            peaks=peaks,
        )


def months_of(first: date, end: date) -> set[int]:
    """The months of the year in which days from `first` until `end` lie.

    >>> months_of(date(2026, 3, 18), date(2026, 4, 18))
    {3, 4}
    """
    at, found = first.replace(day=1), set()
    while at < end:
        found.add(at.month)
        at = cycle.shifted(at, 1)
    return found


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
            yield index, replace(span, first=first, end=end)

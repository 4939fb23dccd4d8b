"""The demand of a month: what was measured, and what a ratchet makes of it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final, NamedTuple, TypeAlias

import polars as pl

from wattbook.core.lines import Line, Part
from wattbook.core.periods import FIRST_YEAR
from wattbook.core.tariffs import Demand, Holidays, Ratchet, Span, Tariff, timeline
from wattbook.core.units import PERCENT, QUARTERS_PER_HOUR
from wattbook.core.windows import MONTHS, slot, slots

Key: TypeAlias = tuple[date, int, str]
"""A component of a part of a month: the month's first day, the span's number, the name."""


class Peak(NamedTuple):
    """A demand [kW], and the start of its quarter-hour."""

    kw: float
    at: datetime | None


class Floor(NamedTuple):
    """The least demand that is billed, the month that sets it, the least coverage looked at."""

    kw: float | None
    month: date | None
    coverage: float | None
    lost: bool = False
    """Whether quarter-hours that may set it were removed."""


NO_FLOOR: Final = Floor(None, None, None)
LOST: Final = Floor(None, None, 0.0, lost=True)
Before: TypeAlias = list[tuple[Part, Peak | None]]
"""What was measured for a component so far."""


def demands(tariff: Tariff | None) -> list[Demand]:
    """The components of a tariff that are charged on demand."""
    return [each for each in tariff.components if isinstance(each, Demand)] if tariff else []


def reach(tariffs: Sequence[Tariff], first: date, end: date) -> date:
    """The first month whose demand decides a bill of the months from `first` until `end`.

    A ratchet looks no further back than to the first tariff with a component of its name.
    """
    earliest = [
        max(months_before(first, each.ratchet.months), _since(tariffs, each.name))
        for span in timeline(tariffs, first, end)
        for each in demands(span.tariff)
        if each.ratchet is not None
    ]
    return min([first, *earliest])


def _since(tariffs: Iterable[Tariff], name: str) -> date:
    """The first month of a tariff with a demand component of that name."""
    begins = min(
        tariff.valid_from
        for tariff in tariffs
        if any(each.name == name for each in demands(tariff))
    )
    return max(begins, date(FIRST_YEAR + 1, 1, 1)).replace(day=1)


def months_before(month: date, count: int) -> date:
    """The first day of the month that lies so many before another.

    >>> str(months_before(date(2026, 3, 1), 11))
    '2025-04-01'
    """
    years, months = divmod(month.year * len(MONTHS) + month.month - 1 - count, len(MONTHS))
    return date(years, months + 1, 1)


def lines(
    parts: Iterable[Part], energy: pl.DataFrame, spans: Sequence[Span], holidays: Holidays
) -> dict[Key, Line]:
    """The line of each demand component in each part of a month.

    Parameters
    ----------
    parts
        In the order of time, of all months from `reach` on.
    energy
        From `core.charges.quarters`, of all these months.
    """
    peaks = highest(energy, spans, holidays)
    before: dict[str, Before] = defaultdict(list)
    found = {}
    for part in parts:
        for component in demands(part.span.tariff):
            key = (part.month.first, part.index, component.name)
            measured = peaks.get(key)
            if measured is None and not part.ever(component):
                measured = Peak(0.0, None)
            floor = _floor(component.ratchet, part.month.first, before[component.name])
            found[key] = _line(part, component, measured, floor)
            before[component.name].append((part, measured))
    return found


def highest(energy: pl.DataFrame, spans: Sequence[Span], holidays: Holidays) -> dict[Key, Peak]:
    """The highest demand and its quarter-hour, where one is known within the windows."""
    found = {}
    for index, span in enumerate(spans):
        tariff = span.tariff
        if tariff is None:
            continue
        place = slot(tariff.weekend, holidays.get(tariff.id, frozenset()))
        for component in demands(tariff):
            inside = energy.filter(span=index)
            if component.windows:
                mask = pl.lit(pl.Series(slots(component.windows).ravel()))
                inside = inside.with_columns(slot=place).filter(mask.gather("slot"))
            best = inside.group_by("month").agg(
                kw=pl.col("energy_kwh").max() * QUARTERS_PER_HOUR,
                at=pl.col("start_utc").get(pl.col("energy_kwh").arg_max()),
            )
            for month, kw, at in best.iter_rows():
                found[month, index, component.name] = Peak(kw, at)
    return found


def _floor(ratchet: Ratchet | None, month: date, before: Before) -> Floor:
    """So many percent of the highest demand of so many months before."""
    if ratchet is None:
        return NO_FLOOR
    since = months_before(month, ratchet.months)
    looked_at = [(part, peak) for part, peak in before if since <= part.month.first < month]
    if not all(part.month.kept for part, _ in looked_at):
        return LOST
    known = [(peak.kw, part.month.first) for part, peak in looked_at if peak is not None]
    kw, sets = max(known, default=(None, None))
    return Floor(
        kw=None if kw is None else kw * ratchet.percent / PERCENT,
        month=sets,
        coverage=min((part.month.coverage for part, _ in looked_at), default=None),
    )


def _line(part: Part, component: Demand, measured: Peak | None, floor: Floor) -> Line:
    """Unknown where no quarter-hour of the window is known, or the floor is lost."""
    billed_kw = None if measured is None or floor.lost else max(measured.kw, floor.kw or 0.0)
    price = component.price_per_kw_month
    amount = None if billed_kw is None else billed_kw * price * part.share
    made = part.line(
        component,
        quantity=billed_kw,
        unit="kW",
        price=price,
        share=part.share,
        amount=amount,
        stands=True,
        standing=amount,
    )
    return replace(
        made,
        peak_kw=None if measured is None else measured.kw,
        peak_at=None if measured is None else measured.at,
        floor_kw=floor.kw,
        floor_month=floor.month,
        floor_coverage=floor.coverage,
    )

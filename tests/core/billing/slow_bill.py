"""Bills worked out quarter-hour by quarter-hour in plain Python, to check the fast ones against.

Nothing of `core.billing` but the terms of tariffs is used.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from wattbook.core.registry.components import (
    Band,
    Basis,
    Demand,
    DemandSteps,
    Export,
    Fixed,
    Flat,
    Minimum,
    Per,
    Percentage,
    Tiered,
    TimeOfUse,
)
from wattbook.core.registry.tariffs import Netting, Tariff
from wattbook.core.registry.windows import Window

Draw = Callable[[datetime], float]
Rows = list[tuple[datetime, float, float]]
"""Start of each quarter-hour (the site keeps UTC), energy drawn and given back."""


def bill_starts(first: date, end: date, billing_day: int) -> list[date]:
    """Every billing day from `first` until `end`, and the end."""
    found = []
    day = first
    while day <= end:
        if day.day == min(billing_day, monthrange(day.year, day.month)[1]):
            found.append(day)
        day += timedelta(days=1)
    return found


def rows_of(draw: Draw, first: date, end: date) -> Rows:
    """Net energy, split by its sign."""
    at, rows = datetime.combine(first, time()), []
    while at.date() < end:
        net = draw(at)
        rows.append((at, max(net, 0.0), max(-net, 0.0)))
        at += timedelta(minutes=15)
    return rows


def in_window(window: Window, at: datetime, tariff: Tariff) -> bool:
    """Whether a quarter-hour lies in a window; there are no holidays but those listed."""
    kind = "weekend" if at.isoweekday() in tariff.weekend else "weekday"
    if at.date() in tariff.holidays:
        kind = "holiday"
    clock = f"{at:%H:%M}"
    hours = window.start <= clock < window.end
    if window.end <= window.start:
        hours = clock >= window.start or clock < window.end
    return hours and at.month in window.months and kind in window.days


def band_of(bands: Sequence[Band], at: datetime, tariff: Tariff) -> Band:
    """The band of a quarter-hour: one with a window around it, else the rest of the time."""
    for band in bands:
        if any(in_window(window, at, tariff) for window in band.windows):
            return band
    return next(band for band in bands if band.rest)


def netted(rows: Rows, tariff: Tariff) -> Rows:
    """What is left of both ways after netting."""
    if tariff.netting is Netting.NONE:
        return rows
    timed = [each for each in tariff.components if isinstance(each, TimeOfUse)]

    def key(at: datetime) -> tuple[object, ...]:
        span = {
            Netting.QUARTER: at,
            Netting.HOUR: at.replace(minute=0),
            Netting.DAY: at.date(),
            Netting.MONTH: None,
        }[tariff.netting]
        return span, band_of(timed[0].bands, at, tariff).name if timed else None

    drawn: dict[object, float] = defaultdict(float)
    given: dict[object, float] = defaultdict(float)
    for at, one, other in rows:
        drawn[key(at)] += one
        given[key(at)] += other
    made = []
    for at, one, other in rows:
        off = min(drawn[key(at)], given[key(at)])
        left = one * (drawn[key(at)] - off) / drawn[key(at)] if one else 0.0
        back = other * (given[key(at)] - off) / given[key(at)] if other else 0.0
        made.append((at, left, back))
    return made


def in_blocks(component: Tiered, rows: Rows) -> float:
    """What the blocks come to, each limit counted from zero."""
    total, reached = 0.0, 0.0
    day = rows[0][0].date()
    for at, kwh, _ in rows:
        if component.per is Per.DAY and at.date() != day:
            day, reached = at.date(), 0.0
        floor = 0.0
        for block in component.blocks:
            top = reached + kwh if block.up_to_kwh is None else block.up_to_kwh
            total += max(min(reached + kwh, top) - max(reached, floor), 0.0) * block.price_per_kwh
            floor = top
        reached += kwh
    return total


def peak_of(
    component: Demand | DemandSteps, rows: Rows, tariff: Tariff, months: Sequence[int]
) -> float | None:
    """The mean of the highest demands of different days, in some months of the year."""
    count = component.interval_minutes // 15
    by_day: dict[date, float] = {}
    for at in range(len(rows) - count + 1):
        block = rows[at : at + count]
        if component.sliding_minutes is None and block[0][0].minute % component.interval_minutes:
            continue
        windows = component.windows or (Window(),)
        inside = all(any(in_window(each, when, tariff) for each in windows) for when, *_ in block)
        day = block[0][0].date()
        if inside and day.month in months:
            kw = sum(kwh for _, kwh, _ in block) * 4 / count
            by_day[day] = max(by_day.get(day, 0.0), kw)
    best = sorted(by_day.values(), reverse=True)[: component.peaks]
    return sum(best) / len(best) if best else None


def floors(component: Demand, bills: Sequence[Rows], tariff: Tariff) -> list[float]:
    """Billed demand of each billing month in turn, with the ratchet on those before."""
    billed: list[float] = []
    ratchet = component.ratchet
    for at, rows in enumerate(bills):
        peak = peak_of(component, rows, tariff, range(1, 13)) or 0.0
        floor = 0.0
        if ratchet is not None:
            before = range(max(0, at - ratchet.months), at)
            if ratchet.basis is Basis.MEASURED:
                seen = [peak_of(component, bills[b], tariff, ratchet.peak_months) for b in before]
            else:
                seen = [
                    billed[b]
                    for b in before
                    if {when.month for when, *_ in bills[b]} & set(ratchet.peak_months)
                ]
            known = [kw for kw in seen if kw is not None]
            floor = max(known, default=0.0) * ratchet.percent / 100
        billed.append(max(peak, floor, component.minimum_kw))
    return billed


def step_price(component: DemandSteps, kw: float) -> float:
    """The price of the first step whose limit is above the demand."""
    for step in component.steps:
        if step.up_to_kw is None or kw < step.up_to_kw:
            return step.price_per_month
    raise AssertionError


def total(tariff: Tariff, draw: Draw, first: date, end: date) -> float:
    """The bill of the last billing month before `end`, of a tariff in force from `first` on."""
    starts = bill_starts(first, end, tariff.billing_day or 1)
    bills = [rows_of(draw, one, other) for one, other in pairwise(starts)]
    last = bills[-1]
    due = netted(last, tariff)
    days = (starts[-1] - starts[-2]).days
    amounts: dict[str, float] = {}
    for each in tariff.components:
        if isinstance(each, Flat | TimeOfUse | Tiered | Export):
            amounts[each.name] = of_energy(each, due, tariff)
        elif isinstance(each, Demand):
            amounts[each.name] = floors(each, bills, tariff)[-1] * each.price_per_kw_month
        elif isinstance(each, DemandSteps):
            kw = peak_of(each, last, tariff, range(1, 13)) or 0.0
            amounts[each.name] = step_price(each, kw)
        else:
            amounts[each.name] = of_others(each, amounts, days)
    return sum(amounts.values())


def of_energy(component: Flat | TimeOfUse | Tiered | Export, due: Rows, tariff: Tariff) -> float:
    """What follows the energy of each quarter-hour."""
    match component:
        case Flat():
            return sum(kwh for _, kwh, _ in due) * component.price_per_kwh
        case TimeOfUse():
            bands = component.bands
            return sum(kwh * band_of(bands, at, tariff).price_per_kwh for at, kwh, _ in due)
        case Tiered():
            return in_blocks(component, due)
        case Export():
            return -sum(kwh for *_, kwh in due) * (component.price_per_kwh or 0.0)


def of_others(component: object, amounts: Mapping[str, float], days: int) -> float:
    """What follows the time, or other components."""
    match component:
        case Fixed():
            return component.price * (days if component.per is Per.DAY else 1)
        case Minimum():
            least = component.amount * (days if component.per is Per.DAY else 1)
            return max(0.0, least - sum(amounts[name] for name in component.of))
        case Percentage():
            return sum(amounts[name] for name in component.of) * component.percent / 100
        case _:
            raise AssertionError(component)

"""The demand of a billing month: what was measured, and what a ratchet makes of it."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, NamedTuple, TypeAlias

import polars as pl

from wattbook.core.billing import charges, coincident, demand
from wattbook.core.billing.bill_lines import Line, Part
from wattbook.core.billing.coincident import on_peaks
from wattbook.core.billing.cycle import shifted
from wattbook.core.billing.demand import Key, Measured, Peak, on_demand
from wattbook.core.periods import FIRST_YEAR
from wattbook.core.registry.components import Basis, Demand, DemandSteps, Ratchet, step_names
from wattbook.core.registry.tariffs import Holidays, Span, Tariff, timeline
from wattbook.core.units import PERCENT

MAX_REACH: Final = 60
"""So many months a ratchet on billed demand is followed back: each bill rests on the one before."""


class Floor(NamedTuple):
    """The least demand that is billed, the month that sets it, the least coverage of the months."""

    kw: float | None
    month: date | None
    coverage: float | None
    lost: bool = False
    """Whether quarter-hours that may set it were removed."""
    most_kw: float = 0.0
    """The most that it can be, with what was not measured."""


NO_FLOOR: Final = Floor(None, None, None)
LOST: Final = Floor(None, None, 0.0, lost=True)


class Past(NamedTuple):
    """What a component measured and billed in a part of a month."""

    part: Part
    key: Key
    billed_kw: float | None
    most_kw: float
    """The most that it would have billed, with what was not measured."""


Before: TypeAlias = list[Past]


def reach(tariffs: Sequence[Tariff], first: date, end: date) -> date:
    """The first day whose demand decides a bill of the days from `first` until `end`.

    A ratchet looks no further back than to the first tariff with a component of its name.
    """
    earliest = [first]
    for span in timeline(tariffs, first, end):
        for each in on_demand(span.tariff):
            if isinstance(each, Demand) and each.ratchet is not None:
                back = each.ratchet.months if each.ratchet.basis is Basis.MEASURED else MAX_REACH
                earliest.append(max(shifted(first, -back), _since(tariffs, each.name)))
        earliest += [coincident.decisive(each, first, end)[0] for each in on_peaks(span.tariff)]
    return max(min(earliest), date(FIRST_YEAR + 1, 1, 1))


def _since(tariffs: Iterable[Tariff], name: str) -> date:
    """The first day of a tariff with a demand component of that name."""
    return min(
        tariff.valid_from
        for tariff in tariffs
        if any(each.name == name for each in on_demand(tariff))
    )


def lines(
    parts: Iterable[Part],
    energy: pl.DataFrame,
    spans: Sequence[Span],
    holidays: Holidays,
    load: pl.DataFrame,
    timezone: str,
    not_measured: pl.DataFrame,
) -> dict[Key, Line]:
    """The line of each component on demand in each part of a month.

    Parameters
    ----------
    parts
        In the order of time, of all months from `reach` on.
    energy
        From `core.billing.charges.quarters`, of all these months.
    load
        `start_utc`, `interval_s`, `load_mw` of the zone; empty where no component needs it.
    not_measured
        `core.billing.demand_bounds.UNMEASURED` of all these months.
    """
    every = charges.with_unmeasured(energy, not_measured["start_utc"], timezone, spans)
    measured = demand.highest(every, spans, holidays, not_measured)
    load_peaks = coincident.peaks_of_load(load, timezone)
    before: dict[str, Before] = defaultdict(list)
    found = {}
    for part in parts:
        tariff = part.span.tariff
        for each in on_demand(tariff):
            key = (part.month.first, part.index, each.name)
            made, past = _made(part, each, key, measured, before[each.name])
            found[key] = made
            before[each.name].append(past)
        for peaked in on_peaks(tariff):
            key = (part.month.first, part.index, peaked.name)
            found[key] = coincident.line(part, peaked, energy, load_peaks, timezone, not_measured)
    return found


def _made(
    part: Part, component: Demand | DemandSteps, key: Key, measured: Measured, before: Before
) -> tuple[Line, Past]:
    """The line of a component, and what ratchets of later months look at."""
    peak = measured.peaks.get(key)
    if peak is None and not part.ever(component):
        peak = Peak(0.0, most_kw=0.0)
    if isinstance(component, DemandSteps):
        return _of_steps(part, component, peak), Past(part, key, None, math.inf)
    floor = _floor(component.ratchet, part.month.first, before, measured)
    most_kw = max(math.inf if peak is None else peak.most_kw, floor.most_kw, component.minimum_kw)
    made = _of_demand(part, component, peak, floor)
    if made.quantity is not None:
        made = made.with_bound(made.quantity, most_kw)
    return made, Past(part, key, made.quantity, most_kw)


def _floor(ratchet: Ratchet | None, month: date, before: Before, measured: Measured) -> Floor:
    """So many percent of the highest demand of so many months before."""
    if ratchet is None:
        return NO_FLOOR
    since = shifted(month, -ratchet.months)
    within = [past for past in before if since <= past.part.month.first < month]
    counted = [past for past in within if past.part.month.months & set(ratchet.peak_months)]
    if not all(past.part.month.kept for past in counted):
        return LOST
    demands = [(_looked_at(past, ratchet, measured), past.part.month.first) for past in counted]
    known = [(found.kw, first) for found, first in demands if found is not None]
    kw, sets = max(known, default=(None, None))
    most_kw = max((found.most_kw for found, _ in demands if found is not None), default=0.0)
    return Floor(
        kw=None if kw is None else kw * ratchet.percent / PERCENT,
        month=sets,
        coverage=min((past.part.month.coverage for past in counted), default=None),
        most_kw=most_kw * ratchet.percent / PERCENT,
    )


def _looked_at(past: Past, ratchet: Ratchet, measured: Measured) -> Peak | None:
    """The demand of an earlier month that a ratchet takes its percentage of."""
    if ratchet.basis is Basis.BILLED:
        return None if past.billed_kw is None else Peak(past.billed_kw, most_kw=past.most_kw)
    return measured.for_ratchets.get((past.key, ratchet.peak_months))


def _of_demand(part: Part, component: Demand, peak: Peak | None, floor: Floor) -> Line:
    """Unknown where no interval of the windows is known, or the floor is lost."""
    billed_kw = None
    if peak is not None and not floor.lost:
        billed_kw = max(peak.kw, floor.kw or 0.0, component.minimum_kw)
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
        peaks=() if peak is None else peak.of,
    )
    return replace(
        made,
        peak_kw=None if peak is None else peak.kw,
        peak_at=None if peak is None else peak.at,
        floor_kw=floor.kw,
        floor_month=floor.month,
        floor_coverage=floor.coverage,
    )


def _of_steps(part: Part, component: DemandSteps, peak: Peak | None) -> Line:
    """The price of the step in which the demand lies; a limit belongs to the step above it."""
    price, band = None, None
    if peak is not None:
        limits = [each.up_to_kw for each in component.steps]
        at = next(at for at, limit in enumerate(limits) if limit is None or peak.kw < limit)
        price, band = component.steps[at].price_per_month, step_names(component.steps)[at]
    amount = None if price is None else price * part.share
    made = part.line(
        component,
        band=band,
        quantity=None if price is None else 1.0,
        unit="month",
        price=price,
        share=part.share,
        amount=amount,
        stands=True,
        standing=amount,
        peaks=() if peak is None else peak.of,
    )
    if peak is None:
        return made
    return replace(made.with_bound(peak.kw, peak.most_kw), peak_kw=peak.kw, peak_at=peak.at)

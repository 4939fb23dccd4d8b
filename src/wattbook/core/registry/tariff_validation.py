"""What is wrong with the tariffs of a site, each problem with the path of its field."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from wattbook.core.errors import Problem
from wattbook.core.registry.components import (
    INTERVALS,
    STEP_MINUTES,
    Band,
    Block,
    CoincidentDemand,
    Component,
    Demand,
    DemandSteps,
    Export,
    Fixed,
    Flat,
    Indexed,
    Minimum,
    OnDemand,
    Percentage,
    Ratchet,
    Reactive,
    Step,
    Tiered,
    TimeOfUse,
    band_slots,
)
from wattbook.core.registry.tariff_holidays import readable
from wattbook.core.registry.tariffs import Tariff
from wattbook.core.registry.windows import MONTHS, TIME, Window, gaps, overlaps
from wattbook.core.units import CURRENCY, PERCENT

MAX_PRICE: Final = 10**9
"""No price or limit is larger: beyond it sums of money would not be finite."""
MAX_PERCENT: Final = 1_000
MAX_PERCENTAGES: Final = 32
"""Each may be taken of the one before: more, or larger ones, and money would not be finite."""
MAX_RATCHET_MONTHS: Final = 60
"""So many months a ratchet may look back."""
MAX_PEAKS: Final = 31
"""Of so many days a demand may be the mean."""
MAX_INSTANTS: Final = 1_000
DAYS_OF_WEEK: Final = range(1, 8)
DAYS_OF_MONTH: Final = range(1, 32)
NUMBERS: Final = (
    "price_per_kwh",
    "multiplier",
    "adder_per_mwh",
    "price_per_kw_month",
    "price_per_kvarh",
    "price",
    "amount",
    "minimum_kw",
)
MAX_LISTED: Final = 4
"""So many gaps or overlaps are told; the rest is a number."""

Wrong: TypeAlias = Callable[[str, str, str], None]
"""Takes what is wrong: where, the reason, the detail."""


def problems_with(tariffs: Sequence[Tariff]) -> list[Problem]:
    """Everything about the tariffs of a site that is invalid; empty when all is well."""
    found: list[Problem] = []

    def wrong(where: str, reason: str, detail: str) -> None:
        found.append(Problem(reason, detail, field=where))

    for at, tariff in enumerate(tariffs):
        _judge(tariff, f"tariffs[{at}]", wrong)
    _judge_succession(tariffs, wrong)
    return found


def _judge(tariff: Tariff, where: str, wrong: Wrong) -> None:
    if tariff.valid_to is not None and tariff.valid_to <= tariff.valid_from:
        wrong(f"{where}.valid_to", "bad_period", "ends before it begins")
    if not CURRENCY.fullmatch(tariff.currency):
        detail = f"{tariff.currency!r} is not a code of three capital letters (ISO 4217)"
        wrong(f"{where}.currency", "bad_currency", detail)
    if not _are_of(tariff.weekend, DAYS_OF_WEEK):
        wrong(f"{where}.weekend", "bad_day", "must be days from 1 (Monday) to 7, each once")
    if tariff.billing_day is not None and tariff.billing_day not in DAYS_OF_MONTH:
        wrong(f"{where}.billing_day", "bad_day", "must be a day of the month, from 1 to 31")
    for at, text in enumerate(tariff.holidays_removed):
        if not readable(text):
            detail = f"{text!r}: must be a date, a day of every year (12-24) or easter-2"
            wrong(f"{where}.holidays_removed[{at}]", "bad_day", detail)
    if not tariff.components:
        wrong(f"{where}.components", "no_component", "a tariff has at least one component")
    if sum(isinstance(component, Percentage) for component in tariff.components) > MAX_PERCENTAGES:
        detail = f"a tariff has at most {MAX_PERCENTAGES} percentages"
        wrong(f"{where}.components", "too_many", detail)
    names: list[str] = []
    for at, component in enumerate(tariff.components):
        here = f"{where}.components[{at}]"
        _judge_name(component.name, names, here, wrong)
        _judge_component(component, names, here, wrong)
        names.append(component.name)


def _judge_name(name: str, taken: Sequence[str], where: str, wrong: Wrong) -> None:
    if not name.strip() or not name.isprintable():
        wrong(f"{where}.name", "bad_name", "must be a text with visible characters")
    elif name in taken:
        wrong(f"{where}.name", "duplicate_name", f"duplicate {name!r}")


def _judge_component(component: Component, before: Sequence[str], where: str, wrong: Wrong) -> None:
    for name in NUMBERS:
        if (value := getattr(component, name, None)) is not None:
            _judge_number(value, f"{where}.{name}", wrong)
    if isinstance(component, OnDemand | CoincidentDemand | Reactive):
        _check_measured(component, where, wrong)
        return
    match component:
        case TimeOfUse():
            _judge_bands(component.bands, where, wrong)
        case Tiered():
            _judge_blocks(component.blocks, where, wrong)
        case Minimum():
            _judge_parts(component.of, before, f"{where}.of", wrong)
        case Percentage():
            _judge_number(component.percent, f"{where}.percent", wrong, MAX_PERCENT)
            _judge_parts(component.of, before, f"{where}.of", wrong)
        case Flat() | Indexed() | Export() | Fixed():
            pass


def _check_measured(
    component: OnDemand | CoincidentDemand | Reactive, where: str, wrong: Wrong
) -> None:
    match component:
        case Demand():
            _check_measuring(component, where, wrong)
            if component.minimum_kw < 0:
                wrong(f"{where}.minimum_kw", "bad_number", "must not be below 0")
            if component.ratchet is not None:
                _judge_ratchet(component.ratchet, f"{where}.ratchet", wrong)
        case DemandSteps():
            _check_measuring(component, where, wrong)
            _check_steps(component.steps, where, wrong)
        case CoincidentDemand():
            _check_coincident(component, where, wrong)
        case Reactive():
            _check_reactive(component, where, wrong)


def _judge_number(value: float, where: str, wrong: Wrong, largest: float = MAX_PRICE) -> None:
    if not (math.isfinite(value) and abs(value) <= largest):
        wrong(where, "bad_number", f"{value} is not from {-largest} to {largest}")


def _judge_bands(bands: Sequence[Band], where: str, wrong: Wrong) -> None:
    names: list[str] = []
    clear = True
    for at, band in enumerate(bands):
        here = f"{where}.bands[{at}]"
        _judge_name(band.name, names, here, wrong)
        names.append(band.name)
        _judge_number(band.price_per_kwh, f"{here}.price_per_kwh", wrong)
        clear &= _judge_windows(band.windows, here, wrong)
        if band.rest and band.windows:
            wrong(f"{here}.windows", "bad_band", "a band of the rest of the time has no windows")
        if not band.rest and not band.windows:
            detail = "name its windows, or set rest to true for all other time"
            wrong(f"{here}.windows", "bad_band", detail)
    if (rests := sum(band.rest for band in bands)) > 1:
        wrong(f"{where}.bands", "overlap", f"{rests} bands are the rest of the time: one can be")
    if not clear or rests > 1:
        return
    times = band_slots(bands)
    if missing := gaps(times):
        detail = f"no band covers {_first(missing)}"
        wrong(f"{where}.bands", "gap", detail)
    if twice := overlaps(times):
        wrong(f"{where}.bands", "overlap", f"more than one band covers: {_first(twice)}")


def _judge_windows(windows: Sequence[Window], where: str, wrong: Wrong) -> bool:
    """Whether all windows can be read."""
    good = True

    def bad(place: str, reason: str, detail: str) -> None:
        nonlocal good
        good = False
        wrong(place, reason, detail)

    for at, window in enumerate(windows):
        here = f"{where}.windows[{at}]"
        for name in ("start", "end"):
            time = getattr(window, name)
            if not TIME.fullmatch(time) or (name, time) == ("start", "24:00"):
                detail = f"invalid time {time!r}: use 00:00 to 24:00 in steps of 15 minutes"
                bad(f"{here}.{name}", "bad_time", detail)
        if window.start == window.end:
            bad(f"{here}.end", "bad_time", "ends where it begins; a whole day is 00:00 to 24:00")
        if not window.months or not _are_of(window.months, MONTHS):
            bad(f"{here}.months", "bad_month", "must be months from 1 to 12, each once")
        if not window.days or not _are_of(window.days, window.days):
            bad(f"{here}.days", "bad_day", "must be weekday, weekend or holiday, each once")
    return good


def _judge_blocks(blocks: Sequence[Block], where: str, wrong: Wrong) -> None:
    for at, block in enumerate(blocks):
        here = f"{where}.blocks[{at}]"
        _judge_number(block.price_per_kwh, f"{here}.price_per_kwh", wrong)
        if block.up_to_kwh is not None:
            _judge_number(block.up_to_kwh, f"{here}.up_to_kwh", wrong)
    _check_limits([block.up_to_kwh for block in blocks], f"{where}.blocks", "up_to_kwh", wrong)


def _check_limits(limits: Sequence[float | None], where: str, field: str, wrong: Wrong) -> None:
    """Limits rise from above zero, and only the last is open."""
    for at, limit in enumerate(limits):
        if limit is None and at < len(limits) - 1:
            wrong(f"{where}[{at}].{field}", "no_limit", "only the last is without limit")
        elif limit is not None and limit <= 0:
            wrong(f"{where}[{at}].{field}", "bad_number", "must be a limit above 0")
    if not limits or limits[-1] is not None:
        wrong(where, "gap", f"the last is without limit: {field} is null")
    for at, (lower, upper) in enumerate(pairwise(limits), start=1):
        if lower is not None and upper is not None and upper <= lower:
            detail = f"{upper:g} is not above the limit before it, {lower:g}"
            wrong(f"{where}[{at}].{field}", "not_ascending", detail)


def _check_measuring(component: OnDemand, where: str, wrong: Wrong) -> None:
    """Over what demand is measured."""
    _judge_windows(component.windows, where, wrong)
    _check_interval(component.interval_minutes, where, wrong)
    if component.sliding_minutes not in (None, STEP_MINUTES):
        detail = f"{component.sliding_minutes}: energy is kept by {STEP_MINUTES} minutes, so that"
        detail += f" an interval can slide by {STEP_MINUTES} only"
        wrong(f"{where}.sliding_minutes", "bad_number", detail)
    if not 1 <= component.peaks <= MAX_PEAKS:
        detail = (
            f"{component.peaks}: must be from 1 to {MAX_PEAKS}: as many days of a month, of whose"
        )
        detail += " highest demands the mean is billed"
        wrong(f"{where}.peaks", "bad_number", detail)


def _check_interval(minutes: int, where: str, wrong: Wrong) -> None:
    if minutes not in INTERVALS:
        known = ", ".join(str(each) for each in INTERVALS)
        wrong(f"{where}.interval_minutes", "bad_number", f"{minutes}: must be one of {known}")


def _check_steps(steps: Sequence[Step], where: str, wrong: Wrong) -> None:
    for at, step in enumerate(steps):
        here = f"{where}.steps[{at}]"
        _judge_number(step.price_per_month, f"{here}.price_per_month", wrong)
        if step.up_to_kw is not None:
            _judge_number(step.up_to_kw, f"{here}.up_to_kw", wrong)
    _check_limits([step.up_to_kw for step in steps], f"{where}.steps", "up_to_kw", wrong)


def _check_coincident(component: CoincidentDemand, where: str, wrong: Wrong) -> None:
    _check_interval(component.interval_minutes, where, wrong)
    if not component.months or not _are_of(component.months, MONTHS):
        wrong(f"{where}.months", "bad_month", "must be months from 1 to 12, each once")
    if component.year_begins not in MONTHS:
        wrong(f"{where}.year_begins", "bad_month", "must be a month from 1 to 12")
    if len(component.instants) > MAX_INSTANTS:
        wrong(f"{where}.instants", "too_many", f"at most {MAX_INSTANTS} instants")
    for at, instant in enumerate(component.instants):
        if instant.tzinfo is None:
            detail = "needs an offset, as in 2026-08-12T17:00:00-05:00"
            wrong(f"{where}.instants[{at}]", "bad_timestamp", detail)
        elif instant in component.instants[:at]:
            wrong(f"{where}.instants[{at}]", "duplicate", f"{instant.isoformat()} is there twice")
    if component.count is not None and not 1 <= component.count <= MAX_INSTANTS:
        wrong(
            f"{where}.count",
            "bad_number",
            f"{component.count}: must be from 1 to {MAX_INSTANTS} peaks",
        )
    if not 1 <= component.per_month <= MAX_PEAKS:
        wrong(
            f"{where}.per_month",
            "bad_number",
            f"{component.per_month}: must be from 1 to {MAX_PEAKS} peaks",
        )
    elif component.count is not None and component.per_month != 1:
        detail = "leave it out, or leave out count: peaks are of each month or of all together"
        wrong(f"{where}.per_month", "bad_number", detail)


def _check_reactive(component: Reactive, where: str, wrong: Wrong) -> None:
    _judge_windows(component.windows, where, wrong)
    if not 0 <= component.free_percent <= MAX_PERCENT:
        detail = f"{component.free_percent} is not from 0 to {MAX_PERCENT}"
        wrong(f"{where}.free_percent", "bad_number", detail)
    if (low := component.low_factor) is not None:
        _judge_number(low.price_per_kvarh, f"{where}.low_factor.price_per_kvarh", wrong)
        if not 0 < low.below <= 1:
            detail = f"{low.below} is not above 0 and up to 1"
            wrong(f"{where}.low_factor.below", "bad_number", detail)


def _judge_ratchet(ratchet: Ratchet, where: str, wrong: Wrong) -> None:
    if not 0 < ratchet.percent <= PERCENT:
        wrong(f"{where}.percent", "bad_number", f"{ratchet.percent} is not above 0 and up to 100")
    if not 1 <= ratchet.months <= MAX_RATCHET_MONTHS:
        wrong(
            f"{where}.months",
            "bad_number",
            f"{ratchet.months}: must be from 1 to {MAX_RATCHET_MONTHS}",
        )
    if not ratchet.peak_months or not _are_of(ratchet.peak_months, MONTHS):
        wrong(f"{where}.peak_months", "bad_month", "must be months from 1 to 12, each once")


def _judge_parts(of: Sequence[str], before: Sequence[str], where: str, wrong: Wrong) -> None:
    if not of:
        wrong(where, "no_component", "must name the components that it is a percentage of")
    for at, name in enumerate(of):
        if name not in before:
            detail = f"{name!r} is not the name of an earlier component"
            wrong(f"{where}[{at}]", "unknown_component", detail)
        elif name in of[:at]:
            wrong(f"{where}[{at}]", "duplicate_name", f"duplicate {name!r}")


def _judge_succession(tariffs: Sequence[Tariff], wrong: Wrong) -> None:
    """Only one tariff at a time; one without end is ended by the next."""
    ordered = sorted(enumerate(tariffs), key=lambda each: (each[1].valid_from, each[0]))
    for (first, earlier), (second, later) in pairwise(ordered):
        if later.valid_from == earlier.valid_from:
            other = earlier if first > second else later
            detail = f"{other.id!r} begins on the same day, {other.valid_from}"
            wrong(f"tariffs[{min(first, second)}].valid_from", "overlap", detail)
        elif earlier.valid_to is not None and earlier.valid_to > later.valid_from:
            # What is sent stands before what is there: it is named, whichever comes first in time.
            if first < second:
                detail = f"{later.id!r} is in force from {later.valid_from}"
                wrong(f"tariffs[{first}].valid_to", "overlap", detail)
            else:
                detail = f"{earlier.id!r} is in force until {earlier.valid_to}"
                wrong(f"tariffs[{second}].valid_from", "overlap", detail)


def _are_of(values: Sequence[object], known: Sequence[object]) -> bool:
    """Whether each of the values is known, and none stands there twice."""
    return len(set(values)) == len(values) and all(value in known for value in values)


def _first(said: Sequence[str]) -> str:
    more = len(said) - MAX_LISTED
    return "; ".join(said[:MAX_LISTED]) + (f"; and {more} more" if more > 0 else "")

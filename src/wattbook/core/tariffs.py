"""What a site pays by: dated tariffs, each with the components of its bill."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from wattbook.core.entities import CURRENCY
from wattbook.core.errors import Problem
from wattbook.core.units import PERCENT
from wattbook.core.windows import MONTHS, TIME, Window, gaps, overlaps, slots


class ComponentKind(StrEnum):
    """How a component of a tariff is charged."""

    FLAT = "flat"
    TIME_OF_USE = "time_of_use"
    TIERED = "tiered"
    INDEXED = "indexed"
    DEMAND = "demand"
    FIXED = "fixed"
    PERCENTAGE = "percentage"

    def __repr__(self) -> str:
        """The word alone, as messages list them."""
        return repr(self.value)


class Per(StrEnum):
    """How often a fixed price is due."""

    MONTH = "month"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """One price for every kilowatt-hour."""

    kind: Literal[ComponentKind.FLAT] = ComponentKind.FLAT
    name: str
    price_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The price of the kilowatt-hours drawn in some windows of the week and the year."""

    name: str
    price_per_kwh: float
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOfUse:
    """A price by local time; the bands cover every quarter-hour of the year exactly once."""

    kind: Literal[ComponentKind.TIME_OF_USE] = ComponentKind.TIME_OF_USE
    name: str
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The price of the kilowatt-hours of a month up to a limit; null for all beyond."""

    up_to_kwh: float | None
    price_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiered:
    """A price by how much the site drew in the month so far."""

    kind: Literal[ComponentKind.TIERED] = ComponentKind.TIERED
    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """The zone's price of the hour, times a multiplier, plus an adder."""

    kind: Literal[ComponentKind.INDEXED] = ComponentKind.INDEXED
    name: str
    multiplier: float = 1.0
    adder_per_mwh: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratchet:
    """At least so many percent of the highest billed demand of so many months before."""

    percent: float
    months: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A price for the month's highest quarter-hour demand, within the windows if there are any."""

    kind: Literal[ComponentKind.DEMAND] = ComponentKind.DEMAND
    name: str
    price_per_kw_month: float
    windows: tuple[Window, ...] = ()
    ratchet: Ratchet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A price that is due whatever is drawn."""

    kind: Literal[ComponentKind.FIXED] = ComponentKind.FIXED
    name: str
    price: float
    per: Per = Per.MONTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentage:
    """A tax, fee or rebate on components that stand before it."""

    kind: Literal[ComponentKind.PERCENTAGE] = ComponentKind.PERCENTAGE
    name: str
    percent: float
    of: tuple[str, ...]


Component: TypeAlias = Flat | TimeOfUse | Tiered | Indexed | Demand | Fixed | Percentage
OnEnergy: TypeAlias = Flat | TimeOfUse | Tiered | Indexed
ON_ENERGY: Final = (Flat, TimeOfUse, Tiered, Indexed)
"""Components that are charged on the energy of each quarter-hour."""
WEEKEND: Final = (6, 7)
"""Saturday and Sunday, as ISO 8601 counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What a site pays by from the local date `valid_from` until `valid_to`, or until the next."""

    id: str
    site_id: str
    valid_from: date
    valid_to: date | None = None
    currency: str
    calendar: str | None = None
    """Public holidays of a country or a part of it, as `US` or `US-TX`."""
    holidays: tuple[date, ...] = ()
    """Holidays beside those of the calendar."""
    weekend: tuple[int, ...] = WEEKEND
    components: tuple[Component, ...]

    @property
    def on_energy(self) -> tuple[OnEnergy, ...]:
        """Components that are charged on the energy of each quarter-hour."""
        return tuple(each for each in self.components if isinstance(each, ON_ENERGY))


IMPLICIT: Final = Indexed(name="energy")
"""What is paid on days for which there is no tariff: the zone's price."""


@dataclass(frozen=True, slots=True)
class Span:
    """Local days on which one tariff is in force; null where none is and `IMPLICIT` is paid."""

    first: date
    end: date
    tariff: Tariff | None

    @property
    def tariff_id(self) -> str | None:
        """Id of the tariff, if there is one."""
        return self.tariff.id if self.tariff is not None else None


def timeline(tariffs: Iterable[Tariff], first: date, end: date) -> Iterator[Span]:
    """The days from `first` until `end` without gap, each in the span of its tariff.

    A tariff ends with its `valid_to`, and in any case where the next one begins.

    >>> flat = Flat(name="energy", price_per_kwh=0.1)
    >>> tariff = Tariff(
    ...     id="a", site_id="s", valid_from=date(2026, 7, 1), currency="EUR", components=(flat,)
    ... )
    >>> spans = timeline([tariff], date(2026, 6, 1), date(2026, 8, 1))
    >>> [(str(span.first), str(span.end), span.tariff_id) for span in spans]
    [('2026-06-01', '2026-07-01', None), ('2026-07-01', '2026-08-01', 'a')]
    """
    ordered = sorted(tariffs, key=lambda each: (each.valid_from, each.id))
    at = first
    for tariff, last in zip(ordered, _ends(ordered), strict=True):
        begins, ends = max(tariff.valid_from, at), min(last or end, end)
        if ends <= begins:
            continue
        if at < begins:
            yield Span(at, begins, None)
        yield Span(begins, ends, tariff)
        at = ends
    if at < end:
        yield Span(at, end, None)


def _ends(ordered: Sequence[Tariff]) -> Iterator[date | None]:
    """When each of the tariffs, in the order of time, is no longer in force."""
    for at, tariff in enumerate(ordered):
        ends = [tariff.valid_to] if tariff.valid_to is not None else []
        ends += [following.valid_from for following in ordered[at + 1 : at + 2]]
        yield min(ends, default=None)


Holidays: TypeAlias = Mapping[str, frozenset[date]]
"""The holidays of each tariff, by its id."""


LARGEST: Final = 10**9
"""No price or limit is larger: beyond it sums of money would not be finite."""
LARGEST_PERCENT: Final = 1_000
MOST_PERCENTAGES: Final = 32
"""Each may be taken of the one before: more, or larger ones, and money would not be finite."""
LONGEST_RATCHET: Final = 60
"""So many months a ratchet may look back."""
DAYS_OF_WEEK: Final = range(1, 8)
NAMED: Final = 4
"""So many gaps or overlaps are told; the rest is a number."""

Wrong: TypeAlias = Callable[[str, str, str], None]
"""Takes what is wrong: where, the reason, the detail."""


def problems_with(tariffs: Sequence[Tariff]) -> list[Problem]:
    """Everything about the tariffs of a site that cannot be meant; empty when all is well."""
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
        detail = f"{tariff.currency!r} is no code of three capital letters (ISO 4217)"
        wrong(f"{where}.currency", "bad_currency", detail)
    if not _are_of(tariff.weekend, DAYS_OF_WEEK):
        wrong(f"{where}.weekend", "bad_day", "want days from 1 (Monday) to 7, each once")
    if not tariff.components:
        wrong(f"{where}.components", "no_component", "a tariff has at least one component")
    if sum(isinstance(component, Percentage) for component in tariff.components) > MOST_PERCENTAGES:
        detail = f"a tariff has at most {MOST_PERCENTAGES} percentages"
        wrong(f"{where}.components", "too_many", detail)
    names: list[str] = []
    for at, component in enumerate(tariff.components):
        here = f"{where}.components[{at}]"
        _judge_name(component.name, names, here, wrong)
        _judge_component(component, names, here, wrong)
        names.append(component.name)


def _judge_name(name: str, taken: Sequence[str], where: str, wrong: Wrong) -> None:
    if not name.strip() or not name.isprintable():
        wrong(f"{where}.name", "bad_name", "want a name that can be read")
    elif name in taken:
        wrong(f"{where}.name", "duplicate_name", f"{name!r} stands here twice")


def _judge_component(component: Component, before: Sequence[str], where: str, wrong: Wrong) -> None:
    for name in ("price_per_kwh", "multiplier", "adder_per_mwh", "price_per_kw_month", "price"):
        if hasattr(component, name):
            _judge_number(getattr(component, name), f"{where}.{name}", wrong)
    match component:
        case TimeOfUse():
            _judge_bands(component.bands, where, wrong)
        case Tiered():
            _judge_blocks(component.blocks, where, wrong)
        case Demand():
            _judge_windows(component.windows, where, wrong)
            if component.ratchet is not None:
                _judge_ratchet(component.ratchet, f"{where}.ratchet", wrong)
        case Percentage():
            _judge_number(component.percent, f"{where}.percent", wrong, LARGEST_PERCENT)
            _judge_parts(component.of, before, f"{where}.of", wrong)
        case Flat() | Indexed() | Fixed():
            pass


def _judge_number(value: float, where: str, wrong: Wrong, largest: float = LARGEST) -> None:
    if not (math.isfinite(value) and abs(value) <= largest):
        wrong(where, "bad_number", f"{value} is not from {-largest} to {largest}")


def _judge_bands(bands: Sequence[Band], where: str, wrong: Wrong) -> None:
    names: list[str] = []
    readable = True
    for at, band in enumerate(bands):
        here = f"{where}.bands[{at}]"
        _judge_name(band.name, names, here, wrong)
        names.append(band.name)
        _judge_number(band.price_per_kwh, f"{here}.price_per_kwh", wrong)
        readable &= _judge_windows(band.windows, here, wrong)
    if not readable:
        return
    times = [(band.name, slots(band.windows)) for band in bands]
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
                detail = f"{time!r} is no quarter-hour of a day: want 00:00 to 24:00 by 15 minutes"
                bad(f"{here}.{name}", "bad_time", detail)
        if window.start == window.end:
            bad(f"{here}.end", "bad_time", "ends where it begins; a whole day is 00:00 to 24:00")
        if not window.months or not _are_of(window.months, MONTHS):
            bad(f"{here}.months", "bad_month", "want months from 1 to 12, each once")
        if not window.days or not _are_of(window.days, window.days):
            bad(f"{here}.days", "bad_day", "want weekday, weekend or holiday, each once")
    return good


def _judge_blocks(blocks: Sequence[Block], where: str, wrong: Wrong) -> None:
    for at, block in enumerate(blocks):
        here = f"{where}.blocks[{at}]"
        _judge_number(block.price_per_kwh, f"{here}.price_per_kwh", wrong)
        if block.up_to_kwh is not None:
            _judge_number(block.up_to_kwh, f"{here}.up_to_kwh", wrong)
            if block.up_to_kwh <= 0:
                wrong(f"{here}.up_to_kwh", "bad_number", "want a limit above 0")
        elif at < len(blocks) - 1:
            wrong(f"{here}.up_to_kwh", "no_limit", "only the last block is without limit")
    if not blocks or blocks[-1].up_to_kwh is not None:
        wrong(f"{where}.blocks", "gap", "the last block is without limit: up_to_kwh is null")
    for at, (lower, upper) in enumerate(pairwise(blocks), start=1):
        limits = lower.up_to_kwh, upper.up_to_kwh
        if limits[0] is not None and limits[1] is not None and limits[1] <= limits[0]:
            detail = f"{limits[1]:g} is not above the limit before it, {limits[0]:g}"
            wrong(f"{where}.blocks[{at}].up_to_kwh", "not_ascending", detail)


def _judge_ratchet(ratchet: Ratchet, where: str, wrong: Wrong) -> None:
    if not 0 < ratchet.percent <= PERCENT:
        wrong(f"{where}.percent", "bad_number", f"{ratchet.percent} is not above 0 and up to 100")
    if not 1 <= ratchet.months <= LONGEST_RATCHET:
        wrong(f"{where}.months", "bad_number", f"want 1 to {LONGEST_RATCHET} months")


def _judge_parts(of: Sequence[str], before: Sequence[str], where: str, wrong: Wrong) -> None:
    if not of:
        wrong(where, "no_component", "want the names of the components it is a percentage of")
    for at, name in enumerate(of):
        if name not in before:
            detail = f"{name!r} is no component that stands before this one"
            wrong(f"{where}[{at}]", "unknown_component", detail)
        elif name in of[:at]:
            wrong(f"{where}[{at}]", "duplicate_name", f"{name!r} stands here twice")


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
    more = len(said) - NAMED
    return "; ".join(said[:NAMED]) + (f"; and {more} more" if more > 0 else "")

"""What something was, dated: versions in the order of time, each from an instant until another.

A meter's role, kind and interval, and a site's capacity, hold from `valid_from` until `valid_to`.
Time before the first version, between two of them, or after the last one is time at which the
thing was not there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import Enum
from typing import Final, Generic, TypeVar

from wattbook.core import periods

What = TypeVar("What")


class Unset(Enum):
    """A field that was left out, apart from one that is null."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
Day = date | datetime | None
Sent = date | datetime | Unset | None


@dataclass(frozen=True, slots=True)
class Version(Generic[What]):
    """What something is in [`valid_from`, `valid_to`); null where it is open."""

    what: What
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    def holds(self, at: datetime | None) -> bool:
        """Whether it holds at an instant; null is before every instant."""
        begun = self.valid_from is None or (at is not None and self.valid_from <= at)
        return begun and (self.valid_to is None or at is None or at < self.valid_to)


def instant(day: Day, timezone: str) -> datetime | None:
    """The instant of a day, which is its civil midnight, or of an instant.

    >>> instant(date(2026, 4, 16), "Europe/Oslo").isoformat()
    '2026-04-15T22:00:00+00:00'
    """
    if day is None:
        return None
    return day.astimezone(UTC) if isinstance(day, datetime) else periods.midnight(day, timezone)


def changed(
    old: Sequence[Version[What]],
    what: What,
    *,
    since: datetime | Unset | None = UNSET,
    until: datetime | Unset | None = UNSET,
    upcoming: datetime | None = None,
) -> tuple[Version[What], ...]:
    """The versions after something was declared to be `what`.

    Parameters
    ----------
    old
        The versions so far, in the order of time; none of something new.
    what
        What it is declared to be.
    since
        From when on. Where it is left out, the latest version is meant if it says the same;
        otherwise `what` is a change that holds from `upcoming`.
    until
        Until when; left out, until the version ends in which `since` lies.
    upcoming
        From when on no data of it exists yet; null where there is none at all.

    Returns
    -------
    tuple of Version
        In the order of time, without two equal ones side by side; empty where it ends before it
        begins. A version that stays what it was only has its first or last instant moved, and the
        version next to it follows.
    """
    if not old:
        begin = None if isinstance(since, Unset) else since
        return _tidy([Version(what, begin, None if isinstance(until, Unset) else until)])
    if isinstance(since, Unset):
        place: int | None = len(old) - 1
    else:
        place = next((at for at, each in enumerate(old) if each.holds(since)), None)
    same = place is not None and old[place].what == what
    if isinstance(since, Unset):
        begin = old[-1].valid_from if same else _begin(old, upcoming)
    else:
        begin = since
    if isinstance(until, datetime) and begin is not None and until <= begin:
        return ()
    if same and place is not None:
        return _tidy(_moved(old, place, begin, until))
    return _tidy(_replaced(old, what, begin, until))


def _begin(old: Sequence[Version[What]], upcoming: datetime | None) -> datetime | None:
    """From when on an undated change holds."""
    if upcoming is None:
        return old[0].valid_from
    return upcoming if old[-1].holds(upcoming) else old[-1].valid_from


def _moved(
    old: Sequence[Version[What]],
    place: int,
    since: datetime | None,
    until: datetime | Unset | None,
) -> list[Version[What]]:
    """A version with another first or last instant; what adjoins it is moved with it."""
    rows = list(old)
    own = rows[place]
    if since != own.valid_from:
        if place and rows[place - 1].valid_to == own.valid_from:
            rows[place - 1] = replace(rows[place - 1], valid_to=since)
        own = replace(own, valid_from=since)
    if not isinstance(until, Unset) and until != own.valid_to:
        end, own = own.valid_to, replace(own, valid_to=until)
        rest = rows[place + 1 :]
        if rest and rest[0].valid_from == end and until is not None:
            rest[0] = replace(rest[0], valid_from=until)
        rows[place + 1 :] = [] if until is None else [_after(each, until) for each in rest]
    rows[place] = own
    return rows


def _replaced(
    old: Sequence[Version[What]],
    what: What,
    since: datetime | None,
    until: datetime | Unset | None,
) -> list[Version[What]]:
    """The old versions outside a span, and a new one in it."""
    if isinstance(until, Unset):
        later = [each.valid_from for each in old if _less(since, each.valid_from)]
        within = [each.valid_to for each in old if each.holds(since)]
        until = within[0] if within else later[0] if later else None
    before = [_before(each, since) for each in old if _less(each.valid_from, since)]
    after = [] if until is None else [_after(each, until) for each in old]
    return [*before, Version(what, since, until), *after]


def _before(version: Version[What], at: datetime | None) -> Version[What]:
    ends_first = version.valid_to is not None and at is not None and version.valid_to <= at
    return version if ends_first else replace(version, valid_to=at)


def _after(version: Version[What], at: datetime) -> Version[What]:
    begins_later = version.valid_from is not None and version.valid_from >= at
    return version if begins_later else replace(version, valid_from=at)


def _less(one: datetime | None, other: datetime | None) -> bool:
    """Whether a first instant is before another; null is before all."""
    return other is not None and (one is None or one < other)


def _tidy(rows: Sequence[Version[What]]) -> tuple[Version[What], ...]:
    """Without empty versions, and with equal ones that adjoin joined."""
    found: list[Version[What]] = []
    for each in rows:
        if each.valid_to is not None and not _less(each.valid_from, each.valid_to):
            continue
        last = found[-1] if found else None
        if last and last.what == each.what and last.valid_to == each.valid_from:
            found[-1] = replace(last, valid_to=each.valid_to)
        else:
            found.append(each)
    return tuple(found)

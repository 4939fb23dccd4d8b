"""Registers what sites pay by."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from wattbook.core.errors import InvalidEntityError, Problem
from wattbook.core.registry.entities import SLUG, Site
from wattbook.core.registry.tariff_validation import problems_with
from wattbook.core.registry.tariffs import Tariff
from wattbook.flows.sites import Check, Placement
from wattbook.ports.calendar import Calendar
from wattbook.ports.registry import Edit, Registry


async def put(
    site_id: str,
    tariffs: Sequence[Tariff],
    *,
    only: bool = False,
    check: Check | None = None,
    registry: Registry,
    calendar: Calendar,
    now: datetime,
) -> Placement:
    """Add tariffs to a site or replace those with the same id; with `only`, all that it has.

    An id that is empty is made up from the first day, so that what is sent twice is there once.
    Nothing that was computed is touched: costs are priced when they are asked for.
    """
    placed = tuple(
        replace(each, site_id=site_id, id=each.id or f"tariff-{each.valid_from}")
        for each in tariffs
    )
    ids = {each.id for each in placed}
    faults = _about_ids(placed) + await asyncio.to_thread(_about_calendars, placed, calendar)

    def plan(site: Site) -> Edit:
        if check is not None:
            check(site)
        kept = () if only else tuple(each for each in site.tariffs if each.id not in ids)
        if problems := problems_with((*placed, *kept)) + faults:
            raise InvalidEntityError(
                "; ".join(f"{each.field}: {each.detail}" for each in problems), problems
            )
        return Edit(parts=placed, only=Tariff if only else None)

    edited = await registry.edit(site_id, plan, now)
    return Placement(edited.after, not ids <= {each.id for each in edited.before.tariffs})


def _about_ids(tariffs: Sequence[Tariff]) -> list[Problem]:
    ids = [each.id for each in tariffs]
    found = []
    for at, tariff_id in enumerate(ids):
        where = f"tariffs[{at}].id"
        if not SLUG.fullmatch(tariff_id):
            detail = f"invalid id {tariff_id!r}: must match {SLUG.pattern}"
            found.append(Problem("bad_id", detail, field=where))
        if tariff_id in ids[:at]:
            found.append(Problem("duplicate_id", f"duplicate {tariff_id!r}", field=where))
    return found


def _about_calendars(tariffs: Sequence[Tariff], calendar: Calendar) -> list[Problem]:
    return [
        Problem(
            "unknown_calendar",
            f"no public holidays are known of {each.calendar!r}: name a country or a part of it,"
            " as US or US-TX, or NERC",
            field=f"tariffs[{at}].calendar",
        )
        for at, each in enumerate(tariffs)
        if each.calendar is not None and not calendar.knows(each.calendar)
    ]

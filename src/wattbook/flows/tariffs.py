"""Registers what sites pay by."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from wattbook.core.entities import SLUG
from wattbook.core.errors import InvalidEntityError, Problem
from wattbook.core.tariffs import Tariff, problems_with
from wattbook.flows.sites import Placement
from wattbook.ports.calendar import Calendar
from wattbook.ports.registry import Registry


async def put(
    site_id: str,
    tariffs: Sequence[Tariff],
    *,
    only: bool = False,
    registry: Registry,
    calendar: Calendar,
    now: datetime,
) -> Placement:
    """Add tariffs to a site or replace those with the same id; with `only`, all that it has.

    An id that is empty is made up from the first day, so that what is sent twice is there once.
    Nothing that was computed is touched: costs are priced when they are asked for.
    """
    site = await registry.site(site_id)

    placed = tuple(
        replace(each, site_id=site_id, id=each.id or f"tariff-{each.valid_from}")
        for each in tariffs
    )
    ids = {each.id for each in placed}
    kept = () if only else tuple(each for each in site.tariffs if each.id not in ids)
    problems = problems_with((*placed, *kept)) + _about_ids(placed)
    problems += await asyncio.to_thread(_about_calendars, placed, calendar)
    if problems:
        raise InvalidEntityError(
            "; ".join(f"{each.field}: {each.detail}" for each in problems), problems
        )

    changed = await registry.put_parts(site_id, placed, now, only=Tariff if only else None)
    return Placement(changed, not ids <= {each.id for each in site.tariffs})


def _about_ids(tariffs: Sequence[Tariff]) -> list[Problem]:
    ids = [each.id for each in tariffs]
    found = []
    for at, tariff_id in enumerate(ids):
        where = f"tariffs[{at}].id"
        if not SLUG.fullmatch(tariff_id):
            detail = f"invalid id {tariff_id!r}: must match {SLUG.pattern}"
            found.append(Problem("bad_id", detail, field=where))
        if tariff_id in ids[:at]:
            found.append(Problem("duplicate_id", f"{tariff_id!r} stands here twice", field=where))
    return found


def _about_calendars(tariffs: Sequence[Tariff], calendar: Calendar) -> list[Problem]:
    return [
        Problem(
            "unknown_calendar",
            f"no public holidays are known of {each.calendar!r}: want a country or a part of it,"
            " as US or US-TX",
            field=f"tariffs[{at}].calendar",
        )
        for at, each in enumerate(tariffs)
        if each.calendar is not None and not calendar.knows(each.calendar)
    ]

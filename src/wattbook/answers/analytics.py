"""Figures, bills and emissions: the documents of `/metrics` and `/analytics`."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from wattbook.answers.encode import Answer, rows_of
from wattbook.core.periods import Grain, Period
from wattbook.core.when import Bounds, When
from wattbook.flows import bounds as bounding
from wattbook.flows import carbon as emitting
from wattbook.flows import cost as paying
from wattbook.flows import entities, metrics
from wattbook.flows.entities import Found
from wattbook.wiring.runtime import Runtime


async def of_site(
    site_id: str, bounds: Bounds, grain: Grain, as_of: When | None, runtime: Runtime
) -> Answer:
    """A site's energy, power, hash rate, efficiency and cost per bucket, and over the period."""
    entity = await entities.find(f"site:{site_id}", registry=runtime.registry)
    known = bounding.as_of(as_of, entity.timezone)
    found = await metrics.of_site(
        site_id,
        await _period(bounds, entity, runtime),
        grain,
        as_of=known,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        grid=runtime.grid,
        calendar=runtime.calendar,
        clock=runtime.clock,
    )
    document = {
        "site_id": site_id,
        **_about(found, known),
        "notices": [asdict(notice) for notice in found.notices],
        "total": _outward(found.total),
        "meters": rows_of(found.meters),
        "register_events": rows_of(found.events),
    }
    return Answer(document, found.rows)


async def of_network(
    bounds: Bounds,
    grain: Grain,
    by: str,
    timezone: str,
    as_of: When | None,
    runtime: Runtime,
) -> Answer:
    """Totals of the network: all main meters, or those of each zone, operator or site."""
    entity = await entities.find(entities.NETWORK, registry=runtime.registry)
    known = bounding.as_of(as_of, timezone)
    groups = await metrics.aggregate(
        await bounding.period(bounds, timezone, entity.mains, readings=runtime.readings),
        grain,
        by=by,
        timezone=timezone,
        as_of=known,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        clock=runtime.clock,
    )
    document = {
        "by": by,
        **_about(groups.series, known),
        "total": _outward(groups.series.total),
        "groups": [_outward(total) for total in groups.totals],
    }
    return Answer(document, groups.series.rows)


async def cost(
    entity_id: str,
    bounds: Bounds,
    grain: Grain,
    as_of: When | None,
    runtime: Runtime,
    *,
    spread: bool,
) -> Answer:
    """Bills of a site by its tariffs, and the cost of each component per bucket."""
    entity = await entities.find(entity_id, registry=runtime.registry)
    known = bounding.as_of(as_of, entity.timezone)
    found = await paying.account(
        entity_id,
        await _period(bounds, entity, runtime),
        grain,
        spread=spread,
        as_of=known,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        grid=runtime.grid,
        calendar=runtime.calendar,
        clock=runtime.clock,
    )
    document = {
        "entity_id": f"site:{found.site_id}",
        "method": paying.METHOD,
        "grain": found.grain,
        "timezone": found.timezone,
        "start": found.period.start,
        "end": found.period.end,
        "as_of": known,
        "spread": found.spread,
        "energy_kwh": found.energy_kwh,
        "coverage": found.coverage,
        "notices": [asdict(notice) for notice in found.notices],
        "totals": found.totals,
        "bills": [paying.bill_document(bill) for bill in found.bills],
    }
    return Answer(document, found.rows)


async def carbon(
    entity_id: str,
    bounds: Bounds,
    grain: Grain,
    factor_set: str,
    as_of: When | None,
    runtime: Runtime,
) -> Answer:
    """Location-based emissions of an entity, with the factors behind them."""
    entity = await entities.find(entity_id, registry=runtime.registry)
    known = bounding.as_of(as_of, entity.timezone)
    account = await emitting.account(
        entity_id,
        await _period(bounds, entity, runtime),
        grain,
        factor_set=factor_set,
        factors=runtime.factors,
        as_of=known,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        grid=runtime.grid,
        clock=runtime.clock,
    )
    document = {
        "entity_id": account.entity,
        "method": "location-based",
        "factor_set": account.factor_set,
        "grain": account.grain,
        "timezone": account.timezone,
        "as_of": known,
        "start": account.period.start,
        "end": account.period.end,
        "notices": [asdict(notice) for notice in account.notices],
        "total": account.total,
        "factors": rows_of(account.factors),
    }
    return Answer(document, account.rows)


async def _period(bounds: Bounds, entity: Found, runtime: Runtime) -> Period:
    return await bounding.period(bounds, entity.timezone, entity.meters, readings=runtime.readings)


def _about(found: metrics.Series, as_of: datetime | None) -> dict[str, Any]:
    return {
        "grain": found.grain,
        "timezone": found.timezone,
        "start": found.period.start,
        "end": found.period.end,
        "as_of": as_of,
    }


def _outward(total: Mapping[str, object]) -> dict[str, object]:
    return {name.removesuffix("_utc"): value for name, value in total.items()}

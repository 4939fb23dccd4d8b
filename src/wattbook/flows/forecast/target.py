"""Whose history is forecast: an entity or some meters, with prices and other series to train on."""

import asyncio
from dataclasses import dataclass
from datetime import UTC as UTC_ZONE
from datetime import datetime, timedelta
from typing import Final, Protocol

import polars as pl

from wattbook.core import periods
from wattbook.core.anomaly.finding import Finding, Rule
from wattbook.core.errors import (
    ConflictError,
    Problem,
    UnknownEntityError,
    input_error,
)
from wattbook.core.forecast import history
from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.task import Donor, ForecastTask
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import MeterRole
from wattbook.flows import conditions as zone_rows
from wattbook.flows import entities
from wattbook.flows.consistent import read_consistent
from wattbook.ports.analytics import FigurePorts
from wattbook.ports.anomalies import Anomalies, FindingFilter
from wattbook.ports.calendar import Calendar
from wattbook.ports.forecaster import Forecaster
from wattbook.ports.forecasts import Forecasts, ForecastSpec
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import Rollups

NETWORK: Final = "network"
YOUNG: Final = timedelta(days=35)
"""With a shorter history other sites are learnt from; who needs them is decided by the models."""
MAX_DONORS: Final = 24
AT_ONCE: Final = 1000
"""So many findings are read together."""


class Sources(FigurePorts, Protocol):
    """What a history is read from."""

    @property
    def anomalies(self) -> Anomalies: ...
    @property
    def calendar(self) -> Calendar: ...


class Ports(Sources, Protocol):
    """What a forecast touches."""

    @property
    def forecasts(self) -> Forecasts: ...
    @property
    def forecaster(self) -> Forecaster: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The meters whose sum is forecast."""

    entity_id: str | None
    quantity: Quantity
    meters: pl.DataFrame
    timezone: str
    role: MeterRole | None = None
    """Meters count while they have it; null: while they are there."""

    @property
    def spans(self) -> pl.DataFrame:
        """`core.meters.presence.SPANS` of the times at which the meters count."""
        return presence.spans(self.meters, self.role)

    @property
    def meter_ids(self) -> list[str]:
        """Their ids."""
        found: list[str] = self.meters["meter_id"].to_list()
        return found


async def subject(entity_id: str, quantity: Quantity, *, ports: Sources) -> Subject:
    """The meters of `site:x`, `operator:x`, `zone:x` or, of hash rates, `network:x`."""
    kind, _, name = entity_id.partition(":")
    if kind == NETWORK:
        return await _network(name, quantity, ports.registry)
    found = await entities.find(entity_id, registry=ports.registry)
    mains = found.mains
    if mains.is_empty():
        said = f"{found.kind} {found.id!r} has no main meter, whose load could be forecast"
        raise ConflictError(said, [Problem("no_meters", said, field="entity_id")])
    zones = mains["timezone"].unique().to_list()
    return Subject(
        entity_id=f"{found.kind}:{found.id}",
        quantity=Quantity.LOAD,  # of which the hash rate of anything that draws power follows
        meters=mains,
        timezone=str(zones[0]) if len(zones) == 1 else "UTC",
        role=MeterRole.MAIN,
    )


async def full_name(entity_id: str, *, registry: Registry) -> str:
    """As `entities.full_name`, also of a network."""
    if entity_id.startswith(f"{NETWORK}:"):
        return entity_id
    return await entities.full_name(entity_id, registry=registry)


async def _network(name: str, quantity: Quantity, registry: Registry) -> Subject:
    """The meter that tells the hash rate of a whole network."""
    if quantity is not Quantity.HASHRATE:
        detail = f"a network has a hash rate, but no load that is known: {NETWORK}:{name}"
        raise input_error("bad_entity", detail, "entity_id")
    meter_id = f"{NETWORK}.{name}"
    meters = (await registry.meters()).filter(meter_id=meter_id)
    if meters.is_empty():
        detail = (
            f"the hash rate of the network {name!r} was never taken in: register a meter"
            f" {meter_id!r} (kind `power`, role `sub`) at any site and send its `hashrate_th`"
            " with a `power_kw` of 0, which is added to nothing,"
            " or bring the series to POST /api/v1/forecast/custom"
        )
        raise UnknownEntityError(detail, [Problem("unknown_network", detail, field="entity_id")])
    return Subject(entity_id=f"{NETWORK}:{name}", quantity=quantity, meters=meters, timezone="UTC")


async def load_history(of: Subject, grain: Grain, *, ports: Sources) -> pl.DataFrame:
    """`core.forecast.history.HISTORY` of the last two years that are known.

    Raises
    ------
    ConflictError
        Nothing is known of these meters.
    """
    far = _ever(ports)

    async def read(figures: Rollups) -> tuple[pl.DataFrame, pl.DataFrame, Period | None]:
        months = await figures.read(of.meter_ids, Grain.MONTH, far)
        known = months.drop_nulls(of.quantity.column)
        if known.is_empty():
            return months, months, None
        last = known.select(pl.col("start_utc").max()).item()
        end = periods.after(last, Grain.MONTH) + timedelta(days=2)
        begin = max(known.select(pl.col("start_utc").min()).item(), end - history.MAX_HISTORY)
        period = Period(periods.floor(begin, Grain.DAY, of.timezone), end)
        return await _read(figures, of, grain, period)

    rows, events, period = await read_consistent(
        read,
        of.meters,
        far,
        as_of=None,
        registry=ports.registry,
        readings=ports.readings,
        rollups=ports.rollups,
        clock=ports.clock,
    )
    found = rows.clear()
    if period is not None:
        found = await asyncio.to_thread(
            history.history, rows, events, of.quantity, grain, of.timezone, of.spans
        )
    if found.is_empty():
        named = of.entity_id or ", ".join(of.meter_ids)
        detail = f"no {of.quantity} of {named} is known yet"
        field_ = "meters" if of.entity_id is None else "entity_id"
        raise ConflictError(detail, [Problem("no_history", detail, field=field_)])
    return history.without(found, await _misleading(of, found, ports=ports))


async def _misleading(of: Subject, rows: pl.DataFrame, *, ports: Sources) -> list[Period]:
    """When a meter was at fault or a site stood still, as far as it was noticed."""
    spans = []
    for site_id in of.meters["site_id"].unique().sort():
        wanted = FindingFilter(site_id=site_id, since=rows["start_utc"][0])
        spans += [
            each.period
            for each in await _findings(wanted, ports.anomalies)
            if each.misleads and (each.rule is Rule.OUTAGE or each.meter_id in of.meter_ids)
        ]
    return spans


async def _findings(wanted: FindingFilter, anomalies: Anomalies) -> list[Finding]:
    page = await anomalies.findings(wanted, limit=AT_ONCE)
    found = list(page.findings)
    while page.cursor is not None:
        page = await anomalies.findings(wanted, after=page.cursor, limit=AT_ONCE)
        found += page.findings
    return found


async def _read(
    figures: Rollups, of: Subject, grain: Grain, period: Period
) -> tuple[pl.DataFrame, pl.DataFrame, Period]:
    parts = history.parts_of(grain, period, of.timezone)
    registers = presence.registers(of.meters)["meter_id"].to_list()
    rows = presence.within(await figures.read(of.meter_ids, parts, period), of.spans)
    return rows, await figures.events(registers, period), period


async def prices_of(
    of: Subject, rows: pl.DataFrame, ask: ForecastTask, *, ports: Sources
) -> pl.DataFrame | None:
    """The prices by which meters of one zone may be curtailed; null where none are known."""
    zones = of.meters["zone"].unique().to_list()
    if len(zones) != 1 or of.quantity is not Quantity.LOAD:
        return None
    origin = periods.after(rows["start_utc"][-1], ask.grain, ask.timezone)
    reached = Period(rows["start_utc"][0], origin + ask.horizon)
    grid = await zone_rows.read(zones, reached, grid=ports.grid)
    return await asyncio.to_thread(history.prices, grid, ask.grain, origin)


async def donors_of(of: Subject, asked: ForecastSpec, *, ports: Sources) -> list[Donor]:
    """The histories of the largest sites without a meter of `of`; a hash rate is like no load."""
    if of.quantity is not Quantity.LOAD:
        return []
    mains = presence.with_role(await ports.registry.meters(), MeterRole.MAIN)
    others = mains.join(of.meters.select("site_id").unique(), on="site_id", how="anti")
    sizes = others.group_by("site_id").agg(pl.col("capacity_kw").max())
    largest = sizes.sort("capacity_kw", "site_id", descending=[True, False], nulls_last=True)
    found = []
    for site_id in largest["site_id"].head(MAX_DONORS):
        other = await subject(f"site:{site_id}", of.quantity, ports=ports)
        try:
            rows = await load_history(other, asked.grain, ports=ports)
        except ConflictError:  # nothing is known of it yet
            continue
        found.append(Donor(history=rows, timezone=other.timezone))
    return found


def _ever(ports: Sources) -> Period:
    """All months that may be known."""
    return Period(
        datetime(periods.FIRST_YEAR, 1, 1, tzinfo=UTC_ZONE), ports.clock.now() + timedelta(days=2)
    )

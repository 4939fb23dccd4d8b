"""Whether a series can be forecast, with which task, and which stored run answers a request."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wattbook.core import errors, periods
from wattbook.core.errors import (
    ConflictError,
    InputError,
    UnknownEntityError,
)
from wattbook.core.forecast import series as judging
from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.task import ForecastTask
from wattbook.core.meters import presence
from wattbook.core.periods import Grain
from wattbook.core.registry.entities import MeterRole
from wattbook.flows.forecast.target import (
    Ports,
    Sources,
    Subject,
    _ever,
    load_history,
    subject,
)
from wattbook.ports.calendar import Calendar
from wattbook.ports.clock import Clock
from wattbook.ports.forecasts import Forecasts, ForecastSpec, Run

COUNTRY: Final = 2
"""Letters of a country at the beginning of a zone's name."""
OF_ENTITY: Final = dict.fromkeys(("start_utc", "value"), "entity_id")
"""What is amiss with its history is amiss with the entity that was named."""


async def ask_of(
    asked: ForecastSpec, of: Subject, horizon: timedelta, rows: pl.DataFrame, *, ports: Sources
) -> ForecastTask:
    """What the models are asked of the history `rows`."""
    return ForecastTask(
        horizon=horizon,
        grain=asked.grain,
        timezone=of.timezone,
        country=await asyncio.to_thread(_country, of.meters, ports.calendar),
        quantiles=asked.quantiles,
        model=asked.model,
        seed=asked.seed,
        maximum=most(of, rows),
    )


def most(of: Subject, rows: pl.DataFrame) -> float | None:
    """The most that these sites can draw [kW]: their capacities, or more where more was drawn.

    Null where the capacity of a site is not known.
    """
    capacity = capacity_kw(of)
    drawn = rows.filter(~pl.col("excluded"))["value"].max()
    return None if capacity is None or not isinstance(drawn, float) else max(capacity, drawn)


def capacity_kw(of: Subject) -> float | None:
    """What these sites can draw together [kW]; null where it is not known of one of them."""
    if of.quantity is not Quantity.LOAD:
        return None
    sites = of.meters.group_by("site_id").agg(pl.col("capacity_kw").max())["capacity_kw"]
    return None if sites.null_count() else float(sites.sum())


def _country(meters: pl.DataFrame, calendar: Calendar) -> str | None:
    """The country of all zones, as far as their names say it and its holidays are known."""
    countries = {zone.split("-")[0] for zone in meters["zone"].unique()}
    known = [each for each in countries if len(each) == COUNTRY and calendar.knows(each)]
    return known[0] if len(countries) == len(known) == 1 else None


async def check(asked: ForecastSpec, horizon: timedelta, *, ports: Sources) -> ForecastSpec:
    """What is asked with the entity's full name, if its history can be forecast.

    Raises
    ------
    InputError
        With each thing that is wrong with it.
    """
    assert asked.entity_id is not None
    of = await subject(asked.entity_id, asked.quantity, ports=ports)
    rows = await load_history(of, asked.grain, ports=ports)
    ask = await ask_of(asked, of, horizon, rows, ports=ports)
    try:
        await asyncio.to_thread(judging.series, rows, ask)
    except InputError as error:
        raise errors.renamed(error, OF_ENTITY) from error
    return replace(asked, entity_id=of.entity_id, quantity=of.quantity)


async def with_full_name(asked: ForecastSpec, *, ports: Sources) -> ForecastSpec:
    """What is asked, with the entity's full name and the quantity that is forecast of it."""
    assert asked.entity_id is not None
    of = await subject(asked.entity_id, asked.quantity, ports=ports)
    return replace(asked, entity_id=of.entity_id, quantity=of.quantity)


async def active_series(since: datetime, *, ports: Ports) -> tuple[ForecastSpec, ...]:
    """What is to be forecast anew: the load of each site, and what was asked for since then."""
    meters = await ports.registry.meters()
    mains = presence.with_role(meters, MeterRole.MAIN)
    of_sites = [
        ForecastSpec(entity_id=f"site:{site_id}") for site_id in mains["site_id"].unique().sort()
    ]
    asked = [*of_sites, *await ports.forecasts.series(since)]
    found = []
    for each in dict.fromkeys(asked):
        try:
            assert each.entity_id is not None
            of = await subject(each.entity_id, each.quantity, ports=ports)
        except (UnknownEntityError, ConflictError):  # it was there when it was asked for
            continue
        months = await ports.rollups.read(of.meter_ids, Grain.MONTH, _ever(ports))
        if months[of.quantity.column].count():
            found.append(each)
    return tuple(found)


async def find_stored(
    asked: ForecastSpec,
    max_age: timedelta,
    *,
    as_of: datetime | None = None,
    forecasts: Forecasts,
    clock: Clock,
) -> Run | None:
    """The newest run of what is asked, if it is not too old; or the newest that was known then."""
    run = await forecasts.latest(asked, as_of=as_of)
    if run is None or as_of is not None:
        return run
    return run if clock.now() - run.known_utc < max_age else None


def ahead(run: Run, horizon: timedelta, now: datetime) -> pl.DataFrame:
    """The rows of a run from now on, or from its origin where now is not within it."""
    begin = run.period.start
    if run.period.start <= now < run.period.end:
        begin = periods.floor(now, run.asked.grain, run.timezone)
    start = pl.col("start_utc")
    return run.rows.filter(start >= begin, start < begin + horizon)

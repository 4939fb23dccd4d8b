"""Forecasts of sites, operators, zones and networks, and of series that callers bring."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC as UTC_ZONE
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import polars as pl

from wattbook import __version__
from wattbook.core import errors, manifest, periods
from wattbook.core.anomaly.finding import Finding, Rule
from wattbook.core.errors import (
    ConflictError,
    InputError,
    Problem,
    UnknownEntityError,
)
from wattbook.core.forecast import history
from wattbook.core.forecast import series as judging
from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.scenario import Scenario
from wattbook.core.forecast.task import Ask, Donor, ModelName, Outlook
from wattbook.core.frames import UTC
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import MeterRole
from wattbook.core.rollups import lending
from wattbook.core.units import W_PER_KW
from wattbook.flows import conditions as zone_rows
from wattbook.flows import entities
from wattbook.flows import rollup as rolling
from wattbook.ports import forecaster
from wattbook.ports.analytics import FigurePorts
from wattbook.ports.anomalies import Anomalies, Wanted
from wattbook.ports.calendar import Calendar
from wattbook.ports.clock import Clock
from wattbook.ports.forecaster import Forecaster
from wattbook.ports.forecasts import Asked, Forecasts, Run
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import Rollups

NETWORK: Final = "network"
EFFICIENCY_OVER: Final = timedelta(days=28)
"""Before the origin: from the rollups of so long comes the efficiency of a site."""
COUNTRY: Final = 2
"""Letters of a country at the beginning of a zone's name."""
YOUNG: Final = timedelta(days=35)
"""With a shorter history other sites are learnt from; who needs them is decided by the models."""
MOST_DONORS: Final = 24
AT_ONCE: Final = 1000
"""So many findings are read together."""
STEPS: Final = forecaster.STEPS + 2
"""Those of the models, before them the history that is read, and behind them what is kept."""
Progress = Callable[[int, int], None]
"""Takes steps done, and steps in all."""
OF_ENTITY: Final = dict.fromkeys(("start_utc", "value"), "entity_id")
"""What is amiss with its history is amiss with the entity that was named."""
"""What a job failed of that is told to the caller as it is."""
UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A series of a caller's: its own figures, or meters that are to be added up."""

    rows: pl.DataFrame | None = None
    """`start_utc`, `value`."""
    meter_ids: tuple[str, ...] = ()
    ask: Ask
    quantity: Quantity = Quantity.LOAD
    unit: str = ""
    covariates: pl.DataFrame | None = None
    scenario: Scenario | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashing:
    """A forecast of the hash rate, and by what it follows from that of the load."""

    run: Run
    rows: pl.DataFrame
    efficiency_j_per_th: float | None
    efficiency_from: str | None
    """`rollups` or `fleet`; null where the hash rate itself was forecast."""

    @property
    def scale(self) -> float | None:
        """Hash rate [TH/s] of a load of one kilowatt."""
        return None if self.efficiency_j_per_th is None else W_PER_KW / self.efficiency_j_per_th


@dataclass(frozen=True, slots=True)
class Compared:
    """A run, and its rows with what came of them in `actual`."""

    run: Run
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)


def number(text: str) -> float:
    """A number as people write it; ValueError of what only Python takes for one, as 1_0."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def horizon_of(text: str | float, longest_days: int) -> timedelta:
    """A horizon in days, or as `24h`, `7d`.

    Raises
    ------
    InputError
        It is none, or longer than FORECAST_DAYS.
    """
    said = str(text).strip().lower()
    unit = UNITS.get(said[-1:], UNITS["d"])
    try:
        found = number(said.removesuffix(said[-1:]) if said[-1:] in UNITS else said) * unit
    except (ValueError, OverflowError) as error:
        detail = f"{text!r} is no horizon; want days, as 7, 7d or 24h"
        raise _refusal("bad_horizon", detail, "horizon") from error
    if not found:
        raise _refusal("bad_horizon", "the horizon must be positive", "horizon")
    if found > timedelta(days=longest_days):
        detail = f"{text} is longer than {longest_days} days (FORECAST_DAYS)"
        raise _refusal("horizon_too_long", detail, "horizon")
    if found < timedelta():
        raise _refusal("bad_horizon", "the horizon must be positive", "horizon")
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
        raise _refusal("bad_entity", detail, "entity_id")
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
        begin = max(known.select(pl.col("start_utc").min()).item(), end - history.LEARNT)
        period = Period(periods.floor(begin, Grain.DAY, of.timezone), end)
        return await _read(figures, of, grain, period)

    rows, events, period = await rolling.read_settled(
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
        wanted = Wanted(site_id=site_id, since=rows["start_utc"][0])
        spans += [
            each.period
            for each in await _findings(wanted, ports.anomalies)
            if each.misleads and (each.rule is Rule.OUTAGE or each.meter_id in of.meter_ids)
        ]
    return spans


async def _findings(wanted: Wanted, anomalies: Anomalies) -> list[Finding]:
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
    of: Subject, rows: pl.DataFrame, ask: Ask, *, ports: Sources
) -> pl.DataFrame | None:
    """The prices by which meters of one zone may be curtailed; null where none are known."""
    zones = of.meters["zone"].unique().to_list()
    if len(zones) != 1 or of.quantity is not Quantity.LOAD:
        return None
    origin = periods.after(rows["start_utc"][-1], ask.grain, ask.timezone)
    reached = Period(rows["start_utc"][0], origin + ask.horizon)
    grid = await zone_rows.read(zones, reached, grid=ports.grid)
    return await asyncio.to_thread(history.prices, grid, ask.grain, origin)


async def donors_of(of: Subject, asked: Asked, *, ports: Sources) -> list[Donor]:
    """The histories of the largest sites without a meter of `of`; a hash rate is like no load."""
    if of.quantity is not Quantity.LOAD:
        return []
    mains = presence.with_role(await ports.registry.meters(), MeterRole.MAIN)
    others = mains.join(of.meters.select("site_id").unique(), on="site_id", how="anti")
    sizes = others.group_by("site_id").agg(pl.col("capacity_kw").max())
    largest = sizes.sort("capacity_kw", "site_id", descending=[True, False], nulls_last=True)
    found = []
    for site_id in largest["site_id"].head(MOST_DONORS):
        other = await subject(f"site:{site_id}", of.quantity, ports=ports)
        try:
            rows = await load_history(other, asked.grain, ports=ports)
        except ConflictError:  # nothing is known of it yet
            continue
        found.append(Donor(history=rows, timezone=other.timezone))
    return found


async def ask_of(
    asked: Asked, of: Subject, horizon: timedelta, rows: pl.DataFrame, *, ports: Sources
) -> Ask:
    """What the models are asked of the history `rows`."""
    return Ask(
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


async def check(asked: Asked, horizon: timedelta, *, ports: Sources) -> Asked:
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


async def named(asked: Asked, *, ports: Sources) -> Asked:
    """What is asked, with the entity's full name and the quantity that is forecast of it."""
    assert asked.entity_id is not None
    of = await subject(asked.entity_id, asked.quantity, ports=ports)
    return replace(asked, entity_id=of.entity_id, quantity=of.quantity)


class Course:
    """Tells how far a forecast is: its history read, the models' steps, and kept."""

    def __init__(self, tell: Progress | None) -> None:
        self._tell = tell
        self._done = 0

    def step(self) -> None:
        """One more is done."""
        self.reach(self._done + 1)

    def reach(self, done: int) -> None:
        """So many are done, whatever was left out."""
        self._done = done
        if self._tell is not None:
            self._tell(done, STEPS)


async def make(
    run_id: str,
    asked: Asked,
    horizon: timedelta,
    *,
    ports: Ports,
    progress: Progress | None = None,
) -> Run:
    """Forecast an entity and keep the run; done twice, it is kept once.

    `progress` is told steps, and must not raise.
    """
    assert asked.entity_id is not None
    course = Course(progress)
    of = await subject(asked.entity_id, asked.quantity, ports=ports)
    rows = await load_history(of, asked.grain, ports=ports)
    ask = await ask_of(asked, of, horizon, rows, ports=ports)
    prices = await prices_of(of, rows, ask, ports=ports)
    course.step()

    donors: list[Donor] = []
    if ask.model is ModelName.GLOBAL or rows["start_utc"][-1] - rows["start_utc"][0] < YOUNG:
        donors = await donors_of(of, asked, ports=ports)
    outlook = await ports.forecaster.forecast(
        rows, ask, covariates=prices, donors=donors, step=course.step
    )
    course.reach(STEPS - 1)

    asked = replace(asked, entity_id=of.entity_id, quantity=of.quantity)
    more = [] if prices is None else [manifest.line("covariates", _text(prices))]
    more += [manifest.line("donor", _text(each.history)) for each in donors]
    run = await asyncio.to_thread(_run, run_id, asked, ask, rows, outlook, ports.clock.now(), more)
    run = replace(run, meter_ids=tuple(of.meter_ids))
    await ports.forecasts.keep(run)
    course.reach(STEPS)
    return run


async def learnt_from(brought: Brought, *, ports: Sources) -> pl.DataFrame:
    """The history of a series that a caller brought, if it can be forecast.

    Raises
    ------
    InputError
        With each thing that is wrong with it.
    """
    rows, country = brought.rows, brought.ask.country
    if country is not None and not await asyncio.to_thread(ports.calendar.knows, country):
        raise _refusal(
            "unknown_calendar", f"no public holidays of {country!r} are known", "country"
        )
    if rows is None:
        rows = await load_history(
            await _selected(brought, ports.registry), brought.ask.grain, ports=ports
        )
    await asyncio.to_thread(judging.series, rows, brought.ask, covariates=brought.covariates)
    return rows


async def make_custom(
    run_id: str, brought: Brought, *, ports: Ports, progress: Progress | None = None
) -> Run:
    """Forecast a series that a caller brought, and keep the run; done twice, it is kept once."""
    course = Course(progress)
    rows = await learnt_from(brought, ports=ports)
    ask = brought.ask
    course.step()

    outlook = await ports.forecaster.forecast(
        rows, ask, covariates=brought.covariates, scenario=brought.scenario, step=course.step
    )
    course.reach(STEPS - 1)

    asked = Asked(
        entity_id=None,
        quantity=brought.quantity,
        grain=ask.grain,
        model=ask.model,
        quantiles=ask.quantiles,
        seed=ask.seed,
    )
    more = [
        manifest.line("covariates", _text(brought.covariates)),
        manifest.line("scenario", manifest.call(brought.scenario)),
    ]
    run = await asyncio.to_thread(_run, run_id, asked, ask, rows, outlook, ports.clock.now(), more)
    unit = asked.quantity.unit if brought.meter_ids else brought.unit
    run = replace(run, meter_ids=brought.meter_ids, unit=unit)
    await ports.forecasts.keep(run)
    course.reach(STEPS)
    return run


async def _selected(brought: Brought, registry: Registry) -> Subject:
    meters = (await registry.meters()).filter(pl.col("meter_id").is_in(brought.meter_ids))
    if missing := sorted(set(brought.meter_ids) - set(meters["meter_id"])):
        problems = [
            Problem("unknown_meter", f"no meter {name!r} is registered", field="meters")
            for name in missing
        ]
        raise UnknownEntityError(f"no meter {', '.join(missing)} is registered", problems)
    return Subject(
        entity_id=None,
        quantity=brought.quantity,
        meters=meters,
        timezone=brought.ask.timezone,
    )


def _run(
    run_id: str,
    asked: Asked,
    ask: Ask,
    rows: pl.DataFrame,
    outlook: Outlook,
    now: datetime,
    more: Sequence[str] = (),
) -> Run:
    starts = outlook.rows["start_utc"]
    end = periods.after(starts[-1], ask.grain, ask.timezone)
    settings = [manifest.line("ask", ask), *more]
    return Run(
        run_id=run_id,
        asked=asked,
        timezone=ask.timezone,
        unit=asked.quantity.unit,
        basis=outlook.basis,
        reason=outlook.reason,
        model=outlook.model,
        parameters=outlook.parameters,
        leaderboard=_plain(outlook.leaderboard),
        coverage=_plain(outlook.coverage),
        trained=outlook.trained,
        period=Period(starts[0], end),
        fingerprint=history.fingerprint(rows, settings).sha256,
        version=__version__,
        known_utc=now,
        rows=outlook.rows,
    )


def _plain(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows whose numbers JSON can hold: what is not finite is not known."""
    floats = pl.selectors.float()
    return table.with_columns(pl.when(floats.is_finite()).then(floats)).to_dicts()


def _text(table: pl.DataFrame | None) -> str:
    return "" if table is None else table.write_csv()


async def wanted(since: datetime, *, ports: Ports) -> tuple[Asked, ...]:
    """What is to be forecast anew: the load of each site, and what was asked for since then."""
    meters = await ports.registry.meters()
    mains = presence.with_role(meters, MeterRole.MAIN)
    of_sites = [Asked(entity_id=f"site:{site_id}") for site_id in mains["site_id"].unique().sort()]
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


async def stored(
    asked: Asked,
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


async def hashing(run: Run, rows: pl.DataFrame, *, ports: Sources) -> Hashing:
    """The hash rate that goes with a load: load over the efficiency of the site's machines.

    Raises
    ------
    ConflictError
        Neither a hash rate nor a fleet is known.
    """
    if run.asked.quantity is Quantity.HASHRATE:
        return Hashing(run=run, rows=rows, efficiency_j_per_th=None, efficiency_from=None)
    origin = run.period.start
    every = await ports.registry.meters()
    meters = every.filter(pl.col("meter_id").is_in(run.meter_ids))
    before = Period(origin - EFFICIENCY_OVER, origin)
    found = await ports.rollups.read(list(run.meter_ids), Grain.HOUR, before)
    lenders = lending.lenders(every, list(run.meter_ids))
    if lenders.height:
        ids = lenders["meter_id"].to_list()
        quarters = await ports.rollups.read(ids, Grain.QUARTER, before)
        starts = found["start_utc"].unique().sort()
        found = lending.borrowed(found, lending.lent(quarters, lenders, starts))
    efficiency, source = history.hashed(found), "rollups"
    if efficiency is None:
        efficiency, source = await _nameplate(meters, origin, ports.registry), "fleet"
    if efficiency is None:
        detail = (
            f"no hash rate of {run.asked.entity_id} is known, nor a fleet whose efficiency"
            " could be taken: send `hashrate_th`, or register the fleet"
        )
        raise ConflictError(detail, [Problem("no_efficiency", detail, field="entity_id")])
    made = Hashing(run=run, rows=rows, efficiency_j_per_th=efficiency, efficiency_from=source)
    return replace(made, rows=rows.with_columns(pl.exclude("start_utc") * made.scale))


async def _nameplate(meters: pl.DataFrame, at: datetime, registry: Registry) -> float | None:
    """Power over hash rate [J/TH] of the machines that stand there."""
    power_w = rate_th = 0.0
    for site_id in meters["site_id"].unique().sort():
        for item in (await registry.site(site_id)).fleet:
            ended = item.valid_to is not None and item.valid_to <= at
            if item.valid_from <= at and not ended and item.power_w and item.hashrate_th:
                power_w += item.count * item.power_w
                rate_th += item.count * item.hashrate_th
    return power_w / rate_th if rate_th else None


async def compared(run_id: str, *, ports: Ports) -> Compared:
    """A run beside what happened, as far as that is known by now."""
    run = await ports.forecasts.run(run_id)
    actual = pl.DataFrame(schema={"start_utc": UTC, "actual": pl.Float64})
    meters = (await ports.registry.meters()).filter(pl.col("meter_id").is_in(run.meter_ids))
    if meters.height and run.period.start < ports.clock.now():
        of = Subject(
            entity_id=run.asked.entity_id,
            quantity=run.asked.quantity,
            meters=meters,
            timezone=run.timezone,
        )

        async def read(figures: Rollups) -> tuple[pl.DataFrame, pl.DataFrame, Period]:
            return await _read(figures, of, run.asked.grain, run.period)

        rows, events, _ = await rolling.read_settled(
            read,
            meters,
            run.period,
            as_of=None,
            registry=ports.registry,
            readings=ports.readings,
            rollups=ports.rollups,
            clock=ports.clock,
        )
        seen = await asyncio.to_thread(
            history.history, rows, events, of.quantity, run.asked.grain, of.timezone
        )
        actual = seen.select("start_utc", actual="value")
    rows = run.rows.join(actual, on="start_utc", how="left", maintain_order="left")
    return Compared(run, rows)


def _ever(ports: Sources) -> Period:
    """All months that may be known."""
    return Period(
        datetime(periods.FIRST_YEAR, 1, 1, tzinfo=UTC_ZONE), ports.clock.now() + timedelta(days=2)
    )


def _refusal(reason: str, detail: str, field_: str) -> InputError:
    return InputError(f"{field_}: {detail}", [Problem(reason, detail, field=field_)])

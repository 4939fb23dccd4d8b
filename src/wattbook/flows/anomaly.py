"""Looking for what is unusual at the meters of sites, and keeping what is found."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import polars as pl

from wattbook import __version__
from wattbook.core import periods
from wattbook.core.anomaly import behind, detection, inputs
from wattbook.core.anomaly.detection import Detection, Meter, Signed
from wattbook.core.anomaly.finding import Finding
from wattbook.core.anomaly.hours import FLEET, PRICES, MeterInputs
from wattbook.core.billing import cost
from wattbook.core.errors import Problem, UnknownEntityError
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import MeterKind, MeterRole, Site
from wattbook.flows import conditions as zone_rows
from wattbook.flows import consistent
from wattbook.flows.detection_span import HISTORY, pieces, span_of
from wattbook.ports.analytics import FigurePorts
from wattbook.ports.anomalies import Anomalies
from wattbook.ports.detector import Detector
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import Rollups

MAX_CONCURRENT_METERS: Final = 4
"""Meters that are judged beside each other: others wait for the same processes."""
READ: Final = ("start_utc", "power_kw_mean", "power_kw_min", "power_kw_max", "readings")

Progress = Callable[[int, int], None]
"""Takes how many meters are done, and of how many."""


class Ports(FigurePorts, Protocol):
    """What a look for anomalies touches."""

    @property
    def anomalies(self) -> Anomalies: ...
    @property
    def detector(self) -> Detector: ...
    @property
    def machines(self) -> pl.DataFrame: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionRequest:
    """Where and when to look, and how many false alarms may be raised."""

    site_id: str | None = None
    meter_id: str | None = None
    span: Period
    per_month: float
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionResult:
    """What came of it."""

    meters: int = 0
    without_readings: int = 0
    without_model: int = 0
    """Judged by rules alone: their history is too short."""
    new: int = 0
    again: int = 0
    gone: int = 0

    def __add__(self, other: "DetectionResult") -> "DetectionResult":
        """Both together."""
        return DetectionResult(
            **{name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        )

    @property
    def counts(self) -> dict[str, int]:
        """By name."""
        return {name: getattr(self, name) for name in COUNTS}


COUNTS: Final = ("meters", "without_readings", "without_model", "new", "again", "gone")


async def look(
    asked: DetectionRequest, *, ports: Ports, progress: Progress | None = None
) -> DetectionResult:
    """Judge the meters that are asked for, site by site; done twice, it is kept once.

    What `progress` raises ends the work; what was found at sites before stays.

    Raises
    ------
    UnknownEntityError
        There is no such site or meter.
    RuntimeError
        What broke at one site or more, when all the others were judged.
    """
    meters = await _meters(asked, ports.registry)
    sites = meters["site_id"].unique().sort().to_list()
    parts = pieces(asked.span)
    total, done = meters.height * len(parts), 0
    looked = DetectionResult()

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    broken: list[str] = []
    for site_id in sites:
        try:
            own = meters.filter(site_id=site_id)
            one = [
                await _look_at(site_id, own, replace(asked, span=part), step, ports)
                for part in parts
            ]
            looked += _of_pieces(one)
        except RuntimeError as error:  # so tells the process that computes what broke there
            broken.append(f"{site_id}: {error}")
    if broken:
        raise RuntimeError("; ".join(broken))
    return looked


def _of_pieces(parts: Sequence[DetectionResult]) -> DetectionResult:
    """What came of one site's meters: findings add up over the pieces, meters do not."""
    whole = sum(parts, start=DetectionResult())
    return replace(
        whole,
        meters=max(part.meters for part in parts),
        without_readings=min(part.without_readings for part in parts),
        without_model=parts[-1].without_model,
    )


async def _meters(asked: DetectionRequest, registry: Registry) -> pl.DataFrame:
    """`frames.METERS` of all sites that are asked for: a site is judged as a whole."""
    meters = await registry.meters()
    if asked.site_id is not None:
        await registry.site(asked.site_id)  # says so where there is none
        meters = meters.filter(site_id=asked.site_id)
    if asked.meter_id is None:
        return meters
    mine = meters.filter(meter_id=asked.meter_id)
    if mine.is_empty():
        where = "" if asked.site_id is None else f" at the site {asked.site_id!r}"
        raise _unknown_meter(asked.meter_id, where)
    return meters.join(mine, on="site_id", how="semi", maintain_order="left")


async def _look_at(
    site_id: str,
    meters: pl.DataFrame,
    asked: DetectionRequest,
    step: Callable[[], None],
    ports: Ports,
) -> DetectionResult:
    """Judge the meters of one site, beside each other."""
    site = await ports.registry.site(site_id)
    around = Period(asked.span.start - HISTORY, asked.span.end)
    hours, events = await _settled(meters, around, ports)
    grid = await zone_rows.read([site.zone], around, grid=ports.grid)
    prices = cost.hour_means(cost.quarter_prices(grid)).select(*PRICES)
    parents = {meter.id: behind.parents_of(meter) for meter in site.meters}
    fleet, machines = fleet_of(site), _machines(ports.machines)
    there = presence.latest(meters, asked.span.end)

    async def one(about: dict[str, Any]) -> tuple[Meter, Detection | None]:
        meter_id = about["meter_id"]
        watched = MeterInputs(
            meter_id=meter_id,
            site_id=site_id,
            kind=MeterKind(about["kind"]),
            role=MeterRole(about["role"]),
            timezone=about["timezone"],
            expected_interval_s=about["expected_interval_s"],
            capacity_kw=about["capacity_kw"],
            hours=hours.filter(meter_id=meter_id),
            quarters=(await ports.rollups.read([meter_id], Grain.QUARTER, around)).select(READ),
            events=events.filter(meter_id=meter_id),
            prices=prices,
            fleet=fleet,
            parts=behind.parts(site.meters, meter_id, hours),
            valid_from_utc=there[meter_id][0],
            valid_to_utc=there[meter_id][1],
            machines_j_per_th=machines,
        )
        judged = await ports.detector.detect(
            watched, asked.span, per_month=asked.per_month, seed=asked.seed
        )
        print_ = await asyncio.to_thread(
            inputs.fingerprint_of, watched, asked.span, asked.per_month, asked.seed
        )
        return Meter(
            meter_id=meter_id,
            site_id=site_id,
            role=watched.role,
            fingerprint=print_,
            parents=parents.get(meter_id, ()),
        ), judged

    judged = await _all([partial(one, about) for about in meters.iter_rows(named=True)], step)
    known = [(meter, each) for meter, each in judged if each is not None]

    signed = Signed(version=__version__, now=ports.clock.now())
    found = await asyncio.to_thread(detection.findings, known, signed)

    return await _keep(found, known, asked, meters.height, ports)


async def _keep(
    found: Sequence[Finding],
    known: Sequence[tuple[Meter, Detection]],
    asked: DetectionRequest,
    meters: int,
    ports: Ports,
) -> DetectionResult:
    """Keep what is of the meters that are asked for; of silent ones all stays as it was."""
    mine = [(meter, judged) for meter, judged in known if asked.meter_id in (None, meter.meter_id)]
    ids = [meter.meter_id for meter, _ in mine]
    kept = await ports.anomalies.replace(
        ids,
        asked.span,
        [each for each in found if each.meter_id in ids],
        known_from=asked.span.start - HISTORY,
    )
    for meter, judged in mine:
        await ports.anomalies.keep_scores(meter.meter_id, judged.scores)
    return DetectionResult(
        meters=len(mine),
        without_readings=(meters if asked.meter_id is None else 1) - len(mine),
        without_model=sum(not judged.by_model for _, judged in mine),
        new=kept.new,
        again=kept.again,
        gone=kept.gone,
    )


Done = TypeVar("Done")


async def _all(
    work: Sequence[Callable[[], Awaitable[Done]]], step: Callable[[], None]
) -> list[Done]:
    """What comes of all of it, in its order; where one fails, or is to stop, the others end."""
    places = asyncio.Semaphore(MAX_CONCURRENT_METERS)

    async def in_turn(each: Callable[[], Awaitable[Done]]) -> Done:
        async with places:
            return await each()

    tasks = [asyncio.ensure_future(in_turn(each)) for each in work]
    try:
        for task in asyncio.as_completed(tasks):
            await task
            step()
    except BaseException:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    return [task.result() for task in tasks]


async def _settled(
    meters: pl.DataFrame, around: Period, ports: Ports
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`frames.ROLLUPS` by the hour and `frames.EVENTS`, up to date with the readings."""
    ids = meters["meter_id"].to_list()
    registers = meters.filter(kind=str(MeterKind.REGISTER))["meter_id"].to_list()

    async def read(figures: Rollups) -> tuple[pl.DataFrame, pl.DataFrame]:
        hours = await figures.read(ids, Grain.HOUR, around)
        return hours, await figures.events(registers, around)

    return await consistent.read_consistent(
        read,
        meters,
        around,
        as_of=None,
        registry=ports.registry,
        readings=ports.readings,
        rollups=ports.rollups,
        clock=ports.clock,
    )


def fleet_of(site: Site) -> pl.DataFrame:
    """`core.anomaly.hours.FLEET` of a site."""
    rows = [
        {
            "valid_from_utc": item.valid_from,
            "valid_to_utc": item.valid_to,
            "count": item.count,
            "hashrate_th": item.hashrate_th,
            "power_w": item.power_w,
        }
        for item in site.fleet
    ]
    return pl.DataFrame(rows, schema=FLEET)


def _machines(models: pl.DataFrame) -> tuple[float, float]:
    best, worst = models.select(
        best=pl.col("efficiency_j_per_th").min(), worst=pl.col("efficiency_j_per_th").max()
    ).row(0)
    return float(best), float(worst)


async def scores(
    meter_id: str, period: Period, *, registry: Registry, anomalies: Anomalies
) -> pl.DataFrame:
    """The scores of a meter's hours that were judged.

    Raises
    ------
    UnknownEntityError
        There is no such meter.
    InvalidPeriodError
        The period has too many hours.
    """
    periods.buckets(period, Grain.HOUR)  # refuses more than can be answered
    if (await registry.meters()).filter(meter_id=meter_id).is_empty():
        raise _unknown_meter(meter_id)
    return await anomalies.scores(meter_id, period)


def _unknown_meter(meter_id: str, where: str = "") -> UnknownEntityError:
    detail = f"no meter {meter_id!r} is registered{where}"
    return UnknownEntityError(detail, [Problem("unknown_meter", detail, field="meter_id")])


async def span_of_data(
    start: datetime | None,
    end: datetime | None,
    *,
    meter_id: str | None,
    ports: Ports,
    site_id: str | None,
) -> Period:
    """The span to detect in: `span_of`, but where all data are older, the last of them.

    A store into which old files were read has nothing in the last seven days. Without `start` and
    `end`, and without a reading within `HISTORY`, the span ends with the last reading and is as
    long as the data, up to `HISTORY`.
    """
    now = ports.clock.now()
    usual = span_of(start, end, now)
    if start is not None or end is not None:
        return usual
    asked = DetectionRequest(site_id=site_id, meter_id=meter_id, span=usual, per_month=1.0)
    meters = await _meters(asked, ports.registry)
    extent = await ports.readings.extent(meters["meter_id"].to_list())
    first, last = extent["from_utc"].min(), extent["to_utc"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return usual
    if last >= usual.end - HISTORY:
        return usual
    return span_of(max(first, last - HISTORY), last, now)

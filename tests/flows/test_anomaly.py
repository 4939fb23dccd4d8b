"""What is looked at, what is kept of it, and that looking twice finds it once."""

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.flows.conftest import World
from tests.flows.report_examples import NOBODY, conditions, draw

from wattbook.core.anomaly.finding import Finding, Review, Rule, State
from wattbook.core.errors import InputError, UnknownEntityError
from wattbook.core.jobs import JobKind
from wattbook.core.periods import Period
from wattbook.core.registry.entities import FleetItem, Meter, MeterKind, MeterRole
from wattbook.flows import anomaly as flow
from wattbook.flows import detection_span, ingest, sites, stats
from wattbook.flows.anomaly import DetectionRequest
from wattbook.jobs import registry
from wattbook.models import detector
from wattbook.ports.anomalies import Anomalies, FindingFilter
from wattbook.ports.registry import Edit
from wattbook.samples import load as samples
from wattbook.samples.sites import sites as sample_sites
from wattbook.schemas.sites import SiteIn
from wattbook.settings import Settings
from wattbook.sources.files import reference
from wattbook.stores.sql.anomalies import SqlAnomalies
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.migrate import upgrade_on

T = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
HISTORY = 28 * 24
SPAN = Period(T + HISTORY * HOUR, T + (HISTORY + 7 * 24) * HOUR)


class Here:
    """The detector, without a process of its own."""

    async def detect(self, watched, span, **more):
        return await asyncio.to_thread(detector.detect, watched, span, **more)


@dataclass(frozen=True, slots=True)
class Ports:
    """A world that looks for anomalies."""

    world: World
    anomalies: Anomalies
    detector: Here = field(default_factory=Here)
    machines: pl.DataFrame = field(default_factory=reference.asic_models)

    def __getattr__(self, name: str):
        return getattr(self.world, name)


@pytest.fixture
async def ports(world) -> AsyncIterator[Ports]:
    sql = create_engine("sqlite://")
    await upgrade_on(sql)
    yield Ports(world, SqlAnomalies(sql))
    await sql.dispose()


def load(kw: float = 100.0, seed: int = 0) -> list[float | None]:
    """Five weeks of a flat load with a noise of a hundredth."""
    hours = HISTORY + 7 * 24
    return [float(each) for each in kw * (1 + np.random.default_rng(seed).normal(0, 0.01, hours))]


def asked(**more) -> DetectionRequest:
    return DetectionRequest(**{"span": SPAN, "per_month": 1.0, **more})


async def all_of(ports: Ports, **wanted) -> list[Finding]:
    return list((await ports.anomalies.findings(FindingFilter(**wanted))).findings)


@pytest.mark.slow
async def test_what_is_found_is_kept_once_however_often_it_is_looked_for(ports) -> None:
    await ports.world.add("oslo-1")
    hours = load()
    hours[HISTORY + 30 : HISTORY + 34] = [None] * 4
    await draw(ports.world, "oslo-1.main", T, hours)
    steps: list[tuple[int, int]] = []

    first = await flow.look(asked(), ports=ports, progress=lambda *step: steps.append(step))
    again = await flow.look(asked(), ports=ports)

    assert (first.meters, first.new, first.without_model) == (1, 1, 0)
    assert (again.new, again.again, again.gone) == (0, 1, 0)
    (gap,) = await all_of(ports)
    assert (gap.rule, gap.meter_id, gap.site_id) == (Rule.GAP, "oslo-1.main", "oslo-1")
    assert gap.start_utc == SPAN.start + 30 * HOUR
    assert gap.energy_at_stake_kwh == pytest.approx(-400, rel=0.02)
    assert steps == [(1, 1)]


@pytest.mark.slow
async def test_a_site_at_which_something_breaks_does_not_keep_the_others_from_being_judged(
    ports,
) -> None:
    class Breaking(Here):
        async def detect(self, watched, span, **more):
            if watched.site_id == "oslo-1":
                raise RuntimeError("ValueError: broken")
            return await super().detect(watched, span, **more)

    hours = load()
    hours[HISTORY + 30] = None
    for site_id in ("oslo-1", "oslo-2"):
        await ports.world.add(site_id)
        await draw(ports.world, f"{site_id}.main", T, hours)

    with pytest.raises(RuntimeError, match="oslo-1: ValueError: broken"):
        await flow.look(asked(), ports=replace(ports, detector=Breaking()))

    assert [each.site_id for each in await all_of(ports)] == ["oslo-2"]


@pytest.mark.slow
async def test_readings_that_came_late_take_the_finding_away_unless_it_was_judged(ports) -> None:
    await ports.world.add("oslo-1")
    hours = load()
    late = dict(enumerate(hours))
    hours[HISTORY + 30] = hours[HISTORY + 60] = None
    await draw(ports.world, "oslo-1.main", T, hours)
    await flow.look(asked(), ports=ports)
    judged, _ = await all_of(ports)
    await ports.anomalies.review(judged.finding_id, Review(state=State.CONFIRMED))

    await draw(ports.world, "oslo-1.main", T + (HISTORY + 30) * HOUR, [late[HISTORY + 30]])
    await draw(ports.world, "oslo-1.main", T + (HISTORY + 60) * HOUR, [late[HISTORY + 60]])
    looked = await flow.look(asked(), ports=ports)

    assert looked.gone == 1
    assert [each.finding_id for each in await all_of(ports)] == [judged.finding_id]


@pytest.mark.slow
async def test_a_site_that_fell_silent_is_one_finding(ports) -> None:
    await two_halls(ports, silent=("main", "a", "b"))

    looked = await flow.look(asked(), ports=ports)

    assert looked.meters == 3
    (outage,) = await all_of(ports)
    assert (outage.rule, outage.meter_id) == (Rule.OUTAGE, "oslo-1.main")


@pytest.mark.slow
async def test_one_meter_of_a_site_is_judged_with_its_neighbours_but_kept_alone(ports) -> None:
    await two_halls(ports, silent=("a", "b"))

    looked = await flow.look(asked(meter_id="oslo-1.a"), ports=ports)

    assert looked.meters == 1
    assert [each.meter_id for each in await all_of(ports)] == ["oslo-1.a"]
    assert looked.new == 1


@pytest.mark.slow
async def test_a_main_meter_that_counts_less_than_its_halls_is_found(ports) -> None:
    await two_halls(ports, missing=0.1)

    await flow.look(asked(), ports=ports)

    found = await all_of(ports, meter_id="oslo-1.main")
    assert {each.rule for each in found} == {Rule.SUM_CHECK}
    assert sum(each.energy_at_stake_kwh or 0 for each in found) == pytest.approx(-12 * 20, rel=0.1)


async def two_halls(ports: Ports, silent: tuple[str, ...] = (), missing: float = 0.0) -> None:
    """Two halls of 100 kW behind a main meter; silent for four hours, or counting too little."""

    def meter(name: str, role: MeterRole, parent: str | None = None) -> Meter:
        return Meter(
            id=f"oslo-1.{name}",
            site_id="oslo-1",
            kind=MeterKind.INTERVAL,
            role=role,
            parent=parent,
            expected_interval_s=3600,
        )

    main = meter("main", MeterRole.MAIN)
    halls = [meter(name, MeterRole.SUB, main.id) for name in "ab"]
    await ports.world.add("oslo-1", main, *halls)
    first, second = np.array(load(seed=1)), np.array(load(seed=2))
    whole = first + second
    whole[HISTORY + 50 : HISTORY + 62] *= 1 - missing
    for name, values in (("main", whole), ("a", first), ("b", second)):
        hours = [float(each) for each in values]
        sent: list[float | None] = [*hours]
        if name in silent:
            sent[HISTORY + 30 : HISTORY + 34] = [None] * 4
        await draw(ports.world, f"oslo-1.{name}", T, sent)


@pytest.mark.slow
async def test_hours_curtailed_for_their_price_are_no_finding(ports) -> None:
    await ports.world.add("oslo-1")
    hours = np.array(load())
    dear = [{"price_per_mwh": 250.0 if at % 120 < 3 else 30.0, "currency": "EUR"}
            for at in range(len(hours))]  # fmt: skip
    hours[[at for at, each in enumerate(dear) if each["price_per_mwh"] == 250.0]] *= 0.1
    await draw(ports.world, "oslo-1.main", T, [float(each) for each in hours])
    await conditions(ports.world, "NO1", T, dear)

    await flow.look(asked(), ports=ports)

    assert await all_of(ports) == []


@pytest.mark.slow
async def test_a_site_without_readings_is_no_failure_and_loses_no_findings(ports) -> None:
    await ports.world.add("oslo-1")
    await ports.world.add("oslo-2")
    await draw(ports.world, "oslo-1.main", T, load())

    looked = await flow.look(asked(), ports=ports)

    assert (looked.meters, looked.without_readings) == (1, 1)


@pytest.mark.parametrize(
    ("what", "named"),
    [({"site_id": "nowhere"}, "nowhere"), ({"meter_id": "nothing"}, "nothing"),
     ({"site_id": "oslo-1", "meter_id": "oslo-2.main"}, "oslo-2.main")],
)  # fmt: skip
async def test_what_is_not_there_is_said(ports, what, named) -> None:
    await ports.world.add("oslo-1")
    await ports.world.add("oslo-2")

    with pytest.raises(UnknownEntityError, match=named):
        await flow.look(asked(**what), ports=ports)


@pytest.mark.slow
async def test_what_progress_raises_ends_it(ports) -> None:
    await two_halls(ports)

    def stop(_done: int, _total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await flow.look(asked(), ports=ports, progress=stop)
    gc.collect()  # what was begun and never awaited would be told now
    assert await all_of(ports) == []


@pytest.mark.slow
async def test_scores_are_kept_by_the_hour(ports) -> None:
    await ports.world.add("oslo-1")
    await draw(ports.world, "oslo-1.main", T, load())
    await flow.look(asked(), ports=ports)

    found = await flow.scores(
        "oslo-1.main", SPAN, registry=ports.registry, anomalies=ports.anomalies
    )

    assert found.height == 7 * 24
    assert found["expected_kwh"].mean() == pytest.approx(100, rel=0.01)
    with pytest.raises(UnknownEntityError, match="no meter 'x' is registered"):
        await flow.scores("x", SPAN, registry=ports.registry, anomalies=ports.anomalies)


@pytest.mark.slow
async def test_findings_are_counted_by_day_and_category(ports) -> None:
    await ports.world.add("oslo-1")
    hours = load()
    hours[HISTORY + 30] = None
    await draw(ports.world, "oslo-1.main", T, hours)
    await flow.look(asked(), ports=ports)

    daily = await ports.anomalies.daily(stats.days(None, None, SPAN.end))

    assert daily.rows() == [((SPAN.start + DAY).date(), "meter_fault", 1)]


async def test_machines_are_told_with_the_time_in_which_they_stand_there(ports) -> None:
    await ports.world.add("oslo-1")
    plant = FleetItem(
        id="f", site_id="oslo-1", model="S19", count=100, hashrate_th=100.0, power_w=3000.0,
        valid_from=T - DAY,
    )  # fmt: skip
    await ports.world.registry.edit("oslo-1", Edit(parts=(plant,)), T)
    site = await ports.world.registry.site("oslo-1")

    assert flow.fleet_of(site).rows() == [(T - DAY, None, 100, 100.0, 3000.0)]


@pytest.mark.slow
async def test_what_the_sample_sites_hide_is_found(ports) -> None:
    """Odessa's main meter is silent for nine hours, Permian's sticks for thirty."""
    bodies = {site["id"]: site for site in sample_sites()}
    market, told = samples.day_ahead(), {}
    told["odessa-2"] = samples.odessa(bodies["odessa-2"], market, samples.SEED + 1)
    told["permian-3"] = samples.permian(bodies["permian-3"], market, samples.SEED + 2)
    for site_id, raw in told.items():
        site = SiteIn.model_validate(bodies[site_id]).draft()
        await sites.register(site, registry=ports.registry, now=ports.clock.now())
        await ingest.ingest_readings(
            raw, NOBODY, registry=ports.registry, readings=ports.readings, clock=ports.clock
        )
    await ingest.ingest_grid(samples.prices(), NOBODY, grid=ports.grid, clock=ports.clock)
    june = Period(datetime(2021, 6, 15, tzinfo=UTC), datetime(2021, 7, 15, tzinfo=UTC))

    looked = await flow.look(DetectionRequest(span=june, per_month=1.0), ports=ports)

    assert looked.meters == 4
    found = {each.rule: each for each in await all_of(ports)}
    silence, sticking = found.pop(Rule.GAP), found.pop(Rule.STUCK)
    assert (silence.meter_id, silence.start_utc) == ("odessa-2.main", samples.OUTAGE[0])
    assert silence.end_utc - silence.start_utc == timedelta(hours=samples.OUTAGE[1])
    assert sticking.meter_id == "permian-3.main"
    # The first quarter-hour of the thirty hours was measured: what repeats it begins in the next.
    assert sticking.start_utc == samples.STUCK[0] + HOUR
    assert sticking.end_utc == samples.STUCK[0] + timedelta(hours=samples.STUCK[1])
    # The first evening on which Permian sheds load for its price is not a habit yet, and is told.
    (evening,) = found.values()
    assert (evening.rule, evening.meter_id) == (Rule.FOREST, "permian-3.main")
    assert evening.evidence.observed == pytest.approx(0.3 * 39_000, rel=0.1)


def test_by_default_the_last_week_until_an_hour_ago_is_judged() -> None:
    now = datetime(2026, 5, 1, 1, 30, tzinfo=UTC)

    span = detection_span.span_of(None, None, now)

    assert span.end == datetime(2026, 5, 1, tzinfo=UTC)
    assert span.start == datetime(2026, 4, 24, tzinfo=UTC)
    assert detection_span.span_of(T, T + timedelta(minutes=1), now) == Period(T, T + HOUR)


async def test_where_all_data_are_old_the_last_of_them_are_looked_at(ports) -> None:
    """The clock of this world is past the data by more than the history of ninety days."""
    now = ports.world.clock.now()
    old = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=200)
    await ports.world.add("oslo-1")
    asked_ = {"site_id": None, "meter_id": None, "ports": ports}

    assert await flow.span_of_data(None, None, **asked_) == detection_span.span_of(None, None, now)
    await draw(ports.world, "oslo-1.main", old, load())

    span = await flow.span_of_data(None, None, **asked_)
    assert (span.start, span.end) == (old, old + timedelta(hours=len(load()) - 1))
    assert await flow.span_of_data(old, None, **asked_) == detection_span.span_of(old, None, now)


@pytest.mark.slow
async def test_all_history_at_once_finds_what_week_by_week_finds(ports) -> None:
    """Two days at a fifth of the load, in the fourth week: the three weeks before are history."""
    await ports.world.add("oslo-1")
    hours = load()
    hours[23 * 24 : 25 * 24] = [20.0 + n / 50 for n in range(48)]
    await draw(ports.world, "oslo-1.main", T, hours)

    looked = await flow.look(asked(span=Period(T, SPAN.end)), ports=ports)

    assert (looked.meters, looked.without_model) == (1, 0)
    (less,) = await all_of(ports)
    assert less.start_utc == T + 23 * DAY
    assert less.end_utc == T + 25 * DAY


def test_hours_that_have_not_ended_are_not_judged() -> None:
    now = datetime(2026, 5, 1, 1, 30, tzinfo=UTC)

    assert detection_span.span_of(now - DAY, now + DAY, now).end == datetime(
        2026, 5, 1, 1, tzinfo=UTC
    )
    for start, end in ((now, None), (now, now + DAY), (now + DAY, now + 2 * DAY)):
        with pytest.raises(InputError, match="no hour has ended yet"):
            detection_span.span_of(start, end, now)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"start": "yesterday"}, "params.start"),
        ({"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, "end must be after"),
        ({"site": "x"}, "params.site"),
        ({"seed": -1}, "params.seed"),
        ({"meter_id": ""}, "params.meter_id"),
    ],
)
def test_a_job_that_cannot_be_meant_is_refused(params, named) -> None:
    with pytest.raises(InputError, match=named):
        registry.validate("detect_anomalies", params)


def test_it_is_looked_for_every_night() -> None:
    (nightly,) = [
        each for each in registry.build_schedules(Settings()) if each.name == "detect_anomalies"
    ]

    assert nightly.kind is JobKind.DETECT_ANOMALIES
    assert nightly.every == DAY
    assert nightly.slot(datetime(2026, 5, 1, 12, tzinfo=UTC)) == datetime(
        2026, 5, 1, 1, 30, tzinfo=UTC
    )

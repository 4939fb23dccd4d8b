"""Registering and changing sites, over the embedded stores in memory."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wattbook.core import frames
from wattbook.core.errors import ConflictError, InvalidEntityError, UnknownEntityError
from wattbook.core.readings.rejects import Rejects
from wattbook.core.registry.declared import SentMeter
from wattbook.core.registry.entities import (
    FleetItem,
    Meter,
    MeterKind,
    MeterRole,
    SiteStatus,
    Supply,
    SupplyKind,
)
from wattbook.flows import sites
from wattbook.flows.sites import Draft
from wattbook.ports.readings import Batch, ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import RollupStore
from wattbook.stores.duckdb.engine import Engine
from wattbook.stores.duckdb.keys import Keys
from wattbook.stores.duckdb.marks import Marks
from wattbook.stores.duckdb.readings import DuckReadings
from wattbook.stores.duckdb.rollups import DuckRollups
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.migrate import upgrade_on
from wattbook.stores.sql.registry import SqlRegistry

Stores = tuple[ReadingStore, RollupStore]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 2, 1, tzinfo=UTC)
MAIN = "pecos-1.main"
AFTER = NOW + timedelta(microseconds=1)
"""The instant after the only reading of `settled`."""


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    engine = create_engine("sqlite://")
    await upgrade_on(engine)
    yield SqlRegistry(engine)
    await engine.dispose()


@pytest.fixture
def stores() -> Iterator[Stores]:
    engine = Engine(None, memory_limit="256MB", threads=1)
    keys = Keys(engine, "meter_keys", "meter_id")
    marks = Marks(engine, keys)
    yield DuckReadings(engine, keys, marks), DuckRollups(engine, keys, marks)
    engine.close()


@pytest.fixture
def rollups(stores: Stores) -> RollupStore:
    return stores[1]


@pytest.fixture
def readings(stores: Stores) -> ReadingStore:
    return stores[0]


@pytest.fixture
async def settled(stores: Stores) -> RollupStore:
    """Rollups of a store in which `pecos-1.main` has one reading and nothing is out of date."""
    readings, rollups = stores
    kept = pl.DataFrame(
        {
            "row": [0],
            "meter_id": [MAIN],
            "ts_utc": [NOW],
            "power_kw": [10.0],
            "energy_kwh": [None],
            "register_kwh": [None],
            "hashrate_th": [None],
            "temperature_c": [None],
            "reactive_power_kvar": [None],
            "quality": ["measured"],
            "known_utc": [NOW],
            "revision": [0],
        },
        schema={"row": pl.UInt32, **frames.READINGS.schema},
    )
    batch = Batch(
        batch_id="b-1",
        source="test",
        sha256=hashlib.sha256(b"").hexdigest(),
        received_utc=NOW,
        received=1,
        kept=kept,
        rejects=Rejects.of(),
    )
    await readings.write(batch)
    dirty = await rollups.dirty()
    assert await marked(rollups) == [MAIN]
    nothing = frames.ROLLUPS.empty()
    gone = nothing.select(frames.ROLLUPS.key)
    await rollups.write(nothing, gone, frames.EVENTS.empty(), dirty, dirty)
    assert await marked(rollups) == []
    return rollups


async def marked(rollups: RollupStore) -> list[str]:
    return (await rollups.dirty())["meter_id"].unique().sort().to_list()


PECOS = Draft(
    id="pecos-1",
    name="Pecos 1",
    operator="alder",
    timezone="America/Chicago",
    zone="US-TEX-ERCO",
    capacity_kw=25_000.0,
)
WIND = Supply(id="", site_id="", kind=SupplyKind.PPA, technology="wind", share=0.4, valid_from=NOW)
RACKS = FleetItem(id="", site_id="", model="Antminer S21", count=100, valid_from=NOW)


def a_meter(meter_id: str = MAIN, **changes) -> Meter:
    return replace(Meter(id=meter_id, site_id="", kind=MeterKind.POWER), **changes)


async def test_a_site_without_meters_is_given_a_main_one_of_its_telemetry(registry):
    draft = replace(
        PECOS,
        telemetry=MeterKind.REGISTER,
        expected_interval_s=300,
        register_size_kwh=1e6,
        max_hold_s=600,
    )

    site = await sites.register(draft, registry=registry, now=NOW)

    assert site.meters == (
        Meter(
            id=MAIN,
            site_id="pecos-1",
            kind=MeterKind.REGISTER,
            role=MeterRole.MAIN,
            expected_interval_s=300,
            register_size_kwh=1e6,
            max_hold_s=600,
        ),
    )
    assert (site.created_utc, site.updated_utc) == (NOW, NOW)
    assert await registry.site("pecos-1") == site


async def test_a_plain_site_reports_power_every_quarter_of_an_hour(registry):
    site = await sites.register(PECOS, registry=registry, now=NOW)

    assert [(meter.kind, meter.expected_interval_s) for meter in site.meters] == [
        (MeterKind.POWER, 900)
    ]


async def test_meters_that_are_given_are_the_only_ones(registry):
    draft = replace(PECOS, meters=(a_meter("a.net"), a_meter("", role=MeterRole.SUB)))

    site = await sites.register(draft, registry=registry, now=NOW)

    assert [meter.site_id for meter in site.meters] == ["pecos-1", "pecos-1"]
    ids = [meter.id for meter in site.meters]
    assert ids[0] == "a.net"
    assert ids[1].startswith("pecos-1.sub-")


@pytest.mark.parametrize(
    ("name", "site_id"),
    [
        ("Höhe № 3 (Süd)", "hohe-no-3-sud-x7"),
        ("秩父", "site-x7"),
        ("a" * 200, "a" * 40 + "-x7"),
    ],
)
async def test_an_id_is_made_from_the_name_when_left_out(registry, name, site_id):
    draft = replace(PECOS, id=None, name=name)

    site = await sites.register(draft, registry=registry, now=NOW, suffix="x7")

    assert site.id == site_id
    assert site.meters[0].id == f"{site_id}.main"


async def test_two_sites_of_one_name_get_two_ids(registry):
    draft = replace(PECOS, id=None)

    first = await sites.register(draft, registry=registry, now=NOW)
    second = await sites.register(draft, registry=registry, now=NOW)

    assert first.id != second.id
    assert first.id.startswith("pecos-1-")


async def test_everything_that_is_wrong_is_said_at_once(registry):
    draft = replace(
        PECOS,
        id="../x",
        operator="⚡",
        zone="a\x00b",
        timezone="Mars/Olympus",
        meters=(a_meter("m", parent="m"), a_meter("m")),
        supplies=(replace(WIND, id="UPPER"), replace(WIND, valid_to=NOW)),
        fleet=(replace(RACKS, id="s21"), replace(RACKS, id="s21")),
    )

    with pytest.raises(InvalidEntityError) as caught:
        await sites.register(draft, registry=registry, now=NOW)

    fields = {problem.field for problem in caught.value.problems}
    assert fields >= {
        "id",
        "operator",
        "zone",
        "timezone",
        "meters[0].id",
        "meters[1].id",
        "supplies[0].id",
        "supplies[1].valid_to",
        "fleet[0].id",
        "fleet[1].id",
    }
    assert (await registry.sites()).sites == ()


async def test_what_is_wrong_with_a_meter_that_nobody_sent_is_said_of_the_site(registry):
    draft = replace(PECOS, telemetry=MeterKind.POWER, register_size_kwh=1e6)

    with pytest.raises(InvalidEntityError) as caught:
        await sites.register(draft, registry=registry, now=NOW)

    assert [problem.field for problem in caught.value.problems] == ["register_size_kwh"]


async def test_an_id_that_is_taken_is_a_conflict(registry):
    await sites.register(PECOS, registry=registry, now=NOW)

    with pytest.raises(ConflictError):
        await sites.register(PECOS, registry=registry, now=NOW)


@pytest.mark.slow
async def test_a_change_of_words_leaves_the_rollups_alone(registry, readings, settled):
    await sites.register(PECOS, registry=registry, now=NOW)
    changes = {"name": "Pecos One", "operator": "birch", "status": SiteStatus.SUSPENDED}

    site = await sites.change(
        "pecos-1", changes, registry=registry, readings=readings, rollups=settled, now=LATER
    )

    assert (site.name, site.operator, site.status) == ("Pecos One", "birch", SiteStatus.SUSPENDED)
    assert (site.created_utc, site.updated_utc) == (NOW, LATER)
    assert await marked(settled) == []


@pytest.mark.parametrize("changes", [{"timezone": "Europe/Oslo"}, {"capacity_kw": None}])
async def test_another_time_zone_or_capacity_of_the_past_marks_the_rollups(
    registry, readings, settled, changes
):
    await sites.register(PECOS, registry=registry, now=NOW)

    await sites.change(
        "pecos-1",
        changes,
        valid_from=None,  # from the beginning
        registry=registry,
        readings=readings,
        rollups=settled,
        now=LATER,
    )

    assert await marked(settled) == [MAIN]


async def test_another_capacity_holds_from_the_next_reading_on_and_leaves_the_past(
    registry, readings, settled
):
    await sites.register(PECOS, registry=registry, now=NOW)

    site = await sites.change(
        "pecos-1",
        {"capacity_kw": 30_000.0},
        registry=registry,
        readings=readings,
        rollups=settled,
        now=LATER,
    )

    assert (site.capacity_kw, site.capacity_since_utc) == (30_000.0, AFTER)
    assert [(each.capacity_kw, each.valid_to) for each in site.earlier_capacities] == [
        (25_000.0, AFTER)
    ]
    assert await marked(settled) == []


async def test_a_change_to_what_is_there_already_is_none(registry, readings, settled):
    site = await sites.register(PECOS, registry=registry, now=NOW)
    same = {"timezone": "America/Chicago", "capacity_kw": 25_000.0}

    again = await sites.change(
        "pecos-1", same, registry=registry, readings=readings, rollups=settled, now=LATER
    )

    assert again == site
    assert await marked(settled) == []


async def test_a_change_that_cannot_be_meant_changes_nothing(registry, readings, rollups):
    site = await sites.register(PECOS, registry=registry, now=NOW)

    for changes in ({"timezone": "Mars/Olympus"}, {"id": "other"}, {"colour": None}):
        with pytest.raises(InvalidEntityError) as caught:
            await sites.change(
                "pecos-1", changes, registry=registry, readings=readings, rollups=rollups, now=LATER
            )
        assert [problem.field for problem in caught.value.problems] == list(changes)

    assert await registry.site("pecos-1") == site


async def test_a_site_that_nobody_knows_cannot_be_changed(registry, readings, rollups):
    with pytest.raises(UnknownEntityError):
        await sites.change("x", {}, registry=registry, readings=readings, rollups=rollups, now=NOW)
    with pytest.raises(UnknownEntityError):
        await sites.put_parts(
            "x", [WIND], registry=registry, readings=readings, rollups=rollups, now=NOW
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": MeterKind.INTERVAL},
        {"kind": MeterKind.REGISTER, "register_size_kwh": 1e6},
        {"expected_interval_s": 300},
        {"max_hold_s": 60},
    ],
)
async def test_a_meter_that_always_read_otherwise_marks_its_rollups(
    registry, readings, settled, changes
):
    await sites.register(PECOS, registry=registry, now=NOW)
    always = replace(SentMeter.of(a_meter(**changes)), valid_from=None)

    placed = await sites.put_parts(
        "pecos-1",
        [always],
        registry=registry,
        readings=readings,
        rollups=settled,
        now=LATER,
    )

    assert not placed.added
    assert placed.site.meters == (a_meter(site_id="pecos-1", **changes),)
    assert await marked(settled) == [MAIN]


async def test_a_change_without_a_date_holds_from_the_next_reading_on_and_leaves_the_past(
    registry, readings, settled
):
    await sites.register(PECOS, registry=registry, now=NOW)

    placed = await sites.put_parts(
        "pecos-1",
        [a_meter(expected_interval_s=300)],
        registry=registry,
        readings=readings,
        rollups=settled,
        now=LATER,
    )

    (meter,) = placed.site.meters
    assert (meter.expected_interval_s, meter.valid_from) == (300, AFTER)
    assert [(each.expected_interval_s, each.valid_to) for each in meter.earlier] == [(900, AFTER)]
    assert await marked(settled) == []


async def test_other_parts_leave_the_rollups_alone(registry, readings, settled):
    await sites.register(PECOS, registry=registry, now=NOW)
    # 2,700 s is what three intervals of 900 s came to before: the same, said aloud.
    same = a_meter(max_hold_s=2_700, role=MeterRole.GENERATION)

    placed = await sites.put_parts(
        "pecos-1",
        [same, a_meter("pecos-1.hall", parent=MAIN), WIND, RACKS],
        registry=registry,
        readings=readings,
        rollups=settled,
        now=LATER,
    )

    assert placed.added
    assert [meter.id for meter in placed.site.meters] == ["pecos-1.hall", MAIN]
    assert await marked(settled) == []


async def test_what_is_sent_twice_is_there_once(registry, readings, rollups):
    await sites.register(PECOS, registry=registry, now=NOW)

    for added in (True, False):
        placed = await sites.put_parts(
            "pecos-1",
            [WIND, RACKS],
            registry=registry,
            readings=readings,
            rollups=rollups,
            now=LATER,
        )
        assert placed.added is added

    assert [supply.id[:9] for supply in placed.site.supplies] == ["ppa-wind-"]
    assert [item.id[:13] for item in placed.site.fleet] == ["antminer-s21-"]


async def test_parts_that_differ_get_ids_that_differ(registry, readings, rollups):
    await sites.register(PECOS, registry=registry, now=NOW)
    next_year = replace(WIND, valid_from=NOW + timedelta(days=365))

    placed = await sites.put_parts(
        "pecos-1",
        [WIND, next_year],
        registry=registry,
        readings=readings,
        rollups=rollups,
        now=LATER,
    )

    assert [supply.valid_from for supply in placed.site.supplies] == [NOW, next_year.valid_from]


async def test_parts_that_do_not_fit_what_is_there_are_refused(registry, readings, rollups):
    site = await sites.register(PECOS, registry=registry, now=NOW)
    lost = a_meter("pecos-1.hall", parent="pecos-1.nowhere")

    with pytest.raises(InvalidEntityError) as caught:
        await sites.put_parts(
            "pecos-1", [lost], registry=registry, readings=readings, rollups=rollups, now=LATER
        )

    assert [problem.field for problem in caught.value.problems] == ["meters[0].parent"]
    assert await registry.site("pecos-1") == site


@pytest.mark.slow
async def test_every_site_is_found_however_many_are_read_at_a_time(world) -> None:
    for name in ("c", "a", "e", "b", "d"):
        await world.add(name)

    for at_once in (1, 2, 5, 100):
        found = [site.id async for site in sites.every(world.registry, at_once=at_once)]
        assert found == ["a", "b", "c", "d", "e"]

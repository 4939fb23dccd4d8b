"""What every registry does; the databases join in conftest.py."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook.core import frames
from wattbook.core.errors import (
    ConflictError,
    InputError,
    InvalidEntityError,
    UnknownEntityError,
)
from wattbook.core.registry.entities import (
    FleetItem,
    Meter,
    MeterFlow,
    MeterKind,
    MeterRole,
    Site,
    SiteStatus,
    Supply,
    SupplyKind,
)
from wattbook.core.registry.tariffs import (
    Band,
    Basis,
    Block,
    CoincidentDemand,
    Demand,
    DemandSteps,
    Direction,
    Export,
    Fixed,
    Flat,
    Indexed,
    LowFactor,
    Minimum,
    Netting,
    Per,
    Percentage,
    Ratchet,
    Reactive,
    Step,
    Tariff,
    Tiered,
    TimeOfUse,
)
from wattbook.core.registry.windows import DayKind, Window
from wattbook.core.retention.cutoffs import LINES
from wattbook.ports.registry import Edit, Registry
from wattbook.stores.sql.registry import SqlRegistry

T = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 2, 1, 12, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture
def registry(sql_engine) -> Registry:
    return SqlRegistry(sql_engine)


def a_site(site_id: str = "pecos-1", **changes) -> Site:
    plain = Site(
        id=site_id,
        name="Pecos №1 ⚡",
        operator="alder",
        timezone="America/Chicago",
        zone="US-TEX-ERCO",
        capacity_kw=25_000.0,
        latitude=31.42,
        longitude=-103.49,
        created_utc=T,
        updated_utc=T,
    )
    return replace(plain, **changes)


def a_meter(meter_id: str = "pecos-1.main", **changes) -> Meter:
    return replace(Meter(id=meter_id, site_id="pecos-1", kind=MeterKind.POWER), **changes)


WIND = Supply(
    id="wind",
    site_id="pecos-1",
    kind=SupplyKind.PPA,
    technology="wind",
    share=0.4,
    capacity_kw=9_000.0,
    g_per_kwh=0.0,
    valid_from=T,
    valid_to=T + timedelta(days=365),
)
GRID = Supply(id="grid", site_id="pecos-1", kind=SupplyKind.GRID, share=0.6, valid_from=T)
RACKS = FleetItem(
    id="s21",
    site_id="pecos-1",
    model="Antminer S21",
    count=6_000,
    hashrate_th=200.0,
    power_w=3_500.0,
    valid_from=T,
)

EVENING = Window(days=(DayKind.WEEKDAY,), months=(1, 12), start="17:15", end="24:00")
TARIFF = Tariff(
    id="t-2026",
    site_id="pecos-1",
    valid_from=date(2026, 1, 1),
    valid_to=date(2027, 1, 1),
    currency="USD",
    calendar="US-TX",
    holidays=(date(2026, 3, 2), date(2026, 1, 19)),
    weekend=(7,),
    holidays_removed=("2026-03-02", "easter-2"),
    billing_day=18,
    netting=Netting.HOUR,
    components=(
        Flat(name="Netz €", price_per_kwh=0.1),
        TimeOfUse(
            name="by time",
            bands=(
                Band(name="evening", price_per_kwh=0.3, windows=(EVENING, Window())),
                Band(name="never", price_per_kwh=-0.1, windows=()),
            ),
        ),
        Tiered(
            name="by amount",
            blocks=(
                Block(up_to_kwh=1234.5678901234567, price_per_kwh=0.1),
                Block(up_to_kwh=None, price_per_kwh=1e-17),
            ),
        ),
        Indexed(name="market", multiplier=1.05, adder_per_mwh=-2.5),
        Demand(name="demand", price_per_kw_month=4.2),
        Demand(
            name="evening demand",
            price_per_kw_month=4.2,
            windows=(EVENING,),
            ratchet=Ratchet(percent=80.0, months=11, peak_months=(6, 7), basis=Basis.BILLED),
            interval_minutes=30,
            sliding_minutes=15,
            minimum_kw=20.0,
        ),
        Fixed(name="meter", price=12.0),
        Fixed(name="line", price=1.0, per=Per.DAY),
        Export(name="feed-in", price_per_kwh=0.08),
        DemandSteps(name="steps", steps=(Step(up_to_kw=None, price_per_month=9.0),), peaks=3),
        CoincidentDemand(
            name="4CP",
            price_per_kw_month=5.0,
            months=(6, 7, 8, 9),
            instants=(datetime(2025, 6, 12, 22, tzinfo=UTC),),
            count=1,
        ),
        Reactive(
            name="reactive",
            price_per_kvarh=0.011,
            free_percent=48.43,
            direction=Direction.CAPACITIVE,
            windows=(EVENING,),
            low_factor=LowFactor(below=0.8, price_per_kvarh=0.02),
        ),
        Reactive(name="all reactive", price_per_kvarh=0.01),
        Minimum(name="least", amount=100.0, of=("meter", "line")),
        Percentage(name="tax", percent=8.25, of=("Netz €", "demand")),
    ),
)


async def test_a_site_comes_back_as_it_went_in(registry):
    main = a_meter(kind=MeterKind.REGISTER, register_size_kwh=1e7, max_hold_s=3_600)
    hall = a_meter("pecos-1.hall", role=MeterRole.SUB, parent="pecos-1.main")
    back = a_meter("pecos-1.back", role=MeterRole.EXPORT)
    both = a_meter("pecos-1.both", kind=MeterKind.INTERVAL, flow=MeterFlow.NET)
    site = a_site(
        status=SiteStatus.PLANNED,
        simulated=True,
        meters=(back, both, hall, main),
        supplies=(GRID, WIND),
        fleet=(RACKS,),
        tariffs=(TARIFF,),
    )

    assert await registry.add(site) == site
    assert await registry.site("pecos-1") == site
    assert (await registry.sites()).sites == (site,)


async def test_what_is_unknown_stays_unknown(registry):
    site = a_site(capacity_kw=None, latitude=None, longitude=None)

    await registry.add(site)

    assert await registry.site("pecos-1") == site


async def test_times_come_back_in_utc_to_the_microsecond(registry):
    oslo = timezone(timedelta(hours=1))
    await registry.add(a_site(created_utc=LATER.astimezone(oslo)))

    created = (await registry.site("pecos-1")).created_utc

    assert created == LATER
    assert created.tzinfo is UTC


@pytest.mark.parametrize(
    "site_id", ["nowhere", "", "../etc", "a\x00b", "⚡", "'; DROP TABLE sites; --", "x" * 100_000]
)
async def test_an_id_that_nobody_has_is_unknown_whatever_it_looks_like(registry, site_id):
    with pytest.raises(UnknownEntityError) as caught:
        await registry.site(site_id)
    with pytest.raises(UnknownEntityError):
        await registry.edit(site_id, Edit(changes={"name": "x"}), LATER)
    with pytest.raises(UnknownEntityError):
        await registry.edit(site_id, Edit(parts=(GRID,)), LATER)

    assert [problem.field for problem in caught.value.problems] == ["site_id"]


async def test_ids_that_are_taken_are_all_named_and_nothing_is_kept(registry):
    await registry.add(a_site(meters=(a_meter(),)))
    again = a_site(meters=(a_meter(), a_meter("pecos-1.new")))
    thief = a_site("other-2", meters=(a_meter("other-2.main"), a_meter()))

    with pytest.raises(ConflictError) as twice:
        await registry.add(again)
    with pytest.raises(ConflictError) as stolen:
        await registry.add(thief)

    assert [problem.field for problem in twice.value.problems] == ["id"]
    assert [problem.field for problem in stolen.value.problems] == ["meters[1].id"]
    assert [site.id for site in (await registry.sites()).sites] == ["pecos-1"]
    assert (await registry.meters())["meter_id"].to_list() == ["pecos-1.main"]


async def test_only_one_of_two_at_once_gets_the_id(registry):
    outcomes = await asyncio.gather(
        *(registry.add(a_site(name=f"number {n}")) for n in range(8)), return_exceptions=True
    )

    assert sum(isinstance(outcome, Site) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 7


async def test_only_what_is_changed_changes(registry):
    site = await registry.add(a_site(meters=(a_meter(),), supplies=(GRID,)))

    changed = (
        await registry.edit(
            "pecos-1", Edit(changes={"capacity_kw": None, "status": SiteStatus.RETIRED}), LATER
        )
    ).after

    assert changed == replace(site, capacity_kw=None, status=SiteStatus.RETIRED, updated_utc=LATER)
    assert await registry.site("pecos-1") == changed


@pytest.mark.slow
async def test_what_a_site_does_not_have_cannot_be_changed(registry):
    await registry.add(a_site())

    with pytest.raises(InvalidEntityError) as caught:
        await registry.edit("pecos-1", Edit(changes={"id": "pecos-2", "colour": "red"}), LATER)

    assert [problem.field for problem in caught.value.problems] == ["colour", "id"]


async def test_parts_are_added_or_replaced_by_id(registry):
    await registry.add(a_site(meters=(a_meter(),), supplies=(WIND,), fleet=(RACKS,)))
    slower = a_meter(expected_interval_s=3_600)
    # The child stands before its parent.
    child = a_meter("pecos-1.a", role=MeterRole.SUB, parent="pecos-1.b")
    parent = a_meter("pecos-1.b", role=MeterRole.SUB, parent="pecos-1.main")
    more = replace(RACKS, count=7_000)

    site = (
        await registry.edit("pecos-1", Edit(parts=(child, parent, slower, GRID, more)), LATER)
    ).after

    assert site.meters == (child, parent, slower)
    assert site.supplies == (GRID, WIND)
    assert site.fleet == (more,)
    assert site.updated_utc == LATER
    assert await registry.site("pecos-1") == site


async def test_tariffs_are_added_or_replaced_by_id_in_the_order_of_time(registry):
    await registry.add(a_site(tariffs=(TARIFF,), supplies=(WIND,)))
    await registry.add(a_site("other-2", tariffs=(replace(TARIFF, site_id="other-2"),)))
    older = replace(TARIFF, id="t-2025", valid_from=date(2025, 1, 1), valid_to=date(2026, 1, 1))
    dearer = replace(TARIFF, components=(Flat(name="all", price_per_kwh=0.4),), valid_to=None)

    site = (await registry.edit("pecos-1", Edit(parts=(dearer, older)), LATER)).after

    assert site.tariffs == (older, dearer)
    assert site.supplies == (WIND,)
    assert await registry.site("pecos-1") == site
    assert (await registry.site("other-2")).tariffs == (replace(TARIFF, site_id="other-2"),)


async def test_of_one_kind_all_parts_can_be_replaced(registry):
    await registry.add(a_site(tariffs=(TARIFF,), supplies=(WIND,), meters=(a_meter(),)))
    await registry.add(a_site("other-2", tariffs=(replace(TARIFF, site_id="other-2"),)))
    newer = replace(TARIFF, id="t-2027", valid_from=date(2027, 1, 1), valid_to=None)

    replaced = (await registry.edit("pecos-1", Edit(parts=(newer,), only=Tariff), LATER)).after
    emptied = (await registry.edit("pecos-1", Edit(parts=(), only=Tariff), LATER)).after

    assert replaced.tariffs == (newer,)
    assert (emptied.tariffs, emptied.supplies, emptied.meters) == ((), (WIND,), (a_meter(),))
    assert len((await registry.site("other-2")).tariffs) == 1


async def test_the_tariffs_of_a_site_are_the_same_ones_until_something_is_written(registry):
    assert await registry.tariffs("pecos-1") == ()
    await registry.add(a_site(tariffs=(TARIFF,), meters=(a_meter(),)))
    await registry.add(a_site("other-2"))
    older = replace(TARIFF, id="t-2025", valid_from=date(2025, 1, 1), valid_to=date(2026, 1, 1))

    found = await registry.tariffs("pecos-1")
    assert found == (TARIFF,)
    assert await registry.tariffs("pecos-1") is found
    assert await registry.tariffs("other-2") == ()

    await registry.edit("pecos-1", Edit(parts=(older,)), LATER)
    assert await registry.tariffs("pecos-1") == (older, TARIFF)


async def test_supplies_of_two_sites_may_have_the_same_id(registry):
    await registry.add(a_site(supplies=(GRID,)))
    await registry.add(a_site("other-2", supplies=(replace(GRID, share=1.0),)))

    assert [(await registry.site(at)).supplies[0].share for at in ("pecos-1", "other-2")] == [
        0.6,
        1.0,
    ]
    assert (await registry.site("other-2")).supplies[0].site_id == "other-2"


async def test_a_meter_of_another_site_is_not_taken_over(registry):
    await registry.add(a_site(meters=(a_meter(),)))
    await registry.add(a_site("other-2"))

    with pytest.raises(ConflictError) as caught:
        await registry.edit("other-2", Edit(parts=(a_meter("other-2.main"), a_meter())), LATER)

    assert [problem.field for problem in caught.value.problems] == ["meters[1].id"]
    assert (await registry.site("other-2")).meters == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        a_meter("pecos-1.x", expected_interval_s=0),
        a_meter("pecos-1.x", parent="nowhere"),
        replace(GRID, share=1.5),
        replace(GRID, valid_to=T),
        replace(RACKS, count=-1),
        replace(RACKS, count=10**30),
        replace(TARIFF, valid_to=TARIFF.valid_from),
    ],
)
async def test_what_cannot_be_is_refused_by_the_tables_too(registry, part):
    site = await registry.add(a_site())

    with pytest.raises(InvalidEntityError):
        await registry.edit("pecos-1", Edit(parts=(part,)), LATER)

    assert await registry.site("pecos-1") == site


async def test_pages_show_every_site_once_in_the_order_of_ids(registry):
    for site_id in ("b-2", "a.1", "c-3", "a-1", "a_1"):
        await registry.add(a_site(site_id))

    first = await registry.sites(limit=2)
    second = await registry.sites(after=first.cursor, limit=2)
    third = await registry.sites(after=second.cursor, limit=2)

    seen = [[site.id for site in page.sites] for page in (first, second, third)]
    assert seen == [["a-1", "a.1"], ["a_1", "b-2"], ["c-3"]]
    assert third.cursor is None
    assert (await registry.sites(limit=5)).cursor is None


async def test_sites_are_filtered_by_operator_zone_and_status(registry):
    await registry.add(a_site("a-1"))
    await registry.add(a_site("b-2", operator="birch"))
    await registry.add(a_site("c-3", operator="birch", zone="JP", status=SiteStatus.RETIRED))

    async def ids(**filters: str) -> list[str]:
        return [site.id for site in (await registry.sites(filters)).sites]

    assert await ids(operator="birch") == ["b-2", "c-3"]
    assert await ids(operator="birch", zone="JP") == ["c-3"]
    assert await ids(status="active") == ["a-1", "b-2"]
    assert await ids(operator="nobody") == []
    assert await ids(operator="a\x00' OR 1=1") == []


async def test_a_filter_or_a_cursor_that_cannot_be_meant_is_refused(registry):
    with pytest.raises(InputError) as unknown:
        await registry.sites({"colour": "red"})
    with pytest.raises(InputError) as foreign:
        await registry.sites(after="\x00")

    assert unknown.value.problems[0].field == "colour"
    assert foreign.value.problems[0].field == "cursor"


async def test_the_meters_of_all_sites_are_one_frame(registry):
    await registry.add(
        a_site(
            meters=(
                a_meter(expected_interval_s=300),
                a_meter(
                    "pecos-1.hall",
                    kind=MeterKind.INTERVAL,
                    role=MeterRole.SUB,
                    flow=MeterFlow.NET,
                ),
            )
        )
    )
    register = a_meter(
        "kanto-4.main", kind=MeterKind.REGISTER, register_size_kwh=1e6, max_hold_s=60
    )
    await registry.add(
        a_site(
            "kanto-4",
            operator="birch",
            zone="JP",
            timezone="Asia/Tokyo",
            capacity_kw=None,
            meters=(register,),
        )
    )

    meters = await registry.meters()

    expected = pl.DataFrame(
        {
            "meter_id": ["kanto-4.main", "pecos-1.hall", "pecos-1.main"],
            "site_id": ["kanto-4", "pecos-1", "pecos-1"],
            "operator": ["birch", "alder", "alder"],
            "zone": ["JP", "US-TEX-ERCO", "US-TEX-ERCO"],
            "timezone": ["Asia/Tokyo", "America/Chicago", "America/Chicago"],
            "kind": ["register", "interval", "power"],
            "role": ["main", "sub", "main"],
            "expected_interval_s": [900, 900, 300],
            "max_hold_s": [60, 2_700, 900],  # 3 × 900 s, 3 × 300 s
            "register_size_kwh": [1e6, None, None],
            "flow": ["consumption", "net", "consumption"],
            "register_resolution_kwh": [None, None, None],
            "capacity_kw": [None, 25_000.0, 25_000.0],
            "plausible_kw": [None, None, None],
            "expected_interval": [None] * 3,
            "valid_from_utc": [None] * 3,  # always there, and always the same
            "valid_to_utc": [None] * 3,
            "versions": [None] * 3,
            **{name: [None] * 3 for name in LINES.values()},  # nothing was removed
        },
        schema=frames.METERS.schema,
    )
    assert_frame_equal(meters, expected)


async def test_without_sites_the_frame_is_empty(registry):
    assert_frame_equal(await registry.meters(), frames.METERS.empty())


async def test_the_frame_is_the_same_one_until_something_is_written(registry):
    await registry.add(a_site(meters=(a_meter(),)))
    frame = await registry.meters()
    assert await registry.meters() is frame

    with pytest.raises(ConflictError):
        await registry.add(a_site())
    assert await registry.meters() is frame  # a refusal changes nothing

    await registry.edit("pecos-1", Edit(changes={"capacity_kw": 1.0}), LATER)
    assert (await registry.meters())["capacity_kw"].to_list() == [1.0]

    await registry.edit("pecos-1", Edit(parts=(a_meter("pecos-1.new"),)), LATER)
    assert (await registry.meters()).height == 2


async def test_a_site_that_comes_with_its_history_keeps_it_as_recorded(registry) -> None:
    meter = Meter(id="moved.main", site_id="moved", kind=MeterKind.POWER, expected_interval_s=3600)
    site = Site(
        id="moved", name="Moved", operator="o", timezone="UTC", zone="NO1", capacity_kw=900.0,
        meters=(meter,), created_utc=T, updated_utc=T,
    )  # fmt: skip
    await registry.add(site)
    await registry.edit("moved", Edit(changes={"capacity_kw": 1200.0}), LATER)
    history = await registry.history("moved")
    now = await registry.site("moved")
    assert [(each.kind, each.recorded_utc, each.superseded_utc) for each in history] == [
        ("meter", T, None),
        ("site", T, LATER),
        ("site", LATER, None),
    ]
    own = [replace(each, owner=each.owner.replace("moved", "again")) for each in history]
    meters = tuple(replace(each, id="again.main", site_id="again") for each in now.meters)

    again = await registry.add(replace(now, id="again", meters=meters), own)

    assert again.capacity_kw == 1200.0
    assert await registry.history("again") == tuple(own)
    for as_of, capacity_kw in ((T, 900.0), (LATER, 1200.0)):
        then = (await registry.meters(as_of)).filter(meter_id="again.main")
        assert then["capacity_kw"].to_list() == [capacity_kw]

"""A site's figures, a network's figures: sums of main meters, with gaps that show."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wattbook.core import frames
from wattbook.core.errors import InvalidPeriodError, UnknownEntityError
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import Meter, MeterKind, MeterRole
from wattbook.flows import ingest, metrics
from wattbook.flows.ingest import Origin
from wattbook.flows.metrics import Network, Series

T = datetime(2026, 3, 1, 23, tzinfo=UTC)  # midnight of Monday 2 March in Oslo
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


async def take_in(world, meter_id: str, values: Mapping[float, float], **others: object) -> None:
    """Energy [kWh] by hours after `T`; `others` are the same in every row."""
    rows = [
        {"meter_id": meter_id, "timestamp": (T + hour * HOUR).isoformat(), "energy_kwh": value}
        | others
        for hour, value in values.items()
    ]
    written = await ingest.ingest_readings(
        pl.DataFrame(rows),
        Origin.of("test", b""),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )
    assert written.receipt.rejected == 0


async def of_site(
    world, start: datetime, end: datetime, grain: Grain = Grain.HOUR, **options
) -> Series:
    return await metrics.of_site(
        options.pop("site_id", "s"),
        Period(start, end),
        grain,
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        grid=world.grid,
        calendar=world.calendar,
        clock=world.clock,
        **options,
    )


async def aggregate(world, start: datetime, end: datetime, grain: Grain, **options) -> Network:
    return await metrics.aggregate(
        Period(start, end),
        grain,
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        clock=world.clock,
        **options,
    )


def interval(meter_id: str, role: MeterRole = MeterRole.MAIN, site_id: str = "s") -> Meter:
    return Meter(
        id=meter_id,
        site_id=site_id,
        kind=MeterKind.INTERVAL,
        role=role,
        expected_interval_s=3600,
    )


# --- one site ----------------------------------------------------------------------------------


async def test_a_bucket_without_reading_is_a_row_of_nulls_with_coverage_0(world) -> None:
    await world.add("s")
    await take_in(world, "s.main", {0: 100.0, 2: 300.0})

    series = await of_site(world, T, T + 4 * HOUR)

    assert series.rows["start_utc"].to_list() == [T + hour * HOUR for hour in range(4)]
    assert series.rows["energy_kwh"].to_list() == [100.0, None, 300.0, None]
    assert series.rows["power_kw_mean"].to_list() == [100.0, None, 300.0, None]
    assert series.rows["coverage"].to_list() == [1.0, 0.0, 1.0, 0.0]
    assert series.rows["quality"].to_list() == ["measured", None, "measured", None]
    assert series.total["energy_kwh"] == 400.0
    assert series.total["coverage"] == 0.5
    assert series.total["power_kw_mean"] == 200.0  # 400 kWh in the two hours that are covered


async def test_a_site_without_any_reading_is_all_gaps(world) -> None:
    await world.add("s")

    series = await of_site(world, T, T + 2 * HOUR)

    assert series.rows["energy_kwh"].to_list() == [None, None]
    assert series.total["energy_kwh"] is None
    assert series.total["coverage"] == 0.0
    assert series.meters.select("meter_id", "energy_kwh", "coverage").rows() == [
        ("s.main", None, 0.0)
    ]


async def test_the_main_meters_are_added_and_their_peak_is_that_of_the_sum(world) -> None:
    await world.add("s", interval("s.a"), interval("s.b"))
    await take_in(world, "s.a", {0: 100.0, 1: 10.0})
    await take_in(world, "s.b", {0: 10.0, 1: 90.0})

    series = await of_site(world, T, T + DAY, Grain.DAY)

    (day,) = series.rows.rows(named=True)
    assert day["energy_kwh"] == 210.0
    assert (day["power_kw_max"], day["power_kw_max_at"]) == (110.0, T)  # not 100 + 90
    assert day["coverage"] == pytest.approx(4 / 48)  # four of two meters' 24 hours each
    assert series.total["power_kw_max"] == 110.0


async def test_a_site_is_above_its_capacity_where_a_meter_is(world) -> None:
    await world.add("s", capacity_kw=1000.0)
    await take_in(world, "s.main", {0: 1000.0, 1: 1010.0})

    series = await of_site(world, T, T + 3 * HOUR)

    assert series.rows["above_capacity"].to_list() == [False, True, None]
    assert series.total["above_capacity"] is True
    assert series.total["peak_interval_s"] == 3600  # an hourly meter: no quarter-hour peak
    calm = await of_site(world, T, T + HOUR)
    assert calm.total["above_capacity"] is False


async def test_a_site_is_above_its_capacity_where_the_sum_of_its_meters_is(world) -> None:
    await world.add("s", interval("s.a"), interval("s.b"), capacity_kw=1000.0)
    await take_in(world, "s.a", {0: 600.0, 1: 600.0, 2: 100.0})
    await take_in(world, "s.b", {0: 300.0, 1: 600.0})

    series = await of_site(world, T, T + 3 * HOUR)

    # 900 kW; 600 + 600 = 1,200 kW, though neither meter is above 1,000 kW; 100 kW
    assert series.rows["above_capacity"].to_list() == [False, True, False]
    assert series.total["above_capacity"] is True


async def test_without_a_capacity_it_is_unknown_whether_a_site_was_above_it(world) -> None:
    await world.add("s", interval("s.a"), interval("s.b"), capacity_kw=None)
    await take_in(world, "s.a", {0: 600.0})

    series = await of_site(world, T, T + HOUR)

    assert series.rows["above_capacity"].to_list() == [None]
    assert series.total["above_capacity"] is None


async def test_one_silent_main_meter_shows_in_the_coverage(world) -> None:
    await world.add("s", interval("s.a"), interval("s.b"))
    await take_in(world, "s.a", {0: 100.0})

    series = await of_site(world, T, T + HOUR)

    assert series.rows.select("energy_kwh", "coverage", "meters").row(0) == (100.0, 0.5, 1)


async def test_sub_and_generation_meters_are_shown_beside_and_never_added(world) -> None:
    await world.add(
        "s",
        interval("s.main"),
        interval("s.hall", MeterRole.SUB),
        interval("s.roof", MeterRole.GENERATION),
    )
    await take_in(world, "s.main", {0: 100.0, 1: 100.0})
    await take_in(world, "s.hall", {0: 60.0, 1: 60.0})
    await take_in(world, "s.roof", {0: 25.0})

    series = await of_site(world, T, T + 2 * HOUR)

    assert series.rows["energy_kwh"].to_list() == [100.0, 100.0]
    beside = series.meters.sort("meter_id").select("meter_id", "role", "energy_kwh", "coverage")
    assert beside.rows() == [
        ("s.hall", "sub", 120.0, 1.0),
        ("s.main", "main", 200.0, 1.0),
        ("s.roof", "generation", 25.0, 0.5),
    ]


@pytest.mark.slow
async def test_a_read_shows_what_was_acknowledged_just_before(world) -> None:
    await world.add("s")
    for energy in (100.0, 50.0, 75.0):
        await take_in(world, "s.main", {0: energy})

        for grain in Grain:
            series = await of_site(world, T, T + HOUR, grain)
            assert series.total["energy_kwh"] == energy


@pytest.mark.slow
async def test_a_past_state_shows_the_figures_of_then(world) -> None:
    await world.add("s")
    await take_in(world, "s.main", {0: 100.0})
    before = world.clock.at
    world.clock.at += DAY
    await take_in(world, "s.main", {0: 50.0, 1: 7.0})

    then = await of_site(world, T, T + 2 * HOUR, as_of=before)
    now = await of_site(world, T, T + 2 * HOUR)
    never = await of_site(world, T, T + 2 * HOUR, as_of=before - DAY)

    assert then.rows["energy_kwh"].to_list() == [100.0, None]
    assert now.rows["energy_kwh"].to_list() == [50.0, 7.0]
    assert never.rows["energy_kwh"].to_list() == [None, None]


@pytest.mark.slow
@pytest.mark.parametrize("grain", list(Grain))
async def test_as_of_now_and_now_are_the_same_figures(world, grain: Grain) -> None:
    await world.add("s")
    await take_in(world, "s.main", {hour: 10.0 + hour / 7 for hour in range(0, 80, 3)})
    await take_in(world, "s.main", {6: 1.0})

    now = await of_site(world, T, T + 3 * DAY, grain)
    as_of = await of_site(world, T, T + 3 * DAY, grain, as_of=world.clock.now())

    same = ["start_utc", "energy_kwh", "power_kw_max", "coverage", "readings", "quality"]
    assert as_of.rows.select(same).rows() == now.rows.select(same).rows()
    assert as_of.total["energy_kwh"] == now.total["energy_kwh"]


async def test_days_are_those_where_the_site_stands(world) -> None:
    await world.add("s")
    await take_in(world, "s.main", {-1: 5.0, 0: 10.0, 23: 20.0, 24: 40.0})

    series = await of_site(world, T, T + 2 * DAY, Grain.DAY)

    assert series.timezone == "Europe/Oslo"
    assert series.rows.select("start_utc", "energy_kwh").rows() == [(T, 30.0), (T + DAY, 40.0)]


async def test_a_day_that_has_begun_is_shown_as_a_whole(world) -> None:
    await world.add("s")
    await take_in(world, "s.main", {1: 10.0, 20: 20.0})

    series = await of_site(world, T + 5 * HOUR, T + 6 * HOUR, Grain.DAY)

    assert series.rows.select("start_utc", "end_utc", "energy_kwh").row(0) == (T, T + DAY, 30.0)
    assert series.period == Period(T, T + DAY)


async def test_energy_is_priced_by_its_hour_where_the_zone_has_prices(world) -> None:
    await world.add("s")
    await take_in(world, "s.main", {0: 100.0, 1: 200.0, 2: 100.0})
    prices = pl.DataFrame(
        {
            "zone": ["NO1", "NO1"],
            "start": [T.isoformat(), (T + HOUR).isoformat()],
            "price_per_mwh": [50.0, 80.0],
            "currency": ["EUR", "EUR"],
        }
    )
    await ingest.ingest_grid(prices, Origin.of("test", b""), grid=world.grid, clock=world.clock)

    series = await of_site(world, T, T + 3 * HOUR)

    assert series.rows["cost"].to_list() == [5.0, 16.0, None]  # 0.1 MWh × 50, 0.2 MWh × 80
    assert (series.total["cost"], series.total["currency"]) == (21.0, "EUR")
    assert series.total["cost_energy_share"] == 0.75  # 300 of 400 kWh have a price
    day = await of_site(world, T, T + DAY, Grain.DAY)
    assert day.rows["cost"].to_list() == [21.0]


@pytest.mark.slow
async def test_what_a_register_did_is_told_beside_the_figures(world) -> None:
    register = Meter(
        id="s.main",
        site_id="s",
        kind=MeterKind.REGISTER,
        expected_interval_s=3600,
        register_size_kwh=1000.0,
    )
    await world.add("s", register, capacity_kw=None)
    for hour, state in {0: 980.0, 1: 30.0}.items():
        await take_in(world, "s.main", {hour: 0.0}, register_kwh=state)

    series = await of_site(world, T, T + 2 * HOUR)

    assert series.rows["energy_kwh"].to_list() == [50.0, None]  # 1000 − 980 + 30
    frames.check(series.events, frames.EVENTS)
    assert series.events.select("at_utc", "kind").rows() == [(T + HOUR, "rollover")]


@pytest.mark.slow
async def test_what_a_register_did_is_told_as_it_was_believed_then(world) -> None:
    register = Meter(id="s.main", site_id="s", kind=MeterKind.REGISTER, expected_interval_s=3600)
    await world.add("s", register)
    await take_in(world, "s.main", {0: 0.0}, register_kwh=100.0)
    await take_in(world, "s.main", {1: 0.0}, register_kwh=50.0)
    before = world.clock.at
    world.clock.at += DAY
    await take_in(world, "s.main", {1: 0.0}, register_kwh=150.0)

    then = await of_site(world, T, T + 2 * HOUR, as_of=before)
    now = await of_site(world, T, T + 2 * HOUR)

    assert then.events["kind"].to_list() == ["reset"]
    assert now.events["kind"].to_list() == []


@pytest.mark.parametrize("site_id", ["nowhere", "", "../x", "a\x00b", "⚡"])
async def test_a_site_that_nobody_registered_is_unknown(world, site_id: str) -> None:
    with pytest.raises(UnknownEntityError):
        await of_site(world, T, T + HOUR, site_id=site_id)


# --- the network -------------------------------------------------------------------------------


@pytest.fixture
async def network(world):
    """Three sites of two operators in two zones, each with one hour of 10, 20 and 40 kWh."""
    await world.add("a", operator="alder", zone="NO1")
    await world.add("b", operator="birch", zone="NO1")
    await world.add("c", operator="birch", zone="SE1", timezone="Asia/Kolkata")
    for at, name in enumerate("abc"):
        await take_in(world, f"{name}.main", {0: 10.0 * 2**at})
    return world


@pytest.mark.slow
async def test_a_network_is_the_sum_of_all_main_meters(network) -> None:
    found = await aggregate(network, T, T + 2 * HOUR, Grain.HOUR)

    assert found.series.rows["group"].to_list() == [None, None]
    assert found.series.rows["energy_kwh"].to_list() == [70.0, None]
    assert found.series.total["energy_kwh"] == 70.0
    assert found.series.total["coverage"] == 0.5


async def test_a_network_is_above_capacity_where_one_of_its_sites_is_above_its_own(world) -> None:
    await world.add("a", operator="alder", capacity_kw=1000.0)
    await world.add(
        "b",
        interval("b.x", site_id="b"),
        interval("b.y", site_id="b"),
        operator="birch",
        capacity_kw=1000.0,
    )
    await take_in(world, "a.main", {0: 900.0, 1: 100.0, 2: 1100.0})
    await take_in(world, "b.x", {0: 900.0, 1: 600.0, 2: 100.0})
    await take_in(world, "b.y", {0: 50.0, 1: 600.0, 2: 100.0})

    found = await aggregate(world, T, T + 4 * HOUR, Grain.HOUR, by="operator")
    every = await aggregate(world, T, T + 4 * HOUR, Grain.HOUR)

    # 900 + 950 kW of two sites of 1,000 each is above neither; then b draws 600 + 600; then a 1,100
    above = {
        name: rows["above_capacity"].to_list()
        for (name,), rows in found.series.rows.group_by("group")
    }
    assert above == {"alder": [False, False, True, None], "birch": [False, True, False, None]}
    assert [group["above_capacity"] for group in found.totals] == [True, True]
    assert every.series.rows["above_capacity"].to_list() == [False, True, True, None]
    assert every.series.total["above_capacity"] is True
    calm = await aggregate(world, T, T + HOUR, Grain.HOUR)
    assert calm.series.total["above_capacity"] is False


async def test_a_network_with_a_site_without_capacity_is_not_known_to_be_within(world) -> None:
    await world.add("a", capacity_kw=1000.0)
    await world.add("b", capacity_kw=None)
    await take_in(world, "a.main", {0: 900.0, 1: 1100.0})
    await take_in(world, "b.main", {0: 900.0, 1: 900.0})

    found = await aggregate(world, T, T + 2 * HOUR, Grain.HOUR)

    assert found.series.rows["above_capacity"].to_list() == [None, True]
    days = await aggregate(world, T, T + DAY, Grain.DAY, timezone="Asia/Kolkata")
    assert days.series.total["above_capacity"] is True


async def test_sites_of_one_zone_under_several_names_are_one_group(world) -> None:
    # older stores hold zones as they were written: 10 + 20 + 40 kWh of one zone
    for at, zone in enumerate(("PJM", "US-PJM", "US-MIDA-PJM")):
        await world.add(f"s{at}", zone=zone)
        await take_in(world, f"s{at}.main", {0: 10.0 * 2**at})

    found = await aggregate(world, T, T + HOUR, Grain.HOUR, by="zone")

    groups = [(group["group"], group["energy_kwh"], group["sites"]) for group in found.totals]
    assert groups == [("US-MIDA-PJM", 70.0, 3)]
    for name in ("PJM", "US-PJM", "pjm", "US-MIDA-PJM"):
        page = await world.registry.sites({"zone": name})
        assert [site.id for site in page.sites] == ["s0", "s1", "s2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("by", "sums"),
    [
        ("zone", {"NO-NO1": (30.0, 2), "SE-SE1": (40.0, 1)}),
        ("operator", {"alder": (10.0, 1), "birch": (60.0, 2)}),
    ],
)
async def test_a_network_is_split_by_zone_or_operator(
    network, by: str, sums: dict[str, tuple[float, int]]
) -> None:
    found = await aggregate(network, T, T + HOUR, Grain.HOUR, by=by)

    rows = found.series.rows
    groups = dict(rows.select("group", "energy_kwh").rows())
    assert groups == {name: energy for name, (energy, _) in sums.items()}
    totals = {row["group"]: (row["energy_kwh"], row["sites"]) for row in found.totals}
    assert totals == sums
    assert found.series.total["energy_kwh"] == 70.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("timezone", "days"),
    [
        ("UTC", [datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)]),
        ("Europe/Oslo", [T - DAY, T]),
        ("Asia/Kolkata", [datetime(2026, 3, 1, 18, 30, tzinfo=UTC)]),
    ],
)
async def test_the_days_of_a_network_are_those_of_the_time_zone_asked_for(
    network, timezone: str, days: list[datetime]
) -> None:
    await take_in(network, "a.main", {-1: 1.0, 1: 2.0})  # 22:00Z, 23:00Z are there, 00:00Z

    found = await aggregate(network, T - HOUR, T + 2 * HOUR, Grain.DAY, timezone=timezone)

    assert found.series.rows["start_utc"].to_list() == days
    assert found.series.rows["energy_kwh"].sum() == 73.0
    first = {"UTC": 71.0, "Europe/Oslo": 1.0, "Asia/Kolkata": 73.0}[timezone]
    assert found.series.rows["energy_kwh"][0] == first


@pytest.mark.slow
async def test_a_network_as_of_a_past_instant_shows_the_figures_of_then(network) -> None:
    before = network.clock.at
    network.clock.at += DAY
    await take_in(network, "a.main", {0: 1.0})

    then = await aggregate(network, T, T + HOUR, Grain.HOUR, as_of=before)
    now = await aggregate(network, T, T + HOUR, Grain.HOUR)

    assert then.series.total["energy_kwh"] == 70.0
    assert now.series.total["energy_kwh"] == 61.0


async def test_a_network_without_sites_is_all_gaps(world) -> None:
    for by in metrics.GROUPS:
        found = await aggregate(world, T, T + 2 * HOUR, Grain.HOUR, by=by)
        assert found.series.total["energy_kwh"] is None


async def test_an_unknown_time_zone_is_refused(network) -> None:
    with pytest.raises(InvalidPeriodError):
        await aggregate(network, T, T + HOUR, Grain.DAY, timezone="Mars/Olympus")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("filters", "meters"),
    [
        ({"operator": "birch"}, ["b.main", "c.main"]),
        ({"operator": "birch", "meter_id": "c.main"}, ["c.main"]),
        ({}, None),  # all of them
    ],
)
async def test_rollups_are_paged_through_in_the_order_of_their_keys(
    network, filters, meters
) -> None:
    seen: list[tuple[str, datetime]] = []
    after, more = None, True
    while more:
        rows, more = await metrics.page(
            filters,
            Period(T, T + HOUR),
            Grain.QUARTER,
            after=after,
            limit=3,
            registry=network.registry,
            readings=network.readings,
            rollups=network.rollups,
            clock=network.clock,
        )
        seen += rows.select("meter_id", "start_utc").rows()
        after = (seen[-1][0], seen[-1][1].isoformat())

    quarters = [T + minute * HOUR / 60 for minute in (0, 15, 30, 45)]
    names = meters or (await network.registry.meters())["meter_id"].to_list()
    assert seen == [(name, start) for name in names for start in quarters]

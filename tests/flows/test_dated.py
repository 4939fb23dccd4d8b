"""What a meter is, is dated: swaps, other intervals, other roles, civil days and months."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from tests.flows.report_examples import made

from wattbook.core.periods import Grain, Period
from wattbook.core.registry.declared import SentMeter
from wattbook.core.registry.entities import CivilInterval, Meter, MeterKind, MeterRole
from wattbook.core.registry.tariffs import Demand, Flat, Tariff
from wattbook.core.registry.versions import UNSET
from wattbook.flows import carbon, cost, ingest, metrics, sites
from wattbook.flows.ingest import Origin
from wattbook.flows.metrics import Series
from wattbook.ports.registry import Edit
from wattbook.sources.files import reference

APRIL, MAY = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
SWAP = datetime(2026, 4, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def a_meter(name: str, **changes) -> Meter:
    plain = Meter(id=f"s.{name}", site_id="s", kind=MeterKind.INTERVAL, expected_interval_s=3600)
    return replace(plain, **changes)


async def draw(
    world, meter_id: str, begin: datetime, energies: Sequence[float], step: timedelta = HOUR
) -> None:
    rows = [
        {"meter_id": meter_id, "timestamp": (begin + at * step).isoformat(), "energy_kwh": energy}
        for at, energy in enumerate(energies)
    ]
    written = await ingest.ingest_readings(
        pl.DataFrame(rows),
        Origin.of("test", b""),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )
    assert written.receipt.rejected == 0


async def of_site(world, begin: datetime, end: datetime, grain: Grain, **options) -> Series:
    return await metrics.of_site(
        "s",
        Period(begin, end),
        grain,
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        grid=world.grid,
        calendar=world.calendar,
        clock=world.clock,
        **options,
    )


async def declare(world, meter: Meter, valid_from=UNSET, valid_to=UNSET):
    placed = await sites.put_parts(
        "s",
        [replace(SentMeter.of(meter), valid_from=valid_from, valid_to=valid_to)],
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        now=world.clock.now(),
    )
    return {each.id: each for each in placed.site.meters}[meter.id]


@pytest.fixture
async def swapped(world):
    """100 kW all April; on the 16th another meter takes the place of the first."""
    old, new = a_meter("old", valid_to=SWAP), a_meter("new", valid_from=SWAP)
    await world.add("s", old, new, timezone="UTC")
    await draw(world, "s.old", APRIL, [100.0] * 24 * 15)
    await draw(world, "s.new", SWAP, [100.0] * 24 * 15)
    return world


@pytest.mark.parametrize("grain", list(Grain))
async def test_a_meter_in_the_place_of_another_goes_on_with_one_flow(swapped, grain):
    april = await of_site(swapped, APRIL, MAY, grain)

    assert april.total["energy_kwh"] == 72_000  # 30 × 24 h × 100 kW
    assert april.total["power_kw_mean"] == pytest.approx(100)
    assert april.total["power_kw_min"] == pytest.approx(100)
    assert april.total["power_kw_max"] == pytest.approx(100)
    if grain is not Grain.WEEK:  # the first one begins in March
        assert april.total["coverage"] == pytest.approx(1)
        assert april.meters["coverage"].to_list() == pytest.approx([1, 1])


async def test_the_month_of_a_swap_is_one_row_at_the_mean_of_its_site(swapped):
    month = (await of_site(swapped, APRIL, MAY, Grain.MONTH)).rows.row(0, named=True)

    assert month["power_kw_mean"] == pytest.approx(100)
    assert month["power_kw_min"] == pytest.approx(100)
    assert month["coverage"] == pytest.approx(1)


async def test_a_day_without_readings_is_missing_of_the_meter_that_was_there(world):
    await world.add(
        "s", a_meter("old", valid_to=SWAP), a_meter("new", valid_from=SWAP), timezone="UTC"
    )
    await draw(world, "s.old", APRIL, [100.0] * 24 * 14)  # not the 15th
    await draw(world, "s.new", SWAP, [100.0] * 24 * 15)

    april = await of_site(world, APRIL, MAY, Grain.MONTH)
    report = await made(world, "s", APRIL, MAY - APRIL)

    assert april.total["coverage"] == pytest.approx(29 / 30)
    assert april.total["power_kw_mean"] == pytest.approx(100)  # over the time that is known
    assert report.quality.gaps.select("meter_id", "start_utc", "end_utc").rows() == [
        ("s.old", SWAP - DAY, SWAP)
    ]


async def test_the_bill_of_a_month_with_a_swap_is_complete(swapped):
    parts = (Flat(name="energy", price_per_kwh=0.10), Demand(name="peak", price_per_kw_month=10.0))
    tariff = Tariff(
        id="t", site_id="s", valid_from=date(2026, 1, 1), currency="EUR", components=parts
    )
    await swapped.registry.edit("s", Edit(parts=(tariff,)), swapped.clock.now())

    account = await cost.account(
        "s",
        Period(APRIL, MAY),
        Grain.MONTH,
        registry=swapped.registry,
        readings=swapped.readings,
        rollups=swapped.rollups,
        grid=swapped.grid,
        calendar=swapped.calendar,
        clock=swapped.clock,
    )

    (bill,) = account.bills
    assert bill.complete
    assert account.coverage == pytest.approx(1)
    # 72 000 kWh × 0.10 EUR + 100 kW × 10 EUR
    assert bill.totals == {"EUR": pytest.approx(8_200)}


async def test_the_report_of_a_swap_has_a_load_factor_of_at_most_1_and_no_gap(swapped):
    report = await made(swapped, "s", APRIL, MAY - APRIL)

    assert report.total["load_factor"] == pytest.approx(1)
    assert report.total["coverage"] == pytest.approx(1)
    assert report.quality.gaps.is_empty()
    assert report.steps["power_kw_mean"].to_list() == pytest.approx([100] * report.steps.height)


async def test_the_emissions_of_a_swap_cover_all_of_the_time(swapped):
    account = await carbon.account(
        "s",
        Period(APRIL, MAY),
        Grain.MONTH,
        factor_set="ipcc2014",
        factors=reference.factors(),
        registry=swapped.registry,
        readings=swapped.readings,
        rollups=swapped.rollups,
        grid=swapped.grid,
        clock=swapped.clock,
    )

    assert account.total["coverage"] == pytest.approx(1)
    assert account.rows["coverage"].to_list() == pytest.approx([1])


async def test_a_meter_beside_another_still_adds_to_it(world):
    """From the 16th a second hall: 100 kW, then 150 kW; 30 days × 100 kW and 15 days × 50 kW."""
    await world.add("s", a_meter("one"), a_meter("two", valid_from=SWAP), timezone="UTC")
    await draw(world, "s.one", APRIL, [100.0] * 24 * 30)
    await draw(world, "s.two", SWAP, [50.0] * 24 * 15)

    april = await of_site(world, APRIL, MAY, Grain.MONTH)

    assert april.total["energy_kwh"] == 72_000 + 18_000
    assert april.total["power_kw_mean"] == pytest.approx(125)  # 90 000 kWh / 720 h
    assert april.total["power_kw_max"] == pytest.approx(150)
    assert april.total["coverage"] == pytest.approx(1)


async def test_readings_of_a_time_at_which_a_meter_was_not_there_do_not_count(world):
    await world.add("s", a_meter("main", valid_to=SWAP), timezone="UTC")
    await draw(world, "s.main", SWAP - HOUR, [100.0, 100.0])

    assert (await of_site(world, APRIL, MAY, Grain.MONTH)).total["energy_kwh"] == 100


# --- another interval ----------------------------------------------------------------------------


async def test_another_interval_leaves_the_past_as_it_was(world):
    """Half-hours until noon, five minutes from then on: 100 kW all day."""
    await world.add("s", a_meter("main", expected_interval_s=1800), timezone="UTC")
    await draw(world, "s.main", APRIL, [50.0] * 24, timedelta(minutes=30))

    await declare(world, a_meter("main", expected_interval_s=300))
    noon = APRIL + 12 * HOUR
    await draw(world, "s.main", noon, [100 / 12] * 144, timedelta(minutes=5))

    day = await of_site(world, APRIL, APRIL + DAY, Grain.DAY)
    assert day.total["energy_kwh"] == pytest.approx(2_400)
    assert day.total["power_kw_max"] == pytest.approx(100)
    assert day.total["power_kw_mean"] == pytest.approx(100)
    assert day.total["coverage"] == pytest.approx(1)
    rows = await world.rollups.read(["s.main"], Grain.DAY, Period(APRIL, APRIL + DAY))
    assert rows["expected"].to_list() == [24 + 144]


async def test_a_past_that_was_always_otherwise_is_computed_again(world):
    """100 kWh an hour that were declared to be of half an hour: 200 kW becomes 100 kW."""
    await world.add("s", a_meter("main", expected_interval_s=1800), timezone="UTC")
    await draw(world, "s.main", APRIL, [100.0] * 24)
    before = await of_site(world, APRIL, APRIL + DAY, Grain.DAY)
    assert (before.total["power_kw_max"], before.total["coverage"]) == (200.0, 0.5)

    meter = await declare(world, a_meter("main"), valid_from=None)

    after = await of_site(world, APRIL, APRIL + DAY, Grain.DAY)
    assert meter.earlier == ()
    assert (after.total["power_kw_max"], after.total["coverage"]) == (100.0, 1.0)


async def test_a_register_that_was_an_interval_meter_in_between_counts_nothing_twice(world):
    """Counts to noon, tells 10 kWh an hour until 18 h, counts again: the new count begins anew."""
    count = a_meter("main", kind=MeterKind.REGISTER, register_size_kwh=1e6)
    await world.add("s", count, timezone="UTC")
    noon, evening = APRIL + 12 * HOUR, APRIL + 18 * HOUR
    await declare(world, a_meter("main"), valid_from=noon, valid_to=evening)
    rows = [
        {"meter_id": "s.main", "timestamp": at.isoformat(), "register_kwh": value}
        for at, value in [
            (APRIL, 0.0),
            (APRIL + 11 * HOUR, 110.0),
            (evening, 500.0),
            (evening + 5 * HOUR, 550.0),
        ]
    ]
    await ingest.ingest_readings(
        pl.DataFrame(rows),
        Origin.of("test", b""),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )
    await draw(world, "s.main", noon, [10.0] * 6)

    day = await of_site(world, APRIL, APRIL + DAY, Grain.DAY)

    assert day.total["energy_kwh"] == pytest.approx(110 + 60 + 50)  # not the 390 in between


# --- another role --------------------------------------------------------------------------------


async def test_a_meter_counts_for_its_site_while_it_is_a_main_one(world):
    """Two of 100 kW; from the 16th the second one only measures a part of the first."""
    await world.add("s", a_meter("one"), a_meter("two"), timezone="UTC")
    for name in ("one", "two"):
        await draw(world, f"s.{name}", APRIL, [100.0] * 24 * 30)

    await declare(world, a_meter("two", role=MeterRole.SUB), valid_from=date(2026, 4, 16))

    for grain in (Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.HOUR):
        april = await of_site(world, APRIL, MAY, grain)
        # 30 days × 100 kW and 15 days × 100 kW
        assert april.total["energy_kwh"] == pytest.approx(72_000 + 36_000)
        assert april.total["power_kw_max"] == pytest.approx(200)
        if grain is not Grain.WEEK:  # the first one begins in March
            assert april.total["coverage"] == pytest.approx(1)
    days = (await of_site(world, APRIL, MAY, Grain.DAY)).rows["energy_kwh"].to_list()
    assert days == pytest.approx([4_800] * 15 + [2_400] * 15)


async def test_roles_and_capacity_are_those_that_were_declared_at_the_instant_asked_for(world):
    """A site that was counted twice until somebody saw it says so when asked as of then."""
    world.clock.at = MAY
    await world.add("s", a_meter("one"), a_meter("two"), timezone="UTC")
    for name in ("one", "two"):
        await draw(world, f"s.{name}", APRIL, [100.0] * 24)
    then = MAY + HOUR
    world.clock.at = then + HOUR

    await declare(world, a_meter("two", role=MeterRole.SUB), valid_from=None)

    end = APRIL + DAY
    now = await of_site(world, APRIL, end, Grain.DAY)
    before = await of_site(world, APRIL, end, Grain.DAY, as_of=then)
    assert now.total["energy_kwh"] == pytest.approx(2_400)
    assert before.total["energy_kwh"] == pytest.approx(4_800)
    assert before.meters["role"].to_list() == ["main", "main"]
    known = await world.registry.meters(as_of=then)
    assert known["role"].to_list() == ["main", "main"]


# --- civil days and months -----------------------------------------------------------------------


async def test_a_civil_day_has_the_hours_that_the_calendar_gives_it(world):
    """Oslo: 23 hours on 29 March 2026. 100 kW on each of three days: 2 400, 2 300, 2 400 kWh."""
    daily = a_meter("main", expected_interval=CivilInterval.DAY, expected_interval_s=86_400)
    await world.add("s", daily)
    stamps = [
        datetime(2026, 3, day, hour, tzinfo=UTC) for day, hour in ((27, 23), (28, 23), (29, 22))
    ]
    for at, energy in zip(stamps, (2_400.0, 2_300.0, 2_400.0), strict=True):
        await draw(world, "s.main", at, [energy])

    series = await of_site(world, stamps[0], datetime(2026, 3, 30, 22, tzinfo=UTC), Grain.DAY)

    assert series.rows["energy_kwh"].to_list() == pytest.approx([2_400, 2_300, 2_400])
    assert series.rows["coverage"].to_list() == [1, 1, 1]
    assert series.rows["power_kw_max"].to_list() == pytest.approx([100, 100, 100])
    rows = await world.rollups.read(["s.main"], Grain.DAY, series.period)
    assert rows["expected"].to_list() == [1, 1, 1]


async def test_a_civil_month_is_as_long_as_the_calendar_says(world):
    """100 kW in February (672 h), March (743 h in Oslo) and April (720 h)."""
    monthly = a_meter(
        "main", expected_interval=CivilInterval.MONTH, expected_interval_s=31 * 86_400
    )
    await world.add("s", monthly, capacity_kw=None)
    stamps = [
        datetime(2026, 1, 31, 23, tzinfo=UTC),
        datetime(2026, 2, 28, 23, tzinfo=UTC),
        datetime(2026, 3, 31, 22, tzinfo=UTC),
    ]
    for at, hours in zip(stamps, (672, 743, 720), strict=True):
        await draw(world, "s.main", at, [100.0 * hours])

    series = await of_site(world, stamps[0], datetime(2026, 4, 30, 22, tzinfo=UTC), Grain.MONTH)

    assert series.rows["energy_kwh"].to_list() == pytest.approx([67_200, 74_300, 72_000])
    assert series.rows["coverage"].to_list() == [1, 1, 1]
    assert series.rows["power_kw_max"].to_list() == pytest.approx([100, 100, 100])
    rows = await world.rollups.read(["s.main"], Grain.MONTH, series.period)
    assert rows["expected"].to_list() == [1, 1, 1]


async def test_a_civil_day_of_25_hours_has_25(world):
    """Oslo: 25 hours on 25 October 2026. 100 kW on three days: 2 400, 2 500, 2 400 kWh."""
    world.clock.at = datetime(2026, 11, 1, tzinfo=UTC)
    daily = a_meter("main", expected_interval=CivilInterval.DAY, expected_interval_s=86_400)
    await world.add("s", daily)
    stamps = [
        datetime(2026, 10, day, hour, tzinfo=UTC) for day, hour in ((23, 22), (24, 22), (25, 23))
    ]
    for at, energy in zip(stamps, (2_400.0, 2_500.0, 2_400.0), strict=True):
        await draw(world, "s.main", at, [energy])

    series = await of_site(world, stamps[0], datetime(2026, 10, 26, 23, tzinfo=UTC), Grain.DAY)

    assert series.rows["energy_kwh"].to_list() == pytest.approx([2_400, 2_500, 2_400])
    assert series.rows["coverage"].to_list() == [1, 1, 1]
    assert series.rows["power_kw_max"].to_list() == pytest.approx([100, 100, 100])

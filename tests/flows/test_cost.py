"""What a site pays is read from its rollups, its tariffs and its zone's prices."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from tests.core.billing.examples import tariff

from wattbook.core.errors import (
    InvalidEntityError,
    InvalidPeriodError,
    UnknownEntityError,
)
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import Meter, MeterFlow, MeterKind, MeterRole
from wattbook.core.registry.tariffs import (
    Band,
    CoincidentDemand,
    Component,
    Demand,
    Export,
    Fixed,
    Flat,
    Indexed,
    Percentage,
    Ratchet,
    Tariff,
    TimeOfUse,
)
from wattbook.core.registry.windows import DayKind, Window
from wattbook.flows import cost, ingest, metrics, tariffs
from wattbook.flows.cost import Account
from wattbook.flows.ingest import Origin
from wattbook.flows.metrics import Series

T = datetime(2026, 3, 1, 23, tzinfo=UTC)  # midnight of Monday 2 March in Oslo
MARCH = datetime(2026, 2, 28, 23, tzinfo=UTC)
APRIL = datetime(2026, 3, 31, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FLAT = Flat(name="energy", price_per_kwh=0.10)
DEMAND = Demand(name="demand", price_per_kw_month=10.0)


async def draw(
    world, meter_id: str, begin: datetime, end: datetime, kwh: Callable[[int], float] | float
) -> None:
    """So much energy in each hour, by the number of the hour."""
    hours = range(int((end - begin) / HOUR))
    rows = pl.DataFrame(
        {
            "meter_id": [meter_id] * len(hours),
            "timestamp": [(begin + hour * HOUR).isoformat() for hour in hours],
            "energy_kwh": [float(kwh(hour)) if callable(kwh) else float(kwh) for hour in hours],
        }
    )
    written = await ingest.ingest_readings(
        rows,
        Origin.of("test", b""),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )
    assert written.receipt.rejected == 0


async def prices(world, begin: datetime, hours: int, price: float, currency: str = "EUR") -> None:
    rows = pl.DataFrame(
        {
            "zone": ["NO1"] * hours,
            "start": [(begin + hour * HOUR).isoformat() for hour in range(hours)],
            "price_per_mwh": [price] * hours,
            "currency": [currency] * hours,
        }
    )
    await ingest.ingest_grid(rows, Origin.of("test", b""), grid=world.grid, clock=world.clock)


async def put(world, *sent: Tariff, site_id: str = "s", only: bool = False) -> tuple[Tariff, ...]:
    placed = await tariffs.put(
        site_id,
        sent,
        only=only,
        registry=world.registry,
        calendar=world.calendar,
        now=world.clock.now(),
    )
    return placed.site.tariffs


async def account(
    world, begin: datetime, end: datetime, grain: Grain = Grain.MONTH, **options
) -> Account:
    return await cost.account(
        options.pop("entity_id", "s"),
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


async def figures(world, begin: datetime, end: datetime, grain: Grain, **options) -> Series:
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


def always(*components: Component, **fields) -> Tariff:
    return tariff(*components, **{"valid_from": date(2025, 1, 1), **fields})


@pytest.mark.slow
async def test_a_month_of_a_site_is_billed(world) -> None:
    """March 2026 has 743 hours in Oslo: 742 of 100 kWh, and one of 300."""
    await world.add("s")
    await draw(world, "s.main", MARCH, APRIL, lambda hour: 300.0 if hour == 500 else 100.0)
    await put(world, always(FLAT, DEMAND, Percentage(name="VAT", percent=25.0, of=("energy",))))

    found = await account(world, T, T + HOUR)

    (bill,) = found.bills
    assert [(line.component, line.quantity, line.amount) for line in bill.lines] == [
        ("energy", 74_500.0, 7_450.0),
        ("demand", 300.0, 3_000.0),
        ("VAT", 7_450.0, 1_862.5),
    ]
    assert bill.lines[1].peak_at == MARCH + 500 * HOUR
    assert (bill.complete, bill.month.coverage) == (True, 1.0)
    assert found.totals == [{"currency": "EUR", "cost": 12_312.5}]
    assert (found.energy_kwh, found.coverage) == (74_500.0, 1.0)
    assert (found.period.start, found.period.end) == (MARCH, APRIL)


@pytest.mark.slow
async def test_only_the_main_meters_pay_and_their_demand_is_that_of_the_sum(world) -> None:
    def meter(name: str, role: MeterRole = MeterRole.MAIN) -> Meter:
        return Meter(
            id=f"s.{name}",
            site_id="s",
            kind=MeterKind.INTERVAL,
            role=role,
            expected_interval_s=3600,
        )

    await world.add(
        "s",
        meter("a"),
        meter("b"),
        meter("hall", MeterRole.SUB),
        meter("roof", MeterRole.GENERATION),
    )
    await draw(world, "s.a", MARCH, APRIL, lambda hour: 200.0 if hour == 7 else 100.0)
    await draw(world, "s.b", MARCH, APRIL, lambda hour: 200.0 if hour == 9 else 100.0)
    await draw(world, "s.hall", MARCH, APRIL, 90.0)
    await draw(world, "s.roof", MARCH, APRIL, 500.0)
    await put(world, always(FLAT, DEMAND))

    (bill,) = (await account(world, T, T + HOUR)).bills

    # 743 h × 200 kWh and 2 × 100 more; the peaks of 200 kW are not at the same time
    assert [line.quantity for line in bill.lines] == [148_800.0, 300.0]


@pytest.mark.slow
async def test_one_silent_main_meter_makes_the_bill_incomplete(world) -> None:
    meters = [
        Meter(id=f"s.{name}", site_id="s", kind=MeterKind.INTERVAL, expected_interval_s=3600)
        for name in "ab"
    ]
    await world.add("s", *meters)
    await draw(world, "s.a", MARCH, APRIL, 100.0)
    await put(world, always(FLAT))

    found = await account(world, T, T + HOUR)

    assert found.bills[0].month.coverage == 0.5
    assert not found.bills[0].complete
    assert found.rows["coverage"].to_list() == [0.5]


@pytest.mark.slow
async def test_a_site_without_tariff_pays_the_price_of_its_zone(world) -> None:
    await world.add("s")
    await draw(world, "s.main", T, T + DAY, 100.0)
    await prices(world, T, 12, 50.0)

    found = await account(world, T, T + DAY, Grain.DAY)
    before = await figures(world, T, T + DAY, Grain.DAY)

    row = found.rows.row(0, named=True)
    assert (row["component"], row["currency"], row["cost"]) == ("energy", "EUR", 60.0)
    assert row["cost_energy_share"] == 0.5
    assert before.rows.select("cost", "currency", "cost_energy_share").row(0) == (60.0, "EUR", 0.5)


@pytest.mark.slow
async def test_a_site_s_figures_show_what_it_pays(world) -> None:
    await world.add("s")
    await draw(world, "s.main", MARCH, APRIL, 100.0)
    await put(world, always(FLAT, DEMAND, Fixed(name="standing", price=50.0)))

    by_day = await figures(world, MARCH, APRIL, Grain.DAY)
    by_month = await figures(world, MARCH, APRIL, Grain.MONTH)

    # 31 days, one of them of 23 hours; then 100 kW × 10 and 50 beside them
    assert by_day.rows["cost"].sum() == pytest.approx(7_430.0)
    assert by_day.rows["cost"][28] == pytest.approx(230.0)
    assert by_day.total["cost"] == pytest.approx(7_430.0)
    assert by_month.rows["cost"].to_list() == [pytest.approx(8_480.0)]
    assert by_month.total["cost"] == pytest.approx(8_480.0)
    assert by_month.total["currency"] == "EUR"


@pytest.mark.slow
async def test_holidays_are_those_of_the_calendar_and_of_the_tariff(world) -> None:
    """In May 2026 Norway has 1, 14, 17, 24 and 25; the tariff adds Tuesday the 26th."""
    free = TimeOfUse(
        name="energy",
        bands=(
            Band(
                name="work",
                price_per_kwh=0.2,
                windows=(Window(days=(DayKind.WEEKDAY, DayKind.WEEKEND)),),
            ),
            Band(name="rest", price_per_kwh=0.1, windows=(Window(days=(DayKind.HOLIDAY,)),)),
        ),
    )
    may, june = datetime(2026, 4, 30, 22, tzinfo=UTC), datetime(2026, 5, 31, 22, tzinfo=UTC)
    await world.add("s")
    await draw(world, "s.main", may, june, 100.0)
    await put(world, always(free, calendar="NO", holidays=(date(2026, 5, 26),)))

    (bill,) = (await account(world, may, june)).bills

    assert [day.day for day in bill.holidays] == [1, 14, 17, 24, 25, 26]
    assert [line.quantity for line in bill.lines] == [25 * 2_400.0, 6 * 2_400.0]


@pytest.mark.slow
async def test_a_ratchet_reads_the_months_before(world) -> None:
    await world.add("s")
    february = MARCH - 28 * DAY
    await draw(world, "s.main", february, MARCH, 400.0)
    await draw(world, "s.main", MARCH, APRIL, 100.0)
    ratchet = replace(DEMAND, ratchet=Ratchet(percent=75.0, months=11))
    await put(world, always(ratchet, valid_from=date(2026, 2, 1)))

    found = await account(world, T, T + HOUR)
    then = await account(world, T, T + HOUR, as_of=world.clock.now())

    (line,) = found.bills[0].lines
    assert (line.peak_kw, line.floor_kw, line.quantity) == (100.0, 300.0, 300.0)
    assert line.floor_month == date(2026, 2, 1)
    assert found.bills[0].complete
    assert then.bills == found.bills


@pytest.mark.slow
async def test_as_of_bills_what_was_known_then(world) -> None:
    await world.add("s")
    await draw(world, "s.main", MARCH, APRIL, 100.0)
    await prices(world, MARCH, 743, 50.0)
    await put(world, always(Indexed(name="market")))
    before = world.clock.at
    world.clock.at += DAY
    await draw(world, "s.main", MARCH, APRIL, 200.0)
    await prices(world, MARCH, 743, 60.0)

    then = await account(world, T, T + HOUR, as_of=before)
    now = await account(world, T, T + HOUR)

    assert then.bills[0].lines[0].amount == pytest.approx(3_715.0)  # 74.3 MWh × 50
    assert now.bills[0].lines[0].amount == pytest.approx(8_916.0)  # 148.6 MWh × 60


@pytest.mark.slow
async def test_where_a_day_begins_within_an_hour_its_first_half_hour_has_a_price(world) -> None:
    midnight = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
    await world.add("s", timezone="Asia/Kolkata")
    await draw(world, "s.main", midnight - HOUR / 2, midnight + DAY + HOUR / 2, 100.0)
    await prices(world, midnight - HOUR / 2, 25, 50.0)

    without = await figures(world, midnight, midnight + DAY, Grain.DAY)
    found = await account(world, midnight, midnight + DAY, Grain.DAY)

    assert without.total["cost"] == pytest.approx(120.0)  # 2.4 MWh × 50
    assert without.total["cost_energy_share"] == 1.0
    assert found.totals == [{"currency": "EUR", "cost": pytest.approx(120.0)}]


async def test_a_week_across_two_months_bills_both(world) -> None:
    await world.add("s")
    await put(world, always(FLAT))

    found = await account(world, T - DAY, T - DAY + HOUR, Grain.WEEK)

    assert [bill.month.first.month for bill in found.bills] == [2, 3]


async def test_a_site_that_is_silent_has_bills_that_say_so(world) -> None:
    await world.add("s")
    await put(world, always(FLAT, Fixed(name="standing", price=50.0)))

    found = await account(world, T, T + DAY, Grain.DAY)

    assert found.rows.select("component", "cost", "coverage").rows() == [("energy", None, 0.0)]
    assert [line.amount for line in found.bills[0].lines] == [None, 50.0]
    assert (found.energy_kwh, found.coverage) == (None, 0.0)


async def test_standing_charges_are_spread_where_that_is_asked_for(world) -> None:
    await world.add("s")
    await put(world, always(Fixed(name="standing", price=743.0)))

    found = await account(world, T, T + HOUR, Grain.HOUR, spread=True)

    assert found.rows["cost"].to_list() == [pytest.approx(1.0)]  # of 743 hours
    assert found.spread


@pytest.mark.slow
@pytest.mark.parametrize("entity_id", ["operator:alder", "alder", "zone:NO1"])
async def test_a_bill_is_of_one_site(world, entity_id: str) -> None:
    await world.add("s")

    with pytest.raises(InvalidEntityError, match="a bill is of one site") as caught:
        await account(world, T, T + DAY, entity_id=entity_id)

    assert caught.value.problems[0].field == "entity_id"


async def test_a_site_that_nobody_registered_pays_nothing(world) -> None:
    with pytest.raises(UnknownEntityError):
        await account(world, T, T + DAY, entity_id="nowhere")
    with pytest.raises(UnknownEntityError):
        await put(world, always(FLAT), site_id="nowhere")


async def test_more_rows_than_can_be_shown_are_refused(world) -> None:
    await world.add("s")
    many = [replace(FLAT, name=f"part {at}") for at in range(50)]
    await put(world, always(*many))

    with pytest.raises(InvalidPeriodError, match="400000 rows"):
        await account(world, T, T + 365 * DAY, Grain.QUARTER)


# --- registering them --------------------------------------------------------------------------


async def test_an_id_that_is_left_out_is_made_up_from_the_first_day(world) -> None:
    await world.add("s")

    for _ in range(2):
        found = await put(world, always(FLAT, id=""), always(FLAT, id="", valid_from=T.date()))

        assert [each.id for each in found] == ["tariff-2025-01-01", "tariff-2026-03-01"]
        assert {each.site_id for each in found} == {"s"}


async def test_a_tariff_with_a_known_id_is_replaced_and_the_others_stay(world) -> None:
    await world.add("s")
    await put(world, always(FLAT, id="a"), always(FLAT, id="b", valid_from=date(2026, 1, 1)))
    dearer = always(replace(FLAT, price_per_kwh=0.2), id="b", valid_from=date(2026, 1, 1))

    found = await put(world, dearer)

    assert [each.id for each in found] == ["a", "b"]
    assert found[1] == replace(dearer, site_id="s")


async def test_all_tariffs_can_be_replaced_at_once(world) -> None:
    await world.add("s")
    await put(world, always(FLAT, id="a"), always(FLAT, id="b", valid_from=date(2026, 1, 1)))

    assert [each.id for each in await put(world, always(FLAT, id="c"), only=True)] == ["c"]
    assert await put(world, only=True) == ()


async def test_what_cannot_be_meant_is_refused_whole_and_named(world) -> None:
    await world.add("s")
    (kept,) = await put(world, always(FLAT, id="a", valid_to=date(2027, 1, 1)))

    with pytest.raises(InvalidEntityError) as caught:
        await put(
            world,
            always(FLAT, id="../etc", valid_from=date(2026, 1, 1), calendar="XX-1"),
            always(FLAT, id="c", valid_from=date(2028, 1, 1), currency="dollars"),
            always(FLAT, id="c", valid_from=date(2029, 1, 1)),
        )

    assert sorted((each.field or "", each.reason) for each in caught.value.problems) == [
        ("tariffs[0].calendar", "unknown_calendar"),
        ("tariffs[0].id", "bad_id"),
        ("tariffs[0].valid_from", "overlap"),
        ("tariffs[1].currency", "bad_currency"),
        ("tariffs[2].id", "duplicate_id"),
    ]
    assert (await world.registry.site("s")).tariffs == (kept,)


async def test_a_question_from_a_day_to_the_same_day_is_one_bill(world):
    # 100 kW but in an hour of 5 March, of 20 March and of 20 April.
    await world.add("s")
    spikes = {(3, 5): 1_000.0, (3, 20): 500.0, (4, 20): 800.0}
    at = {datetime(2026, *day, 12, tzinfo=UTC): kwh for day, kwh in spikes.items()}
    await draw(world, "s.main", MARCH, MARCH + 60 * DAY, lambda n: at.get(MARCH + n * HOUR, 100.0))
    await put(world, always(DEMAND, Fixed(name="meter", price=30.0)))
    begin, end = datetime(2026, 3, 17, 23, tzinfo=UTC), datetime(2026, 4, 17, 22, tzinfo=UTC)

    found = await account(world, begin, end)
    weeks = await account(world, begin, end - DAY)

    assert [bill.month.name for bill in found.bills] == ["2026-03-18 to 2026-04-17"]
    assert found.totals == [{"currency": "EUR", "cost": 5_030.0}]  # 500 kW × 10 + 30
    assert [bill.month.name for bill in weeks.bills] == ["2026-03", "2026-04"]


async def test_a_billing_day_of_the_tariff_holds_whatever_is_asked(world):
    await world.add("s")
    await draw(world, "s.main", MARCH, MARCH + 60 * DAY, 100.0)
    await put(world, always(FLAT, billing_day=18))

    found = await account(world, MARCH + 20 * DAY, MARCH + 21 * DAY)  # 21 March
    by_month = await figures(world, MARCH, APRIL, Grain.MONTH)

    (bill,) = found.bills
    assert bill.month.name == "2026-03-18 to 2026-04-17"
    assert bill.energy_kwh == 31 * 24 * 100.0 - 100.0  # clocks go on an hour on 29 March
    assert by_month.total["cost"] == pytest.approx(7_430.0)  # 743 h × 100 kW × 0.10, civil


async def test_a_peak_that_was_estimated_is_marked_and_the_bill_complete(world):
    await world.add("s")
    await draw(world, "s.main", MARCH, APRIL, 100.0)
    row = {"meter_id": ["s.main"], "timestamp": [T.isoformat()], "energy_kwh": [300.0]}
    await ingest.ingest_readings(
        pl.DataFrame({**row, "quality": ["estimated"]}),
        Origin.of("test", b""),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )
    await put(world, always(replace(DEMAND, interval_minutes=60)))

    (bill,) = (await account(world, MARCH, APRIL)).bills

    (line,) = bill.lines
    assert (line.quantity, line.estimated, bill.complete) == (300.0, True, True)
    assert [each.detail for each in bill.missing] == [  # twice the capacity of 1 000 kW
        "demand: readings are missing or estimated; the demand may have been up to 2000.0 kW"
    ]


async def counted(world, counts: dict[int, float]) -> int:
    """A site whose quarter-hourly register sends these states of March; how many are refused."""
    counter = Meter(
        id="s.main",
        site_id="s",
        kind=MeterKind.REGISTER,
        role=MeterRole.MAIN,
        expected_interval_s=900,
    )
    await world.add("s", counter)
    rows = {
        "meter_id": ["s.main"] * len(counts),
        "timestamp": [(MARCH + each * HOUR / 4).isoformat() for each in counts],
        "register_kwh": list(counts.values()),
    }
    written = await ingest.ingest_readings(
        pl.DataFrame(rows),
        Origin.of("test", b""),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )
    return int(written.receipt.rejected)


async def test_a_demand_of_a_register_over_a_refused_row_is_never_a_measured_one(world):
    quarters = int((APRIL - MARCH) / (HOUR / 4)) + 1
    counts = [25.0 * each for each in range(quarters)]  # 100 kW; from T on 60 kWh more in 30 min
    at = int((T - MARCH) / (HOUR / 4))
    counts = [each + (60.0 if place > at + 1 else 0.0) for place, each in enumerate(counts)]
    counts[at + 1] = -1.0  # refused
    assert await counted(world, dict(enumerate(counts))) == 1
    await put(world, always(FLAT, DEMAND))

    (bill,) = (await account(world, MARCH, APRIL)).bills

    # 743 h × 100 kW + 60 kWh: all that was counted is paid for
    energy, demand = bill.lines
    assert bill.energy_kwh == pytest.approx(743 * 100.0 + 60.0)
    assert energy.amount == pytest.approx(0.10 * (743 * 100.0 + 60.0))
    # 110 kWh in 30 min are 220 kW on average, but of neither quarter-hour
    assert demand.quantity == pytest.approx(220.0)
    assert demand.estimated
    assert [each.detail for each in bill.missing] == [  # 110 kWh in one quarter-hour
        "demand: readings are missing or estimated; the demand may have been up to 440.0 kW"
    ]


async def test_a_register_that_left_readings_out_never_has_a_measured_demand_for_the_month(world):
    quarters = int((APRIL - MARCH) / (HOUR / 4)) + 1
    counts = [30.0 * each for each in range(quarters)]  # 120 kW
    gap = int((T - MARCH) / (HOUR / 4))
    kept = {each: kwh for each, kwh in enumerate(counts) if each not in range(gap + 1, gap + 5)}
    assert await counted(world, kept) == 0
    await put(world, always(DEMAND))

    (bill,) = (await account(world, MARCH, APRIL)).bills

    # 5 quarter-hours × 30 kWh = 150 kWh, which in one of them are 600 kW
    (line,) = bill.lines
    assert line.quantity == pytest.approx(120.0)
    assert line.estimated
    assert line.demand_kw_most == pytest.approx(600.0)
    assert (bill.complete, bill.month.coverage) == (True, 1.0)
    assert [each.detail for each in bill.missing] == [
        "demand: readings are missing or estimated; the demand may have been up to 600.0 kW"
    ]


async def test_the_quarter_hour_demand_of_an_hourly_meter_is_estimated_and_says_so(world):
    await world.add("s")  # its main meter tells energy by the hour
    await draw(world, "s.main", MARCH, APRIL, 100.0)
    await put(world, always(DEMAND))

    (bill,) = (await account(world, MARCH, APRIL)).bills

    (line,) = bill.lines
    assert (line.quantity, line.estimated, bill.complete) == (100.0, True, True)
    assert line.demand_interval_s == 3600
    assert [each.detail for each in bill.missing] == [
        "demand: a meter has one value for 1 hour; the demand may have been up to 400.0 kW"
    ]


async def test_peaks_of_the_zone_are_read_from_its_load(world):
    await world.add("s")
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    rows = pl.DataFrame(
        {
            "zone": ["NO1"] * 744,
            "start": [(MARCH + n * HOUR).isoformat() for n in range(744)],
            "load_mw": [900.0 if n == 300 else 500.0 for n in range(744)],
        }
    )
    await ingest.ingest_grid(rows, Origin.of("test", b""), grid=world.grid, clock=world.clock)
    await draw(world, "s.main", MARCH, APRIL, lambda n: 40.0 if n == 300 else 100.0)
    peak = CoincidentDemand(name="cp", price_per_kw_month=5.0, months=(3,), same_month=True)
    await put(world, always(peak))

    (bill,) = (await account(world, begin, begin + DAY)).bills

    assert (bill.lines[0].quantity, bill.lines[0].amount) == (40.0, 200.0)


async def test_what_a_net_meter_gives_back_is_billed_and_in_the_figures(world):
    both = Meter(id="s.main", site_id="s", kind=MeterKind.INTERVAL, expected_interval_s=3600)
    await world.add("s", replace(both, flow=MeterFlow.NET))
    await draw(world, "s.main", MARCH, APRIL, lambda n: -40.0 if n % 24 == 12 else 100.0)
    await put(world, always(FLAT, Export(name="feed-in", price_per_kwh=0.05)))

    found = await account(world, MARCH, APRIL)
    series = await figures(world, MARCH, APRIL, Grain.MONTH)

    # 743 hours, of which 31 give 40 kWh back: 712 × 100 × 0.10 − 31 × 40 × 0.05 = 7 120 − 62.
    assert found.bills[0].totals == {"EUR": pytest.approx(7_058.0)}
    assert (found.bills[0].export_kwh, found.energy_kwh) == (1_240.0, 71_200.0 - 1_240.0)
    assert series.total["cost"] == pytest.approx(7_058.0)

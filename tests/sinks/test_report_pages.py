"""What the first page says, what it warns of, and that its figures agree."""

import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from pypdf import PdfReader
from tests.core.billing.examples import tariff
from tests.flows.conftest import World, empty_world
from tests.flows.report_examples import DAY, HOUR, conditions, draw, made

from wattbook.core.anomaly.finding import (
    Category,
    Evidence,
    Finding,
    Review,
    Rule,
    Severity,
    State,
)
from wattbook.core.forecast.task import Basis, ModelName
from wattbook.core.periods import Period
from wattbook.core.registry.entities import Meter, MeterKind, MeterRole
from wattbook.core.registry.tariffs import (
    CoincidentDemand,
    Demand,
    DemandSteps,
    Export,
    Flat,
    Indexed,
    Minimum,
    Step,
)
from wattbook.core.reporting.report import Format, Report
from wattbook.flows import ingest, sites
from wattbook.flows.ingest import Origin
from wattbook.ports.forecasts import ForecastSpec, Run
from wattbook.ports.registry import Edit
from wattbook.sinks import documents
from wattbook.sinks.documents import cover
from wattbook.sinks.documents.blocks import Figure, Side, Table
from wattbook.sinks.documents.outline import outline
from wattbook.sinks.documents.wording import period_of

pytestmark = pytest.mark.slow

T = datetime(2026, 4, 1, tzinfo=UTC)
MONTH = 30 * DAY


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with empty_world() as opened:
        yield opened


def plain(text: str) -> str:
    return " ".join(text.split())


def notices(report: Report) -> list[str]:
    return [plain(each.text) for each in outline(report).notices]


def table(report: Report, caption: str) -> Table:
    blocks = [block for section in outline(report).sections for block in section.blocks]
    return next(b for b in blocks if isinstance(b, Table) and b.caption.startswith(caption))


def pairs(report: Report) -> dict[str, str]:
    return {name: plain(value) for name, value in cover.about(report)}


async def test_the_first_page_says_who_files_for_which_place(world) -> None:
    await world.add("s", timezone="UTC")
    await world.registry.edit(
        "s",
        Edit(
            changes={
                "legal_name": "Alder Kraft AS",
                "permit": "NVE 17",
                "address": "Storgata 1, Oslo",
            }
        ),
        world.clock.now(),
    )
    await draw(world, "s.main", T, [10.0] * 720)

    report = await made(world, "s", T, MONTH)

    about = pairs(report)
    assert about["Operator"] == "Alder Kraft AS"
    assert about["Permit"] == "NVE 17"
    assert about["Place"] == "Storgata 1, Oslo; grid zone NO1"
    assert about["Contact"] == "not registered"
    assert about["Period"] == "April 2026 (30 days, UTC)"
    assert about["Status"] == "draft"


async def test_a_report_is_final_only_of_a_period_that_is_over(world) -> None:
    await world.add("s", timezone="UTC")
    await draw(world, "s.main", T, [10.0] * 24)

    final = await made(world, "s", T, DAY, final=True)

    assert pairs(final)["Status"] == "final"
    with pytest.raises(Exception, match="a final report needs a period that is over"):
        await made(world, "s", world.clock.at - DAY, 2 * DAY, final=True)


async def test_the_sentences_are_computed_from_the_figures(world) -> None:
    await world.add("s", timezone="UTC", zone="XZ")
    await draw(world, "s.main", T - DAY, [10.0] * 24)
    await draw(world, "s.main", T, [11.0] * 23 + [500.0])
    price = {"gen_gas_mw": 1.0, "price_per_mwh": 50.0, "currency": "EUR"}
    await conditions(world, "XZ", T, [price] * 24)

    said = [plain(each) for each in cover.findings(await made(world, "s", T, DAY))]

    # 23 × 11 + 500 = 753 kWh against 240: 214 % more; 500 of 1000 kW; 0.753 MWh × 50
    # The meter tells energy by the hour: it has no quarter-hour peak.
    when = "in the hour from 1 April 2026 at 23:00: a meter has one value for 1 hour"
    assert said == [
        "s used 753.0 kWh, 214 % more than in the day before (240.0 kWh).",
        f"The highest demand was 500.0 kW, 50 % of the capacity of 1 000 kW, {when}.",
        "Electricity cost 37.65 EUR, on average 50.00 EUR/MWh.",
        "Location-based emissions were 369.0 kg CO₂e, at 490 g/kWh on average.",
        "Energy is known for all of the time, and no reading is missing.",
    ]


async def register(world, readings: dict[int, float]) -> None:
    meter = Meter(id="r.main", site_id="r", kind=MeterKind.REGISTER, expected_interval_s=900)
    await world.add("r", meter, timezone="UTC")
    rows = [
        {"meter_id": "r.main", "timestamp": (T + timedelta(minutes=15 * at)).isoformat(),
         "register_kwh": value}
        for at, value in readings.items()
    ]  # fmt: skip
    await ingest.ingest_readings(
        pl.DataFrame(rows),
        Origin.of("test", b""),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )


async def test_a_register_that_was_silent_for_nine_hours_is_not_complete(world) -> None:
    silent = range(9, 45)  # 36 readings, of 02:15 to 11:00
    await register(world, {at: 10.0 * at for at in range(97) if at not in silent})

    report = await made(world, "r", T, DAY)

    assert report.total["coverage"] == 1.0
    came = report.quality.completeness
    assert (came.received, came.expected, came.missing) == (60, 96, 36)
    (notice,) = [each for each in notices(report) if "readings" in each]
    assert notice.startswith(
        "Missing readings: 36 of 96 readings did not come. The longest span without readings"
        " lasted 9 hours from 1 April 2026 at 02:15. Registers show that"
    )
    assert report.curves.load["estimated"].sum() >= 36
    quality = table(report, "Longest spans without readings")
    assert [plain(cell) for cell in quality.rows[0]][3:] == [
        "9 h",
        "360.0 kWh, distribution estimated",
    ]


@pytest.mark.parametrize("days", [1, 4])
async def test_a_sum_is_no_estimate_where_most_of_its_energy_is_measured(world, days) -> None:
    silent = range(9, 45)
    await register(world, {at: 10.0 * at for at in range(97) if at not in silent})
    await world.add("large", timezone="UTC")
    await draw(world, "large.main", T, [400.0] * 24 * days)  # of 440 kWh an hour

    both = await made(world, "network", T, days * DAY)
    alone = await made(world, "r", T, days * DAY)

    assert not both.curves.load["estimated"].any()
    assert alone.curves.load["estimated"].any()


async def test_counts_of_readings_agree_on_every_page(world) -> None:
    silent = range(9, 45)
    await register(world, {at: 10.0 * at for at in range(-4, 101) if at not in silent})

    report = await made(world, "r", T, DAY)

    found = report.fingerprint
    assert report.total["readings"] == 60
    assert found.readings - found.others - found.around == 60
    assert found.around > 0
    text = plain(documents.render(report, Format.HTML).decode())
    assert "60 readings of revenue meters in the period" in text
    assert f"{found.around} just outside it" in text


async def test_a_cost_that_does_not_cover_all_energy_says_so_at_the_top(world) -> None:
    await world.add("s", timezone="UTC", zone="XZ")
    await world.registry.edit(
        "s",
        Edit(parts=(tariff(Indexed(name="spot"), Demand(name="demand", price_per_kw_month=5.0)),)),
        world.clock.now(),
    )
    await draw(world, "s.main", T, [10.0] * 720)  # no price was loaded

    report = await made(world, "s", T, MONTH)

    assert any(
        each == "Incomplete cost: 50.00 EUR covers 0.0 % of the energy; for the rest no price is"
        " known."
        for each in notices(report)
    )
    lacking = table(report, "Missing from the bills")
    assert lacking.rows[0][-1] == "7\u202f200.0\xa0kWh have no price"
    assert plain(table(report, "Cost by component").caption).endswith("for 0.0 % of the energy")


async def test_the_rows_of_days_and_what_is_due_by_the_month_add_up(world) -> None:
    await world.add("s", timezone="UTC", zone="XZ")
    await world.registry.edit(
        "s",
        Edit(
            parts=(
                tariff(
                    Flat(name="energy", price_per_kwh=0.1),
                    Demand(name="demand", price_per_kw_month=5.0),
                ),
            )
        ),
        world.clock.now(),
    )
    await draw(world, "s.main", T, [10.0] * 720)

    report = await made(world, "s", T, MONTH)

    # 7200 kWh × 0.10 and 10 kW × 5
    days = table(report, "Figures by day")
    assert sum(float(row[-1]) for row in days.rows) == pytest.approx(720.0)
    assert [(row[0], float(row[-1])) for row in days.totals] == [
        ("Due by the month", 50.0),
        ("All", 770.0),
    ]
    bill = table(report, "Cost by component")
    assert [plain(row[3]) for row in bill.rows] == ["720.00", "50.00"]
    assert plain(bill.totals[0][3]) == "770.00"


async def test_a_world_average_and_mixed_boundaries_are_said_at_the_top(world) -> None:
    await world.add("a", zone="XZ-1", timezone="UTC")
    await world.add("b", zone="NO", timezone="UTC")
    for site in ("a", "b"):
        await draw(world, f"{site}.main", T, [10.0] * 24)

    said = notices(await made(world, "operator:alder", T, DAY))

    assert any(each.startswith("World average: for 50.0 % of the energy") for each in said)
    assert any(each.startswith("Mixed boundaries:") for each in said)


async def test_sites_of_one_boundary_are_not_mixed(world) -> None:
    await world.add("b", zone="NO", timezone="UTC")
    await draw(world, "b.main", T, [10.0] * 24)

    assert not any("boundaries" in each for each in notices(await made(world, "b", T, DAY)))


def finding(**fields) -> Finding:
    plain_ = {
        "finding_id": "f1",
        "meter_id": "s.main",
        "site_id": "s",
        "start_utc": T,
        "end_utc": T + 2 * HOUR,
        "rule": Rule.ZERO,
        "category": Category.OPERATIONAL,
        "score": 1.0,
        "severity": Severity.HIGH,
        "energy_at_stake_kwh": -20.0,
        "cause": "Nothing flowed for 2 hours. 10.0 kW is usual.",
        "evidence": Evidence(quantity="power_kw", observed=0.0, expected=10.0),
        "fingerprint": "0" * 64,
        "version": "1",
        "found_utc": T + 3 * DAY,
        "seen_utc": T + 3 * DAY,
    }
    return Finding(**{**plain_, **fields})


async def test_findings_are_in_the_report_with_their_energy_and_worth(world) -> None:
    await world.add("s", timezone="UTC", zone="XZ")
    await draw(world, "s.main", T, [10.0] * 24)
    await conditions(world, "XZ", T, [{"price_per_mwh": 50.0, "currency": "EUR"}] * 24)
    other = finding(
        finding_id="f2",
        rule=Rule.SPIKE,
        review=Review(state=State.DISMISSED, at_utc=T + 4 * DAY),
    )
    await world.anomalies.replace(["s.main"], Period(T, T + DAY), [finding(), other])
    await world.anomalies.review("f2", other.review)

    report = await made(world, "s", T, DAY)
    before = await made(world, "s", T, DAY, as_of=T + 2 * DAY)

    (row,) = table(report, "1").rows
    assert [plain(cell) for cell in row] == [
        "2026-04-01 00:00",
        "2 h",
        "s.main",
        "Nothing flowed for 2 hours. 10.0 kW is usual.",
        "operation",
        "−20.0",
        "−1.00",  # 20 kWh × 50 EUR/MWh
    ]
    assert report.scope.known_utc >= T + 3 * DAY
    assert before.quality.findings == ()


async def test_a_period_that_was_not_searched_says_so(world) -> None:
    await world.add("s", timezone="UTC")
    await draw(world, "s.main", T, [10.0] * 24)

    report = await made(world, "s", T, DAY)

    assert report.quality.findings is None
    assert "findings" not in [section.name for section in outline(report).sections]
    assert "not searched for anomalies" in documents.render(report, Format.HTML).decode()


async def test_one_constant_factor_has_no_chart_of_emissions(world) -> None:
    await world.add("s", timezone="UTC", zone="NO")
    await draw(world, "s.main", T, [10.0] * 24 * 30)

    report = await made(world, "s", T, MONTH)

    text = documents.render(report, Format.HTML).decode()
    assert 'aria-label="Emissions by' not in text
    # publisher, year, title, address; the package only as the way by which the table came
    assert re.search(
        r"Ember \(20\d\d\): Yearly Electricity Data, emissions intensity\."
        r" https://ember-energy\.org/\S+, as distributed with carbontracker [\d.]+\.",
        text,
    )


async def test_a_report_in_html_has_the_typeface_of_the_pdf_and_charts_for_a_telephone(
    world,
) -> None:
    await world.add("s", timezone="UTC", zone="NO")
    await draw(world, "s.main", T, [10.0] * 24 * 30)

    page = documents.render(await made(world, "s", T, MONTH), Format.HTML).decode()

    assert page.count("@font-face") == 2
    assert "font-src data:" in page
    assert page.count('class="for-narrow"') == page.count('class="for-wide"') >= 3
    assert "<title>Wed 1 Apr 2026" in page  # what a pointer is told


async def test_a_demand_above_capacity_or_contract_is_said_at_the_top_and_drawn(world) -> None:
    halls = [
        Meter(id=name, site_id="s", kind=MeterKind.INTERVAL, expected_interval_s=3600)
        for name in ("north", "south")
    ]
    await world.add("s", *halls, timezone="UTC", capacity_kw=100.0)
    await world.registry.edit("s", Edit(changes={"contracted_kw": 75.0}), world.clock.now())
    await draw(world, "north", T, [45.0] * 23 + [50.5])
    await draw(world, "south", T, [45.0] * 23 + [50.5])  # 101 kW together

    report = await made(world, "s", T, DAY)

    at = "on 1 April 2026 at 23:00."
    above = "the demand of s was above its"
    assert notices(report)[:2] == [
        # only the last hour has 101 kW
        (
            f"Capacity exceeded: {above} capacity of 100 kW for 1 hour;"
            f" it reached 101.0 kW (1.0 % above) {at}"
        ),
        # every hour has 90 kW or more
        (
            f"Contracted power exceeded: {above} contracted power of 75 kW for 1 day;"
            f" it reached 101.0 kW (34.7 % above) {at}"
        ),
    ]
    assert pairs(report)["Contracted power"] == "75 kW"
    page = documents.render(report, Format.HTML).decode()
    assert "contracted\xa075\xa0kW" in page


async def test_a_capacity_that_changes_holds_from_its_day_on(world) -> None:
    await world.add("s", timezone="UTC", capacity_kw=100.0)
    await sites.change(
        "s",
        {"capacity_kw": 150.0},
        valid_from=T + DAY,
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        now=world.clock.now(),
    )
    await draw(world, "s.main", T, [90.0] * 22 + [110.0] * 2 + [120.0] * 24)

    report = await made(world, "s", T, 2 * DAY)

    assert pairs(report)["Capacity"] == "100 kW, from 2 April 2026 at 00:00 150 kW"
    # two hours of 110 kW before the change; 120 kW is below the capacity of the second day
    assert notices(report)[0] == (
        "Capacity exceeded: the demand of s was above its capacity of 100 kW for 2 hours; it"
        " reached 110.0 kW (10.0 % above) on 1 April 2026 at 22:00."
    )
    page = documents.render(report, Format.HTML).decode()
    assert "capacity from 2\xa0April\xa02026\xa0150\xa0kW" in page
    before = await made(world, "s", T, DAY)
    assert pairs(before)["Capacity"] == "100 kW"  # not today's


async def test_the_end_of_a_long_table_takes_some_rows_and_its_total_to_the_next_page(
    world,
) -> None:
    await world.add("s", timezone="UTC")
    await draw(world, "s.main", T, [10.0] * 24 * 31)
    for days in range(20, 31):
        pdf = documents.render(await made(world, "s", T, days * DAY), Format.PDF)
        rows = [
            len(re.findall(r"^2026-04-\d\d ", page.extract_text(), re.MULTILINE))
            for page in PdfReader(io.BytesIO(pdf)).pages
        ]
        assert sum(rows) >= days
        assert all(each == 0 or each >= 5 for each in rows), (days, rows)


async def test_sites_of_several_grid_zones_name_theirs_and_their_charts_the_clock(world) -> None:
    await world.add("a", timezone="UTC", zone="NO1")
    await world.add("b", timezone="UTC", zone="NO2")
    await draw(world, "a.main", T, [10.0] * 24)
    await draw(world, "b.main", T, [20.0] * 24)

    both = await made(world, "operator:alder", T, DAY)
    one = await made(world, "zone:NO1", T, DAY)

    assert [row[:2] for row in table(both, "Sites").rows] == [["b", "NO2"], ["a", "NO1"]]
    assert "Grid zone" not in [column.name for column in table(one, "Sites").columns]
    blocks = [block for section in outline(both).sections for block in section.blocks]
    loads = next(b for b in blocks if isinstance(b, Figure) and b.title == "Load by site")
    assert loads.note == "each from zero to its own peak, mean by hour, UTC"


async def test_what_only_some_sites_have_registered_is_not_said_of_all(world) -> None:
    await world.add("a", timezone="UTC")
    await world.add("b", timezone="UTC", operator="birch")
    await world.registry.edit(
        "a",
        Edit(changes={"legal_name": "Alder Kraft AS", "permit": "NVE 17"}),
        world.clock.now(),
    )
    await draw(world, "a.main", T, [10.0])
    await draw(world, "b.main", T, [10.0])

    about = pairs(await made(world, "zone:NO1", T, HOUR))

    assert about["Operators"] == "Alder Kraft AS; birch (legal name not registered)"
    assert about["Permit"] == "NVE 17; of other sites not registered"
    assert about["Contact"] == "not registered"


async def test_a_bill_with_export_shows_the_credit_and_lists_what_it_lacks(world) -> None:
    def meter(name: str, role: MeterRole) -> Meter:
        kind = MeterKind.INTERVAL
        return Meter(id=f"s.{name}", site_id="s", kind=kind, role=role, expected_interval_s=3600)

    await world.add("s", meter("main", MeterRole.MAIN), meter("export", MeterRole.EXPORT),
                    timezone="UTC")  # fmt: skip
    await draw(world, "s.main", T, [100.0] * 708 + [None] * 12)
    await draw(world, "s.export", T, [10.0] * 720)
    pays = tariff(
        Flat(name="energy", price_per_kwh=0.10),
        Indexed(name="spot"),
        Export(name="feed-in", price_per_kwh=0.05),
    )
    await world.registry.edit("s", Edit(parts=(pays,)), world.clock.now())

    report = await made(world, "s", T, MONTH)

    groups = dict(report.payments.lines.select("group", "amount").drop_nulls().rows())
    assert groups == {"energy": pytest.approx(7080.0), "export": pytest.approx(-360.0)}
    # 708 h × 100 kWh × 0.10; 720 h × 10 kWh × 0.05 given back
    assert table(report, "Cost by component").rows[-1][:2] == ["Feed-in", "7\u202f200\xa0kWh"]
    assert [row[1:] for row in table(report, "Missing from the bills").rows] == [
        ["all on energy and demand", "energy is missing for 1.7 % of the time"],  # 12 of 720 h
        ["spot", "70\u202f800.0\xa0kWh have no price"],
    ]
    assert any("exported 7 200.0 kWh" in plain(each) for each in cover.findings(report))
    for form in (Format.PDF, Format.HTML):  # an export meter is in the table of meters
        assert documents.render(report, form)


OSLO = timezone(timedelta(hours=2))
STEPS = DemandSteps(
    name="capacity",
    interval_minutes=60,
    steps=(
        Step(up_to_kw=50, price_per_month=120),
        Step(up_to_kw=1500, price_per_month=200),
        Step(up_to_kw=None, price_per_month=900),
    ),
)


async def test_demand_steps_coincident_peaks_and_a_least_bill_are_lines_of_the_bill(world) -> None:
    await world.add("s", timezone="Europe/Oslo")
    begin = datetime(2026, 3, 31, 22, tzinfo=UTC)  # midnight in Oslo
    await draw(world, "s.main", begin, [100.0] * 720)
    peaks = CoincidentDemand(
        name="peaks",
        price_per_kw_month=3,
        instants=(datetime(2026, 4, 9, 17, tzinfo=OSLO), datetime(2026, 4, 20, 8, tzinfo=OSLO)),
        count=2,
        interval_minutes=60,
        same_month=True,
    )
    least = Minimum(name="least bill", amount=10_000, of=("energy", "capacity", "peaks"))
    pays = tariff(Flat(name="energy", price_per_kwh=0.1), STEPS, peaks, least)
    await world.registry.edit("s", Edit(parts=(pays,)), world.clock.now())

    report = await made(world, "s", begin, MONTH)

    bill = table(report, "Cost by component")
    # 72,000 kWh × 0.1; 100 kW lie from 50 to below 1,500; 100 kW in both peaks × 3; 7,700 of 10,000
    assert [[plain(cell) for cell in row[:4]] for row in bill.rows] == [
        ["Energy", "72 000 kWh", "0.10 / kWh", "7 200"],
        ["Capacity, 50 to below 1 500 kW", "1 month", "200.00 / month", "200"],
        ["Peaks", "100 kW × month", "3.00 / kW × month", "300"],
        ["Least bill", "", "", "2 300"],
    ]
    assert plain(bill.totals[0][3]) == "10 000"
    assert report.payments.lines["group"].to_list() == ["energy", "demand", "demand", "fixed"]
    assert not any(each.startswith("Incomplete bill") for each in notices(report))


async def test_the_steps_of_two_months_stand_together(world) -> None:
    await world.add("s", timezone="UTC")
    await draw(world, "s.main", T, [100.0] * 720 + [10.0] * 744)
    pays = tariff(STEPS, Demand(name="demand", price_per_kw_month=5))
    await world.registry.edit("s", Edit(parts=(pays,)), world.clock.now())

    bill = table(await made(world, "s", T, MONTH + 31 * DAY), "Cost by component")

    assert [(plain(row[0]), plain(row[1])) for row in bill.rows] == [
        ("Capacity, 50 to below 1 500 kW", "1 month"),  # April
        ("Capacity, below 50 kW", "1 month"),  # May
        ("Demand", "110 kW × month"),
    ]


async def test_what_could_not_be_billed_is_one_sentence_at_the_top(world) -> None:
    await world.add("s", timezone="UTC")
    await draw(world, "s.main", T, [100.0] * 700 + [None] * 20)
    pays = tariff(Flat(name="energy", price_per_kwh=0.1), STEPS)
    await world.registry.edit("s", Edit(parts=(pays,)), world.clock.now())

    report = await made(world, "s", T, MONTH)

    (notice,) = [each for each in notices(report) if "bill" in each]
    assert notice == (
        "Incomplete bill: energy and capacity could not be billed in full in 1 bill. The section"
        " Cost says why."
    )


async def test_bills_that_lack_nothing_have_no_table_of_what_is_missing(world) -> None:
    await world.add("s", timezone="UTC")
    await draw(world, "s.main", T, [100.0] * 720)
    await world.registry.edit(
        "s", Edit(parts=(tariff(Flat(name="energy", price_per_kwh=0.10)),)), world.clock.now()
    )

    report = await made(world, "s", T, MONTH)

    assert report.payments.missing.is_empty()
    with pytest.raises(StopIteration):
        table(report, "Missing from the bills")


async def test_operators_stand_side_by_side_with_their_own_peak_and_coverage(world) -> None:
    for site_id, operator in (("a", "alder"), ("b", "alder"), ("c", "birch")):
        await world.add(site_id, operator=operator, timezone="UTC")
    await draw(world, "a.main", T, [10.0, 30.0] + [10.0] * 22)
    await draw(world, "b.main", T, [30.0, 10.0] + [10.0] * 22)
    await draw(world, "c.main", T, [100.0] * 12 + [None] * 12)

    report = await made(world, "network", T, DAY)

    rows = {row["operator"]: row for row in report.operators.to_dicts()}
    assert rows["alder"]["energy_kwh"] == pytest.approx(520.0)  # 2 × (23 × 10 + 30)
    assert rows["alder"]["power_kw_max"] == pytest.approx(40.0)  # together, not 30 + 30
    assert rows["birch"]["coverage"] == pytest.approx(0.5)  # 12 of 24 h
    assert rows["alder"]["coverage"] == 1.0
    assert [row[0] for row in table(report, "Operators").rows] == ["birch", "alder"]
    columns = [column.name for column in table(report, "Operators").columns]
    assert columns[-1] == "Emissions"  # no price is known, so there are no columns of cost


async def test_sites_with_coordinates_are_on_a_map_and_others_are_counted(world) -> None:
    for site_id in "abc":
        await world.add(site_id, timezone="UTC")
        await draw(world, f"{site_id}.main", T, [10.0] * 24)
    for site_id, north, east in (("a", 60.0, 8.0), ("b", 68.5, 17.5)):
        change = Edit(changes={"latitude": north, "longitude": east})
        await world.registry.edit(site_id, change, world.clock.now())

    report = await made(world, "network", T, DAY)

    blocks = [each for section in outline(report).sections for each in section.blocks]
    (side,) = [each for each in blocks if isinstance(each, Side)]
    drawn, energy = side.figures  # neither leaves half of the page empty
    assert (drawn.title, energy.title) == ("Where the sites are", "Energy by site")
    assert drawn.chart.alt == ("Map of sites: a at 60°\xa0N, 8°\xa0E; b at 68.5°\xa0N, 17.5°\xa0E.")
    assert plain(drawn.caption) == "1 site without registered coordinates: not drawn."


def run(origin: datetime, known: datetime, level: float, run_id: str) -> Run:
    starts = [origin + at * HOUR for at in range(48)]
    rows = pl.DataFrame(
        {
            "start_utc": pl.Series(starts, dtype=pl.Datetime("us", "UTC")),
            "mean": [level] * 47 + [2 * level],
            "p10": [level / 2] * 48,
            "p90": [3 * level] * 48,
        }
    )
    return Run(
        run_id=run_id,
        asked=ForecastSpec(entity_id="site:s"),
        timezone="UTC",
        unit="kW",
        basis=Basis.MODEL,
        reason=None,
        model=ModelName.GBM,
        parameters={},
        leaderboard=[],
        coverage=[],
        trained=None,
        period=Period(origin, origin + 48 * HOUR),
        fingerprint="ab" * 32,
        version="0",
        known_utc=known,
        rows=rows,
    )


async def test_the_newest_forecast_of_the_time_after_the_period_is_shown(world) -> None:
    await world.add("s", timezone="UTC")
    await draw(world, "s.main", T, [10.0] * 24)
    made_at = world.clock.now()
    await world.forecasts.keep(run(T + DAY, made_at - HOUR, 50.0, "older"))
    await world.forecasts.keep(run(T + DAY - 12 * HOUR, made_at, 10.0, "newer"))
    await world.forecasts.keep(run(T - 3 * DAY, made_at, 99.0, "of-the-past"))
    await world.forecasts.keep(run(T + 5 * DAY, made_at, 99.0, "of-later"))

    report = await made(world, "s", T, DAY)
    before = await made(world, "s", T, DAY, as_of=made_at - HOUR)

    assert report.ahead is not None
    assert before.ahead is not None
    assert report.ahead.run_id == "newer"
    assert report.ahead.rows["start_utc"][0] == T + DAY  # the 12 hours before are of the period
    assert report.ahead.energy_kwh == pytest.approx(370.0)  # 35 h × 10 kW + 20 kWh
    assert before.ahead.run_id == "older"  # the newer one was not known yet
    said = [plain(line) for line in sentences(report, "forecast")]
    assert said[0] == (
        "2 April 2026, 00:00, to 3 April 2026, 12:00: 370.0 kWh are expected. The highest hour is"
        " expected on 3 April 2026 at 11:00: 20.0 kW (P10 to P90: 5.0 to 30.0 kW)."
    )
    for form in (Format.PDF, Format.HTML, Format.JSON, Format.ZIP):
        assert documents.render(report, form)


def sentences(report: Report, name: str) -> list[str]:
    (section,) = [each for each in outline(report).sections if each.name == name]
    return [
        text
        for each in section.blocks
        for text in (getattr(each, "sentences", None) or [getattr(each, "text", "")])
    ]


async def test_a_report_without_a_forecast_says_so(world) -> None:
    await world.add("s", timezone="UTC")
    await draw(world, "s.main", T, [10.0] * 24)

    report = await made(world, "s", T, DAY)

    page = documents.render(report, Format.HTML).decode()
    assert "none is stored for the time after this period" in page


async def test_clocks_that_change_within_the_hours_of_a_chart_are_mentioned_below_it(world) -> None:
    await world.add("s", timezone="Europe/Oslo")
    begin = datetime(2026, 3, 28, 23, tzinfo=UTC)  # midnight in Oslo
    await draw(world, "s.main", begin, [10.0] * 47)

    (load,) = (
        block
        for section in outline(await made(world, "s", begin, 23 * HOUR)).sections
        for block in section.blocks
        if isinstance(block, Figure) and block.title == "Power"
    )

    assert plain(load.caption) == "Clocks went forward by 1 hour on 29 March 2026 at 02:00."


async def test_a_year_is_compared_with_the_weeks_of_the_year_before(world) -> None:
    await world.add("s", timezone="UTC")
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    await draw(world, "s.main", begin, [10.0] * 24 * 366 + ([10.0] * 24 + [20.0] * 24) * 75)

    report = await made(world, "s", begin + 366 * DAY, 150 * DAY)

    page = documents.render(report, Format.HTML).decode()
    assert "January to 30 May 2024, mean by week" in page.replace("\xa0", " ")


async def test_a_day_of_23_hours_says_so_and_a_year_is_named_by_its_number(world) -> None:
    await world.add("s", timezone="Europe/Oslo")
    begin = datetime(2026, 3, 28, 23, tzinfo=UTC)  # midnight in Oslo
    await draw(world, "s.main", begin, [10.0] * 23)

    report = await made(world, "s", begin, 23 * HOUR)

    assert pairs(report)["Period"] == "29 March 2026 (1 day of 23 hours, Europe/Oslo time)"
    year = Period(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    assert period_of(year, "UTC") == "2025"

"""A report adds up what its sites drew, says how sure it is, and is the same when made again."""

import math
from datetime import UTC, date, datetime
from itertools import pairwise

import polars as pl
import pytest
from tests.core.billing.examples import tariff
from tests.flows.report_examples import DAY, HOUR, conditions, draw, made

from wattbook.core import periods
from wattbook.core.errors import (
    InputError,
    InvalidPeriodError,
    UnknownEntityError,
)
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import Meter, MeterKind, MeterRole
from wattbook.core.registry.tariffs import Demand, Flat
from wattbook.core.reporting.report import Format
from wattbook.flows import ingest, report
from wattbook.flows.ingest import Origin
from wattbook.ports.registry import Edit
from wattbook.sinks import documents
from wattbook.sources.files import reference

pytestmark = pytest.mark.slow

T = datetime(2026, 3, 1, 23, tzinfo=UTC)  # midnight of Monday 2 March in Oslo
PRICE = {"price_per_mwh": 50.0, "currency": "EUR"}


async def test_a_day_by_hand(world) -> None:
    await world.add("s", zone="US-TEX-ERCO")
    await draw(world, "s.main", T, [10.0] * 23 + [20.0])
    await conditions(world, "US-TEX-ERCO", T, [{"gen_gas_mw": 1.0, **PRICE}] * 24)

    found = await made(world, "s", T, DAY)

    total = found.total
    assert found.scope.entity == "site:s"
    assert total["energy_kwh"] == 250.0  # 23 × 10 + 20
    assert total["power_kw_mean"] == pytest.approx(250 / 24)
    assert (total["power_kw_max"], total["power_kw_max_at"]) == (20.0, T + 23 * HOUR)
    assert total["load_factor"] == pytest.approx(250 / 24 / 20)
    assert (total["coverage"], total["estimated_share"], total["readings"]) == (1.0, 0.0, 24)
    assert total["emitted_kg"] == pytest.approx(122.5)  # 250 kWh × 490 g, all of it from gas
    assert total["emissions_energy_share"] == 1.0
    assert found.costs.rows() == [("EUR", 12.5, 1.0)]  # 0.25 MWh × 50
    assert found.grain is Grain.HOUR
    assert found.steps["energy_kwh"].to_list() == [10.0] * 23 + [20.0]
    assert found.step_costs["cost"].sum() == pytest.approx(12.5)
    assert found.quality.gaps.is_empty()


async def test_demand_is_paid_for_by_whole_months_and_energy_always(world) -> None:
    await world.add("s")
    april, may = (periods.midnight(date(2026, month, 1), "Europe/Oslo") for month in (4, 5))
    await draw(world, "s.main", april, [10.0] * 720)
    pays = tariff(
        Flat(name="energy", price_per_kwh=0.10), Demand(name="demand", price_per_kw_month=5.0)
    )
    await world.registry.edit("s", Edit(parts=(pays,)), world.clock.now())

    month = await made(world, "s", april, may - april)
    week = await made(world, "s", april, 7 * DAY)

    # 7200 kWh × 0.10, and 10 kW × 5; 1680 kWh × 0.10
    assert month.costs.rows() == [("EUR", pytest.approx(770.0), pytest.approx(1.0))]
    assert week.costs.rows() == [("EUR", pytest.approx(168.0), pytest.approx(1.0))]
    assert week.step_costs["cost"].to_list() == pytest.approx([24.0] * 7)
    assert any("tariff s" in line for line in month.fingerprint.manifest)


async def test_what_is_missing_is_a_gap_and_never_zero(world) -> None:
    await world.add("s")
    await draw(world, "s.main", T, [10.0] * 6 + [None] * 12 + [10.0] * 6)

    found = await made(world, "s", T, DAY)

    assert found.total["energy_kwh"] == 120.0
    assert found.total["power_kw_mean"] == 10.0  # over the twelve hours that are known
    assert found.total["coverage"] == 0.5
    assert found.quality.gaps.rows() == [("s.main", T + 6 * HOUR, T + 18 * HOUR, 12 * 3600)]
    assert found.steps["energy_kwh"].to_list()[6:18] == [None] * 12
    assert found.curves.load["power_kw"].null_count() == 48  # quarters
    assert found.curves.heat.filter(hour=7)["power_kw"].to_list() == [None]


async def test_a_period_without_readings_says_nothing_but_that(world) -> None:
    await world.add("s")

    found = await made(world, "s", T, 7 * DAY)

    known = {"coverage": 0.0, "load_factor_time_share": 0.0, "readings": 0}
    assert {name: value for name, value in found.total.items() if value is not None} == known
    assert found.costs.is_empty()
    assert found.quality.gaps.rows() == [("s.main", T, T + 7 * DAY, 7 * 86_400)]


async def test_an_operator_is_the_sum_of_its_sites_with_the_peak_of_the_sum(world) -> None:
    await world.add("a")
    await world.add("b")
    await world.add("other", operator="birch")
    await draw(world, "a.main", T, [10.0, 30.0])
    await draw(world, "b.main", T, [25.0, 10.0])
    await draw(world, "other.main", T, [99.0, 99.0])

    found = await made(world, "operator:alder", T, 2 * HOUR)

    assert found.scope.timezone == "Europe/Oslo"  # both sites stand there
    assert found.total["energy_kwh"] == 75.0
    # 35 and 40 kW together, though 30 and 25 kW are the highest of each
    assert (found.total["power_kw_max"], found.total["power_kw_max_at"]) == (40.0, T + HOUR)
    assert found.sites.select("site_id", "energy_kwh", "power_kw_max").rows() == [
        ("a", 40.0, 30.0),
        ("b", 35.0, 25.0),
    ]


async def test_a_zone_with_a_silent_site_has_the_coverage_of_both(world) -> None:
    await world.add("a")
    await world.add("b", timezone="Asia/Kolkata")
    await draw(world, "a.main", T, [10.0] * 4)

    found = await made(world, "zone:NO1", T, 4 * HOUR)

    assert found.scope.timezone == "UTC"  # their days differ
    assert (found.total["energy_kwh"], found.total["coverage"]) == (40.0, 0.5)
    assert found.sites["energy_kwh"].to_list() == [40.0, None]


async def test_sub_and_generation_meters_stand_beside_the_sum(world) -> None:
    def meter(name: str, role: MeterRole) -> Meter:
        return Meter(
            id=f"s.{name}",
            site_id="s",
            kind=MeterKind.INTERVAL,
            role=role,
            expected_interval_s=3600,
        )

    roles = {"main": MeterRole.MAIN, "hall": MeterRole.SUB, "roof": MeterRole.GENERATION}
    await world.add("s", *(meter(name, role) for name, role in roles.items()))
    for name, energy in (("main", 10.0), ("hall", 7.0), ("roof", 3.0)):
        await draw(world, f"s.{name}", T, [energy])

    found = await made(world, "s", T, HOUR)

    assert found.total["energy_kwh"] == 10.0
    energies = dict(found.meters.select("meter_id", "energy_kwh").iter_rows())
    assert energies == {"s.main": 10.0, "s.hall": 7.0, "s.roof": 3.0}


@pytest.mark.parametrize(
    ("timezone", "day", "hours"),
    [
        ("Europe/Oslo", date(2026, 3, 29), 23),
        ("Europe/Oslo", date(2025, 10, 26), 25),
        ("Asia/Kolkata", date(2026, 3, 29), 24),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ],
)
async def test_a_civil_day_is_as_long_as_its_clocks_say(world, timezone, day, hours) -> None:
    await world.add("s", timezone=timezone)
    begin, beyond = (periods.midnight(each, timezone) for each in (day, day + DAY))
    await draw(world, "s.main", begin, [1.0] * int(hours))

    found = await made(world, "s", begin, beyond - begin)

    assert (beyond - begin) / HOUR == hours
    assert found.curves.heat.height == math.ceil(hours)  # at Lord Howe half an hour strikes twice
    assert documents.render(found, Format.PDF).startswith(b"%PDF")


async def test_made_again_it_is_the_same_to_the_last_byte(world) -> None:
    await world.add("s", zone="US-TEX-ERCO")
    await draw(world, "s.main", T, [10.0] * 24 * 7)
    await conditions(world, "US-TEX-ERCO", T, [{"gen_gas_mw": 1.0, **PRICE}] * 24)
    first = await made(world, "s", T, 7 * DAY)
    world.clock.at += 3 * DAY

    again = await made(world, "s", T, 7 * DAY)

    assert again.fingerprint == first.fingerprint
    for form in Format:
        assert documents.render(again, form) == documents.render(first, form)


async def test_one_changed_digit_is_another_fingerprint_and_the_past_has_the_old_one(world) -> None:
    await world.add("s")
    await draw(world, "s.main", T, [10.0, 10.0])
    first = await made(world, "s", T, 2 * HOUR)
    known = world.clock.at
    world.clock.at += DAY
    await draw(world, "s.main", T, [10.0, 10.0])  # duplicates change nothing
    same = await made(world, "s", T, 2 * HOUR)
    await draw(world, "s.main", T, [12.0])

    corrected = await made(world, "s", T, 2 * HOUR)
    past = await made(world, "s", T, 2 * HOUR, as_of=known)

    assert same.fingerprint == past.fingerprint == first.fingerprint
    assert corrected.fingerprint.sha256 != first.fingerprint.sha256
    assert (corrected.total["energy_kwh"], past.total["energy_kwh"]) == (22.0, 20.0)
    assert corrected.quality.corrections is not None
    assert corrected.quality.corrections["rows"].to_list() == [1]
    assert (first.scope.known_utc, corrected.scope.known_utc) == (known, known + DAY)


async def test_readings_outside_the_period_do_not_touch_its_fingerprint(world) -> None:
    await world.add("s")
    await draw(world, "s.main", T, [10.0, 10.0])
    first = await made(world, "s", T, 2 * HOUR)
    await draw(world, "s.main", T + 5 * DAY, [10.0])

    assert (await made(world, "s", T, 2 * HOUR)).fingerprint == first.fingerprint


async def test_refused_rows_of_the_site_are_counted_by_their_reason(world) -> None:
    await world.add("s")
    await world.add("other")
    rows = [
        {"meter_id": meter, "timestamp": (T + at * HOUR).isoformat(), "energy_kwh": energy}
        for meter, at, energy in [
            ("s.main", 0, 1.0),
            ("s.main", 1, -1.0),
            ("s.main", 2, 1e9),
            ("s.main", 99, -1.0),
            ("other.main", 1, -1.0),
        ]
    ]
    await ingest.ingest_readings(
        pl.DataFrame(rows),
        Origin.of("test", b""),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )

    found = (await made(world, "s", T, DAY)).quality.rejects

    assert found is not None
    assert found.select("reason", "rows").rows() == [("implausible", 1), ("negative_energy", 1)]


async def test_what_cannot_be_meant_is_refused(world) -> None:
    await world.add("s")

    with pytest.raises(UnknownEntityError, match="no site, operator or zone 'nobody'"):
        await made(world, "nobody", T, DAY)
    with pytest.raises(InvalidPeriodError, match="as_of is in the future"):
        await made(world, "s", T, DAY, as_of=world.clock.at + DAY)
    with pytest.raises(InvalidPeriodError, match="more than 400000 buckets"):
        await made(world, "s", T - 30 * 366 * DAY, 30 * 365 * DAY)
    with pytest.raises(InputError, match="factor"):
        await made(world, "s", T, DAY, factor_set="nobody's")


async def test_a_report_is_kept_once_however_often_it_is_published(world) -> None:
    await world.add("s")
    await draw(world, "s.main", T, [10.0] * 24)
    seen: list[tuple[int, int, str]] = []

    for _ in range(2):
        filed = await report.publish(
            "r1",
            "s",
            Period(T, T + DAY),
            (Format.JSON, Format.CSV),
            factors=reference.factors(),
            ports=world,
            render=documents.render,
            reports=world.reports,
            progress=lambda *step: seen.append(step),
        )

    page = await world.reports.reports()
    assert page.reports == (filed,)
    assert [sheet.form for sheet in filed.sheets] == [Format.CSV, Format.JSON]
    assert seen[: len(seen) // 2] == [
        (0, 3, "s"), (1, 3, ""), (1, 3, "json"), (2, 3, "csv"), (3, 3, ""),
    ]  # fmt: skip
    assert all(done <= beyond or beyond == 0 for (done, *_), (beyond, *_) in pairwise(seen))

"""Ratios of sums cover the same time in both of their sums, and state for how much it is known."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.flows.report_examples import conditions, draw, made
from tests.flows.test_dated import a_meter

from wattbook.core.periods import Grain, Period
from wattbook.flows import metrics

T = datetime(2026, 4, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def test_meters_that_are_known_at_other_times_have_no_load_factor(world):
    """One is known until noon, the other from noon on: 100 kW each, and never both."""
    await world.add("s", a_meter("one"), a_meter("two"), timezone="UTC")
    await draw(world, "s.one", T, [100.0] * 12)
    await draw(world, "s.two", T + 12 * HOUR, [100.0] * 12)

    total = (await made(world, "s", T, DAY)).total

    assert total["load_factor"] is None  # not (100 + 100) / 100 = 2
    assert total["load_factor_time_share"] == 0


async def test_a_load_factor_is_of_the_time_at_which_all_meters_are_known(world):
    """Until noon both: 100 + 100 kW, once 100 + 300; from noon on one of them alone: 900 kW."""
    await world.add("s", a_meter("one"), a_meter("two"), timezone="UTC")
    await draw(world, "s.one", T, [100.0] * 24)
    await draw(world, "s.two", T, [100.0] * 11 + [300.0])
    await draw(world, "s.one", T + 12 * HOUR, [900.0] * 12)

    report = await made(world, "s", T, DAY)

    # (11 × 200 + 400) kWh / 12 h = 216.67 kW, over 400 kW
    assert report.total["load_factor"] == pytest.approx(2600 / 12 / 400)
    assert report.total["load_factor_time_share"] == pytest.approx(0.5)
    hours = report.steps
    assert hours["load_factor"].to_list() == pytest.approx([1.0] * 12 + [None] * 12)
    assert hours["load_factor_time_share"].to_list() == [1.0] * 12 + [0.0] * 12


async def test_a_quarter_that_is_known_in_part_does_not_raise_the_load_factor_above_1(world):
    """100 kW by the minute, of which every second half of a quarter-hour is missing."""
    await world.add("s", a_meter("main", expected_interval_s=60), timezone="UTC")
    minutes = [100 / 60 if at % 30 < 22 else None for at in range(24 * 60)]
    await draw(world, "s.main", T, minutes, timedelta(minutes=1))

    total = (await made(world, "s", T, DAY)).total

    assert total["load_factor"] == pytest.approx(1)  # of whole quarters
    assert total["load_factor_time_share"] == pytest.approx(0.5)


async def test_a_meter_that_begins_later_is_not_missed_before(world):
    """100 kW, and from noon on another one of 100 kW: 150 kW of 200 kW, all of the time known."""
    noon = T + 12 * HOUR
    await world.add("s", a_meter("one"), a_meter("two", valid_from=noon), timezone="UTC")
    await draw(world, "s.one", T, [100.0] * 24)
    await draw(world, "s.two", noon, [100.0] * 12)

    total = (await made(world, "s", T, DAY)).total

    assert total["load_factor"] == pytest.approx(0.75)
    assert total["load_factor_time_share"] == pytest.approx(1)


async def test_what_a_megawatt_hour_costs_and_emits_is_of_the_energy_whose_price_is_known(world):
    """2 h × 1,000 kWh; of the first hour 100 EUR/MWh and 490 g/kWh (gas), of the other nothing."""
    await world.add("s", a_meter("main"), timezone="UTC", zone="ZZ-X", capacity_kw=2000.0)
    await draw(world, "s.main", T, [1000.0, 1000.0])
    await conditions(
        world, "ZZ-X", T, [{"price_per_mwh": 100.0, "currency": "EUR", "gen_gas_mw": 1.0}]
    )

    site = (await made(world, "s", T, 2 * HOUR)).sites.row(0, named=True)

    assert site["cost"] == pytest.approx(100)
    assert site["cost_energy_share"] == pytest.approx(0.5)
    assert site["price_per_mwh"] == pytest.approx(100)  # not 100 EUR / 2 MWh = 50


async def test_the_network_of_sites_of_different_age_has_the_mean_of_its_energy(world):
    """100 kW for 24 h, and another site of 100 kW from noon on: 3,600 kWh / 24 h = 150 kW."""
    noon = T + 12 * HOUR
    await world.add("s", a_meter("main"), timezone="UTC", operator="fir")
    young = a_meter("main", id="t.main", site_id="t", valid_from=noon)
    await world.add("t", young, timezone="UTC", operator="fir")
    await draw(world, "s.main", T, [100.0] * 24)
    await draw(world, "t.main", noon, [100.0] * 12)

    async def network(by: str):
        return await metrics.aggregate(
            Period(T, T + DAY), Grain.DAY, by=by, registry=world.registry,
            readings=world.readings, rollups=world.rollups, clock=world.clock,
        )  # fmt: skip

    for by in ("none", "operator", "zone"):
        (total,) = (await network(by)).totals
        assert total["energy_kwh"] == 3_600
        assert total["power_kw_mean"] == pytest.approx(150)
        assert total["coverage"] == pytest.approx(1)
    means = [each["power_kw_mean"] for each in (await network("site")).totals]
    assert means == pytest.approx([100, 100])

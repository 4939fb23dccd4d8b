"""Where quarter-hours were removed, nothing that is made of them is told from what is left."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.flows.conftest import World
from tests.flows.report_examples import made
from tests.flows.test_cost import (
    DEMAND,
    FLAT,
    account,
    always,
    draw,
    figures,
    prices,
    put,
)
from tests.flows.test_retention import cleaner

from wattbook.core.errors import RemovedError
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import Meter, MeterKind
from wattbook.core.registry.tariffs import Ratchet
from wattbook.core.retention.kinds import Kind
from wattbook.flows import entities, metrics
from wattbook.flows.entities import Found
from wattbook.ports.registry import Registry

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MARCH, APRIL, MAY, JUNE = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5, 6))
LINE = datetime(2026, 4, 11, tzinfo=UTC)
"""Quarter-hours are kept from here on."""


@pytest.fixture(autouse=True)
def _no_other_process(monkeypatch) -> None:
    monkeypatch.setattr("wattbook.flows.retention.clean_up.QUIET_S", 0.0)


async def opened(world: World, meters: Sequence[str] = ("s.main",)) -> None:
    """A site in UTC that draws 10 kWh in each hour of March, April and May with each meter."""
    world.clock.at = NOW
    mains = (
        Meter(id=each, site_id="s", kind=MeterKind.INTERVAL, expected_interval_s=3600)
        for each in meters
    )
    await world.add("s", *mains, timezone="UTC")
    for each in meters:
        await draw(world, each, MARCH, JUNE, 10.0)
    await figures(world, MARCH, JUNE, Grain.MONTH)  # rolls up


async def clean_up(world: World) -> None:
    days = (NOW - LINE).days
    await cleaner(world, readings=days, quarters=days).clean_up()


async def refused(world: World, begin: datetime, end: datetime, grain: Grain) -> str:
    with pytest.raises(RemovedError) as raised:
        await account(world, begin, end, grain)
    (problem,) = raised.value.problems
    assert problem.field == "start"
    return problem.detail


@pytest.mark.slow
@pytest.mark.parametrize("begin", [MARCH, LINE - DAY, LINE, MAY - HOUR])
async def test_a_bill_of_a_month_that_lost_quarters_is_refused(world, begin) -> None:
    await opened(world)
    await put(world, always(FLAT, DEMAND))
    await clean_up(world)

    detail = await refused(world, begin, JUNE, Grain.MONTH)

    assert "s.main" in detail
    assert "2026-05-01T00:00:00Z" in detail
    (bill,) = (await account(world, MAY, JUNE)).bills
    assert bill.complete
    assert bill.totals == {"EUR": 744 * 10 * 0.10 + 10 * 10.0}


@pytest.mark.slow
async def test_the_instant_that_is_named_can_be_asked_from(world) -> None:
    """May begins on a Friday: the first week that has no day of April begins on the 4th."""
    await opened(world)
    await clean_up(world)

    assert "2026-05-04T00:00:00Z" in await refused(world, MAY, JUNE, Grain.WEEK)
    assert (await account(world, MAY + 3 * DAY, JUNE, Grain.WEEK)).coverage > 0


@pytest.mark.slow
async def test_a_ratchet_that_looks_at_removed_quarters_is_not_known(world) -> None:
    await opened(world)
    ratchet = replace(DEMAND, ratchet=Ratchet(percent=80.0, months=1))
    await put(world, always(FLAT, ratchet))
    await clean_up(world)

    (bill,) = (await account(world, MAY, JUNE)).bills
    energy, demand = bill.lines
    rows = (await figures(world, MARCH, JUNE, Grain.MONTH)).rows

    assert energy.amount == 744.0
    assert (demand.peak_kw, demand.quantity, demand.amount) == (10.0, None, None)
    assert (demand.floor_kw, demand.floor_month, demand.floor_coverage) == (None, None, 0.0)
    assert not bill.complete
    assert rows["cost"].to_list() == [None, None, None]
    assert rows["cost_energy_share"].to_list() == [0.0, 0.0, 0.0]


@pytest.mark.slow
async def test_a_month_that_lost_quarters_has_its_energy_and_no_cost(world) -> None:
    """Of 744 + 720 + 744 hours at 10 kWh only those of May have a price."""
    await opened(world)
    await put(world, always(FLAT, DEMAND))
    before = await figures(world, MARCH, JUNE, Grain.MONTH)
    await clean_up(world)

    found = await figures(world, MARCH, JUNE, Grain.MONTH)

    assert before.total["cost"] == pytest.approx(2208 + 3 * 100.0)
    assert found.rows["energy_kwh"].to_list() == [7440.0, 7200.0, 7440.0]
    assert found.rows["cost"].to_list() == [None, None, 844.0]
    assert found.rows["cost_energy_share"].to_list() == [0.0, 0.0, 1.0]
    assert found.rows["coverage"].to_list() == [1.0, 1.0, 1.0]
    assert found.total["energy_kwh"] == 22_080.0
    assert found.total["cost"] == 844.0
    assert found.total["cost_energy_share"] == pytest.approx(744 / 2208)


@pytest.mark.slow
@pytest.mark.parametrize("grain", [Grain.HOUR, Grain.DAY])
async def test_no_cost_from_the_middle_of_a_month_on(world, grain) -> None:
    """Prices by the block count from the first of the month."""
    await opened(world)
    await put(world, always(FLAT))
    await clean_up(world)

    found = await figures(world, MAY - DAY, MAY + DAY, grain)

    half = found.rows.height // 2
    assert found.rows["cost"].to_list()[:half] == [None] * half
    assert found.rows["cost"][half:].sum() == pytest.approx(24.0)
    assert (found.total["cost"], found.total["cost_energy_share"]) == (pytest.approx(24.0), 0.5)


@pytest.mark.slow
async def test_nothing_is_left_of_the_money_of_a_time_that_is_gone(world) -> None:
    await opened(world)
    await put(world, always(FLAT, DEMAND))
    await clean_up(world)

    total = (await figures(world, MARCH, APRIL, Grain.MONTH)).total

    assert total["energy_kwh"] == 7440.0
    assert (total["cost"], total["currency"], total["cost_energy_share"]) == (None, None, 0.0)


@pytest.mark.slow
async def test_the_zones_price_needs_the_hours(world) -> None:
    """Without a tariff a day costs what its hours do: quarters may go, but not these."""
    await opened(world)
    await prices(world, MARCH, 92 * 24, 100.0)
    await clean_up(world)
    quarters_gone = await figures(world, LINE - DAY, LINE + DAY, Grain.DAY)

    await cleaner(world, "j2", readings=51, quarters=51, hours=51).clean_up()
    hours_gone = await figures(world, LINE - DAY, LINE + DAY, Grain.DAY)

    assert quarters_gone.rows["cost"].to_list() == [24.0, 24.0]
    assert hours_gone.rows["energy_kwh"].to_list() == [240.0, 240.0]
    assert hours_gone.rows["cost"].to_list() == [None, 24.0]
    assert hours_gone.rows["cost_energy_share"].to_list() == [0.0, 1.0]
    assert hours_gone.total["cost"] == 24.0
    assert hours_gone.total["cost_energy_share"] == 0.5


@pytest.mark.slow
async def test_the_peak_of_several_mains_is_not_that_of_what_is_left(world) -> None:
    await opened(world, ("a", "b"))
    await clean_up(world)

    site = await figures(world, APRIL, JUNE, Grain.MONTH)
    network = await metrics.aggregate(
        Period(APRIL, JUNE),
        Grain.MONTH,
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        clock=world.clock,
    )

    for found in (site, network.series):
        assert found.rows["energy_kwh"].to_list() == [14_400.0, 14_880.0]
        assert found.rows["power_kw_max"].to_list() == [None, 20.0]
        assert found.rows["power_kw_max_at"].to_list() == [None, MAY]
        assert (found.total["power_kw_max"], found.total["power_kw_max_at"]) == (None, None)
    assert network.totals[0]["power_kw_max"] is None


@pytest.mark.slow
async def test_the_peak_of_one_main_is_kept_with_its_month(world) -> None:
    await opened(world)
    await clean_up(world)

    found = await figures(world, APRIL, JUNE, Grain.MONTH)

    assert found.rows["power_kw_max"].to_list() == [10.0, 10.0]
    assert found.total["power_kw_max"] == 10.0


@pytest.mark.slow
async def test_a_report_needs_its_quarters(world) -> None:
    await opened(world)
    await put(world, always(FLAT))
    await clean_up(world)

    with pytest.raises(RemovedError, match="2026-04-11T00:00:00Z") as raised:
        await made(world, "s", LINE - HOUR, DAY)
    found = await made(world, "s", LINE, JUNE - LINE)

    assert raised.value.problems[0].field == "start"
    assert found.quality.gaps.is_empty()
    assert found.total["energy_kwh"] == found.sites["energy_kwh"][0] == 51 * 240.0
    # 20 days of April have no cost, the 31 of May cost 24 each
    ((currency, cost, share),) = found.costs.rows()
    assert (currency, cost) == ("EUR", pytest.approx(744.0))
    assert share == pytest.approx(31 / 51)


@pytest.mark.slow
async def test_a_clean_up_while_a_report_is_read_is_noticed(world, monkeypatch) -> None:
    await opened(world)
    find = entities.find

    async def overtaken(text: str, *, registry: Registry, as_of: datetime | None = None) -> Found:
        found = await find(text, registry=registry, as_of=as_of)
        await clean_up(world)
        return found

    monkeypatch.setattr(entities, "find", overtaken)

    with pytest.raises(RemovedError, match="2026-04-11T00:00:00Z"):
        await made(world, "s", APRIL, MAY - APRIL)


@pytest.mark.slow
async def test_one_line_of_several_mains_is_enough(world) -> None:
    """The other meter lost nothing: it came only after the line."""
    world.clock.at = NOW
    mains = (
        Meter(id=each, site_id="s", kind=MeterKind.INTERVAL, expected_interval_s=3600)
        for each in ("a", "b")
    )
    await world.add("s", *mains, timezone="UTC")
    await draw(world, "a", MARCH, JUNE, 10.0)
    await draw(world, "b", MAY, JUNE, 10.0)
    await figures(world, MARCH, JUNE, Grain.MONTH)
    await clean_up(world)

    stones = (await world.tombstones.page()).tombstones

    assert {(stone.kind, stone.owner) for stone in stones} == {
        (Kind.READINGS, "a"),
        (Kind.QUARTERS, "a"),
    }
    assert "quarter-hours of a were removed" in await refused(world, APRIL, JUNE, Grain.MONTH)

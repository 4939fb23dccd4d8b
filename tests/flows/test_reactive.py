"""Reactive power from readings to the bill: several main meters, corrections, as it was known."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from tests.core.billing.examples import tariff

from wattbook.core.billing.bill_lines import Line
from wattbook.core.billing.missing import Lack
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.components import Reactive
from wattbook.core.registry.entities import Meter, MeterKind, MeterRole
from wattbook.flows import cost, ingest, metrics, tariffs
from wattbook.flows.cost import Account
from wattbook.flows.ingest import Origin

pytestmark = pytest.mark.slow

MARCH = datetime(2026, 2, 28, 23, tzinfo=UTC)  # midnight in Oslo
APRIL = datetime(2026, 3, 31, 22, tzinfo=UTC)
HOURS = 743
BLIND = Reactive(name="reactive", price_per_kvarh=0.01, free_percent=50.0)
COMPANION = {"interval": "energy_kwh", "power": "power_kw", "register": "register_kwh"}


async def send(world, meter_id: str, **columns: float | list[float | None]) -> None:
    """A row for each hour of March."""
    rows = {
        name: each if isinstance(each, list) else [each] * HOURS for name, each in columns.items()
    }
    stamps = [(MARCH + at * timedelta(hours=1)).isoformat() for at in range(HOURS)]
    frame = pl.DataFrame({"meter_id": [meter_id] * HOURS, "timestamp": stamps, **rows})
    written = await ingest.ingest_readings(
        frame,
        Origin.of("test", b""),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )
    assert written.receipt.rejected == 0


async def account(world, **options) -> Account:
    return await cost.account(
        "s",
        Period(MARCH, APRIL),
        Grain.MONTH,
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        grid=world.grid,
        calendar=world.calendar,
        clock=world.clock,
        **options,
    )


async def line(world, **options) -> Line:
    (bill,) = (await account(world, **options)).bills
    (found,) = bill.lines
    return found


async def pay_by(world, *components: Reactive) -> None:
    await tariffs.put(
        "s",
        (tariff(*components, valid_from=date(2025, 1, 1)),),
        only=False,
        registry=world.registry,
        calendar=world.calendar,
        now=world.clock.now(),
    )


def meter(name: str, **about: object) -> Meter:
    plain: Mapping[str, object] = {"kind": MeterKind.INTERVAL, "expected_interval_s": 3600}
    return Meter(id=f"s.{name}", site_id="s", **{**plain, **about})  # type: ignore[arg-type]


@pytest.mark.parametrize("column", ["reactive_power_kvar", "reactive_kvarh"])
async def test_reactive_power_that_comes_apart_from_the_energy_is_billed_with_it(
    world, column: str
) -> None:
    await world.add("s")
    await send(world, "s.main", energy_kwh=100.0)
    await send(world, "s.main", **{column: 80.0})
    await pay_by(world, BLIND)

    found = await line(world)

    # 743 h: 59,440 kvarh − 50 % of 74,300 kWh = 22,290 kvarh at 0.01
    assert (found.quantity, found.amount) == (22_290.0, 222.9)
    assert found.power_factor == pytest.approx(0.780869)  # 100 / sqrt(100² + 80²)


async def test_only_main_meters_count_and_one_without_reactive_power_is_missing(world) -> None:
    await world.add("s", meter("a"), meter("b"), meter("hall", role=MeterRole.SUB))
    await send(world, "s.a", energy_kwh=100.0, reactive_power_kvar=80.0)
    await send(world, "s.hall", energy_kwh=50.0, reactive_power_kvar=1000.0)
    await send(world, "s.b", energy_kwh=300.0)
    await pay_by(world, BLIND)

    (bill,) = (await account(world)).bills

    assert bill.lines[0].quantity == 22_290.0
    assert [(each.lack, each.share) for each in bill.missing] == [(Lack.REACTIVE, 0.5)]


@pytest.mark.parametrize("kind", ["power", "register"])
async def test_meters_of_power_and_registers_are_billed_as_those_of_intervals(
    world, kind: str
) -> None:
    about = {"kind": MeterKind(kind), "max_hold_s": 7200}
    await world.add("s", meter("main", **about))
    states: list[float | None] = [100.0 * at for at in range(HOURS)]
    value = 100.0 if kind == "power" else states
    await send(world, "s.main", **{COMPANION[kind]: value}, reactive_power_kvar=80.0)
    await pay_by(world, BLIND)

    (bill,) = (await account(world)).bills

    # a power is held into April; the register has no state at its begin: 742 h
    hours = 743 if kind == "power" else 742
    assert bill.lines[0].reactive_kvarh == hours * 80.0
    assert bill.lines[0].quantity == hours * 30.0


async def test_a_correction_changes_the_bill_and_as_of_gives_the_one_before(world) -> None:
    await world.add("s")
    await send(world, "s.main", energy_kwh=100.0, reactive_power_kvar=80.0)
    await pay_by(world, BLIND)
    assert (await line(world)).quantity == 22_290.0
    before = world.clock.at
    world.clock.at += timedelta(hours=1)

    await send(world, "s.main", reactive_power_kvar=50.0)

    assert (await line(world)).quantity == 0.0
    assert (await line(world, as_of=before)).quantity == 22_290.0


async def test_the_cost_of_a_month_in_figures_holds_what_the_bill_has(world) -> None:
    await world.add("s")
    await send(world, "s.main", energy_kwh=100.0, reactive_power_kvar=80.0)
    await pay_by(world, BLIND)

    found = await metrics.of_site(
        "s",
        Period(MARCH, APRIL),
        Grain.MONTH,
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        grid=world.grid,
        calendar=world.calendar,
        clock=world.clock,
    )

    (row,) = found.rows.rows(named=True)
    assert (row["cost"], row["inductive_kvarh"]) == (222.9, 59_440.0)
    assert found.total["power_factor"] == row["power_factor"] == pytest.approx(0.780869)

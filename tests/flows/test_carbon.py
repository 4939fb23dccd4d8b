"""The carbon account of a site, an operator or a zone: every factor with its fallback level."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wattbook.core.errors import InputError, InvalidEntityError, UnknownEntityError
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import Meter, MeterKind, MeterRole
from wattbook.flows import carbon, ingest
from wattbook.flows.carbon import Account
from wattbook.flows.ingest import Origin
from wattbook.sources.files import reference

T = datetime(2026, 3, 1, 23, tzinfo=UTC)  # midnight of Monday 2 March in Oslo
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOBODY = Origin.of("test", b"")
SHIPPED = reference.factors()
PUBLISHED = SHIPPED.filter(factor_set="published").head(2)
FACTORS = pl.concat(
    [
        SHIPPED.filter(factor_set="ipcc2014"),
        PUBLISHED.with_columns(
            zone=pl.Series(["FR", "NO"]),
            g_per_kwh=pl.Series([50.0, 30.0]),
            valid_from=pl.date(2020, 1, 1),
            technology=pl.lit("mix"),
        ),
    ]
)
"""The shipped factors by technology, and round figures for two countries."""


async def take_in(world, meter_id: str, energy_kwh: Sequence[float | None]) -> None:
    """Energy of consecutive hours from `T`; null where nothing is sent."""
    rows = [
        {"meter_id": meter_id, "timestamp": (T + at * HOUR).isoformat(), "energy_kwh": energy}
        for at, energy in enumerate(energy_kwh)
        if energy is not None
    ]
    await ingest.ingest_readings(
        pl.DataFrame(rows),
        NOBODY,
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )


async def conditions(world, zone: str, *hours: dict[str, float | None]) -> None:
    """Conditions of consecutive hours from `T`."""
    rows = [
        {"zone": zone, "start": (T + at * HOUR).isoformat()} | hour for at, hour in enumerate(hours)
    ]
    written = await ingest.ingest_grid(
        pl.DataFrame(rows), NOBODY, grid=world.grid, clock=world.clock
    )
    assert written.receipt.rejected == 0


async def account(
    world, entity: str = "s", hours: int = 2, grain: Grain = Grain.HOUR, **options
) -> Account:
    return await carbon.account(
        entity,
        Period(T, T + hours * HOUR),
        grain,
        factor_set=options.pop("factor_set", "ipcc2014"),
        factors=FACTORS,
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        grid=world.grid,
        clock=world.clock,
        **options,
    )


async def test_each_hour_is_multiplied_by_the_intensity_of_its_own_mix(world) -> None:
    await world.add("s", zone="US-TEX-ERCO")
    await take_in(world, "s.main", [100.0, 10.0])
    # (490 + 11) / 2 = 250.5, and all coal: 820 g/kWh
    await conditions(
        world,
        "US-TEX-ERCO",
        {"gen_gas_mw": 50.0, "gen_wind_mw": 50.0, "gen_coal_mw": 0.0},
        {"gen_gas_mw": 0.0, "gen_wind_mw": 0.0, "gen_coal_mw": 1.0},
    )

    found = await account(world)

    assert found.entity == "site:s"
    assert found.rows["emitted_kg"].to_list() == pytest.approx([25.05, 8.2])
    assert found.rows["intensity_g_per_kwh"].to_list() == pytest.approx([250.5, 820.0])
    assert found.rows["fallback"].to_list() == ["none", "none"]
    assert found.total["energy_kwh"] == 110.0
    assert found.total["emitted_kg"] == pytest.approx(33.25)
    assert found.total["intensity_g_per_kwh"] == pytest.approx(33_250 / 110)
    (only,) = found.factors.rows(named=True)
    assert (only["fallback"], only["energy_share"]) == ("none", 1.0)


async def test_where_the_mix_is_missing_the_next_rung_is_used_and_has_its_share(world) -> None:
    await world.add("s", zone="FR")
    await take_in(world, "s.main", [30.0, 10.0])
    await conditions(world, "FR", {"gen_nuclear_mw": 1.0}, {"gen_nuclear_mw": None, "load_mw": 1.0})

    found = await account(world)

    assert found.rows["fallback"].to_list() == ["none", "country"]
    # 30 kWh × 12 g of nuclear power, 10 kWh × 50 g of France as published
    assert found.rows["emitted_kg"].to_list() == pytest.approx([0.36, 0.5])
    assert found.total["fallback"] == "mixed"
    shares = dict(found.factors.select("fallback", "energy_share").rows())
    assert shares == {"none": 0.75, "country": 0.25}


async def test_an_hour_without_energy_emits_nothing_known(world) -> None:
    await world.add("s", zone="FR")
    await take_in(world, "s.main", [30.0, None, 10.0])

    found = await account(world, hours=3)

    gap = found.rows.row(1, named=True)
    assert (gap["energy_kwh"], gap["emitted_kg"], gap["fallback"]) == (None, None, None)
    assert found.total["energy_kwh"] == 40.0


async def test_a_site_without_readings_has_an_account_of_unknowns(world) -> None:
    await world.add("s")

    found = await account(world)

    assert found.rows["emitted_kg"].to_list() == [None, None]
    assert found.total.pop("coverage") == 0.0
    assert set(found.total.values()) == {None}
    assert found.factors.is_empty()


@pytest.mark.parametrize("grain", [Grain.HOUR, Grain.DAY, Grain.WEEK, Grain.MONTH])
@pytest.mark.parametrize("timezone", ["Europe/Oslo", "Asia/Kolkata"])
async def test_the_account_is_hourly_whatever_the_grain_it_is_summed_into(
    world, grain: Grain, timezone: str
) -> None:
    await world.add("s", zone="US-TEX-ERCO", timezone=timezone)
    await take_in(world, "s.main", [100.0, 10.0])
    await conditions(
        world,
        "US-TEX-ERCO",
        {"gen_wind_mw": 1.0, "gen_coal_mw": 0.0},
        {"gen_wind_mw": 0.0, "gen_coal_mw": 1.0},
    )

    found = await account(world, grain=grain)

    # 100 kWh × 11 g and 10 kWh × 820 g; never 110 kWh × the day's mean
    assert found.total["emitted_kg"] == pytest.approx(9.3)
    assert found.rows["emitted_kg"].sum() == pytest.approx(9.3)


async def test_energy_meets_the_mix_of_its_quarter_hour(world) -> None:
    await world.add("s", zone="XM")
    await take_in(world, "s.main", [100.0])
    rows = [
        {
            "zone": "XM",
            "start": (T + at * HOUR / 4).isoformat(),
            "interval_s": 900,
            "gen_wind_mw": float(at != 3),
            "gen_coal_mw": float(at == 3),
        }
        for at in range(4)
    ]
    await ingest.ingest_grid(pl.DataFrame(rows), NOBODY, grid=world.grid, clock=world.clock)

    found = await account(world, grain=Grain.QUARTER, hours=1)

    # 25 kWh in each quarter: three at 11 g, one at 820 g
    kg = found.rows["emitted_kg"].to_list()
    assert kg == pytest.approx([0.275, 0.275, 0.275, 20.5])
    assert found.notices == ()


@pytest.mark.slow
async def test_an_operator_s_account_uses_the_zone_of_each_of_its_sites(world) -> None:
    await world.add("a", zone="FR", operator="alder")
    await world.add("b", zone="NO", operator="alder")
    await world.add("c", zone="NO", operator="birch")
    for name in "abc":
        await take_in(world, f"{name}.main", [100.0])

    alder = await account(world, "operator:alder", hours=1)
    norway = await account(world, "zone:NO", hours=1)

    # 100 kWh × 50 g in France and × 30 g in Norway
    assert alder.total["emitted_kg"] == pytest.approx(5.0 + 3.0)
    assert alder.entity == "operator:alder"
    assert norway.total["emitted_kg"] == pytest.approx(2 * 3.0)


@pytest.mark.slow
async def test_a_bare_id_is_a_site_before_an_operator_before_a_zone(world) -> None:
    await world.add("x", operator="alder", zone="FR")
    await world.add("y", operator="x", zone="FR")
    await world.add("z", operator="w", zone="x")

    assert (await account(world, "x")).entity == "site:x"
    assert (await account(world, "w")).entity == "operator:w"
    assert (await account(world, "FR")).entity == "zone:FR"
    assert (await account(world, "operator:x")).entity == "operator:x"


async def test_an_entity_that_nobody_registered_is_unknown(world) -> None:
    for name in ("nowhere", "site:nowhere", "zone:"):
        with pytest.raises(UnknownEntityError):
            await account(world, name)
    with pytest.raises(InvalidEntityError):
        await account(world, "planet:mars")


async def test_an_unknown_factor_set_is_refused_even_where_there_is_no_energy(world) -> None:
    await world.add("s")

    with pytest.raises(InputError, match="ipcc2014"):
        await account(world, factor_set="nothing")


async def test_sub_meters_are_not_counted_twice(world) -> None:
    main = Meter(id="s.main", site_id="s", kind=MeterKind.INTERVAL, expected_interval_s=3600)
    hall = Meter(
        id="s.hall",
        site_id="s",
        kind=MeterKind.INTERVAL,
        role=MeterRole.SUB,
        expected_interval_s=3600,
    )
    await world.add("s", main, hall, zone="FR")
    await take_in(world, "s.main", [100.0])
    await take_in(world, "s.hall", [60.0])

    assert (await account(world, hours=1)).total["energy_kwh"] == 100.0


@pytest.mark.slow
async def test_a_filed_account_can_be_replayed_as_of_its_day(world) -> None:
    await world.add("s", zone="US-TEX-ERCO")
    await take_in(world, "s.main", [100.0])
    await conditions(world, "US-TEX-ERCO", {"gen_wind_mw": 1.0, "gen_coal_mw": 0.0})
    filed = world.clock.at
    world.clock.at += DAY
    await take_in(world, "s.main", [200.0])
    await conditions(world, "US-TEX-ERCO", {"gen_wind_mw": 0.0, "gen_coal_mw": 1.0})

    then = await account(world, hours=1, as_of=filed)
    now = await account(world, hours=1)

    assert then.total["emitted_kg"] == pytest.approx(1.1)  # 100 kWh × 11 g
    assert now.total["emitted_kg"] == pytest.approx(164.0)  # 200 kWh × 820 g


@pytest.mark.slow
async def test_a_month_s_gaps_are_told_from_technologies_a_zone_does_not_have(world) -> None:
    await world.add("s", zone="US-TEX-ERCO")
    await take_in(world, "s.main", [100.0, 100.0])
    # coal is reported in an hour outside the period, but in the same month: its null is a gap
    await conditions(
        world,
        "US-TEX-ERCO",
        {"gen_wind_mw": 1.0, "gen_coal_mw": None},
        {"gen_wind_mw": 1.0, "gen_coal_mw": 0.0},
        {"gen_wind_mw": 1.0, "gen_coal_mw": 1.0},
    )

    found = await account(world, hours=2)

    assert found.rows["fallback"].to_list() != ["none", "none"]
    assert found.rows["fallback"][1] == "none"

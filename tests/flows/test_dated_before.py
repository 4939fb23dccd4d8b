"""A store that was written before meters were dated opens with the same figures."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.flows.test_dated import DAY, a_meter, declare, draw, of_site

from wattbook.core.periods import Grain
from wattbook.stores.sql.engine import ALONE, create_engine
from wattbook.stores.sql.migrate import SCRIPTS, upgrade_on
from wattbook.stores.sql.registry import SqlRegistry

BEFORE = "0017"
T = datetime(2026, 3, 31, 22, tzinfo=UTC)
"""Midnight in Oslo."""
SITE = (
    "INSERT INTO sites (id, name, operator, timezone, zone, capacity_kw, status, simulated,"
    " created_utc, updated_utc) VALUES ('s', 's', 'alder', 'Europe/Oslo', 'NO1', 1000, 'active',"
    " 0, '2026-06-01 00:00:00', '2026-06-01 00:00:00')"
)
METERS = (
    "INSERT INTO meters (id, site_id, kind, role, parent, expected_interval_s) VALUES"
    " ('s.main', 's', 'interval', 'main', NULL, 3600),"
    " ('s.sub', 's', 'power', 'sub', 's.main', 900)"
)


@pytest.fixture
async def migrated() -> AsyncIterator[AsyncEngine]:
    """A registry as it was before the migration, with a site of two meters, and migrated."""
    sql = create_engine("sqlite://")

    def old(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", SCRIPTS)
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)

    async with sql.execution_options(**ALONE).begin() as connection:
        await connection.run_sync(old)
        await connection.execute(text(SITE))
        await connection.execute(text(METERS))
    assert (await upgrade_on(sql)).before == BEFORE
    yield sql
    await sql.dispose()


async def test_a_store_from_before_has_the_figures_that_it_had(world, migrated):
    """48 hours of 10 kWh: 240 kWh each day, 10 kW, all of the time covered."""
    old = replace(world, registry=SqlRegistry(migrated))
    await draw(old, "s.main", T, [10.0] * 48)

    old.clock.at += 2 * DAY
    series = await of_site(old, T, T + 2 * DAY, Grain.DAY)
    past = await of_site(old, T, T + 2 * DAY, Grain.DAY, as_of=old.clock.at - DAY)

    for each in (series, past):
        assert each.rows["energy_kwh"].to_list() == pytest.approx([240, 240])
        assert each.total["energy_kwh"] == pytest.approx(480)
        assert each.total["power_kw_mean"] == pytest.approx(10)
        assert each.total["coverage"] == pytest.approx(1)


async def test_it_says_of_its_meters_what_it_said(migrated):
    site = await SqlRegistry(migrated).site("s")

    about = {meter.id: (meter.valid_from, meter.valid_to, meter.earlier) for meter in site.meters}
    assert about == {"s.main": (None, None, ()), "s.sub": (None, None, ())}
    assert site.capacity_kw == 1000
    assert [meter.parent for meter in site.meters] == [None, "s.main"]


async def test_an_archive_that_is_loaded_later_counts(world, migrated):
    """ADR 0018: 100 kWh an hour from 16 April on, and later the first fortnight: 72,000 kWh."""
    old = replace(world, registry=SqlRegistry(migrated))
    middle = T + 15 * DAY
    await draw(old, "s.main", middle, [100.0] * 24 * 15)
    half = await of_site(old, T, T + 30 * DAY, Grain.MONTH)

    await draw(old, "s.main", T, [100.0] * 24 * 15)

    whole = await of_site(old, T, T + 30 * DAY, Grain.MONTH)
    assert (half.total["energy_kwh"], whole.total["energy_kwh"]) == (36_000, 72_000)
    assert half.total["coverage"] == pytest.approx(0.5)
    assert whole.total["coverage"] == pytest.approx(1)


async def test_a_meter_that_was_replaced_before_the_migration_is_stated_once(world, migrated):
    """The old one until the 16th, another from then on, both undated: 200 kW at half of it."""
    old = replace(world, registry=SqlRegistry(migrated))
    middle, end = T + 15 * DAY, T + 30 * DAY
    new = a_meter("new")
    await declare(old, new)
    await draw(old, "s.main", T, [100.0] * 24 * 15)
    await draw(old, "s.new", middle, [100.0] * 24 * 15)
    before = await of_site(old, T, end, Grain.MONTH)

    await declare(old, a_meter("main"), valid_from=None, valid_to=middle)
    await declare(old, new, valid_from=middle)

    after = await of_site(old, T, end, Grain.MONTH)
    assert (before.total["power_kw_mean"], before.total["coverage"]) == (200, 0.5)
    assert after.total["power_kw_mean"] == pytest.approx(100)
    assert after.total["coverage"] == pytest.approx(1)

"""A store that was written before meters were dated opens with the same figures."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.flows.test_dated import DAY, draw, of_site

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

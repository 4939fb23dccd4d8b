"""What one connection registers, all others know: no check is made of a state that is gone."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from wattbook.core.errors import ChangedError, InvalidEntityError
from wattbook.core.registry import dated
from wattbook.core.registry.declared import SentMeter
from wattbook.core.registry.entities import Meter, MeterKind, MeterRole, Site
from wattbook.core.registry.tariffs import Flat, Tariff
from wattbook.flows import sites, tariffs
from wattbook.ports.registry import Edit, Registry
from wattbook.sources.calendar import PublicHolidays
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.registry import SqlRegistry

T = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = 10
PROCESSES = 3


def a_site(site_id: str, **changes) -> Site:
    main = Meter(id=f"{site_id}.main", site_id=site_id, kind=MeterKind.POWER)
    plain = Site(
        id=site_id,
        name=site_id,
        operator="alder",
        timezone="UTC",
        zone="NO1",
        created_utc=T,
        updated_utc=T,
        meters=(main,),
    )
    return replace(plain, **changes)


class NoReadings:
    """A store in which nothing has been stored yet."""

    async def extent(self, meter_ids):
        return pl.DataFrame(schema={"meter_id": pl.String, "to_utc": pl.Datetime("us", "UTC")})


NO_READINGS: Any = NoReadings()
NO_ROLLUPS: Any = None
"""Nothing is marked where nothing was stored."""


@pytest.fixture
def registry(sql_engine) -> Registry:
    return SqlRegistry(sql_engine)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Registry]:
    engine = create_engine(url)
    yield SqlRegistry(engine)
    await engine.dispose()


async def put(registry: Registry, site_id: str, meter: Meter) -> None:
    await sites.put_parts(
        site_id,
        [SentMeter.of(meter)],
        registry=registry,
        readings=NO_READINGS,
        rollups=NO_ROLLUPS,
        now=T,
    )


async def test_a_meter_is_known_to_every_registry_when_registering_it_returns(registry, sql_engine):
    other = SqlRegistry(sql_engine)
    for at in range(ROUNDS):
        await asyncio.gather(registry.meters(), other.meters())  # both know what was before
        await registry.add(a_site(f"s-{at}"))
        assert f"s-{at}.main" in (await other.meters())["meter_id"]
        assert f"s-{at}.main" in (await registry.meters())["meter_id"]


async def test_looks_that_began_before_a_commit_hide_nothing_that_was_registered(registry):
    async def look() -> None:
        for _ in range(ROUNDS):
            await registry.meters()

    async def register(name: str) -> None:
        for at in range(ROUNDS):
            await registry.add(a_site(f"{name}-{at}"))
            assert f"{name}-{at}.main" in (await registry.meters())["meter_id"]

    await asyncio.gather(look(), register("a"), look(), register("b"), look())


async def test_a_tariff_is_known_to_every_registry_when_putting_it_returns(registry, sql_engine):
    other = SqlRegistry(sql_engine)
    await registry.add(a_site("s"))
    for at in range(1, 6):
        await other.tariffs("s")
        tariff = a_tariff(date(2026, at, 1))
        await registry.edit("s", Edit(parts=(tariff,)), T)
        assert tariff.id in [each.id for each in await other.tariffs("s")]


def a_tariff(first: date, name: str | None = None) -> Tariff:
    parts = (Flat(name="energy", price_per_kwh=0.1),)
    return Tariff(
        id=name or f"t-{first}", site_id="s", valid_from=first, currency="EUR", components=parts
    )


async def test_of_two_changes_at_once_each_sees_the_other_or_is_refused(registry):
    """Two who read the same tag: one changes the site, the other is told to read it again."""
    for at in range(ROUNDS):
        site = await registry.add(a_site(f"s-{at}"))
        tag = f'"{dated.tag(site)}"'

        async def rename(name: str, site_id: str = site.id, tag: str = tag) -> Site:
            return await sites.change(
                site_id,
                {"name": name, "operator": name},
                check=sites.matching(tag),
                registry=registry,
                readings=NO_READINGS,
                rollups=NO_ROLLUPS,
                now=T,
            )

        done = await asyncio.gather(rename("a"), rename("b"), return_exceptions=True)

        assert sum(isinstance(each, ChangedError) for each in done) == 1
        after = await registry.site(site.id)
        assert after.name == after.operator  # all of the one, nothing of the other


async def test_two_meters_never_become_each_others_parent(registry):
    for at in range(ROUNDS):
        site_id = f"s-{at}"
        one = Meter(id=f"{site_id}.main", site_id=site_id, kind=MeterKind.POWER)
        two = replace(one, id=f"{site_id}.two", role=MeterRole.SUB)
        await registry.add(a_site(site_id, meters=(one, two)))

        done = await asyncio.gather(
            put(registry, site_id, replace(one, parent=two.id)),
            put(registry, site_id, replace(two, parent=one.id)),
            return_exceptions=True,
        )

        assert sum(isinstance(each, InvalidEntityError) for each in done) == 1
        parents = {each.id: each.parent for each in (await registry.site(site_id)).meters}
        assert None in parents.values()


async def test_of_tariffs_of_one_first_day_one_is_kept(registry):
    await registry.add(a_site("s"))
    calendar = PublicHolidays()

    done = await asyncio.gather(
        *(
            tariffs.put(
                "s",
                [a_tariff(date(2026, 1, 1), f"t-{at}")],
                registry=registry,
                calendar=calendar,
                now=T,
            )
            for at in range(6)
        ),
        return_exceptions=True,
    )

    assert sum(isinstance(each, InvalidEntityError) for each in done) == 5
    assert len((await registry.site("s")).tariffs) == 1


def _register(url: str, name: str) -> list[str]:
    """In a process of its own: register sites; those of which the meter was then not known."""

    async def work() -> list[str]:
        missing = []
        async with opened(url) as registry:
            for at in range(ROUNDS):
                await registry.add(a_site(f"{name}-{at}"))
                if f"{name}-{at}.main" not in (await registry.meters())["meter_id"]:
                    missing.append(f"{name}-{at}")
        return missing

    return asyncio.run(work())


def _rename(url: str, name: str) -> int:
    """In a process of its own: add a letter to the name of a site, each time to what is there."""

    async def work() -> int:
        async with opened(url) as registry:
            for _ in range(ROUNDS):
                await registry.edit("s", lambda site: Edit(changes={"name": site.name + name}), T)
        return ROUNDS

    return asyncio.run(work())


@pytest.mark.slow
async def test_processes_beside_each_other_know_what_they_registered_and_lose_no_change(
    sql_url, registry
):
    url = sql_url
    if url == "sqlite://":
        pytest.skip("a database in memory has one process")
    await registry.add(a_site("s"))
    context = multiprocessing.get_context("spawn")

    def run() -> tuple[list[list[str]], list[int]]:
        with context.Pool(PROCESSES) as pool:
            names = [(url, chr(ord("a") + at)) for at in range(PROCESSES)]
            missing = pool.starmap_async(_register, names)
            renamed = pool.starmap_async(_rename, names)
            return missing.get(), renamed.get()

    missing, renamed = await asyncio.to_thread(run)

    assert missing == [[]] * PROCESSES
    name = (await registry.site("s")).name
    assert len(name) == len("s") + sum(renamed)  # each change was made to what was there
    ids = (await registry.meters())["meter_id"]
    assert len(ids) == 1 + PROCESSES * ROUNDS

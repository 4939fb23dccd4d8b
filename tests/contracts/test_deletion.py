"""What every registry does when a site or a meter is deleted; the databases join in conftest.py."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wattbook.core.errors import ConflictError, UnknownEntityError
from wattbook.core.registry.entities import Meter, MeterKind, Site
from wattbook.core.retention import deletion
from wattbook.core.retention.cutoffs import Tombstone
from wattbook.core.retention.kinds import Kind
from wattbook.ports.registry import Edit, Removal
from wattbook.stores.sql.registry import SqlRegistry
from wattbook.stores.sql.tombstones import SqlTombstones

T = datetime(2026, 1, 1, tzinfo=UTC)
LATER = T + timedelta(days=30)
ONE = Meter(id="s.one", site_id="s", kind=MeterKind.POWER)
TWO = replace(ONE, id="s.two", parent="s.one")
SITE = Site(
    id="s",
    name="S №1",
    operator="alder",
    timezone="Europe/Oslo",
    zone="NO1",
    created_utc=T,
    updated_utc=T,
    meters=(ONE, TWO),
)


def stones(site: Site, *, whole: bool = True) -> tuple[Tombstone, ...]:
    return deletion.opened(
        site,
        site.meters,
        whole=whole,
        job_id="deletion-1",
        now=LATER,
        version="1",
        requested_by="cli",
        reason="typed twice №",
    )


async def test_a_site_goes_with_its_meters_and_versions_and_its_tombstones_stay(sql_engine):
    registry, tombstones = SqlRegistry(sql_engine), SqlTombstones(sql_engine)
    site = await registry.add(SITE)

    written = await registry.remove("s", lambda found: Removal(tombstones=stones(found)), LATER)

    with pytest.raises(UnknownEntityError):
        await registry.site("s")
    assert (await registry.meters()).is_empty()
    assert (await registry.meters(as_of=T)).is_empty()
    found = await tombstones.of_job("deletion-1")
    assert {each.owner: each for each in found} == {each.owner: each for each in written}
    (of_site,) = [each for each in found if each.kind is Kind.SITE]
    assert of_site.entity == deletion.document(site)


async def test_a_plan_that_raises_leaves_the_site_and_no_tombstone(sql_engine):
    registry, tombstones = SqlRegistry(sql_engine), SqlTombstones(sql_engine)
    site = await registry.add(SITE)

    def plan(_: Site) -> Removal:
        raise ConflictError("on hold")

    with pytest.raises(ConflictError, match="on hold"):
        await registry.remove("s", plan, LATER)

    assert await registry.site("s") == site
    assert (await tombstones.page()).tombstones == ()


async def test_ids_are_free_again_when_the_tombstones_say_that_all_is_removed(sql_engine):
    registry, tombstones = SqlRegistry(sql_engine), SqlTombstones(sql_engine)
    await registry.add(SITE)
    await registry.remove("s", lambda found: Removal(tombstones=stones(found)), LATER)
    other = replace(SITE, id="t", meters=())
    await registry.add(other)

    with pytest.raises(ConflictError, match="delete it again") as refused:
        await registry.add(SITE)
    with pytest.raises(ConflictError, match=r"'s\.two'"):
        await registry.edit("t", Edit(parts=(replace(TWO, site_id="t", parent=None),)), LATER)
    under_way = await tombstones.deletion(Kind.SITE, "s", "s")
    await tombstones.put([replace(each, rows=0, removed_utc=LATER) for each in under_way])
    again = await registry.add(SITE)

    fields = {problem.field for problem in refused.value.problems}
    assert fields == {"id", "meters[0].id", "meters[1].id"}
    assert len(under_way) == 3
    assert await tombstones.deletion(Kind.SITE, "s", "s") == []
    assert again.meters == SITE.meters


async def test_a_meter_goes_alone_and_its_site_counts_as_changed(sql_engine):
    registry = SqlRegistry(sql_engine)
    site = await registry.add(SITE)
    (of_two,) = [each for each in stones(site, whole=False) if each.owner == "s.two"]

    await registry.remove("s", lambda _: Removal(meters=("s.two",), tombstones=(of_two,)), LATER)

    left = await registry.site("s")
    assert (left.meters, left.updated_utc) == ((ONE,), LATER)
    assert (await registry.meters(as_of=T))["meter_id"].to_list() == ["s.one"]


async def test_a_deletion_draws_no_line_and_no_clean_up_takes_it_for_its_own(sql_engine):
    registry, tombstones = SqlRegistry(sql_engine), SqlTombstones(sql_engine)
    await registry.add(SITE)
    await registry.remove("s", lambda found: Removal(tombstones=stones(found)), LATER)
    before = await tombstones.unfinished()
    under_way = await tombstones.deletion(Kind.SITE, "s", "s")
    await tombstones.put([replace(each, rows=7, removed_utc=LATER) for each in under_way])

    await registry.add(SITE)

    assert before == []
    assert (await registry.meters())["readings_from_utc"].null_count() == 2

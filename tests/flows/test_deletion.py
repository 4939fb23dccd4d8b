"""Deleting sites and meters that were registered by mistake."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from tests.flows.test_dated import draw

from wattbook.core.archive import checksums, tables
from wattbook.core.archive.tables import READINGS
from wattbook.core.errors import (
    ChangedError,
    ConflictError,
    InvalidEntityError,
    UnknownEntityError,
)
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import Meter, MeterKind, MeterRole
from wattbook.core.retention import deletion
from wattbook.core.retention.kinds import Kind
from wattbook.flows import deletion as flow
from wattbook.flows import rollup, sites
from wattbook.flows.deletion import Deleter, Request
from wattbook.ports.archive import Archive

T = datetime(2026, 4, 1, tzinfo=UTC)
DAY = timedelta(days=1)
EVER = Period(T - 400 * DAY, T + 400 * DAY)
ASKED = Request(site_id="s", requested_by="cli", version="1", reason="typed twice")


@pytest.fixture(autouse=True)
def at_once(monkeypatch) -> None:
    monkeypatch.setattr(flow, "QUIET_S", 0.0)  # one process: nothing is on its way elsewhere


@pytest.fixture
async def filled(world):
    """Two meters with a day of 10 kWh every hour each, rolled up."""
    sub = Meter(
        id="s.sub",
        site_id="s",
        kind=MeterKind.INTERVAL,
        role=MeterRole.SUB,
        expected_interval_s=3600,
    )
    main = replace(sub, id="s.main", role=MeterRole.MAIN)
    await world.add("s", main, sub)
    await world.add("other")
    for meter_id in ("s.main", "s.sub", "other.main"):
        await draw(world, meter_id, T, [10.0] * 24)
    await rolled_up(world)
    return world


async def rolled_up(world) -> None:
    await rollup.catch_up(
        registry=world.registry, readings=world.readings, rollups=world.rollups, clock=world.clock
    )


async def left(world, *meter_ids: str) -> int:
    """Readings, figures, events and marks of meters."""
    ids = list(meter_ids)
    found = [
        await world.readings.read(ids),
        await world.rollups.dirty(ids),
        await world.rollups.events(ids, EVER),
        *[await world.rollups.read(ids, grain, EVER) for grain in Grain],
    ]
    return sum(frame.height for frame in found)


async def test_a_site_without_readings_goes_and_its_tombstones_say_what_it_was(world):
    await world.add("s")

    stones = await Deleter.of(world).delete(ASKED)

    with pytest.raises(UnknownEntityError):
        await world.registry.site("s")
    assert (await world.registry.meters()).is_empty()
    page = await world.tombstones.page(site_id="s")
    assert {(each.kind, each.owner) for each in page.tombstones} == {
        (Kind.SITE, "s"),
        (Kind.METER, "s.main"),
    }
    of_site = next(each for each in page.tombstones if each.kind is Kind.SITE)
    assert of_site in stones
    assert (of_site.requested_by, of_site.reason, of_site.rows) == ("cli", "typed twice", 0)
    assert of_site.removed_utc == world.clock.now()
    assert of_site.entity is not None
    assert of_site.entity["timezone"] == "Europe/Oslo"


async def test_a_deleted_id_can_be_registered_again_elsewhere(world):
    await world.add("s")
    await Deleter.of(world).delete(ASKED)

    main = Meter(id="s.main", site_id="t", kind=MeterKind.POWER)
    await world.add("t", main)
    await world.add("s", replace(main, id="s.other", site_id="s"))

    meters = await world.registry.meters()
    assert meters.select("meter_id", "site_id").rows() == [("s.main", "t"), ("s.other", "s")]
    before = await world.registry.meters(as_of=world.clock.now() - DAY)
    assert before["meter_id"].to_list() == ["s.main", "s.other"]


async def test_readings_are_not_deleted_unless_forced(filled):
    with pytest.raises(ConflictError, match=r"48 readings and .* figures .*force") as refused:
        await Deleter.of(filled).delete(ASKED)  # 24 of each of two meters

    assert refused.value.problems[0].reason == "has_readings"
    assert (await filled.registry.site("s")).id == "s"
    assert (await filled.readings.read(["s.main"])).height == 24


async def test_force_removes_readings_and_figures_and_keeps_counts_and_a_checksum(filled):
    rows = await filled.archive.take(READINGS, ["s.main"], EVER)
    months = checksums.of_rows(rows, READINGS)

    stones = await Deleter.of(filled).delete(replace(ASKED, force=True))

    assert await left(filled, "s.main", "s.sub") == 0
    assert await left(filled, "other.main") > 24
    of = {each.owner: each for each in stones}
    assert (of["s"].rows, of["s.main"].rows, of["s.sub"].rows) == (48, 24, 24)
    assert of["s"].from_utc == T
    assert of["s"].counts is not None
    assert of["s"].counts["readings"] == 48
    # Of each meter 24 hours of four quarters; at Oslo's clock, two hours ahead, two days.
    assert of["s"].counts["rollups"] == 2 * (96 + 24 + 2 + 1 + 1)
    assert of["s.main"].sha256 == deletion.checksum(months)
    assert of["s"].sha256 is None


async def test_an_id_that_is_registered_again_has_nothing_of_the_former(filled):
    await Deleter.of(filled).delete(replace(ASKED, force=True))

    await filled.add("s")
    await draw(filled, "s.main", T + DAY, [1.0] * 24)
    await rolled_up(filled)

    days = await filled.rollups.read(["s.main"], Grain.MONTH, EVER)
    assert days["energy_kwh"].to_list() == [24.0]


async def test_a_meter_goes_alone(filled):
    (stone,) = await Deleter.of(filled).delete(replace(ASKED, meter_id="s.sub", force=True))

    assert (stone.kind, stone.owner, stone.site_id, stone.rows) == (Kind.METER, "s.sub", "s", 24)
    assert [meter.id for meter in (await filled.registry.site("s")).meters] == ["s.main"]
    assert await left(filled, "s.sub") == 0
    assert (await filled.readings.read(["s.main"])).height == 24


async def test_a_legal_hold_refuses_also_with_force(filled):
    await sites.hold("s", "case 12/26", registry=filled.registry, now=filled.clock.now())

    for meter_id in (None, "s.sub"):
        with pytest.raises(ConflictError, match=r"legal hold \(case 12/26\)"):
            await Deleter.of(filled).delete(replace(ASKED, meter_id=meter_id, force=True))

    assert (await filled.readings.read(["s.main", "s.sub"])).height == 48


async def test_a_meter_that_others_are_behind_is_refused(world):
    main = Meter(id="s.main", site_id="s", kind=MeterKind.POWER)
    await world.add("s", main, replace(main, id="s.sub", role=MeterRole.SUB, parent="s.main"))

    with pytest.raises(ConflictError, match=r"'s\.sub' is behind 's\.main'"):
        await Deleter.of(world).delete(replace(ASKED, meter_id="s.main"))


async def test_what_is_not_there_and_what_has_changed_is_refused(world):
    await world.add("s")
    deleter = Deleter.of(world)

    for request in (
        replace(ASKED, site_id="nowhere"),
        replace(ASKED, site_id="No such\0id"),
        replace(ASKED, meter_id="s.none"),
    ):
        with pytest.raises(UnknownEntityError):
            await deleter.delete(request)
    with pytest.raises(ChangedError):
        await deleter.delete(replace(ASKED, check=sites.matching('"0"')))
    with pytest.raises(InvalidEntityError, match="reason must have"):
        await deleter.delete(replace(ASKED, reason="two\nlines"))
    assert (await world.registry.site("s")).id == "s"


class Stopping:
    """An archive of a process that is killed before it removes the first row."""

    def __init__(self, inner: Archive) -> None:
        self.holds = inner.holds
        self.contents, self.take, self.cut = inner.contents, inner.take, inner.cut

    async def put(self, *_: object) -> None:
        raise KeyboardInterrupt


async def test_a_deletion_that_was_killed_is_finished_by_the_same_request(filled):
    killed = replace(Deleter.of(filled), archive=Stopping(filled.archive))
    with pytest.raises(KeyboardInterrupt):
        await killed.delete(replace(ASKED, force=True))

    with pytest.raises(ConflictError, match="delete it again to finish"):
        await filled.add("s")
    with pytest.raises(ConflictError, match=r"'s\.main' was deleted"):
        await filled.add("t", Meter(id="s.main", site_id="t", kind=MeterKind.POWER))
    assert await filled.tombstones.unfinished() == []  # no clean-up takes it for its own
    stones = await Deleter.of(filled).delete(ASKED)
    again = await filled.tombstones.of_job(stones[0].job_id)

    assert await left(filled, "s.main", "s.sub") == 0
    assert [each.rows for each in stones if each.owner == "s"] == [48]
    assert all(each.removed_utc is not None for each in again)
    assert (await filled.add("s")).id == "s"


async def test_figures_whose_readings_were_cleaned_up_count_as_evidence(filled):
    for portion in tables.portions(await filled.archive.contents([READINGS]), READINGS):
        await filled.archive.put(READINGS, portion.owners, portion.period, _nothing())

    with pytest.raises(ConflictError, match=r"0 readings and .* figures"):
        await Deleter.of(filled).delete(ASKED)


def _nothing() -> pl.DataFrame:
    return READINGS.contract.empty()

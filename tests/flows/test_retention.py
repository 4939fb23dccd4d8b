"""What is older than it is to be kept goes, is remembered, and changes no figure."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as example
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests.flows.conftest import World, empty_world

from wattbook.core.errors import ConflictError, RemovedError
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import Meter, MeterKind
from wattbook.core.reporting.report import Format
from wattbook.core.retention import cutoffs as rules
from wattbook.core.retention.kinds import Kind
from wattbook.flows import device, ingest, metrics, rollup, sites
from wattbook.flows.ingest import Origin
from wattbook.flows.retention import Cleaner, CleanUpResult, Order
from wattbook.ports.readings import Receipt
from wattbook.ports.reports import StoredReport

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
EVER = Period(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
MIDNIGHT = datetime(2026, 5, 2, tzinfo=UTC)
"""Where a line is that was drawn at `NOW` for what is kept for 30 days."""
SITES = ("fir", "ask")
Rows = Mapping[tuple[str, datetime], float]


@pytest.fixture(autouse=True)
def _no_other_process(monkeypatch) -> None:
    monkeypatch.setattr("wattbook.flows.retention.clean_up.QUIET_S", 0.0)


async def opened(world: World) -> World:
    world.clock.at = NOW
    for site in SITES:
        await world.add(site, timezone="UTC")
    return world


async def take_in(world: World, rows: Rows) -> Receipt:
    raw = pl.DataFrame(
        [
            {"meter_id": meter, "timestamp": at.isoformat(), "energy_kwh": value}
            for (meter, at), value in rows.items()
        ],
        schema_overrides={"energy_kwh": pl.Float64},
    )
    written = await ingest.ingest_readings(
        raw,
        Origin.of("test", repr(rows).encode()),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )
    return written.receipt


async def catch_up(world: World) -> None:
    await rollup.catch_up(
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        clock=world.clock,
    )


def every_hour(*meters: str, days: int = 60, value: float = 1.0) -> Rows:
    return {
        (meter, NOW.replace(hour=0) - days * DAY + hour * timedelta(hours=1)): value
        for meter in meters
        for hour in range(days * 24)
    }


def cleaner(world: World, job: str = "j1", now: datetime = NOW, site: str | None = None, **days):
    asked = {Kind[name.upper()]: each for name, each in days.items()}
    return Cleaner(
        order=Order(job_id=job, now=now, days=asked, site_id=site, version="test"),
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        retentions=world.retentions,
        tombstones=world.tombstones,
        clock=world.clock,
    )


async def figures(world: World, *meters: str) -> pl.DataFrame:
    parts = [await world.rollups.read(list(meters), grain, EVER) for grain in Grain]
    return pl.concat(parts)


def rows(cleaned: CleanUpResult) -> dict[tuple[str, str | None], int]:
    return {(str(gone.kind), gone.site_id): gone.rows for gone in cleaned.gone}


def refused(cleaned: CleanUpResult) -> set[tuple[str, str | None, str]]:
    return {(str(each.kind), each.site_id, each.reason) for each in cleaned.refused}


async def filled(world: World) -> World:
    await opened(world)
    await take_in(world, every_hour("fir.main", "ask.main"))
    await catch_up(world)
    return world


async def test_readings_go_that_are_too_old_and_figures_stay(world) -> None:
    await filled(world)
    before = await figures(world, "fir.main", "ask.main")

    cleaned = await cleaner(world, readings=30).clean_up()

    # 60 days until 1 June are 2 April to 31 May; those before 2 May go, but for two times the three
    # hours for which a reading is believed: figures after the line rest on them.
    assert rows(cleaned) == {("readings", "ask"): 30 * 24 - 6, ("readings", "fir"): 30 * 24 - 6}
    left = await world.readings.read(["fir.main"])
    assert left["ts_utc"][0] == MIDNIGHT - timedelta(hours=6)
    assert left.height == 30 * 24 + 6
    assert_frame_equal(await figures(world, "fir.main", "ask.main"), before)
    assert (await world.rollups.dirty()).is_empty()


async def test_a_dry_run_says_the_same_and_changes_nothing(world) -> None:
    await filled(world)

    looked = await cleaner(world, readings=30, quarters=40).look()
    assert (await world.tombstones.page()).tombstones == ()
    assert (await world.readings.read(["fir.main"])).height == 60 * 24
    cleaned = await cleaner(world, readings=30, quarters=40).clean_up()

    assert cleaned == looked
    assert rows(cleaned)["rollups.quarter", "fir"] == 20 * 96


async def test_what_went_is_remembered(world) -> None:
    await filled(world)

    await cleaner(world, readings=30).clean_up()

    (_, stone) = (await world.tombstones.page()).tombstones
    assert (stone.kind, stone.owner, stone.site_id) == (Kind.READINGS, "ask.main", "ask")
    assert (stone.from_utc, stone.until_utc) == (datetime(2026, 4, 2, tzinfo=UTC), MIDNIGHT)
    assert (stone.rows, stone.removed_utc, stone.job_id) == (714, NOW, "j1")


async def test_a_second_clean_up_finds_nothing_and_a_later_one_goes_on(world) -> None:
    await filled(world)
    await cleaner(world, readings=30).clean_up()

    assert await cleaner(world, "j2", readings=30).clean_up() == CleanUpResult([], [])

    later = await cleaner(world, "j3", now=NOW + DAY, readings=30).clean_up()
    assert rows(later) == {("readings", "ask"): 24, ("readings", "fir"): 24}


async def test_nothing_of_a_site_on_hold_goes_nor_of_what_belongs_to_no_site(world) -> None:
    await filled(world)
    await sites.hold("fir", "case 12/26", registry=world.registry, now=NOW)
    world.clock.at = NOW + 400 * DAY

    order: dict[str, Any] = {"now": NOW + 400 * DAY, "readings": 430, "rejects": 30, "receipts": 30}
    cleaned = await cleaner(world, **order).clean_up()

    assert rows(cleaned) == {("readings", "ask"): 714}
    assert refused(cleaned) == {("readings", "fir", "hold"), ("receipts", None, "hold")}
    assert "case 12/26" in cleaned.refused[0].detail
    assert (await world.readings.read(["fir.main"])).height == 60 * 24

    await sites.hold("fir", None, registry=world.registry, now=NOW)
    released = await cleaner(world, "j2", **order).clean_up()
    assert rows(released) == {("readings", "fir"): 714, ("receipts", None): 1}


async def test_refused_instants_of_a_site_on_hold_stay_and_of_others_go(world) -> None:
    await filled(world)
    old = NOW.replace(hour=0) - 50 * DAY + timedelta(minutes=30)
    young = NOW.replace(hour=0) - DAY + timedelta(minutes=30)
    meters = ("ask.main", "fir.main")
    receipt = await take_in(world, {(meter, at): -5.0 for meter in meters for at in (old, young)})
    assert receipt.rejected == 4
    await catch_up(world)
    await sites.hold("fir", "case 12/26", registry=world.registry, now=NOW)

    await cleaner(world, readings=30).clean_up()

    left = await world.readings.refused(list(meters), EVER)
    assert left.select("meter_id", "ts_utc").rows() == [
        ("ask.main", young),
        ("fir.main", old),
        ("fir.main", young),
    ]


async def test_a_hold_that_comes_meanwhile_stops_the_rest(world, monkeypatch) -> None:
    await filled(world)
    monkeypatch.setattr(rules.chunks, "__defaults__", (480,))
    turns: list[int] = []

    def progress(done: int, _: int) -> None:
        turns.append(done)

    clean = cleaner(world, readings=30)
    original = world.registry.holds
    looks = 0

    async def holds():
        nonlocal looks
        looks += 1
        if looks == 2:  # after the plan, before the first chunk
            await sites.hold("fir", "case", registry=world.registry, now=NOW)
        return await original()

    monkeypatch.setattr(world.registry, "holds", holds, raising=False)
    cleaned = await clean.clean_up(progress)

    assert rows(cleaned) == {("readings", "ask"): 714}
    assert (await world.readings.read(["fir.main"])).height == 60 * 24
    assert len(turns) == 3  # 1428 rows, 480 at once


async def test_readings_that_are_not_rolled_up_stay(world) -> None:
    await filled(world)
    await take_in(world, {("fir.main", MIDNIGHT - 10 * DAY): 2.0})  # a correction

    cleaned = await cleaner(world, readings=30).clean_up()

    assert refused(cleaned) == {("readings", "fir", "dirty")}
    assert rows(cleaned) == {("readings", "ask"): 714}
    await catch_up(world)
    assert rows(await cleaner(world, "j2", readings=30).clean_up()) == {("readings", "fir"): 714}


async def test_readings_whose_figures_are_missing_stay(world) -> None:
    await filled(world)
    quarter = await world.rollups.read(["fir.main"], Grain.QUARTER, EVER)
    lost = quarter.filter(start_utc=MIDNIGHT - 5 * DAY).select("meter_id", "grain", "start_utc")
    spans = lost.select("meter_id", from_utc="start_utc", to_utc="start_utc").clear()
    events = await world.rollups.events(["fir.main"], EVER)
    await world.rollups.write(quarter.clear(), lost, events, spans, await world.rollups.dirty())

    cleaned = await cleaner(world, readings=30).clean_up()

    assert refused(cleaned) == {("readings", "fir", "missing_rollups")}
    assert rows(cleaned) == {("readings", "ask"): 714}


async def test_a_change_while_the_line_is_drawn_takes_the_line_back(world, monkeypatch) -> None:
    await filled(world)

    async def meanwhile(_: float) -> None:
        spans = (await world.readings.extent(["fir.main"])).with_columns(
            to_utc=pl.lit(MIDNIGHT - 3 * DAY)
        )
        await world.rollups.mark(spans)

    monkeypatch.setattr(asyncio, "sleep", meanwhile)
    cleaned = await cleaner(world, readings=30, quarters=30).clean_up()

    assert refused(cleaned) == {("readings", "fir", "dirty")}
    assert {site for _, site in rows(cleaned)} == {"ask"}
    assert (await world.readings.read(["fir.main"])).height == 60 * 24


async def test_what_comes_late_is_refused_and_says_why(world) -> None:
    await filled(world)
    before = await figures(world, "fir.main")
    await cleaner(world, readings=30).clean_up()

    receipt = await take_in(world, {("fir.main", MIDNIGHT - DAY): 5.0, ("fir.main", MIDNIGHT): 5.0})

    assert (receipt.corrected, receipt.rejected) == (1, 1)
    (reason, detail) = receipt.rejects.frame().select("reason", "detail").row(0)
    assert reason == "removed_period"
    assert "2026-05-02T00:00:00Z" in detail
    await catch_up(world)
    after = await figures(world, "fir.main")
    old = before.filter(pl.col("start_utc") < MIDNIGHT, pl.col("grain") != "week")
    kept = after.filter(pl.col("start_utc") < MIDNIGHT, pl.col("grain") != "week")
    may = {"grain": "month", "start_utc": datetime(2026, 5, 1, tzinfo=UTC)}
    drop = (pl.col("grain") == "month") & (pl.col("start_utc") == may["start_utc"])
    assert_frame_equal(kept.filter(~drop), old.filter(~drop))
    # May is a day of readings that are gone, and thirty that are there: 31 × 24 kWh and 4 more.
    assert after.filter(**may)["energy_kwh"].item() == 31 * 24 + 4


@pytest.mark.parametrize("how", ["everything", "period", "capacity", "kind", "again"])
async def test_figures_outlive_their_readings_whatever_is_computed_again(world, how) -> None:
    await filled(world)
    await cleaner(world, readings=30).clean_up()
    before = await figures(world, "fir.main")
    stores: dict[str, Any] = {"readings": world.readings, "rollups": world.rollups}

    if how == "everything":
        await sites.mark(["fir.main"], registry=world.registry, **stores)
    elif how == "period":
        await sites.mark_period(["fir.main"], EVER, **stores)
    elif how == "capacity":
        await sites.change(
            "fir", {"capacity_kw": 2000.0}, registry=world.registry, now=NOW, **stores
        )
    elif how == "again":
        await world.rollups.mark(await world.readings.extent(["fir.main"]))
    else:
        meter = Meter(
            id="fir.main", site_id="fir", kind=MeterKind.INTERVAL, expected_interval_s=3600,
            max_hold_s=7200,
        )  # fmt: skip
        await sites.put_parts("fir", [meter], registry=world.registry, now=NOW, **stores)
    await catch_up(world)

    assert (await world.rollups.dirty()).is_empty()
    after = await figures(world, "fir.main")
    stamps = ["computed_utc", "revision"]
    assert_frame_equal(after.drop(stamps), before.drop(stamps))


async def test_a_site_keeps_its_time_zone_when_its_days_cannot_be_summed_again(world) -> None:
    await filled(world)
    await cleaner(world, readings=30).clean_up()

    with pytest.raises(ConflictError, match="2026-05-02"):
        await sites.change(
            "fir",
            {"timezone": "Europe/Oslo"},
            registry=world.registry,
            readings=world.readings,
            rollups=world.rollups,
            now=NOW,
        )


async def test_a_past_state_that_rests_on_removed_readings_is_refused(world) -> None:
    await filled(world)
    known = world.clock.now()
    world.clock.at = NOW + timedelta(hours=1)
    await take_in(world, {("fir.main", MIDNIGHT + DAY): 3.0})
    await catch_up(world)
    await cleaner(world, readings=30).clean_up()

    async def past(start: datetime) -> object:
        series = await metrics.of_site(
            "fir",
            Period(start, MIDNIGHT + 2 * DAY),
            Grain.DAY,
            as_of=known,
            registry=world.registry,
            readings=world.readings,
            rollups=world.rollups,
            grid=world.grid,
            calendar=world.calendar,
            clock=world.clock,
        )
        return series.total["energy_kwh"]

    assert await past(MIDNIGHT) == 48.0  # as it was before the correction
    with pytest.raises(RemovedError, match="2026-05-02"):
        await past(MIDNIGHT - DAY)

    world.clock.at = NOW + 40 * DAY
    await cleaner(world, "j2", now=NOW + 40 * DAY, revisions=30).clean_up()
    with pytest.raises(RemovedError, match="corrected before"):
        await past(MIDNIGHT)


async def test_a_device_is_not_judged_again_by_readings_that_are_gone(world) -> None:
    await filled(world)
    await cleaner(world, readings=30).clean_up()

    with pytest.raises(RemovedError, match="2026-05-02"):
        await device.look_again(
            "fir.main",
            Period(MIDNIGHT - DAY, NOW),
            registry=world.registry,
            readings=world.readings,
            rollups=world.rollups,
            clock=world.clock,
        )


async def test_finer_rollups_go_and_coarser_ones_stay_right(world) -> None:
    await filled(world)
    before = await figures(world, "fir.main")

    cleaned = await cleaner(world, readings=30, quarters=30, hours=30, days=30).clean_up()

    gone = rows(cleaned)
    assert gone["rollups.quarter", "fir"] == 30 * 96
    assert gone["rollups.hour", "fir"] == 30 * 24
    # 2 May is a Saturday of a week that began on 27 April, in a month that began on 1 May.
    assert gone["rollups.day", "fir"] == 25
    await sites.mark(
        ["fir.main"], registry=world.registry, readings=world.readings, rollups=world.rollups
    )
    await take_in(world, {("fir.main", MIDNIGHT): 5.0})
    await catch_up(world)
    after = await figures(world, "fir.main")
    coarse = pl.col("grain").is_in(["week", "month"])
    both = after.filter(coarse).join(
        before.filter(coarse), on=["meter_id", "grain", "start_utc"], how="full", suffix="_before"
    )
    grown = pl.col("energy_kwh") - pl.col("energy_kwh_before")
    assert both.filter(grown != 0).select("grain", grown).sort("grain").rows() == [
        ("month", 4.0),
        ("week", 4.0),
    ]
    assert both["energy_kwh"].null_count() == both["energy_kwh_before"].null_count() == 0


async def test_rollups_go_only_after_what_they_are_made_of(world) -> None:
    await filled(world)
    await sites.hold("ask", "case", registry=world.registry, now=NOW)
    await take_in(world, {("fir.main", MIDNIGHT - 10 * DAY): 2.0})

    cleaned = await cleaner(world, readings=30, quarters=30, hours=30).clean_up()

    assert cleaned.gone == []


async def test_a_clean_up_that_was_stopped_ends_as_one_that_was_not(world, other) -> None:
    for each in (world, other):
        await filled(each)
    days: dict[str, Any] = {"readings": 30, "quarters": 40, "hours": 40, "revisions": 40}
    await cleaner(other, **days).clean_up()

    class KilledError(Exception):
        pass

    steps = 0

    def die(_: int, __: int) -> None:
        nonlocal steps
        steps += 1
        raise KilledError

    while True:
        try:
            await cleaner(world, **days).clean_up(die)
        except KilledError:
            assert steps < 100
            continue
        break

    assert steps >= 3
    here, there = [(await each.tombstones.page()).tombstones for each in (world, other)]
    assert here == there
    for each in ("fir.main", "ask.main"):
        assert_frame_equal(await world.readings.read([each]), await other.readings.read([each]))
        assert_frame_equal(await figures(world, each), await figures(other, each))


async def test_a_clean_up_that_was_given_up_leaves_a_true_tombstone(world) -> None:
    await filled(world)

    def give_up(_: int, __: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await cleaner(world, readings=30, quarters=40).clean_up(give_up)
    await cleaner(world, "j2", readings=30, quarters=40).clean_up()

    stones = (await world.tombstones.page()).tombstones
    assert all(stone.removed_utc is not None for stone in stones)
    assert sum(stone.rows for stone in stones if stone.kind is Kind.READINGS) == 2 * 714
    assert sum(stone.rows for stone in stones if stone.kind is Kind.QUARTERS) == 2 * 20 * 96


async def test_the_line_of_a_register_waits_until_its_figures_are_complete(world) -> None:
    world.clock.at = NOW
    register = Meter(id="r", site_id="fir", kind=MeterKind.REGISTER, expected_interval_s=86_400)
    await world.add("fir", register, timezone="UTC")
    start = NOW.replace(hour=0) - 60 * DAY
    states = {start + day * DAY: 100.0 * day for day in range(20)}  # then it falls silent
    raw = pl.DataFrame(
        [
            {"meter_id": "r", "timestamp": at.isoformat(), "register_kwh": state}
            for at, state in states.items()
        ]
    )
    stores: dict[str, Any] = {
        "registry": world.registry,
        "readings": world.readings,
        "clock": world.clock,
    }
    await ingest.ingest_readings(raw, Origin.of("t", b""), **stores)
    await catch_up(world)

    cleaned = await cleaner(world, readings=30).clean_up()
    again = {"timestamp": [(NOW - timedelta(hours=12)).isoformat()], "register_kwh": [6000.0]}
    await ingest.ingest_readings(
        pl.DataFrame({"meter_id": ["r"], **again}), Origin.of("t", b"2"), **stores
    )
    await catch_up(world)

    assert sum(gone.rows for gone in cleaned.gone) < 20
    total = (await world.rollups.read(["r"], Grain.QUARTER, EVER))["energy_kwh"].sum()
    assert total == 6000.0


async def test_jobs_receipts_and_rejects_go_by_their_own_age(world) -> None:
    await opened(world)
    await take_in(world, {("fir.main", NOW - DAY): 1.0, ("nobody", NOW - DAY): 1.0})
    world.clock.at = NOW + 20 * DAY
    await take_in(world, {("fir.main", NOW + DAY): 1.0, ("nobody", NOW): 1.0})
    world.clock.at = NOW + 31 * DAY

    cleaned = await cleaner(world, now=NOW + 31 * DAY, rejects=30, receipts=30, jobs=30).clean_up()

    assert rows(cleaned) == {("rejects", None): 1, ("receipts", None): 1}


async def report(world: World, entity_id: str) -> str:
    made = StoredReport(
        report_id=f"{entity_id}@{world.clock.at:%F}",
        entity_id=entity_id,
        name="",
        period=Period(NOW - DAY, NOW),
        timezone="UTC",
        known_utc=NOW,
        fingerprint="",
        version="",
        created_utc=world.clock.at,
    )
    await world.reports.file(made, {Format.CSV: b""})
    return made.report_id


async def left(world: World) -> set[str]:
    return {each.report_id for each in (await world.reports.reports()).reports}


async def test_reports_go_by_their_age_and_leave_tombstones(world) -> None:
    await opened(world)
    old = [await report(world, each) for each in ("site:fir", "site:ask", "operator:alder")]
    world.clock.at = NOW + 20 * DAY
    young = await report(world, "site:fir")

    looked = await cleaner(world, now=NOW + 31 * DAY, reports=30).look()
    assert await left(world) == {*old, young}
    cleaned = await cleaner(world, now=NOW + 31 * DAY, reports=30).clean_up()

    assert cleaned == looked
    gone = {("reports", "fir"): 1, ("reports", "ask"): 1, ("reports", None): 1}
    assert rows(cleaned) == gone
    assert await left(world) == {young}
    stones = (await world.tombstones.page(kind=Kind.REPORTS)).tombstones
    assert {stone.owner for stone in stones} == {"site:fir", "site:ask", "operator:alder"}
    assert all(stone.until_utc == NOW + DAY for stone in stones)


async def test_a_hold_keeps_the_reports_of_its_site_and_those_of_several(world) -> None:
    await opened(world)
    held, free, several = [
        await report(world, each) for each in ("site:fir", "site:ask", "operator:alder")
    ]
    await sites.hold("fir", "case 12/26", registry=world.registry, now=NOW)

    cleaned = await cleaner(world, now=NOW + 31 * DAY, reports=30).clean_up()

    assert rows(cleaned) == {("reports", "ask"): 1}
    assert refused(cleaned) == {("reports", "fir", "hold"), ("reports", None, "hold")}
    assert await left(world) == {held, several}
    assert free not in await left(world)


async def test_a_clean_up_of_one_site_takes_its_reports_alone(world) -> None:
    await opened(world)
    for each in ("site:fir", "site:ask", "operator:alder"):
        await report(world, each)

    cleaned = await cleaner(world, site="fir", now=NOW + 31 * DAY, reports=30).clean_up()

    assert rows(cleaned) == {("reports", "fir"): 1}
    assert len(await left(world)) == 2


@example(max_examples=15)
@given(
    values=st.lists(st.floats(0, 900), min_size=1, max_size=40),
    step_h=st.integers(1, 60),
    days=st.integers(1, 70),
    register=st.booleans(),
    grains=st.booleans(),
)
def test_a_clean_up_never_changes_a_figure_nor_a_kept_reading(
    values, step_h, days, register, grains
) -> None:
    async def check() -> None:
        async with empty_world() as world:
            world.clock.at = NOW
            kind = MeterKind.REGISTER if register else MeterKind.POWER
            meter = Meter(id="m", site_id="fir", kind=kind, expected_interval_s=3600)
            await world.add("fir", meter, timezone="Asia/Kolkata")
            column = "register_kwh" if register else "power_kw"
            told = sorted(values) if register else values
            raw = pl.DataFrame(
                [
                    {
                        "meter_id": "m",
                        "timestamp": (NOW - (place + 1) * step_h * timedelta(hours=1)).isoformat(),
                        column: value,
                    }
                    for place, value in enumerate(reversed(told))
                ]
            )
            stores: dict[str, Any] = {"registry": world.registry, "readings": world.readings}
            await ingest.ingest_readings(raw, Origin.of("t", b""), clock=world.clock, **stores)
            await catch_up(world)
            before, known = await figures(world, "m"), await world.readings.read(["m"])
            asked = {"readings": days} | (
                {"quarters": days + 5, "hours": days + 5} if grains else {}
            )

            await cleaner(world, **asked).clean_up()
            kept = await figures(world, "m")
            left = await world.readings.read(["m"])
            await sites.mark(["m"], rollups=world.rollups, **stores)
            await catch_up(world)

            on = ["meter_id", "grain", "start_utc"]
            assert_frame_equal(kept, before.join(kept, on=on, how="semi", maintain_order="left"))
            assert_frame_equal(left, known.tail(left.height))  # the newest, as they were
            stamps = ["computed_utc", "revision"]
            assert_frame_equal((await figures(world, "m")).drop(stamps), kept.drop(stamps))

    asyncio.run(check())

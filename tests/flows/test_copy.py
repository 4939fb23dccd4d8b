"""Moving house: all of it, verified, in an order that never looks complete before it is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook.core import frames
from wattbook.core.archive import checksums, tables
from wattbook.core.archive.tables import BY_NAME, READINGS, TABLES, Table
from wattbook.core.errors import (
    ConflictError,
    InputError,
    UnavailableError,
    UnknownEntityError,
    UnsupportedError,
)
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import FleetItem, Meter, MeterKind, Supply, SupplyKind
from wattbook.flows import copy, ingest, rollup
from wattbook.flows.copy import CopyEndpoint, CopyResult, Staying
from wattbook.flows.ingest import Origin
from wattbook.ports.archive import Archive
from wattbook.ports.registry import Edit

pytestmark = pytest.mark.slow

T = datetime(2026, 3, 31, 22, tzinfo=UTC)
"""Two hours before the month ends."""
HOUR = timedelta(hours=1)
LEARNED = datetime(2026, 6, 1, tzinfo=UTC)
CORRECTED = LEARNED + timedelta(days=1)
EVER = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
METERS = ["fir.main", "fir.reg", "ask.main"]


class Through:
    """An archive that passes everything on to another one."""

    def __init__(self, inner: Archive) -> None:
        self.inner = inner
        self.holds = inner.holds

    async def contents(self, tables: Sequence[Table] = TABLES) -> pl.DataFrame:
        return await self.inner.contents([table for table in tables if table.name in self.holds])

    async def cut(self, table: Table, owner: str, period: Period, rows: int) -> list[Period]:
        return await self.inner.cut(table, owner, period, rows)

    async def take(self, table: Table, owners: Sequence[str], period: Period) -> pl.DataFrame:
        return await self.inner.take(table, owners, period)

    async def put(
        self, table: Table, owners: Sequence[str], period: Period, rows: pl.DataFrame
    ) -> None:
        await self.inner.put(table, owners, period, rows)


class PowerCutError(Exception):
    """What ends a copy in the middle."""


class Mortal(Through):
    """Dies when it is to put for the last time."""

    def __init__(self, inner: Archive, lives: int) -> None:
        super().__init__(inner)
        self.lives = lives

    async def put(
        self, table: Table, owners: Sequence[str], period: Period, rows: pl.DataFrame
    ) -> None:
        self.lives -= 1
        if self.lives == 0:
            raise PowerCutError
        await super().put(table, owners, period, rows)


class Forgetful(Through):
    """Loses the last row of what it is given."""

    async def put(
        self, table: Table, owners: Sequence[str], period: Period, rows: pl.DataFrame
    ) -> None:
        await super().put(table, owners, period, rows[:-1])


class Disturbed(Through):
    """Loses a meter's month to somebody else after the last row was put."""

    async def put(
        self, table: Table, owners: Sequence[str], period: Period, rows: pl.DataFrame
    ) -> None:
        await super().put(table, owners, period, rows)
        if table is TABLES[-1]:
            march = tables.span(date(2026, 3, 1))
            await super().put(READINGS, ["fir.main"], march, frames.READINGS.empty())


def house(world, archive_: Archive | None = None) -> CopyEndpoint:
    return CopyEndpoint(
        archive=archive_ or world.archive,
        rollups=world.rollups,
        registry=world.registry,
        tombstones=world.tombstones,
    )


def bucket(world) -> CopyEndpoint:
    """A house that keeps readings alone, as a bucket of InfluxDB does."""
    narrow = Through(world.archive)
    narrow.holds = frozenset({"readings"})
    return CopyEndpoint(archive=narrow)


async def move(world, other, **options) -> CopyResult:
    return await copy.everything(source=house(world), target=house(other), **options)


async def take_in(world, *rows: tuple[str, int, str, float]) -> None:
    """Meter, hours after `T`, column, value."""
    raw = pl.DataFrame(
        [
            {"meter_id": meter, "timestamp": (T + hour * HOUR).isoformat(), column: value}
            for meter, hour, column, value in rows
        ]
    )
    await ingest.ingest_readings(
        raw,
        Origin.of("test", b"body"),
        registry=world.registry,
        readings=world.readings,
        clock=world.clock,
    )


async def catch_up(world) -> None:
    await rollup.catch_up(
        registry=world.registry,
        readings=world.readings,
        rollups=world.rollups,
        clock=world.clock,
    )


@pytest.fixture
async def full(world):
    """A world with something in every table: two sites, corrections, refused rows, a reset."""
    register = Meter(id="fir.reg", site_id="fir", kind=MeterKind.REGISTER, expected_interval_s=3600)
    main = Meter(id="fir.main", site_id="fir", kind=MeterKind.INTERVAL, expected_interval_s=3600)
    site = await world.add("fir", main, register)
    supply = Supply(id="ppa", site_id="fir", kind=SupplyKind.PPA, share=0.5, valid_from=T)
    item = FleetItem(id="s19", site_id="fir", model="S19", count=3, valid_from=T)
    await world.registry.edit(site.id, Edit(parts=(supply, item)), LEARNED)
    await world.add("ask")
    await take_in(
        world,
        *[(meter, hour, "energy_kwh", 10.0 + hour) for meter in METERS[::2] for hour in range(5)],
        *[("fir.reg", hour, "register_kwh", 100.0 + hour) for hour in range(4)],
        ("fir.reg", 4, "register_kwh", 1.0),
        ("fir.reg", 5, "register_kwh", 2.0),
        ("fir.reg", 6, "register_kwh", 3.0),
        ("nobody", 0, "energy_kwh", 1.0),
        ("ask.main", 9, "energy_kwh", -1.0),
    )
    await conditions(world, 100.0, 101.0)
    await catch_up(world)
    world.clock.at = CORRECTED
    await take_in(world, ("fir.main", 1, "energy_kwh", 50.0), ("fir.main", 5, "energy_kwh", 7.0))
    await conditions(world, 100.0, 99.0)
    return world


async def conditions(world, *g_per_kwh: float) -> None:
    raw = pl.DataFrame(
        [
            {"zone": "NO1", "start": (T + hour * HOUR).isoformat(), "carbon_g_per_kwh": value}
            for hour, value in enumerate(g_per_kwh)
        ]
    ).with_row_index("row")
    await ingest.ingest_grid(raw, Origin.of("market", b"body"), grid=world.grid, clock=world.clock)


async def everything_of(world) -> dict[str, pl.DataFrame]:
    """Checksums of all tables."""
    contents = await world.archive.contents()
    found = {}
    for table in TABLES:
        owners = contents.filter(table=table.name)["owner"].unique().to_list()
        found[table.name] = checksums.of_rows(await world.archive.take(table, owners, EVER), table)
    return found


async def assert_same(world, other) -> None:
    ours, theirs = await everything_of(world), await everything_of(other)
    for name, sums in ours.items():
        assert_frame_equal(theirs[name], sums)
    assert (await other.registry.sites()).sites == (await world.registry.sites()).sites
    marks = [
        (await each.rollups.dirty()).drop("mark").unique().sort("meter_id", "from_utc")
        for each in (world, other)
    ]
    assert_frame_equal(*marks)


# --- all of it ---------------------------------------------------------------------------------


async def test_everything_moves_and_is_verified(full, other) -> None:
    copied = await move(full, other)

    await assert_same(full, other)
    contents = await full.archive.contents()
    assert set(contents["table"]) == set(BY_NAME)  # the example leaves no table out
    assert {one.table: one.rows for one in copied.tables} == dict(
        contents.group_by("table").agg(pl.col("rows").sum()).iter_rows()
    )
    assert all(one.copied == one.rows for one in copied.tables)
    assert sum(one.months for one in copied.tables) == contents.height
    assert copied.differences.is_empty()
    assert (copied.sites, copied.sites_added) == (2, 2)


async def test_answers_as_of_any_time_are_the_same_in_both_houses(full, other) -> None:
    await move(full, other)

    for known in (None, LEARNED - HOUR, LEARNED, CORRECTED - HOUR, CORRECTED):
        here, there = [await each.readings.read(METERS, as_of=known) for each in (full, other)]
        assert_frame_equal(there, here)
        here, there = [await each.grid.read(["NO1"], EVER, as_of=known) for each in (full, other)]
        assert_frame_equal(there, here)
    receipts = (await full.archive.take(BY_NAME["receipts"], ["test"], EVER))["batch_id"]
    for batch in receipts:
        here, there = [await each.readings.receipt(batch) for each in (full, other)]
        assert_frame_equal(there.rejects.frame(), here.rejects.frame())
        assert replace(there, rejects=here.rejects) == here


async def test_what_was_said_of_meters_and_capacities_at_any_time_is_the_same_in_both_houses(
    full, other
) -> None:
    # Day 0: 900 kW; day 1: 1,200 kW; day 2: quarter-hours in place of hours.
    (register,) = [
        each for each in (await full.registry.site("fir")).meters if each.id == "fir.reg"
    ]
    edits = (
        Edit(changes={"capacity_kw": 900.0}),
        Edit(changes={"capacity_kw": 1200.0}),
        Edit(parts=(replace(register, expected_interval_s=900),)),
    )
    for day, edit in enumerate(edits):
        await full.registry.edit("fir", edit, CORRECTED + timedelta(days=day))

    await move(full, other)

    assert await other.registry.history("fir") == await full.registry.history("fir")
    found = []
    for day in range(-1, 3):
        as_of = CORRECTED + timedelta(days=day)
        here, there = [await each.registry.meters(as_of) for each in (full, other)]
        assert_frame_equal(there, here)
        found.append(there.filter(meter_id="fir.reg")["capacity_kw", "expected_interval_s"].row(0))
    assert found[1:] == [(900.0, 3600), (1200.0, 3600), (1200.0, 900)]
    assert_frame_equal(await other.registry.meters(), await full.registry.meters())


async def test_what_was_out_of_date_is_so_still_and_then_gives_the_same_figures(
    full, other
) -> None:
    await move(full, other)
    assert not (await other.rollups.dirty()).is_empty()

    for each in (full, other):
        each.clock.at = CORRECTED + HOUR
        await catch_up(each)

    await assert_same(full, other)


async def test_the_house_that_moved_takes_in_and_corrects_as_the_old_one_would(full, other) -> None:
    await move(full, other)

    for each in (full, other):
        each.clock.at = CORRECTED + HOUR
        await take_in(
            each,
            ("fir.main", 1, "energy_kwh", 51.0),
            ("fir.main", 2, "energy_kwh", 12.0),
            ("fir.main", 9, "energy_kwh", 1.0),
        )

    here, there = [await each.readings.read(METERS) for each in (full, other)]
    assert_frame_equal(there, here)
    assert here.filter(meter_id="fir.main")["revision"].to_list() == [0, 2, 0, 0, 0, 0, 0]


async def test_the_source_is_only_read(full, other) -> None:
    before, mark = await everything_of(full), await full.rollups.latest_mark()

    await move(full, other)

    after = await everything_of(full)
    for name, sums in before.items():
        assert_frame_equal(after[name], sums)
    assert await full.rollups.latest_mark() == mark


async def test_an_empty_house_moves_too(world, other) -> None:
    copied = await move(world, other)

    assert copied.tables == []
    assert copied.sites == 0


async def test_what_is_done_is_told_until_all_is(full, other) -> None:
    said: list[tuple[int, int, str]] = []

    await move(full, other, progress=lambda *step: said.append(step))

    total = (await full.archive.contents())["rows"].sum()
    assert [done for done, _, _ in said] == sorted(done for done, _, _ in said)
    assert said[-1] == (total, total, "rollups")
    assert {all_ for _, all_, _ in said} == {total}


# --- again, and after it was killed ------------------------------------------------------------


async def test_a_second_run_copies_nothing_and_verifies_everything(full, other) -> None:
    first = await move(full, other)

    second = await move(full, other)

    await assert_same(full, other)
    assert [one.copied for one in second.tables] == [0] * len(TABLES)
    assert [(one.rows, one.months) for one in second.tables] == [
        (one.rows, one.months) for one in first.tables
    ]
    assert second.sites_added == 0


async def test_wherever_a_copy_is_killed_it_does_not_look_complete_and_is_finished_by_a_second(
    full, other
) -> None:
    deaths = 0
    for lives in range(1, 100):
        target = house(other, Mortal(other.archive, lives))
        try:
            await copy.everything(source=house(full), target=target)
        except PowerCutError:
            deaths += 1
            assert (await other.registry.sites()).sites == ()
            with pytest.raises(UnknownEntityError):
                await other.registry.site("fir")
            contents = await other.archive.contents()
            rows = dict(contents.group_by("table").agg(pl.col("rows").sum()).iter_rows())
            if "rollups" in rows:  # what is out of date was noted before
                assert not (await other.rollups.dirty()).is_empty()
            await everything_gone(other)
        else:
            break

    assert deaths == lives - 1 >= len(TABLES)
    await assert_same(full, other)


async def everything_gone(other) -> None:
    """Empties the tables, so that the next copy begins where the first did."""
    contents = await other.archive.contents()
    for table in TABLES:
        owners = contents.filter(table=table.name)["owner"].unique().to_list()
        await other.archive.put(table, owners, EVER, table.contract.empty())


async def test_copies_that_are_killed_again_and_again_get_there_in_the_end(full, other) -> None:
    deaths = 0
    while deaths < 100:
        target = house(other, Mortal(other.archive, 2))  # each run puts one portion
        try:
            await copy.everything(source=house(full), target=target)
        except PowerCutError:
            deaths += 1
            assert (await other.registry.sites()).sites == ()
        else:
            break

    assert deaths >= len(TABLES) - 1
    await assert_same(full, other)


async def test_what_has_come_in_since_is_brought_by_a_second_run(full, other) -> None:
    await move(full, other)
    full.clock.at = CORRECTED + HOUR
    await take_in(full, ("fir.main", 1, "energy_kwh", 51.0), ("fir.main", 8, "energy_kwh", 1.0))
    await conditions(full, 100.0, 98.0)
    await catch_up(full)

    copied = await move(full, other)

    rows = {one.table: one.copied for one in copied.tables}
    assert rows["readings"] == 2 + 5  # of fir.main, both in March and in April
    assert rows["register_events"] == 0
    ours, theirs = await everything_of(full), await everything_of(other)
    for name, sums in ours.items():
        assert_frame_equal(theirs[name], sums)


# --- conflicts ---------------------------------------------------------------------------------


async def test_what_the_source_never_had_is_a_conflict_that_names_meter_and_month(
    full, other
) -> None:
    await other.add("elm")
    raw = (await full.archive.take(READINGS, ["ask.main"], EVER)).with_columns(energy_kwh=0.5)
    await other.archive.put(READINGS, ["ask.main"], EVER, raw)

    with pytest.raises(ConflictError, match=r"readings of ask\.main in 2026-03: 2 rows") as caught:
        await move(full, other)

    assert [problem.detail for problem in caught.value.problems] == [
        "readings of ask.main in 2026-03: 2 rows",
        "readings of ask.main in 2026-04: 3 rows",
    ]
    assert [site.id for site in (await other.registry.sites()).sites] == ["elm"]
    kept = await other.archive.take(READINGS, ["ask.main"], EVER)
    assert_frame_equal(kept.sort("ts_utc"), raw.sort("ts_utc"))


async def test_it_is_replaced_where_that_is_asked_for_and_only_there(full, other) -> None:
    other_rows = (await full.archive.take(READINGS, ["ask.main"], EVER)).with_columns(
        energy_kwh=0.5
    )
    await other.archive.put(READINGS, ["ask.main"], EVER, other_rows)
    strange = other_rows.with_columns(meter_id=pl.lit("strange"))
    await other.archive.put(READINGS, ["strange"], EVER, strange)

    await move(full, other, replace=True)

    assert_frame_equal(
        checksums.of_rows(await other.archive.take(READINGS, METERS, EVER), READINGS),
        (await everything_of(full))["readings"],
    )
    kept = await other.archive.take(READINGS, ["strange"], EVER)
    assert_frame_equal(kept.sort("ts_utc"), strange.sort("ts_utc"))


async def test_more_rows_than_the_source_has_are_a_conflict_too(full, other) -> None:
    await move(full, other)
    other.clock.at = CORRECTED + HOUR
    await take_in(other, ("ask.main", 6, "energy_kwh", 1.0))

    with pytest.raises(ConflictError, match=r"readings of ask\.main in 2026-04: 1 rows"):
        await move(full, other)


async def test_other_months_of_the_target_stay(full, other) -> None:
    await move(full, other)
    other.clock.at = CORRECTED + HOUR
    await take_in(other, ("ask.main", 24 * 31, "energy_kwh", 1.0))

    copied = await move(full, other)

    assert copied.differences.is_empty()
    assert (await other.readings.read(["ask.main"])).height == 6


async def test_two_houses_become_one_where_they_know_different_sites(full, other) -> None:
    await other.add("elm")
    await take_in(other, ("elm.main", 0, "energy_kwh", 1.0), ("nobody", 0, "energy_kwh", 1.0))
    theirs = await other.archive.take(BY_NAME["rejects"], ["test"], EVER)

    for _ in range(2):
        copied = await move(full, other)

        assert copied.differences.is_empty()
        sites = (await other.registry.sites()).sites
        assert [site.id for site in sites] == ["ask", "elm", "fir"]
        for table in ("receipts", "rejects"):
            (moved,) = (one for one in copied.tables if one.table == table)
            assert moved.rows == (await full.archive.contents([BY_NAME[table]]))["rows"].sum()
        receipt = await other.readings.receipt(theirs["batch_id"][0])
        assert (receipt.accepted, receipt.rejects.height) == (1, 1)
    assert copied.tables[-1].copied == 0


async def test_another_receipt_of_the_same_batch_is_a_conflict(full, other) -> None:
    receipts = await full.archive.take(BY_NAME["receipts"], ["test"], EVER)
    false = receipts.with_columns(accepted=pl.lit(9, dtype=pl.Int64))
    await other.archive.put(BY_NAME["receipts"], ["test"], EVER, false)

    with pytest.raises(ConflictError, match="receipts of test in 2026-06: 2 rows"):
        await move(full, other)


async def test_many_conflicts_are_counted(full, other) -> None:
    rows = await full.archive.take(READINGS, METERS, EVER)
    await other.archive.put(READINGS, METERS, EVER, rows.with_columns(hashrate_th=1.0))

    with pytest.raises(ConflictError, match=r"; and 3 more$") as caught:
        await move(full, other)

    assert len(caught.value.problems) == 6


async def test_another_site_of_the_same_id_is_a_conflict_before_anything_moves(full, other) -> None:
    await other.add("fir", zone="NO2")

    with pytest.raises(ConflictError, match="site fir has another zone, meters, supplies, fleet"):
        await move(full, other)

    assert (await other.archive.contents()).is_empty()


async def test_a_meter_of_the_same_id_at_another_site_is_a_conflict(full, other) -> None:
    meter = Meter(id="ask.main", site_id="elm", kind=MeterKind.POWER)
    await other.add("elm", meter)

    with pytest.raises(ConflictError, match=r"meter ask\.main of ask is at elm"):
        await move(full, other)

    assert (await other.archive.contents()).is_empty()


async def test_a_site_that_is_there_already_is_the_same_whenever_it_was_registered(
    full, other
) -> None:
    other.clock.at = LEARNED - HOUR
    await other.add("ask")

    copied = await move(full, other)

    assert (copied.sites, copied.sites_added) == (2, 1)
    assert (await other.registry.site("ask")).created_utc == LEARNED - HOUR


# --- parts -------------------------------------------------------------------------------------


async def test_readings_alone_can_be_copied_and_are_rolled_up_anew(full, other) -> None:
    await catch_up(full)
    await other.registry.add(await full.registry.site("fir"))
    await other.registry.add(await full.registry.site("ask"))

    copied = await move(full, other, only=["readings"])
    await catch_up(other)

    assert [one.table for one in copied.tables] == ["readings"]
    assert copied.sites == 0
    for grain in Grain:
        here, there = [
            (await each.rollups.read(METERS, grain, EVER)).drop("computed_utc", "revision")
            for each in (full, other)
        ]
        assert_frame_equal(there, here)
    assert (await other.rollups.events(METERS, EVER)).height == 1


async def test_sites_alone_can_be_copied(full, other) -> None:
    copied = await move(full, other, only=["sites"])

    assert (copied.tables, copied.sites_added) == ([], 2)
    assert (await other.registry.sites()).sites == (await full.registry.sites()).sites
    assert (await other.rollups.dirty()).is_empty()


async def test_a_part_that_there_is_not_is_refused(world, other) -> None:
    with pytest.raises(InputError, match="'meters' is none of reading_revisions, readings"):
        await move(world, other, only=["meters"])


async def test_what_the_target_cannot_keep_is_told_before_anything_moves_and_stays_behind(
    full, other
) -> None:
    told: list[Staying] = []

    copied = await copy.everything(source=house(full), target=bucket(other), announce=told.extend)

    rows = dict(
        (await full.archive.contents()).group_by("table").agg(pl.col("rows").sum()).iter_rows()
    )
    assert {each.part: each.rows for each in told} == {
        **{name: count for name, count in rows.items() if name != "readings"},
        "sites": 2,
    }
    assert told[0] == Staying("reading_revisions", 1)  # of fir.main, corrected once
    assert copied.staying == told
    assert [(one.table, one.rows, one.copied) for one in copied.tables] == [("readings", 18, 18)]
    assert (copied.sites, copied.unfigured, copied.unregistered) == (0, 3, [])
    assert copied.differences.is_empty()
    ours, theirs = await everything_of(full), await everything_of(other)
    assert_frame_equal(theirs["readings"], ours["readings"])
    assert (await other.rollups.dirty()).is_empty()  # there is nobody to be told


async def test_what_is_asked_for_by_name_must_be_kept_on_both_sides(full, other) -> None:
    with pytest.raises(UnsupportedError, match=r"the target keeps no grid, sites; it keeps only"):
        await copy.everything(
            source=house(full), target=bucket(other), only=["grid", "readings", "sites"]
        )
    with pytest.raises(UnsupportedError, match=r"the source keeps no rollups; it keeps only read"):
        await copy.everything(source=bucket(full), target=house(other), only=["rollups"])

    assert (await other.archive.contents()).is_empty()


async def test_readings_that_come_without_rollups_are_rolled_up_where_they_came_to(
    full, other
) -> None:
    await catch_up(full)

    copied = await copy.everything(source=bucket(full), target=house(other))

    assert (copied.unfigured, copied.unregistered) == (3, ["ask.main", "fir.main", "fir.reg"])
    assert (await other.rollups.dirty())["meter_id"].n_unique() == 3
    copied = await move(full, other, only=["sites"])
    await catch_up(other)
    for grain in Grain:
        here, there = [
            (await each.rollups.read(METERS, grain, EVER)).drop("computed_utc", "revision")
            for each in (full, other)
        ]
        assert_frame_equal(there, here)


async def test_what_a_source_without_history_corrected_is_history_at_the_target(
    full, other
) -> None:
    await copy.everything(source=bucket(full), target=house(other))
    full.clock.at = CORRECTED + HOUR
    await take_in(full, ("fir.main", 1, "energy_kwh", 51.0))

    for _ in range(2):
        copied = await copy.everything(source=bucket(full), target=house(other))

    (old,) = (await other.readings.revisions("fir.main", EVER)).rows(named=True)
    assert (old["energy_kwh"], old["revision"], old["superseded_utc"]) == (
        50.0,
        1,
        CORRECTED + HOUR,
    )
    assert [one.copied for one in copied.tables] == [0]
    now = await other.readings.read(["fir.main"])
    assert now["energy_kwh"].to_list()[1] == 51.0


async def test_a_target_that_does_not_keep_what_it_is_given_is_found_out(full, other) -> None:
    target = house(other, Forgetful(other.archive))

    with pytest.raises(UnavailableError, match="did not keep what it was given"):
        await copy.everything(source=house(full), target=target)


async def test_what_somebody_changes_at_the_target_meanwhile_is_a_difference(full, other) -> None:
    target = house(other, Disturbed(other.archive))

    copied = await copy.everything(source=house(full), target=target)

    assert copied.differences.rows() == [("readings", "fir.main", date(2026, 3, 1), 2)]


async def test_a_month_that_is_too_large_to_be_held_moves_in_parts(world, other) -> None:
    count = tables.ROWS_PER_CHUNK + 10
    rows = pl.DataFrame({"hour": range(count)}).select(
        meter_id=pl.lit("fast"),
        ts_utc=pl.lit(datetime(2026, 3, 1, tzinfo=UTC)) + pl.duration(seconds="hour"),
        power_kw=pl.col("hour") * 1.0,
        **{name: pl.lit(None, dtype=pl.Float64) for name in frames.READING_VALUES[1:]},
        quality=pl.lit("measured"),
        known_utc=pl.lit(LEARNED),
        revision=pl.lit(0, dtype=pl.UInt16),
    )
    await world.archive.put(READINGS, ["fast"], EVER, rows)
    said: list[tuple[int, int, str]] = []

    copied = await move(world, other, progress=lambda *step: said.append(step))

    assert (len(said), said[-1][0]) == (2, count)
    assert [(one.rows, one.months) for one in copied.tables] == [(count, 1)]
    months = await other.archive.contents([READINGS])
    assert months.rows() == [("readings", "fast", date(2026, 3, 1), count)]

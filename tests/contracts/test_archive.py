"""What every archive does: it shows each row as it is and takes rows over; see conftest.py."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests.contracts.conftest import duckdb

from wattbook.core import frames
from wattbook.core.archive import checksums, tables
from wattbook.core.archive.tables import BY_NAME, EVENTS, GRID, READINGS, ROLLUPS, TABLES, Table
from wattbook.core.errors import UnsupportedError, WattbookError
from wattbook.core.periods import Grain, Period
from wattbook.core.readings.rejects import Rejects
from wattbook.core.rollups import aggregation
from wattbook.ports.archive import Archive
from wattbook.ports.readings import Batch

T = datetime(2026, 3, 31, 23, tzinfo=UTC)
"""An hour before the month ends."""
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
MARCH, APRIL = tables.span(date(2026, 3, 1)), tables.span(date(2026, 4, 1))
EVER = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
REVISIONS, RECEIPTS, REJECTS = (
    BY_NAME[name] for name in ("reading_revisions", "receipts", "rejects")
)


ON_ONE_LOOP = pytest.mark.asyncio(loop_scope="session")
"""Many examples ask one store, and a store stays on the loop that opened it."""


def holding(store: Archive, *tables: Table) -> None:
    """Passes over a store that cannot keep one of the tables."""
    if missing := {table.name for table in tables} - store.holds:
        pytest.skip(f"keeps no {', '.join(sorted(missing))}")


@pytest.fixture
def stores(stores):
    """Those of the stores that can keep readings at least; the others are asked below."""
    holding(stores.archive, READINGS)
    return stores


@pytest.fixture
def store(stores) -> Archive:
    kept: Archive = stores.archive
    return kept


def readings(*hours: int, meter_id: str = "a", power_kw: float = 1.0, **others) -> pl.DataFrame:
    """One reading for each hour after `T`."""
    return pl.DataFrame(
        [
            dict.fromkeys(frames.READINGS.columns)
            | {"meter_id": meter_id, "ts_utc": T + hour * HOUR, "power_kw": power_kw}
            | {"quality": "measured", "known_utc": T, "revision": 0}
            | others
            for hour in hours
        ],
        schema=frames.READINGS.schema,
    )


def conditions(*hours: int, zone: str = "NO1", **others) -> pl.DataFrame:
    return pl.DataFrame(
        [
            dict.fromkeys(frames.GRID.columns)
            | {"zone": zone, "start_utc": T + hour * HOUR, "interval_s": 3600, "load_mw": 1.5}
            | {"price_per_mwh": -3.0, "currency": "EUR", "known_utc": T, "revision": 0}
            | others
            for hour in hours
        ],
        schema=frames.GRID.schema,
    )


def superseded(rows: pl.DataFrame) -> pl.DataFrame:
    later = rows.with_columns(superseded_utc=pl.col("known_utc") + HOUR)
    revisions = frames.READING_REVISIONS if "ts_utc" in rows.columns else frames.GRID_REVISIONS
    return frames.check(later, revisions)


def receipts(*names: str, source: str = "http", received_utc: datetime = T) -> pl.DataFrame:
    counts = {"received": 3, "accepted": 1, "duplicates": 0, "corrected": 0, "rejected": 2}
    about = {"source": source, "sha256": "0" * 64, "received_utc": received_utc}
    return pl.DataFrame(
        [{"batch_id": name} | about | counts for name in names], schema=frames.RECEIPTS.schema
    )


def rejects(*names: str, source: str = "http", received_utc: datetime = T) -> pl.DataFrame:
    """Two rejects for each batch."""
    about = {"source": source, "received_utc": received_utc, "reason": "no_value", "raw": "{ö}"}
    return pl.DataFrame(
        [
            {"batch_id": name} | about | {"row": row, "detail": detail}
            for name in names
            for row, detail in ((0, None), (4_000_000_000, "№ 1 is missing"))
        ],
        schema=frames.BATCH_REJECTS.schema,
    )


def rollups(*hours: int, meter_id: str = "a") -> pl.DataFrame:
    """Rollups of all grains over readings of so many hours."""
    about = {
        "meter_id": meter_id, "site_id": "s", "operator": "o", "zone": "NO1",
        "timezone": "Europe/Oslo", "kind": "power", "role": "main",
        "expected_interval_s": 3600, "max_hold_s": 1200,
    }  # fmt: skip
    meter = pl.DataFrame([about], schema=frames.METERS.schema)
    rows = readings(
        *hours, meter_id=meter_id, power_kw=0.1, hashrate_th=3.0, reactive_power_kvar=-0.7
    )
    figures = aggregation.every_grain(aggregation.quarters(rows, meter), meter)
    return aggregation.with_revisions(figures, T + TICK)


def events(*hours: int, meter_id: str = "a") -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"meter_id": meter_id, "at_utc": T + hour * HOUR, "kind": "reset", "detail": "5 → 0"}
            for hour in hours
        ],
        schema=frames.EVENTS.schema,
    )


SAMPLES = {
    "refused_instants": pl.DataFrame(
        [("a", T, T), ("a", T + HOUR, T + HOUR), ("⚡", T, T)],
        schema=frames.REFUSED.schema,
        orient="row",
    ),
    "readings": pl.concat(
        [readings(0, 1, 2), readings(0, meter_id="⚡", revision=7, reactive_power_kvar=-0.3)]
    ),
    "reading_revisions": superseded(
        pl.concat([readings(0, 1), readings(0, revision=1), readings(0, meter_id="⚡")])
    ),
    "grid": pl.concat([conditions(0, 1), conditions(0, zone="US-TEX-ERCO", gen_wind_mw=0.1)]),
    "grid_revisions": superseded(pl.concat([conditions(0, 1), conditions(0, revision=1)])),
    "receipts": pl.concat(
        [
            receipts("b1", "b2"),
            receipts("b3", received_utc=T + 2 * HOUR),
            receipts("b4", source="file:ø.csv"),
        ]
    ),
    "rejects": pl.concat(
        [
            rejects("b1", "b2"),
            rejects("b3", received_utc=T + 2 * HOUR),
            rejects("b4", source="file:ø.csv"),
        ]
    ),
    "rollups": pl.concat([rollups(0, 1, 2), rollups(0, meter_id="⚡")]),
    "register_events": pl.concat([events(0, 1), events(2, meter_id="⚡")]),
}
every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


def sorted_(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    return rows.sort(table.contract.key)


async def put(store: Archive, table: Table, rows: pl.DataFrame, owners: Sequence[str] = ()) -> None:
    """Make the rows all that there is of their owners."""
    whose = owners or rows[table.owner].unique().sort().to_list()
    if table is REJECTS:
        await put(store, RECEIPTS, SAMPLES["receipts"])
    await store.put(table, whose, EVER, rows)


async def taken(store: Archive, table: Table, *owners: str, period: Period = EVER) -> pl.DataFrame:
    whose = owners or SAMPLES[table.name][table.owner].unique().to_list()
    return sorted_(await store.take(table, whose, period), table)


# --- taking and putting ------------------------------------------------------------------------


@every_table
async def test_rows_come_back_as_they_were_put_to_the_last_bit(store, table: Table) -> None:
    holding(store, table)
    rows = SAMPLES[table.name]

    await put(store, table, rows)

    back = await taken(store, table)
    assert_frame_equal(back, sorted_(rows, table), check_exact=True)
    assert_frame_equal(back, frames.check(back, table.contract))
    assert_frame_equal(checksums.of_rows(back, table), checksums.of_rows(rows, table))


@every_table
async def test_to_put_twice_is_to_put_once(store, table: Table) -> None:
    holding(store, table)
    rows = SAMPLES[table.name]

    await put(store, table, rows)
    await put(store, table, rows)

    assert_frame_equal(await taken(store, table), sorted_(rows, table))


@every_table
async def test_what_is_put_is_all_that_there_is_of_these_owners_in_the_period(
    store, table: Table
) -> None:
    holding(store, table)
    rows = SAMPLES[table.name]
    owner = rows[table.owner].sort()[0]
    await put(store, table, rows)

    await store.put(table, [owner], MARCH, rows.clear())

    gone = (pl.col(table.owner) == owner) & pl.col(table.instant).is_between(
        MARCH.start, MARCH.end, closed="left"
    )
    assert rows.filter(gone).height  # some go
    assert rows.filter(~gone).height  # and some stay
    assert_frame_equal(await taken(store, table), sorted_(rows.filter(~gone), table))


@every_table
async def test_only_rows_of_the_owners_and_the_period_are_taken(store, table: Table) -> None:
    holding(store, table)
    rows = SAMPLES[table.name]
    owner = rows[table.owner].sort()[0]
    await put(store, table, rows)

    back = await taken(store, table, owner, "nobody", period=MARCH)

    expected = rows.filter(
        pl.col(table.owner) == owner, tables.month(pl.col(table.instant)) == date(2026, 3, 1)
    )
    assert_frame_equal(back, sorted_(expected, table))
    for nobody in (["nobody"], []):
        nothing = await store.take(table, nobody, EVER)
        assert_frame_equal(nothing, table.contract.empty())


async def test_a_period_holds_its_start_and_not_its_end_to_the_microsecond(store) -> None:
    rows = readings(0, 1).with_columns(
        ts_utc=pl.Series([APRIL.start - TICK, APRIL.start], dtype=frames.UTC)
    )
    await put(store, READINGS, rows)

    assert_frame_equal(await taken(store, READINGS, "a", period=APRIL), rows[1:])
    await store.put(READINGS, ["a"], MARCH, rows.clear())
    assert_frame_equal(await taken(store, READINGS, "a"), rows[1:])


OWN = ["archive-a", "archive-b.main", "archive-⚡"]
EARLY = datetime(2026, 1, 1, tzinfo=UTC)
"""Known so early, rows of this test date no row of another one, of a store that all share."""
VALUES_FIRST = ("meter_id", "ts_utc", *frames.READING_VALUES, "quality", "known_utc", "revision")


@pytest.mark.slow
@ON_ONE_LOOP
@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(OWN),
            st.integers(0, 4_000),
            *[st.none() | st.floats(allow_nan=False, allow_infinity=False)] * 6,
            st.sampled_from(frames.QUALITIES),
            st.integers(0, 9_999),
            st.integers(0, 65_535),
        ),
        unique_by=lambda row: row[:2],
        max_size=40,
    )
)
async def test_any_readings_come_back_and_have_the_same_checksums(shared, rows) -> None:
    holding(shared.archive, READINGS)
    made = pl.DataFrame(
        [(row[0], T + row[1] * HOUR, *row[2:9], EARLY + row[9] * TICK, row[10]) for row in rows],
        schema={name: frames.READINGS.schema[name] for name in VALUES_FIRST},
        orient="row",
    ).select(list(frames.READINGS.columns))

    await put(shared.archive, READINGS, made, OWN)

    back = await shared.archive.take(READINGS, OWN, EVER)
    assert_frame_equal(sorted_(back, READINGS), sorted_(made, READINGS), check_exact=True)
    assert_frame_equal(checksums.of_rows(back, READINGS), checksums.of_rows(made, READINGS))


# --- contents and cuts -------------------------------------------------------------------------


@every_table
async def test_contents_count_rows_by_owner_and_utc_month(store, table: Table) -> None:
    holding(store, table)
    rows = SAMPLES[table.name]
    await put(store, table, rows)

    contents = await store.contents([table])

    assert_frame_equal(contents, tables.counted(rows, table))
    assert_frame_equal(contents, frames.check(contents, frames.CONTENTS))


async def test_contents_are_of_all_tables_sorted(store) -> None:
    for table in TABLES:
        if table.name in store.holds:
            await put(store, table, SAMPLES[table.name])

    contents = await store.contents()

    counted = [
        tables.counted(SAMPLES[table.name], table) for table in TABLES if table.name in store.holds
    ]
    assert_frame_equal(contents, pl.concat(counted).sort(frames.CONTENTS.key))


async def test_an_empty_store_has_no_contents(store) -> None:
    assert_frame_equal(await store.contents(), frames.CONTENTS.empty())
    assert_frame_equal(await store.contents([]), frames.CONTENTS.empty())


@pytest.mark.parametrize("rows", [1, 3, 10, 1_000])
async def test_a_cut_covers_the_period_in_parts_of_about_so_many_rows(store, rows: int) -> None:
    kept = readings(*range(1, 11))
    await put(store, READINGS, pl.concat([kept, readings(*range(100), meter_id="b")]))

    parts = await store.cut(READINGS, "a", APRIL, rows)

    ends = [parts[0].start, *(part.end for part in parts)]
    assert [part.start for part in parts] == ends[:-1]
    assert (ends[0], ends[-1]) == (APRIL.start, APRIL.end)
    counts = [
        kept.filter(pl.col("ts_utc").is_between(part.start, part.end, closed="left")).height
        for part in parts
    ]
    assert sum(counts) == 10
    assert max(counts) <= 2 * rows


async def test_a_period_without_rows_is_one_part(store) -> None:
    assert await store.cut(READINGS, "a", APRIL, 5) == [APRIL]


async def test_rows_of_one_instant_stay_together(store) -> None:
    holding(store, REVISIONS)
    rows = [readings(1, revision=number) for number in range(9)]
    await put(store, REVISIONS, superseded(pl.concat([*rows, readings(2)])))

    parts = await store.cut(REVISIONS, "a", APRIL, 4)

    for part in parts:
        there = await store.take(REVISIONS, ["a"], part)
        assert there.height in (0, 1, 9, 10)


# --- what else a put does, and does not --------------------------------------------------------


async def test_rejects_go_when_their_receipt_does(store) -> None:
    holding(store, RECEIPTS, REJECTS)
    await put(store, REJECTS, SAMPLES["rejects"])

    await store.put(RECEIPTS, ["http"], EVER, receipts("b2"))

    left = SAMPLES["rejects"].filter(pl.col("batch_id").is_in(["b2", "b4"]))
    assert_frame_equal(await taken(store, REJECTS), sorted_(left, REJECTS))


async def test_a_receipt_that_was_put_can_be_asked_for_with_its_rejects(stores) -> None:
    holding(stores.archive, RECEIPTS, REJECTS)
    await put(stores.archive, REJECTS, SAMPLES["rejects"])

    receipt = await stores.readings.receipt("b2")

    assert (receipt.source, receipt.received, receipt.rejected) == ("http", 3, 2)
    assert receipt.received_utc == T
    assert receipt.rejects.frame()["row"].to_list() == [0, 4_000_000_000]


async def test_nothing_that_is_put_is_dirty(stores) -> None:
    holding(stores.archive, ROLLUPS)
    before = await stores.rollups.latest_mark()

    for table in (READINGS, REVISIONS, ROLLUPS, EVENTS):
        await put(stores.archive, table, SAMPLES[table.name])

    assert (await stores.rollups.dirty()).is_empty()
    assert await stores.rollups.latest_mark() == before


async def test_what_was_put_is_read_as_it_was_known_at_any_time(stores) -> None:
    holding(stores.archive, READINGS, REVISIONS)
    now = readings(0, power_kw=3.0, revision=1, known_utc=T + HOUR)
    await put(stores.archive, REVISIONS, superseded(readings(0, power_kw=2.0)))
    await put(stores.archive, READINGS, now)

    async def power(as_of: datetime | None) -> list[float]:
        values: list[float] = (await stores.readings.read(["a"], as_of=as_of))["power_kw"].to_list()
        return values

    assert await power(None) == [3.0]
    assert await power(T - TICK) == []
    assert await power(T + HOUR - TICK) == [2.0]
    assert await power(T + HOUR) == [3.0]
    (old,) = (await stores.readings.revisions("a", EVER)).rows(named=True)
    assert (old["power_kw"], old["revision"], old["superseded_utc"]) == (2.0, 0, T + HOUR)


async def test_what_was_put_is_known_to_the_writers_of_the_same_process(stores) -> None:
    await put(stores.archive, READINGS, readings(0, 1, revision=3))

    kept = pl.concat([readings(0), readings(1, power_kw=9.0), readings(2)]).with_row_index("row")
    written = await stores.readings.write(batch("b", kept))

    counts = written.receipt
    assert (counts.accepted, counts.duplicates, counts.corrected) == (1, 1, 1)
    assert (await stores.readings.read(["a"]))["revision"].to_list() == [3, 4, 0]


async def test_conditions_that_were_put_are_known_to_the_writers_too(stores) -> None:
    holding(stores.archive, GRID)
    await put(stores.archive, GRID, conditions(0, 1))

    kept = pl.concat([conditions(0), conditions(1, load_mw=9.0), conditions(2)])
    written = await stores.grid.write(batch("g", kept.with_row_index("row")))

    counts = written.receipt
    assert (counts.accepted, counts.duplicates, counts.corrected) == (1, 1, 1)


def batch(batch_id: str, kept: pl.DataFrame) -> Batch:
    return Batch(
        batch_id=batch_id,
        source="test",
        sha256="0" * 64,
        received_utc=T,
        received=kept.height,
        kept=kept,
        rejects=Rejects.of(),
    )


async def test_figures_that_were_put_are_read(stores) -> None:
    holding(stores.archive, ROLLUPS, EVENTS)
    await put(stores.archive, READINGS, SAMPLES["readings"])
    await put(stores.archive, ROLLUPS, SAMPLES["rollups"])
    await put(stores.archive, EVENTS, SAMPLES["register_events"])

    hours = await stores.rollups.read(["a"], Grain.HOUR, EVER)

    expected = SAMPLES["rollups"].filter(meter_id="a", grain="hour").sort("start_utc")
    assert_frame_equal(hours, expected, check_exact=True)
    assert (await stores.rollups.events(["⚡"], EVER)).height == 1


async def test_a_put_that_fails_leaves_everything_as_it_was(stores) -> None:
    await put(stores.archive, READINGS, readings(0))
    broken = pl.concat([readings(1), readings(2, meter_id="new", quality=None)])

    with pytest.raises((WattbookError, TypeError)):
        await put(stores.archive, READINGS, broken)

    assert_frame_equal(await taken(stores.archive, READINGS, "a", "new"), readings(0))
    await put(stores.archive, READINGS, readings(3, meter_id="new"))
    assert_frame_equal(await taken(stores.archive, READINGS, "new"), readings(3, meter_id="new"))
    assert_frame_equal(await stores.readings.read(["a"]), readings(0))


async def test_puts_and_writes_at_once_do_not_disturb_each_other(stores) -> None:
    puts = [
        stores.archive.put(READINGS, [f"m{number}"], EVER, readings(0, meter_id=f"m{number}"))
        for number in range(10)
    ]
    writes = [
        stores.readings.write(
            batch(f"b{number}", readings(0, meter_id=f"w{number}").with_row_index("row"))
        )
        for number in range(10)
    ]

    await asyncio.gather(*puts, *writes)

    names = [f"{kind}{number}" for kind in "mw" for number in range(10)]
    assert (await stores.readings.read(names))["meter_id"].to_list() == names


async def test_what_was_put_is_there_when_the_store_is_opened_again(reopen) -> None:
    async with reopen() as stores:
        holding(stores.archive, READINGS)
        for table in TABLES:
            if table.name in stores.archive.holds:
                await put(stores.archive, table, SAMPLES[table.name])

    async with reopen() as stores:
        for table in TABLES:
            if table.name in stores.archive.holds:
                rows = SAMPLES[table.name]
                assert_frame_equal(await taken(stores.archive, table), sorted_(rows, table))


# --- what a store cannot keep -----------------------------------------------------------------


async def test_what_a_store_cannot_keep_it_refuses(begin) -> None:
    async with begin() as opened:
        for table in TABLES:
            if table.name in opened.archive.holds:
                continue
            for work in (
                opened.archive.take(table, ["a"], EVER),
                opened.archive.put(table, ["a"], EVER, SAMPLES[table.name]),
                opened.archive.cut(table, "a", EVER, 10),
            ):
                with pytest.raises(UnsupportedError):
                    await work


# --- from store to store -----------------------------------------------------------------------


@pytest.mark.slow
async def test_what_came_in_through_the_ports_moves_there_and_back_whole(stores) -> None:
    holding(stores.archive, *TABLES)
    async with duckdb(None) as old, duckdb(None) as new:
        for known, power_kw in ((T, 1.0), (T + HOUR, 2.0)):
            kept = readings(0, 1, power_kw=power_kw, known_utc=known)
            await old.readings.write(batch(f"b{power_kw}", kept.with_row_index("row")))
            kept = conditions(0, 1, load_mw=power_kw, known_utc=known)
            await old.grid.write(batch(f"g{power_kw}", kept.with_row_index("row")))
        for name in ("refused_instants", "rejects", "rollups", "register_events"):
            await put(old.archive, BY_NAME[name], SAMPLES[name])

        await move(old.archive, stores.archive)
        await move(stores.archive, new.archive)

        contents = await old.archive.contents()
        assert set(contents["table"]) == set(BY_NAME)
        for house in (stores, new):
            assert_frame_equal(await house.archive.contents(), contents)
            assert_frame_equal(await sums(house.archive), await sums(old.archive))
            for at in (None, T - TICK, T, T + HOUR):
                there = await house.readings.read(["a"], as_of=at)
                assert_frame_equal(there, await old.readings.read(["a"], as_of=at))
                there = await house.grid.read(["NO1"], EVER, as_of=at)
                assert_frame_equal(there, await old.grid.read(["NO1"], EVER, as_of=at))


async def move(source: Archive, target: Archive) -> None:
    contents = await source.contents()
    for table in TABLES:
        for portion in tables.portions(contents, table):
            rows = await source.take(table, portion.owners, portion.period)
            await target.put(table, portion.owners, portion.period, rows)


async def sums(store: Archive) -> pl.DataFrame:
    contents = await store.contents()
    found = []
    for table in TABLES:
        owners = contents.filter(table=table.name)["owner"].unique().to_list()
        found.append(checksums.of_rows(await store.take(table, owners, EVER), table))
    return pl.concat(found)

"""What moves between stores: in which portions, and what tells that two stores keep the same."""

import hashlib
import struct
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wattbook.core import frames
from wattbook.core.archive import checksums, tables
from wattbook.core.archive.tables import BY_NAME, READINGS, ROLLUPS, TABLES, Portion, Table
from wattbook.core.frames import Column, Contract
from wattbook.core.periods import Period

T = datetime(2026, 3, 31, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)
JANUARY, FEBRUARY, MARCH, APRIL = (date(2026, month, 1) for month in range(1, 5))
SMALL = Table("readings", frames.READINGS, "meter_id", "ts_utc", "reading_revisions", at_once=10)


def readings(*rows: tuple[str, int, float | None], **others: object) -> pl.DataFrame:
    """Meter, hours after `T`, power."""
    return pl.DataFrame(
        [
            dict.fromkeys(frames.READINGS.columns)
            | {"meter_id": meter, "ts_utc": T + hour * HOUR, "power_kw": power}
            | {"quality": "measured", "known_utc": T, "revision": 0}
            | others
            for meter, hour, power in rows
        ],
        schema=frames.READINGS.schema,
    )


def contents(*rows: tuple[str, date, int], table: str = "readings") -> pl.DataFrame:
    made = [(table, *row) for row in rows]
    return pl.DataFrame(made, schema=frames.CONTENTS.schema, orient="row")


def shapes(portions: list[Portion]) -> list[tuple[str, str, int]]:
    return [
        (" ".join(one.owners), f"{one.period.start:%m-%d}/{one.period.end:%m-%d}", one.rows)
        for one in portions
    ]


# --- tables ------------------------------------------------------------------------------------


def test_every_table_names_its_owner_its_time_and_its_history_in_columns_that_it_has() -> None:
    for table in TABLES:
        assert table.contract.schema[table.owner] == pl.String
        assert table.contract.schema[table.instant] == frames.UTC
        assert table.history is None or set(table.contract.columns) <= set(
            BY_NAME[table.history].contract.columns
        )


def test_what_rests_on_others_comes_after_them() -> None:
    order = [table.name for table in TABLES]
    for table in TABLES:
        if table.history is not None:
            assert order.index(table.history) < order.index(table.name)
    assert order.index("readings") < order.index("receipts") < order.index("rejects")
    assert [table.derived for table in TABLES] == sorted(table.derived for table in TABLES)


# --- portions ----------------------------------------------------------------------------------


def test_a_month_is_cut_between_owners_where_it_is_too_much() -> None:
    found = contents(("a", MARCH, 6), ("b", MARCH, 5), ("c", MARCH, 5))

    assert shapes(tables.portions(found, SMALL)) == [
        ("a", "03-01/04-01", 6),
        ("b c", "03-01/04-01", 10),
    ]


def test_an_owner_with_too_much_in_a_month_is_a_portion_of_its_own() -> None:
    found = contents(("a", MARCH, 1), ("b", MARCH, 99), ("c", MARCH, 1))

    assert shapes(tables.portions(found, SMALL)) == [
        ("a", "03-01/04-01", 1),
        ("b", "03-01/04-01", 99),
        ("c", "03-01/04-01", 1),
    ]


def test_small_months_of_the_same_owners_that_follow_each_other_go_together() -> None:
    found = contents(*[(owner, month, 2) for owner in "ab" for month in (JANUARY, FEBRUARY, APRIL)])

    assert shapes(tables.portions(found, SMALL)) == [
        ("a b", "01-01/03-01", 8),
        ("a b", "04-01/05-01", 4),  # March is not named, so no portion reaches into it
    ]


def test_months_of_other_owners_do_not_go_together() -> None:
    found = contents(("a", JANUARY, 1), ("a", FEBRUARY, 1), ("b", FEBRUARY, 1))

    assert shapes(tables.portions(found, SMALL)) == [
        ("a", "01-01/02-01", 1),
        ("a b", "02-01/03-01", 2),
    ]


def test_of_other_tables_or_of_nothing_there_are_no_portions() -> None:
    assert tables.portions(contents(("a", MARCH, 1), table="grid"), SMALL) == []
    assert tables.portions(frames.CONTENTS.empty(), SMALL) == []


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from([JANUARY, FEBRUARY, MARCH, APRIL])),
        st.integers(1, 14),
    )
)
def test_portions_hold_all_that_the_contents_name_once_and_nothing_else(named) -> None:
    found = contents(*[(owner, month, rows) for (owner, month), rows in named.items()])

    portions = tables.portions(found, SMALL)

    reached = [
        (row["owner"], row["month"], row["rows"])
        for portion in portions
        for row in tables.within(found, portion).iter_rows(named=True)
    ]
    assert sorted(reached) == sorted((owner, month, rows) for (owner, month), rows in named.items())
    assert sum(portion.rows for portion in portions) == sum(named.values())
    for portion in portions:
        assert portion.rows <= SMALL.at_once or len(portion.owners) == 1
        months = tables.within(found, portion)["month"].n_unique()
        assert tables.within(found, portion).height == months * len(portion.owners)


def test_a_part_of_a_month_touches_its_month() -> None:
    found = contents(("a", MARCH, 1), ("a", APRIL, 1), ("b", MARCH, 1))
    part = Portion(READINGS, ("a",), Period(T - HOUR, T + HOUR), 1)  # ends as March does

    assert tables.within(found, part)["month"].to_list() == [MARCH]


def test_the_spans_of_readings_are_their_months() -> None:
    found = pl.concat([contents(("a", MARCH, 9)), contents(("a", APRIL, 9), table="rollups")])

    spans = tables.spans(found)

    (row,) = spans.rows()
    assert row == ("a", datetime(2026, 3, 1, tzinfo=UTC), APRIL_BEGINS - tables.RESOLUTION)


APRIL_BEGINS = T + HOUR


def test_rows_are_counted_by_owner_and_utc_month() -> None:
    rows = readings(("b", 0, 1.0), ("a", 0, 1.0), ("a", 1, 1.0), ("a", 2, 1.0))

    assert tables.counted(rows, READINGS).rows() == [
        ("readings", "a", MARCH, 1),
        ("readings", "a", APRIL, 2),
        ("readings", "b", MARCH, 1),
    ]
    assert_frame_equal(tables.counted(rows.clear(), READINGS), frames.CONTENTS.empty())


# --- checksums ---------------------------------------------------------------------------------


def test_a_checksum_can_be_computed_with_a_pencil() -> None:
    contract = Contract(
        "notes",
        "words",
        ("who", "at_utc"),
        {
            "who": Column(pl.String, "owner"),
            "at_utc": Column(frames.UTC, "time"),
            "power_kw": Column(pl.Float64, "number"),
            "word": Column(pl.String, "text"),
        },
    )
    notes = Table("notes", contract, "who", "at_utc")
    rows = pl.DataFrame(
        [("a", T + HOUR / 2, None, None), ("a", T, 1.5, "ø")], schema=contract.schema, orient="row"
    )

    sums = checksums.of_rows(rows, notes)

    microseconds = int(T.timestamp()) * 1_000_000
    half_more = int.from_bytes(struct.pack("<d", 1.5), "little")
    digest = hashlib.sha256(b"notes(who,at_utc,power_kw,word)")
    digest.update(b"\na\n2\n")  # the owner, and how many rows
    digest.update(struct.pack("<4q", 0b111, microseconds, half_more, 2))  # ø is two bytes
    digest.update(struct.pack("<4q", 0b001, microseconds + 1_800_000_000, 0, 0))
    digest.update("ø".encode())
    assert sums.rows() == [("a", MARCH, 2, digest.hexdigest())]


LATER_NOTES = Table(
    "notes",
    Contract(
        "notes",
        "words",
        ("who", "at_utc"),
        {
            "who": Column(pl.String, "owner"),
            "at_utc": Column(frames.UTC, "time"),
            "power_kw": Column(pl.Float64, "number"),
            "above_capacity": Column(pl.Boolean, "a column that came later"),
        },
    ),
    "who",
    "at_utc",
)


def test_a_column_that_came_later_is_part_of_a_checksum_only_where_a_row_has_it() -> None:
    rows = pl.DataFrame(
        [("a", T, 1.5, None), ("b", T, 1.5, None), ("b", T + HOUR / 2, None, False)],
        schema=LATER_NOTES.contract.schema,
        orient="row",
    )

    sums = checksums.of_rows(rows, LATER_NOTES)["sha256"].to_list()

    at = int(T.timestamp()) * 1_000_000
    value = int.from_bytes(struct.pack("<d", 1.5), "little")
    former = hashlib.sha256(b"notes(who,at_utc,power_kw)\na\n1\n")
    former.update(struct.pack("<3q", 0b011, at, value))
    later = hashlib.sha256(b"notes(who,at_utc,power_kw,above_capacity)\nb\n2\n")
    later.update(struct.pack("<4q", 0b011, at, value, 0))
    later.update(struct.pack("<4q", 0b101, at + 1_800_000_000, 0, 0))
    assert sums == [former.hexdigest(), later.hexdigest()]


def test_rollups_of_the_former_version_have_the_checksum_that_they_had() -> None:
    former = Contract(
        "rollups",
        "without what came later",
        frames.ROLLUPS.key,
        {name: each for name, each in frames.ROLLUPS.columns.items() if name != "above_capacity"},
    )
    row = dict.fromkeys(frames.ROLLUPS.columns) | {
        "meter_id": "a",
        "grain": "hour",
        "start_utc": T,
        "energy_kwh": 5.0,
        "bucket_s": 3600,
        "quality": "measured",
        "computed_utc": T,
        "revision": 0,
    }
    rows = pl.DataFrame([row], schema=frames.ROLLUPS.schema)

    before = checksums.of_rows(
        rows.drop("above_capacity"), Table("rollups", former, "meter_id", "start_utc")
    )

    assert_frame_equal(checksums.of_rows(rows, ROLLUPS), before)
    new = rows.with_columns(above_capacity=pl.lit(value=False))
    assert checksums.of_rows(new, ROLLUPS)["sha256"].item() != before["sha256"].item()


def test_checksums_are_by_owner_and_utc_month_sorted() -> None:
    rows = readings(("b", 0, 1.0), ("a", 1, 1.0), ("a", 0, 1.0), ("a", 2, 2.0))

    sums = checksums.of_rows(rows, READINGS)

    assert sums.select("owner", "month", "rows").rows() == [
        ("a", MARCH, 1),
        ("a", APRIL, 2),
        ("b", MARCH, 1),
    ]
    assert sums["sha256"].n_unique() == 3
    assert_frame_equal(sums, frames.check(sums, frames.CHECKSUMS))


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = readings(*[(meter, hour, hour / 3) for meter in "ab" for hour in range(50)])

    shuffled = rows.sample(fraction=1, shuffle=True, seed=7)

    assert_frame_equal(checksums.of_rows(shuffled, READINGS), checksums.of_rows(rows, READINGS))


@pytest.mark.parametrize(
    "change",
    [
        {"power_kw": None},
        {"power_kw": 1.0000000000000002},
        {"energy_kwh": 0.0},
        {"energy_kwh": 1.0, "power_kw": None},
        {"temperature_c": -1.0},
        {"reactive_power_kvar": -1.0},
        {"quality": "estimated"},
        {"known_utc": T + tables.RESOLUTION},
        {"revision": 1},
        {"ts_utc": T + tables.RESOLUTION},
        {"meter_id": "b"},
    ],
)
def test_any_difference_in_any_column_is_another_checksum(change: dict[str, object]) -> None:
    one, other = readings(("a", 0, 1.0)), readings(("a", 0, 1.0), **change)

    sums = [checksums.of_rows(rows, READINGS)["sha256"].item() for rows in (one, other)]

    assert sums[0] != sums[1]


@pytest.mark.parametrize(
    ("table", "lacks", "sha256"),
    [
        ("readings", (), "8a971afa58b645406a10b881559cde76b48a262ee037f2a38f1731717330855d"),
        (
            "reading_revisions",
            (),
            "822cd04459c4ce12d53cd197e88bc102e37a13498348e6218683018e941ba195",
        ),
        ("rollups", (), "694b8bf246440593e69c73b18a2bdace0c99f642cdc56c1766681f9728189bf6"),
        (
            "rollups",
            ("above_capacity",),
            "4f85a1c23c19dcbf5f4ec9eebda05d4dbf054ed971ffa8616478d38fb208a0fd",
        ),
    ],
)
def test_rows_without_reactive_power_have_the_checksum_of_the_release_before_it(
    table: str, lacks: tuple[str, ...], sha256: str
) -> None:
    values = {
        "meter_id": "a",
        "ts_utc": T,
        "start_utc": T,
        "known_utc": T,
        "superseded_utc": T,
        "power_kw": 1.5,
        "temperature_c": 20.0,
        "quality": "measured",
        "revision": 0,
        "grain": "hour",
        "energy_kwh": 1.5,
        "above_capacity": False,
    }
    contract = BY_NAME[table].contract
    row = {name: None if name in lacks else values.get(name) for name in contract.columns}

    sums = checksums.of_rows(pl.DataFrame([row], schema=contract.schema), BY_NAME[table])

    assert sums["sha256"].to_list() == [sha256]


def test_texts_that_join_to_the_same_are_told_apart() -> None:
    rejects = BY_NAME["rejects"]

    def two(first: str | None, second: str | None) -> str:
        rows = pl.DataFrame(
            [
                ("b", "http", T, row, "bad_row", said, None)
                for row, said in enumerate((first, second))
            ],
            schema=frames.BATCH_REJECTS.schema,
            orient="row",
        )
        digest: str = checksums.of_rows(rows, rejects)["sha256"].item()
        return digest

    assert len({two("ab", "c"), two("a", "bc"), two("abc", ""), two("abc", None)}) == 4


def test_nought_has_no_sign() -> None:
    sums = [checksums.of_rows(readings(("a", 0, zero)), READINGS) for zero in (0.0, -0.0)]

    assert_frame_equal(*sums)


def test_the_same_rows_in_another_table_have_another_checksum() -> None:
    rows = readings(("a", 0, 1.0))
    history = BY_NAME["reading_revisions"]

    old = checksums.of_rows(rows.with_columns(superseded_utc=pl.col("known_utc")), history)

    assert old["sha256"].item() != checksums.of_rows(rows, READINGS)["sha256"].item()


def test_no_rows_have_no_checksums() -> None:
    for table in TABLES:
        sums = checksums.of_rows(table.contract.empty(), table)
        assert_frame_equal(sums, frames.CHECKSUMS.empty())


# --- comparing ---------------------------------------------------------------------------------


def test_owners_are_unlike_where_a_month_differs_or_is_on_one_side_only() -> None:
    here = readings(("a", 0, 1.0), ("b", 0, 1.0), ("c", 0, 1.0), ("c", 1, 1.0))
    there = readings(("a", 0, 1.0), ("b", 0, 2.0), ("c", 0, 1.0), ("d", 0, 1.0))

    assert checksums.unlike(here, there, READINGS) == ["b", "c", "d"]
    assert checksums.unlike(here, here.reverse(), READINGS) == []


def test_rows_that_came_later_contradict_nothing() -> None:
    there = readings(("a", 0, 1.0))
    now = readings(("a", 0, 1.0), ("a", 1, None))

    assert tables.contradictions(READINGS, now, there, there.clear()).is_empty()


def test_a_row_that_was_superseded_at_the_source_is_an_earlier_state() -> None:
    there = readings(("a", 0, 1.0))
    now = readings(("a", 0, 2.0), revision=1, known_utc=T + HOUR)
    superseded = there.with_columns(superseded_utc=pl.lit(T + HOUR, dtype=frames.UTC))

    assert tables.contradictions(READINGS, now, there, superseded).is_empty()
    assert tables.contradictions(READINGS, now, there, superseded.clear()).height == 1


def test_a_row_that_the_source_never_had_is_a_contradiction() -> None:
    there = readings(("a", 0, 1.0), ("a", 1, 1.0), ("b", 0, 1.0))
    now = readings(("a", 0, 1.0), ("b", 0, 1.5))

    foreign = tables.contradictions(READINGS, now, there, now.clear())

    assert foreign.select("meter_id", "power_kw").sort("meter_id").rows() == [
        ("a", 1.0),
        ("b", 1.0),
    ]


def test_where_no_history_was_kept_a_lower_revision_is_an_earlier_state_and_becomes_history() -> (
    None
):
    there = readings(("a", 0, 1.0), ("a", 1, 7.0))
    now = readings(("a", 0, 2.0), revision=1, known_utc=T + HOUR)

    foreign = tables.contradictions(READINGS, now, there, None)
    assert foreign["power_kw"].to_list() == [7.0]

    (old,) = tables.replaced(READINGS, now, there).rows(named=True)
    assert (old["power_kw"], old["revision"], old["superseded_utc"]) == (1.0, 0, T + HOUR)
    kept = tables.replaced(READINGS, now, there)
    assert_frame_equal(kept, frames.check(kept, frames.READING_REVISIONS))


def test_figures_that_were_computed_again_at_the_source_are_later() -> None:
    one = pl.DataFrame(
        [dict.fromkeys(frames.ROLLUPS.columns) | {"meter_id": "a", "grain": "day", "start_utc": T}],
        schema=frames.ROLLUPS.schema,
    )
    first, second = (
        one.with_columns(revision=pl.lit(revision, dtype=pl.Int64), energy_kwh=revision * 1.0)
        for revision in (0, 1)
    )

    assert tables.contradictions(ROLLUPS, second, first, None).is_empty()
    assert tables.contradictions(ROLLUPS, first, second, None).height == 1
    other = first.with_columns(energy_kwh=9.0)
    assert tables.contradictions(ROLLUPS, first, other, None).height == 1

"""Every row that was sent is kept or refused, and a refusal says why."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattbook.core import frames
from wattbook.core.errors import FrameMismatchError
from wattbook.core.readings import checks, merge, validation
from wattbook.core.readings.checks import IntervalLabel, RejectReason
from wattbook.core.readings.validation import ValidatedBatch

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
T = "2026-03-01T10:00:00Z"
AT_T = datetime(2026, 3, 1, 10, tzinfo=UTC)


def meters(*rows: Mapping[str, object]) -> pl.DataFrame:
    plain = {
        "operator": "alder",
        "zone": "NO1",
        "timezone": "Europe/Oslo",
        "kind": "power",
        "role": "main",
        "expected_interval_s": 900,
        "max_hold_s": 2700,
        "register_size_kwh": None,
        "flow": "consumption",
        "capacity_kw": 100.0,
    }
    return pl.DataFrame([{**plain, **row} for row in rows], schema=frames.METERS.schema)


AT_FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
METERS = meters(
    {"meter_id": "p", "site_id": "s"},
    {"meter_id": "i", "site_id": "s", "kind": "interval", "role": "sub"},
    {"meter_id": "r", "site_id": "s", "kind": "register", "role": "sub"},
    {"meter_id": "g", "site_id": "s", "role": "generation"},
    {"meter_id": "n", "site_id": "s", "role": "sub", "kind": "interval", "flow": "net"},
    {"meter_id": "old", "site_id": "s", "role": "sub", "readings_from_utc": AT_FEBRUARY},
)


def sort_out(
    *rows: Mapping[str, object], known: pl.DataFrame = METERS, **options
) -> ValidatedBatch:
    raw = pl.DataFrame(
        [{**dict.fromkeys(frames.RAW_READINGS.columns), **row} for row in rows],
        schema=frames.RAW_READINGS.schema,
    ).drop("row")
    return validation.validate(raw, meters=known, now=NOW, **options)


def reason(row: dict[str, object]) -> str | None:
    plain: dict[str, object] = {"meter_id": "p", "timestamp": T, "power_kw": 50.0}
    rejects = sort_out(plain | row).rejects
    return rejects["reason"].item() if rejects.height else None


def test_a_limit_of_its_own_goes_before_twice_the_capacity() -> None:
    known = meters({"meter_id": "p", "site_id": "s", "plausible_kw": 120.0})
    plain = {"meter_id": "p", "timestamp": T}

    sorted_ = sort_out(plain | {"power_kw": 120.1}, known=known)

    (reject,) = sorted_.rejects.rows(named=True)
    assert (reject["reason"], reject["detail"]) == (
        "implausible",
        (
            "power_kw is 120.1, above the plausible 120.0 kW of the site (plausible_kw, by default"
            " 2 × capacity_kw)"
        ),
    )


def test_the_instants_of_refused_rows_are_known_where_meter_and_time_are() -> None:
    later = "2026-01-01T00:30:00Z"
    sorted_ = sort_out(
        {"meter_id": "p", "timestamp": T, "power_kw": -1.0},
        {"meter_id": "p", "timestamp": T, "power_kw": 999.0},
        {"meter_id": "i", "timestamp": later, "reason": "not_a_number", "detail": "energy_kwh"},
        {"meter_id": "nobody", "timestamp": T, "power_kw": 1.0},
        {"meter_id": "p", "timestamp": "noon", "power_kw": 1.0},
        {"meter_id": "p", "timestamp": "2190-01-01T00:00:00Z", "power_kw": 1.0},
        {"meter_id": "p", "timestamp": "1970-01-01T00:00:00Z", "power_kw": 1.0},
        {"meter_id": "old", "timestamp": "2026-01-15T00:00:00Z", "power_kw": 1.0},
    )

    assert sorted_.rejects.height == 8
    assert frames.check(sorted_.refused, frames.REFUSED)["meter_id"].to_list() == ["p", "i"]
    assert sorted_.refused["known_utc"].to_list() == [NOW, NOW]


def test_all_rows_of_a_refused_batch_are_refused_instants() -> None:
    good = {"meter_id": "p", "timestamp": T, "power_kw": 1.0}
    bad = {"meter_id": "p", "timestamp": "2026-01-01T00:30:00Z", "power_kw": -1.0}

    refused = validation.reject_all(sort_out(good, bad)).refused

    assert refused.height == 2


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({}, None),
        ({"reason": "bad_row", "detail": "no JSON", "raw": "{"}, RejectReason.BAD_ROW),
        ({"reason": "not_a_number", "detail": "power_kw: 'n/a'"}, RejectReason.NOT_A_NUMBER),
        ({"reason": "bad_unit", "detail": "power_kw: 'hp'"}, RejectReason.BAD_UNIT),
        ({"meter_id": None, "site_id": "nowhere"}, RejectReason.UNKNOWN_SITE),
        ({"meter_id": "nobody"}, RejectReason.UNKNOWN_METER),
        ({"meter_id": None}, RejectReason.UNKNOWN_METER),
        ({"timestamp": None}, RejectReason.BAD_TIMESTAMP),
        ({"timestamp": "yesterday"}, RejectReason.BAD_TIMESTAMP),
        ({"timestamp": "2026-03-01T10:00:00"}, RejectReason.BAD_TIMESTAMP),  # whose ten o'clock?
        ({"timestamp": "2026-02-30T10:00:00Z"}, RejectReason.BAD_TIMESTAMP),
        ({"timestamp": "2026-03-01T12:05:00Z"}, None),  # five minutes ahead of the clock
        ({"timestamp": "2026-03-01T12:05:00.000001Z"}, RejectReason.FUTURE_TIMESTAMP),
        ({"timestamp": "9999-12-31T23:59:59Z"}, RejectReason.FUTURE_TIMESTAMP),
        ({"timestamp": "1990-01-01T00:00:00Z"}, None),
        ({"timestamp": "1989-12-31T23:59:59Z"}, RejectReason.TOO_OLD),
        ({"timestamp": "1900-01-01T00:00:00Z"}, RejectReason.TOO_OLD),
        ({"meter_id": "old", "timestamp": "2026-01-31T23:59:59Z"}, RejectReason.REMOVED_PERIOD),
        ({"meter_id": "old", "timestamp": "2026-02-01T00:00:00Z"}, None),
        ({"power_kw": float("nan")}, RejectReason.NOT_FINITE),
        ({"temperature_c": float("inf")}, RejectReason.NOT_FINITE),
        ({"hashrate_th": float("-inf")}, RejectReason.NOT_FINITE),
        ({"power_kw": None}, RejectReason.NO_VALUE),
        ({"power_kw": None, "hashrate_th": 140.0}, None),  # beside energy that comes elsewhere
        ({"meter_id": "r", "power_kw": None, "temperature_c": 30.0}, None),
        ({"meter_id": "i", "hashrate_th": 140.0}, RejectReason.NO_VALUE),  # and 50 kW: a mistake
        ({"power_kw": None, "energy_kwh": 5.0}, RejectReason.NO_VALUE),  # a power meter tells power
        ({"meter_id": "i"}, RejectReason.NO_VALUE),
        ({"meter_id": "r"}, RejectReason.NO_VALUE),
        ({"power_kw": -0.001}, RejectReason.NEGATIVE_ENERGY),
        ({"meter_id": "i", "energy_kwh": -1.0}, RejectReason.NEGATIVE_ENERGY),
        ({"meter_id": "r", "register_kwh": -1.0}, RejectReason.NEGATIVE_ENERGY),
        ({"hashrate_th": -1.0}, RejectReason.NEGATIVE_ENERGY),
        ({"temperature_c": -40.0}, None),
        ({"power_kw": 0.0}, None),
        ({"power_kw": 100.0}, None),  # the capacity
        ({"power_kw": 100.1}, None),  # evidence, not an error
        ({"power_kw": 200.0}, None),  # twice the capacity: plausible, no more
        ({"power_kw": 200.1}, RejectReason.IMPLAUSIBLE),
        ({"meter_id": "i", "energy_kwh": 25.0}, None),  # 100 kW for a quarter of an hour
        ({"meter_id": "i", "energy_kwh": 50.0}, None),
        ({"meter_id": "i", "energy_kwh": 50.1}, RejectReason.IMPLAUSIBLE),
        ({"meter_id": "g", "power_kw": 500.0}, None),  # what a site makes is not what it draws
        ({"meter_id": "r", "register_kwh": 1e9}, None),  # a register's state is no flow
        ({"quality": "estimated"}, None),
        ({"quality": "guessed"}, RejectReason.BAD_QUALITY),
    ],
)
def test_a_row_is_refused_for_the_first_reason_that_holds(
    row: dict[str, object], why: RejectReason | None
) -> None:
    assert reason(row) == why


GRID_ROW = {"zone": "NO1", "start": T, "load_mw": 100.0}


def grid_reason(row: dict[str, object]) -> str | None:
    plain: dict[str, object] = dict.fromkeys(frames.RAW_GRID.columns) | GRID_ROW | row
    raw = pl.DataFrame([plain], schema=frames.RAW_GRID.schema).drop("row")
    rejects = validation.validate_grid(raw, now=NOW).rejects
    return rejects["reason"].item() if rejects.height else None


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({}, None),
        ({"zone": None}, RejectReason.BAD_ZONE),
        ({"zone": "a b"}, RejectReason.BAD_ZONE),
        ({"zone": "NOWHERE"}, RejectReason.UNKNOWN_ZONE),
        ({"zone": "NO1\n"}, RejectReason.BAD_ZONE),
        ({"start": "2026-03-01"}, RejectReason.BAD_TIMESTAMP),
        ({"start": "2026-03-09T12:00:00Z"}, None),  # eight days ahead: prices of the days to come
        ({"start": "2026-03-09T12:00:01Z"}, RejectReason.FUTURE_TIMESTAMP),
        ({"start": "1980-01-01T00:00:00Z"}, RejectReason.TOO_OLD),
        ({"interval_s": 0}, RejectReason.BAD_INTERVAL),
        ({"interval_s": -900}, RejectReason.BAD_INTERVAL),
        ({"interval_s": 366 * 86_400 + 1}, RejectReason.BAD_INTERVAL),
        ({"gen_wind_mw": float("nan")}, RejectReason.NOT_FINITE),
        ({"load_mw": None}, RejectReason.NO_VALUE),
        ({"currency": "euro"}, RejectReason.BAD_CURRENCY),
        ({"load_mw": -1.0}, RejectReason.NEGATIVE_ENERGY),
        ({"carbon_g_per_kwh": -1.0}, RejectReason.NEGATIVE_ENERGY),
        ({"price_per_mwh": -30.0}, None),
        ({"gen_battery_mw": -50.0}, None),  # it charges
        ({"marginal_g_per_kwh": -1.0}, None),
    ],
)
def test_a_grid_row_is_refused_for_the_first_reason_that_holds(
    row: dict[str, object], why: RejectReason | None
) -> None:
    assert grid_reason(row) == why


def test_every_reason_on_the_list_is_earned_by_an_example_here() -> None:
    marks = [
        mark
        for test in (
            test_a_row_is_refused_for_the_first_reason_that_holds,
            test_a_grid_row_is_refused_for_the_first_reason_that_holds,
        )
        for mark in test.pytestmark  # type: ignore[attr-defined]  # pytest puts it there
    ]
    shown = {why for mark in marks for _, why in mark.args[1]}

    assert shown - {None} == set(RejectReason) - {
        RejectReason.DUPLICATE_IN_BATCH,
        RejectReason.BATCH_REFUSED,
        RejectReason.ABOVE_CAPACITY,  # of rejects that were stored before such rows were kept
        RejectReason.OTHER_MEASUREMENT,  # of line protocol: tests/sources/test_line_protocol.py
    }


def test_what_is_kept_knows_when_it_was_learned_and_is_measured_unless_it_says_otherwise() -> None:
    result = sort_out({"meter_id": "p", "timestamp": T, "power_kw": 50.0})

    (row,) = result.kept.rows(named=True)
    assert result.kept.columns == ["row", *frames.READINGS.columns]
    assert (row["ts_utc"], row["power_kw"], row["quality"]) == (AT_T, 50.0, "measured")
    assert (row["known_utc"], row["revision"]) == (NOW, 0)
    frames.check(result.kept, frames.READINGS)


def test_the_first_of_two_rows_with_one_key_is_kept_and_the_other_names_it() -> None:
    result = sort_out(
        {"meter_id": "p", "timestamp": T, "power_kw": 1.0},
        {"meter_id": "g", "timestamp": T, "power_kw": 2.0},
        {"meter_id": "p", "timestamp": "2026-03-01T11:00:00+01:00", "power_kw": 3.0},
    )

    assert result.kept["power_kw"].to_list() == [1.0, 2.0]
    assert result.rejects.select("row", "reason", "detail").rows() == [
        (2, "duplicate_in_batch", "row 0 has the same meter_id and ts_utc")
    ]


def test_rows_of_one_instant_that_name_different_columns_are_one() -> None:
    result = sort_out(
        {"meter_id": "p", "timestamp": T, "hashrate_th": 140.0, "quality": "estimated"},
        {"meter_id": "g", "timestamp": T, "power_kw": 2.0},
        {"meter_id": "p", "timestamp": "2026-03-01T11:00:00+01:00", "power_kw": 3.0},
        {"meter_id": "p", "timestamp": T, "temperature_c": 30.0},
    )

    columns = ["row", "meter_id", "power_kw", "hashrate_th", "temperature_c", "quality"]
    assert result.kept.select(columns).rows() == [
        (1, "g", 2.0, None, None, "measured"),
        (2, "p", 3.0, 140.0, 30.0, "estimated"),
    ]
    assert result.merged.sort("row").rows() == [(0, 2), (3, 2)]
    assert result.rejects.is_empty()


def test_where_two_rows_of_an_instant_name_one_column_that_with_energy_is_kept() -> None:
    result = sort_out(
        {"meter_id": "p", "timestamp": T, "hashrate_th": 140.0},
        {"meter_id": "p", "timestamp": T, "hashrate_th": 150.0, "power_kw": 3.0},
    )

    assert result.kept.select("row", "power_kw", "hashrate_th").rows() == [(1, 3.0, 150.0)]
    assert result.rejects.select("row", "reason", "detail").rows() == [
        (0, "duplicate_in_batch", "row 1 has the same meter_id and ts_utc")
    ]


def test_a_null_that_was_sent_is_kept_as_a_value_that_is_not_known() -> None:
    cleared = {"meter_id": "p", "timestamp": T, merge.EXPLICIT: merge.BITS["power_kw"]}

    result = sort_out(cleared, {"meter_id": "i", "timestamp": T, "power_kw": 1.0})

    assert result.kept.select("meter_id", "power_kw").rows() == [("p", None)]
    assert sorted(result.refused["meter_id"]) == ["i", "p"]
    assert result.rejects["detail"].item() == (
        "energy_kwh: a meter of kind interval needs it, unless a row has only hashrate_th or"
        " temperature_c or reactive_power_kvar"
    )


def test_a_refused_row_does_not_make_a_duplicate_of_the_good_one_after_it() -> None:
    result = sort_out(
        {"meter_id": "p", "timestamp": T, "power_kw": -1.0},
        {"meter_id": "p", "timestamp": T, "power_kw": 1.0},
    )

    assert result.kept["power_kw"].to_list() == [1.0]
    assert result.rejects["reason"].to_list() == ["negative_energy"]


def test_a_net_meter_may_give_back() -> None:
    result = sort_out(
        {"meter_id": "n", "timestamp": T, "energy_kwh": -4.0, "power_kw": -16.0},
        {"meter_id": "n", "timestamp": "2026-03-01T10:15:00Z", "energy_kwh": 4.0},
    )

    assert result.kept["energy_kwh"].to_list() == [-4.0, 4.0]


def test_a_hash_rate_below_zero_is_refused_of_a_net_meter_too() -> None:
    row = {"meter_id": "n", "timestamp": T, "energy_kwh": 1.0, "hashrate_th": -1.0}

    assert sort_out(row).rejects.select("reason", "detail").rows() == [
        ("negative_energy", "hashrate_th is -1.0, below zero")
    ]


def test_the_refusal_of_what_may_have_been_given_back_names_the_field_to_set() -> None:
    row = {"meter_id": "i", "timestamp": T, "energy_kwh": -4.0}

    assert sort_out(row).rejects["detail"].to_list() == [
        f"energy_kwh is -4.0, below zero{checks.TWO_WAY}"
    ]


def test_a_register_below_zero_has_no_such_way() -> None:
    row = {"meter_id": "r", "timestamp": T, "register_kwh": -4.0}

    assert sort_out(row).rejects["detail"].to_list() == ["register_kwh is -4.0, below zero"]


def test_a_site_means_its_main_meter() -> None:
    result = sort_out({"site_id": "s", "timestamp": T, "power_kw": 1.0})

    assert result.kept["meter_id"].to_list() == ["p"]


def test_of_several_main_meters_the_one_named_main_is_meant() -> None:
    two = meters({"meter_id": "a", "site_id": "s"}, {"meter_id": "s.main", "site_id": "s"})

    result = sort_out({"site_id": "s", "timestamp": T, "power_kw": 1.0}, known=two)

    assert result.kept["meter_id"].to_list() == ["s.main"]


def test_a_site_with_several_main_meters_does_not_say_which_is_meant() -> None:
    two = meters({"meter_id": "a", "site_id": "s"}, {"meter_id": "b", "site_id": "s"})

    rejects = sort_out({"site_id": "s", "timestamp": T, "power_kw": 1.0}, known=two).rejects

    assert rejects["reason"].to_list() == ["unknown_meter"]
    assert rejects["detail"].to_list() == ["site_id: s has no single main meter; name the meter"]


def test_a_row_that_names_its_meter_needs_no_site() -> None:
    result = sort_out(
        {"site_id": "nowhere", "meter_id": "p", "timestamp": T, "power_kw": 1.0},
    )

    assert result.kept["meter_id"].to_list() == ["p"]


def test_where_no_meter_is_registered_every_row_is_of_an_unknown_one() -> None:
    result = sort_out(
        {"meter_id": "p", "timestamp": T, "power_kw": 1.0},
        {"site_id": "s", "timestamp": T, "power_kw": 1.0},
        known=frames.METERS.empty(),
    )

    assert result.rejects["reason"].to_list() == ["unknown_meter", "unknown_site"]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00z",
        "2026-03-01T10:00:00+00:00",
        "2026-03-01T10:00:00.000000Z",
        "2026-03-01T11:00:00+01:00",
        "2026-03-01T11:00:00+0100",
        "2026-03-01T15:30:00+05:30",
        "2026-03-01 10:00:00+00:00",
        "2026-03-01T10:00Z",
        "2026-03-01T10:00+00:00",
        "2026-03-01 04:00-06:00",
        " 2026-03-01T10:00Z ",
        " 2026-03-01T10:00:00Z ",
    ],
)
def test_an_instant_may_be_written_in_any_offset_and_with_or_without_seconds(text: str) -> None:
    kept = sort_out({"meter_id": "p", "timestamp": text, "power_kw": 1.0}).kept

    assert kept["ts_utc"].to_list() == [AT_T]


def test_good_stamps_do_not_depend_on_the_company_they_are_in() -> None:
    texts = ["2026-03-01T10:00:00.123456Z", "2026-03-01T10:00Z", "rubbish", "2026-03-01T09:00:00Z"]

    kept = sort_out(*({"meter_id": "p", "timestamp": text, "power_kw": 1.0} for text in texts)).kept

    assert kept["ts_utc"].to_list() == [
        AT_T + timedelta(microseconds=123_456),
        AT_T,
        AT_T - timedelta(hours=1),
    ]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_column_of_instants_is_taken_in_any_zone_and_precision(unit) -> None:
    stamps = pl.Series("timestamp", [AT_T], dtype=pl.Datetime("us", "UTC"))
    raw = pl.DataFrame({"meter_id": ["p"], "power_kw": [1.0]}).with_columns(
        stamps.dt.cast_time_unit(unit).dt.convert_time_zone("Asia/Kolkata")
    )

    kept = validation.validate(raw, meters=METERS, now=NOW).kept

    assert kept["ts_utc"].to_list() == [AT_T]
    assert kept.schema["ts_utc"] == frames.UTC


def test_a_source_that_stamps_the_end_of_the_interval_is_moved_to_its_start() -> None:
    kept = sort_out(
        {"meter_id": "i", "timestamp": "2026-03-01T10:15:00Z", "energy_kwh": 5.0},
        label=IntervalLabel.END,
    ).kept

    assert kept["ts_utc"].to_list() == [AT_T]  # 10:15 less 900 s


def test_columns_of_the_wrong_type_are_all_named_at_once() -> None:
    raw = pl.DataFrame(
        {"meter_id": [1], "timestamp": [AT_T.replace(tzinfo=None)], "power_kw": ["1"]}
    )

    with pytest.raises(FrameMismatchError) as caught:
        validation.validate(raw, meters=METERS, now=NOW)

    assert [problem.field for problem in caught.value.problems] == [
        "meter_id",
        "timestamp",
        "power_kw",
    ]


def test_whole_numbers_are_numbers_and_what_is_not_asked_for_is_left_aside() -> None:
    raw = pl.DataFrame({"meter_id": ["p"], "timestamp": [T], "power_kw": [50], "colour": ["red"]})

    assert validation.validate(raw, meters=METERS, now=NOW).kept["power_kw"].to_list() == [50.0]


@pytest.mark.parametrize(
    "name", ["a\x00b", "⚡🔌", "../../etc/passwd", "'; DROP TABLE readings; --", ""]
)
def test_an_id_nobody_has_is_refused_and_kept_as_evidence_whatever_it_looks_like(
    name: str,
) -> None:
    rejects = sort_out({"meter_id": name, "timestamp": T, "power_kw": 1.0}).rejects

    (row,) = rejects.rows(named=True)
    assert row["reason"] == "unknown_meter"
    assert "\x00" not in row["raw"] + row["detail"]  # no database keeps a NUL in a text
    assert json.loads(row["raw"])["meter_id"] == name


def test_a_reject_shows_the_row_as_it_was_sent() -> None:
    (row,) = sort_out({"site_id": "s", "timestamp": T, "power_kw": -1.0}).rejects.rows(named=True)

    assert row["detail"].startswith("power_kw is -1.0, below zero")
    assert json.loads(row["raw"])["site_id"] == "s"
    assert json.loads(row["raw"])["power_kw"] == -1.0


def test_a_detail_names_every_column_that_is_wrong() -> None:
    wrong = {"power_kw": float("nan"), "temperature_c": float("inf")}

    (row,) = sort_out({"meter_id": "p", "timestamp": T, **wrong}).rejects.rows(named=True)

    assert row["detail"] == "power_kw is NaN; temperature_c is inf"


def test_an_atomic_batch_with_one_bad_row_keeps_none_and_says_which_were_good() -> None:
    result = validation.reject_all(
        sort_out(
            {"meter_id": "p", "timestamp": T, "power_kw": 1.0},
            {"meter_id": "p", "timestamp": T, "power_kw": -1.0},
            {"meter_id": "g", "timestamp": T, "power_kw": 1.0},
        )
    )

    assert result.kept.is_empty()
    assert result.rejects.select("row", "reason").rows() == [
        (0, "batch_refused"),
        (1, "negative_energy"),
        (2, "batch_refused"),
    ]
    assert json.loads(result.rejects["raw"][0])["power_kw"] == 1.0
    frames.check(result.rejects, frames.REJECTS)


def test_a_batch_without_rows_keeps_and_refuses_none() -> None:
    result = sort_out()

    assert result.kept.is_empty()
    assert result.rejects.is_empty()
    frames.check(result.rejects, frames.REJECTS)


def test_rows_of_two_meters_or_a_microsecond_apart_are_no_duplicates() -> None:
    many = meters(*({"meter_id": f"m{index}", "site_id": f"s{index}"} for index in range(3)))
    later = "2026-03-01T10:00:00.000001Z"

    result = sort_out(
        *(
            {"meter_id": name, "timestamp": stamp, "power_kw": 1.0}
            for name in ("m0", "m1", "m2")
            for stamp in (T, later)
        ),
        known=many,
    )

    assert result.kept.height == 6


texts = st.one_of(
    st.sampled_from([T, "2026-03-01T10:00Z", "2026-03-02T10:00:00Z", "1980-01-01T00:00:00Z"]),
    st.text(max_size=30),
    st.none(),
)
rows = st.fixed_dictionaries(
    {
        "meter_id": st.sampled_from(["p", "i", "r", "g", None]) | st.text(max_size=5),
        "site_id": st.sampled_from(["s", None]) | st.text(max_size=5),
        "timestamp": texts,
        "power_kw": st.none() | st.floats(),
        "energy_kwh": st.none() | st.floats(),
        "register_kwh": st.none() | st.floats(),
        "quality": st.sampled_from(["measured", "estimated", None]) | st.text(max_size=5),
        "reason": st.sampled_from([None, None, "bad_row"]),
    }
)


@pytest.mark.slow
@settings(max_examples=50)
@given(st.lists(rows, max_size=10))
def test_every_row_is_either_kept_or_refused_with_a_reason_of_the_list(
    sent: Sequence[dict[str, object]],
) -> None:
    result = sort_out(*sent)

    kept, refused = result.kept["row"].to_list(), result.rejects["row"].to_list()
    assert sorted(kept + refused) == list(range(len(sent)))
    assert set(result.rejects["reason"]) <= set(RejectReason)
    assert not result.kept.select("meter_id", "ts_utc").is_duplicated().any()
    numbers = result.kept.select(frames.READING_VALUES)
    assert numbers.select(pl.all().is_finite().fill_null(value=True).all()).row(0) == (True,) * 6
    frames.check(result.kept, frames.READINGS)
    frames.check(result.rejects, frames.REJECTS)


# --- reactive power ------------------------------------------------------------------------------


def test_reactive_energy_of_an_interval_is_its_mean_reactive_power() -> None:
    # 6 kvarh in a quarter of an hour are 24 kvar; -1.5 kvarh are -6 kvar
    sent = [
        {"meter_id": "i", "timestamp": T, "energy_kwh": 10.0, "reactive_kvarh": 6.0},
        {"meter_id": "n", "timestamp": T, "energy_kwh": 10.0, "reactive_kvarh": -1.5},
    ]

    assert sort_out(*sent).kept["reactive_power_kvar"].to_list() == [24.0, -6.0]


def test_the_reactive_energy_of_a_civil_day_is_divided_by_its_hours() -> None:
    # 2026-03-29 has 23 hours in Oslo: 46 kvarh are 2 kvar
    daily = {"meter_id": "d", "site_id": "s", "kind": "interval", "expected_interval": "day"}
    known = meters({**daily, "expected_interval_s": 86_400})
    row = {"meter_id": "d", "timestamp": "2026-03-29T00:00:00+01:00", "energy_kwh": 46.0}

    found = validation.validate(
        pl.DataFrame([{**row, "reactive_kvarh": 46.0}]),
        meters=known,
        now=datetime(2026, 4, 1, tzinfo=UTC),
    )

    assert found.kept["reactive_power_kvar"].to_list() == [2.0]


def test_reactive_power_that_was_sent_counts_before_reactive_energy() -> None:
    row = {"meter_id": "i", "timestamp": T, "energy_kwh": 10.0}

    both = sort_out({**row, "reactive_power_kvar": 3.0, "reactive_kvarh": 6.0})

    assert both.kept["reactive_power_kvar"].to_list() == [3.0]


@pytest.mark.parametrize(("meter", "column"), [("p", "power_kw"), ("r", "register_kwh")])
def test_reactive_energy_of_a_meter_without_intervals_is_refused_with_what_to_send(
    meter: str, column: str
) -> None:
    row = {"meter_id": meter, "timestamp": T, column: 10.0}

    (bad,) = sort_out({**row, "reactive_kvarh": 1.0}).rejects.rows(named=True)

    assert bad["reason"] == "bad_unit"
    assert bad["detail"].endswith("send reactive_power_kvar [kvar]")
    assert sort_out({**row, "reactive_power_kvar": -1.0}).rejects.is_empty()


@pytest.mark.parametrize(
    ("kvar", "why"),
    [
        *((200.0, None), (-200.0, None), (200.1, "implausible"), (-200.1, "implausible")),
        *((float("inf"), "not_finite"), (float("nan"), "not_finite")),
    ],
)
def test_reactive_power_has_either_sign_and_the_limit_of_the_power(
    kvar: float, why: str | None
) -> None:
    # the site's capacity is 100 kW: 2 x 100 are plausible
    row = {"meter_id": "p", "timestamp": T, "power_kw": 10.0, "reactive_power_kvar": kvar}

    assert reason(row) == why

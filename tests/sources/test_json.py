import json
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wattbook.core.errors import TooLargeError, UndecodableError, UnknownFormatError
from wattbook.core.frames import RAW_GRID, RAW_READINGS
from wattbook.sources.codecs import decode, decode_json, decode_ndjson

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
SLUG = st.from_regex(r"[a-z][a-z0-9._-]{0,8}", fullmatch=True)
NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6)
ROW = st.fixed_dictionaries(
    {"meter_id": SLUG, "timestamp": TEXT},
    optional={
        "power_kw": NUMBER | st.none(),
        "energy_kwh": NUMBER | st.none(),
        "quality": TEXT | st.none(),
        "note": TEXT | st.integers(),
    },
)
BROKEN = b"\nnot JSON"


def lines(*rows):
    return "\n".join(json.dumps(row) for row in rows).encode()


def only_row(decoded):
    return decoded.frame.row(0, named=True)


def test_lines_become_columns_and_what_no_line_has_is_left_out():
    body = lines(
        {"meter_id": "a", "timestamp": "2026-01-01T00:00:00Z", "power_kw": 1.5},
        {"meter_id": "b", "timestamp": "2026-01-01T00:15:00Z", "power_kw": 2},
    )
    assert decode_ndjson(body, RAW_READINGS).frame.to_dicts() == [
        {"row": 0, "meter_id": "a", "timestamp": "2026-01-01T00:00:00Z", "power_kw": 1.5},
        {"row": 1, "meter_id": "b", "timestamp": "2026-01-01T00:15:00Z", "power_kw": 2.0},
    ]


def test_a_key_that_only_a_later_row_has_is_not_lost():
    rows = [{"meter_id": "a", "power_kw": 1.0}, {"meter_id": "b", "energy_kwh": 2.0}]
    for decoded in (
        decode_ndjson(lines(*rows), RAW_READINGS),
        decode_json(json.dumps(rows).encode(), RAW_READINGS),
    ):
        assert decoded.frame["energy_kwh"].to_list() == [None, 2.0]


def test_a_key_that_takes_the_place_of_another_is_not_lost():
    first = {"meter_id": "a", "power_kw": 1.0, "energy_kwh": None}
    second = {"meter_id": "b", "power_kw": None, "register_kwh": 7.0}
    decoded = decode_ndjson(lines(first, second), RAW_READINGS)
    assert decoded.frame["register_kwh"].to_list() == [None, 7.0]


def test_an_escaped_key_is_the_same_key():
    body = b'{"meter_id": "a"}\n{"meter_id": "b", "power\\u005fkw": 3}'
    assert decode_ndjson(body, RAW_READINGS).frame["power_kw"].to_list() == [None, 3.0]


def test_device_id_is_read_as_meter_id_and_gives_way_to_it():
    body = lines({"device_id": "a"}, {"device_id": "b", "meter_id": "c"})
    frame = decode_ndjson(body, RAW_READINGS).frame
    assert frame.columns == ["row", "meter_id"]
    assert frame["meter_id"].to_list() == ["a", "c"]


def test_unknown_columns_are_ignored_and_named():
    decoded = decode_ndjson(lines({"meter_id": "a", "voltage": 230, "row": 9}), RAW_READINGS)
    assert decoded.ignored == ("voltage", "row")
    assert decoded.frame.to_dicts() == [{"row": 0, "meter_id": "a"}]


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b'{"power_kw": "abc"}', "not_a_number", 'power_kw: must be a number, but is "abc"'),
        (b'{"power_kw": "12.5"}', "not_a_number", 'power_kw: must be a number, but is "12.5"'),
        (b'{"power_kw": true}', "not_a_number", "power_kw: must be a number, but is true"),
        (b'{"power_kw": [1]}', "not_a_number", "power_kw: must be a number, but is an array"),
        (b'{"power_kw": {}}', "not_a_number", "power_kw: must be a number, but is an object"),
        (b'{"meter_id": 12}', "bad_row", "meter_id: must be text, but is 12"),
        (b'{"meter_id": true}', "bad_row", "meter_id: must be text, but is true"),
        (b'{"site_id": ["a"]}', "bad_row", "site_id: must be text, but is an array"),
        (b"[1, 2]", "bad_row", "must be an object, but is an array"),
        (b"null", "bad_row", "must be an object, but is null"),
        (b'{"meter_id": "a"', "bad_row", "line 2, column 17: Expecting ',' delimiter"),
        (b'{"meter_id": "\xff"}', "bad_row", "line 2: byte 14 is not UTF-8"),
        (b'{"x": ' + b"[" * 100_000, "bad_row", "line 2: nested too deeply"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_and_the_others_go_on(line, reason, detail):
    body = b'{"meter_id": "a", "power_kw": 1}\n' + line + b'\n{"meter_id": "c", "power_kw": 3}\n'
    frame = decode_ndjson(body, RAW_READINGS).frame
    assert frame["row"].to_list() == [0, 1, 2]
    assert frame["reason"].to_list() == [None, reason, None]
    assert frame["detail"].to_list() == [None, detail, None]
    assert frame["raw"][1] == line.decode("utf-8", "replace")[:2000]
    assert frame["power_kw"].to_list() == [1.0, None, 3.0]


def test_a_time_that_is_a_number_is_a_bad_timestamp():
    row = only_row(decode_ndjson(b'{"timestamp": 1767225600}\nx', RAW_READINGS))
    assert (row["reason"], row["detail"]) == (
        "bad_timestamp",
        "timestamp: must be ISO 8601 with an offset, as 2026-01-01T00:00:00Z, but is 1767225600",
    )


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("NaN", math.nan),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        ("1e999", math.inf),
        ("1" * 5000, math.inf),
        ("-" + "1" * 400, -math.inf),
    ],
)
def test_numbers_beyond_the_finite_are_kept_for_the_core_to_judge(number, value):
    row = only_row(decode_ndjson(f'{{"power_kw": {number}}}'.encode(), RAW_READINGS))
    assert row["reason"] is None
    assert row["power_kw"] == pytest.approx(value, nan_ok=True)


def test_half_a_surrogate_and_a_nul_do_no_harm():
    body = b'{"meter_id": "\\ud800"}\n{"meter_id": "a\\u0000b"}\n{"meter_id": "\\ud83d\\ude00"}'
    frame = decode_ndjson(body, RAW_READINGS).frame
    assert frame["meter_id"].to_list() == ["?", "a\0b", "😀"]
    frame.write_json()


def test_blank_lines_are_no_rows_and_no_lines_are_zero_rows():
    assert decode_ndjson(b'\n\n{"meter_id": "a"}\n  \n', RAW_READINGS).frame.height == 1
    for body in (b"", b"\n \n"):
        assert decode_ndjson(body, RAW_READINGS).frame.height == 0


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    assert decode_ndjson(b'\xef\xbb\xbf{"meter_id": "a"}', RAW_READINGS).frame.height == 1


@pytest.mark.parametrize(
    "body",
    [
        b'[{"meter_id": "a"}, {"meter_id": "b"}]',
        b'{"readings": [{"meter_id": "a"}, {"meter_id": "b"}]}',
        b' { "readings" : [{"meter_id": "a"}, {"meter_id": "b"}] } ',
        b'{"readings": [{"meter_id": "a"}, {"meter_id": "b"}], "sent_by": "x", "tags": []}',
        b'{"sent_by": {"a": []}, "readings": [{"meter_id": "a"}, {"meter_id": "b"}]}',
    ],
)
def test_rows_may_come_in_an_array_or_in_an_envelope(body):
    assert decode_json(body, RAW_READINGS).frame["meter_id"].to_list() == ["a", "b"]


def test_a_single_object_is_one_row():
    assert decode_json(b'{"meter_id": "a"}', RAW_READINGS).frame.height == 1


@pytest.mark.parametrize("body", [b"[]", b'{"readings": []}', b" [ ] "])
def test_an_empty_array_is_zero_rows(body):
    assert decode_json(body, RAW_READINGS).frame.height == 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "line 1, column 1"),
        (b'[{"meter_id": "a"},\n {"meter_id": ]', "line 2, column 15"),
        (b'[{"meter_id": "a"},]', "line 1, column 20"),
        (b'[{"meter_id": "a"}] x', "Extra data"),
        (b'[{"meter_id": "\xff"}]', "byte 15 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"5", "must be an array of objects, but is 5"),
        (b'"x"', 'must be an array of objects, but is "x"'),
        (b"null", "must be an array of objects, but is null"),
        (b'{"readings": 5}', "readings: must be an array of objects, but is 5"),
    ],
)
def test_what_holds_no_rows_is_undecodable_and_says_where(body, says):
    with pytest.raises(UndecodableError, match=says) as caught:
        decode_json(body, RAW_READINGS)
    assert caught.value.problems


def test_a_bad_item_of_an_array_is_refused_and_the_others_go_on():
    body = b'[{"power_kw": 0.0}, null, {"power_kw": true}, {"meter_id": 7}, {"power_kw": 1}]'
    frame = decode_json(body, RAW_READINGS).frame
    assert frame["reason"].to_list() == [None, "bad_row", "not_a_number", "bad_row", None]
    assert frame["power_kw"].to_list() == [0.0, None, None, None, 1.0]


def test_grid_rows_have_their_own_names():
    body = b'{"rows": [{"zone": "CA-ON", "timestamp": "t", "interval_s": 900, "gen_wind_mw": 4}]}'
    frame = decode_json(body, RAW_GRID).frame
    assert frame.to_dicts() == [
        {"row": 0, "zone": "CA-ON", "interval_s": 900, "gen_wind_mw": 4.0, "start": "t"}
    ]
    assert frame.schema["interval_s"] == pl.Int64


@pytest.mark.parametrize("length", ["900.5", "1e300"])
def test_an_interval_of_no_whole_seconds_is_refused_and_not_cut(length):
    body = f'[{{"zone": "X", "start": "t", "interval_s": {length}}}]'.encode()
    assert only_row(decode_json(body, RAW_GRID))["reason"] == "bad_interval"


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
def test_too_many_rows_are_refused(media_type):
    rows = [{"meter_id": "a"}] * 4
    body = lines(*rows) if "nd" in media_type else json.dumps(rows).encode()
    assert decode(body, media_type, RAW_READINGS, max_rows=4).frame.height == 4
    with pytest.raises(TooLargeError, match="at most 3 rows"):
        decode(body, media_type, RAW_READINGS, max_rows=3)


def test_an_unknown_media_type_is_answered_with_the_known_ones():
    with pytest.raises(UnknownFormatError, match="application/x-ndjson"):
        decode(b"", "image/png", RAW_READINGS, max_rows=1)
    kind = "Application/JSON; charset=utf-8"
    assert decode(b"[]", kind, RAW_READINGS, max_rows=1).frame.height == 0


@given(st.lists(ROW, max_size=8))
def test_row_by_row_reads_the_same_as_all_at_once(rows):
    body = lines(*rows)
    fast = decode_ndjson(body, RAW_READINGS).frame
    slow = decode_ndjson(body + BROKEN, RAW_READINGS).frame
    array = decode_json(json.dumps(rows).encode(), RAW_READINGS).frame
    assert slow["reason"].to_list() == [None] * len(rows) + ["bad_row"]
    assert_same(fast, slow.head(len(rows)))
    assert_same(array, slow.head(len(rows)))


def assert_same(left, right):
    """Equal but for columns without a value, which may be absent."""
    for frame in (left, right):
        assert frame["row"].to_list() == list(range(frame.height))
    sent = [name for name in RAW_READINGS.columns if name not in {"reason", "detail", "raw"}]
    complete = [
        frame.select(
            pl.col(name)
            if name in frame.columns
            else pl.lit(None, RAW_READINGS.schema[name]).alias(name)
            for name in sent
        )
        for frame in (left, right)
    ]
    assert_frame_equal(*complete, check_exact=True)

import io
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wattbook.core.errors import TooLargeError, UndecodableError
from wattbook.core.frames import RAW_GRID, RAW_READINGS
from wattbook.sources.files import Mapping, read_body


def decode_csv(body, contract, **limit):
    return read_body(body, Mapping(), contract, **limit)


HEAD = b"meter_id,timestamp,power_kw\n"


def rows_of(body, contract=RAW_READINGS):
    return decode_csv(body, contract).frame.to_dicts()


def test_a_text_with_a_header_becomes_columns():
    assert rows_of(HEAD + b"a,2026-01-01T00:00:00Z,1.5\nb,2026-01-01T00:15:00Z,\n") == [
        {"row": 0, "meter_id": "a", "timestamp": "2026-01-01T00:00:00Z", "power_kw": 1.5},
        {"row": 1, "meter_id": "b", "timestamp": "2026-01-01T00:15:00Z", "power_kw": None},
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found_in_the_header(separator):
    body = separator.join(["\ufeffdevice_id", "power_kw", "volt"]) + "\r\n"
    body += separator.join(["a", "2", "230"]) + "\r\n"
    decoded = decode_csv(body.encode(), RAW_READINGS)
    assert decoded.frame.to_dicts() == [{"row": 0, "meter_id": "a", "power_kw": 2.0}]
    assert decoded.ignored == ("volt",)


def test_quoted_fields_may_hold_separators_quotes_and_newlines():
    body = HEAD + b'"a,1","b ""x""","1"\n"c\nd",e,2\n'
    assert [row["meter_id"] for row in rows_of(body)] == ["a,1", "c\nd"]
    assert rows_of(body)[0]["timestamp"] == 'b "x"'


def test_text_among_the_numbers_is_refused_and_the_others_go_on():
    first, second, third = rows_of(HEAD + b"a,t,1\nb,u,EMPTY\nc,v, 3 \n")
    assert (first["power_kw"], third["power_kw"]) == (1.0, 3.0)
    assert second["reason"] == "not_a_number"
    assert second["detail"] == 'power_kw: must be a number, but is "EMPTY"'
    assert second["raw"] == "b,u,EMPTY"
    assert first["reason"] is first["raw"] is None


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b"b,u", "line 3: must have 3 fields, but has 2"),
        (b"b,u,2,9", "line 3: must have 3 fields, but has 4"),
        (b'b,"u,2', "line 3: a quotation mark stands alone"),
        (b"\xff,u,2", "line 3: byte 0 is not UTF-8"),
    ],
)
def test_a_line_that_is_no_record_is_refused_and_the_others_go_on(line, detail):
    frame = decode_csv(HEAD + b"a,t,1\n" + line + b"\nc,v,3\n", RAW_READINGS).frame
    assert frame["row"].to_list() == [0, 1, 2]
    assert frame["reason"].to_list() == [None, "bad_row", None]
    assert frame["detail"].to_list() == [None, detail, None]
    assert frame["raw"].to_list() == [None, line.decode("utf-8", "replace"), None]
    assert frame["power_kw"].to_list() == [1.0, None, 3.0]


def test_nan_is_a_missing_value_and_infinity_is_kept_for_the_core_to_judge():
    nan, inf = rows_of(HEAD + b"a,t,NaN\nb,t,-inf\n")
    assert nan["power_kw"] is None
    assert inf["power_kw"] == -math.inf


def test_blank_lines_are_no_rows():
    body = HEAD + b"\na,t,1\n\r\n  \nb,t,2\n\n"
    assert [row["meter_id"] for row in rows_of(body)] == ["a", "b"]
    assert [row["row"] for row in rows_of(body)] == [0, 1]


@pytest.mark.parametrize("body", [HEAD, HEAD.rstrip()])
def test_a_header_alone_is_zero_rows(body):
    assert decode_csv(body, RAW_READINGS).frame.height == 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no header line"),
        (b"\n\n", "no header line"),
        (b"a,b\n1,2\n", "power_kw, energy_kwh"),
        (b"\xffm\n", "the header cannot be read"),
    ],
)
def test_without_a_usable_header_nothing_can_be_read(body, says):
    with pytest.raises(UndecodableError, match=says):
        decode_csv(body, RAW_READINGS)


def test_of_two_columns_with_one_name_the_first_counts():
    assert rows_of(b"meter_id,power_kw,power_kw\na,1,2\n") == [
        {"row": 0, "meter_id": "a", "power_kw": 1.0}
    ]


def test_intervals_are_whole_seconds():
    good, bad = rows_of(b"zone,start,interval_s\nX,t,900\nX,t,1.5\n", RAW_GRID)
    assert good["interval_s"] == 900
    assert (bad["interval_s"], bad["reason"]) == (None, "bad_interval")


def test_too_many_rows_are_refused():
    with pytest.raises(TooLargeError):
        decode_csv(HEAD + b"a,t,1\n" * 3, RAW_READINGS, max_rows=2)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=6),
            st.floats(allow_nan=False) | st.none(),
        ),
        max_size=6,
    )
)
def test_line_by_line_reads_the_same_as_all_at_once(pairs):
    schema = {"meter_id": pl.String, "power_kw": pl.Float64}
    frame = pl.DataFrame(pairs, schema=schema, orient="row")
    written = io.BytesIO()
    frame.write_csv(written, quote_style="non_numeric")
    fast = decode_csv(written.getvalue(), RAW_READINGS).frame
    slow = decode_csv(written.getvalue() + b'"z","1","2"\n', RAW_READINGS).frame
    assert slow["reason"].to_list() == [None] * len(pairs) + ["bad_row"]
    assert_frame_equal(
        fast.select("row", "meter_id", "power_kw"),
        slow.head(len(pairs)).select("row", "meter_id", "power_kw"),
        check_exact=True,
    )

import io
import random
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from wattbook.core.errors import TooLargeError, UndecodableError, WattbookError
from wattbook.core.frames import RAW_READINGS
from wattbook.sources.codecs import decode, decode_arrow_stream, decode_parquet

AT = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = pa.table({"device_id": ["a", "b"], "timestamp": [AT, AT], "power_kw": [1.5, None]})


def parquet(table):
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def stream(table):
    out = io.BytesIO()
    with ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def file(table):
    out = io.BytesIO()
    with ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


FORMS = [
    pytest.param(decode_parquet, parquet, id="parquet"),
    pytest.param(decode_arrow_stream, stream, id="stream"),
    pytest.param(decode_arrow_stream, file, id="file"),
]


@pytest.mark.parametrize(("decode_", "write"), FORMS)
def test_columns_arrive_as_they_were_sent(decode_, write):
    decoded = decode_(write(TABLE.append_column("volt", pa.array([1, 2]))), RAW_READINGS)
    assert decoded.ignored == ("volt",)
    assert decoded.frame.to_dicts() == [
        {"row": 0, "meter_id": "a", "timestamp": AT, "power_kw": 1.5},
        {"row": 1, "meter_id": "b", "timestamp": AT, "power_kw": None},
    ]


@pytest.mark.parametrize(("decode_", "write"), FORMS)
def test_other_types_that_mean_the_same_are_taken(decode_, write):
    table = pa.table(
        {
            "meter_id": pa.array(["a"]).dictionary_encode(),
            "timestamp": pa.array([AT], pa.timestamp("ns", "+02:00")),
            "power_kw": pa.array([Decimal("1.25")], pa.decimal128(8, 2)),
            "energy_kwh": pa.array([2], pa.int16()),
            "register_kwh": pa.array([3.5], pa.float32()),
            "quality": pa.array(["measured"], pa.large_string()),
        }
    )
    frame = decode_(write(table), RAW_READINGS).frame
    assert frame.schema["timestamp"] == pl.Datetime("us", "UTC")
    assert frame.drop("row").row(0) == ("a", AT, 1.25, 2, 3.5, "measured")


@pytest.mark.parametrize(("decode_", "write"), FORMS)
@pytest.mark.parametrize(
    ("stamps", "says"),
    [
        (pa.array([datetime(2026, 1, 1)], pa.timestamp("us")), "no time zone"),  # noqa: DTZ001
        (pa.array([date(2026, 1, 1)]), "but is Date"),
        (pa.array([1767225600]), "but is Int64"),
    ],
)
def test_stamps_that_are_no_instants_are_refused_by_name(decode_, write, stamps, says):
    with pytest.raises(UndecodableError, match=says) as caught:
        decode_(write(pa.table({"meter_id": ["a"], "timestamp": stamps})), RAW_READINGS)
    assert [problem.field for problem in caught.value.problems] == ["timestamp"]


@pytest.mark.parametrize(("decode_", "write"), FORMS)
def test_a_stamp_that_no_calendar_shows_is_refused_and_the_others_go_on(decode_, write):
    stamps = pa.array([2**61, 0], pa.timestamp("us", "UTC"))
    frame = decode_(write(pa.table({"meter_id": ["a", "b"], "timestamp": stamps})), RAW_READINGS)
    assert frame.frame["reason"].to_list() == ["bad_timestamp", None]
    assert frame.frame["timestamp"].to_list() == [None, datetime(1970, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize(("decode_", "write"), FORMS)
def test_rows_are_counted_before_they_are_decoded(decode_, write):
    assert decode_(write(TABLE), RAW_READINGS, max_rows=2).frame.height == 2
    with pytest.raises(TooLargeError, match="at most 1 rows"):
        decode_(write(TABLE), RAW_READINGS, max_rows=1)


@pytest.mark.parametrize(("decode_", "write"), FORMS)
def test_no_rows_and_no_known_columns_are_no_error(decode_, write):
    assert decode_(write(TABLE.slice(0, 0)), RAW_READINGS).frame.height == 0
    assert decode_(write(pa.table({"x": [1, 2]})), RAW_READINGS).frame.columns == ["row"]


@pytest.mark.parametrize(("decode_", "write"), FORMS)
@pytest.mark.parametrize("damage", ["empty", "other", "cut"])
def test_what_is_damaged_is_undecodable(decode_, write, damage):
    body = write(TABLE)
    broken = {"empty": b"", "other": b"meter_id,power_kw\n" * 20, "cut": body[: len(body) // 2]}
    with pytest.raises(UndecodableError, match="damaged or of another format"):
        decode_(broken[damage], RAW_READINGS)


@pytest.mark.parametrize(("decode_", "write"), FORMS)
def test_no_damaged_byte_takes_the_service_down(decode_, write):
    """Polars' own readers aborted the process on some of these bodies."""
    body = write(TABLE)
    chance = random.Random(1)
    for _ in range(300):
        changed = bytearray(body)
        for _ in range(chance.choice([1, 3, 10])):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            decode_(bytes(changed), RAW_READINGS).frame.rows()
        except WattbookError:
            continue


def test_the_media_type_chooses_the_format():
    kind = "application/vnd.apache.parquet"
    assert decode(parquet(TABLE), kind, RAW_READINGS, max_rows=2).frame.height == 2
    kind = "application/vnd.apache.arrow.stream"
    assert decode(stream(TABLE), kind, RAW_READINGS, max_rows=2).frame.height == 2

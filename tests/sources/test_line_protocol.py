import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wattbook.core.errors import TooLargeError
from wattbook.core.frames import RAW_READINGS
from wattbook.core.readings.influx_mapping import Naming
from wattbook.sources.codecs import decode_line_protocol, line_grammar
from wattbook.sources.codecs.line_grammar import BrokenLineError
from wattbook.sources.codecs.line_protocol import Precision

GOLDEN = Path(__file__).parents[1] / "golden" / "line_protocol.ndjson"
NOW = datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
NOW_NS = 1_767_225_600_123_456_789
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
ALL_BY_LINES = 10**9


def decode(body, **more):
    return decode_line_protocol(body, received=NOW, **more)


def rows_of(body, **more):
    return decode(body, **more).frame.to_dicts()


# --- the grammar is InfluxDB's -----------------------------------------------------------------


def value(sent):
    if (number := line_grammar.number(sent)) is not None:
        return number
    return line_grammar.text(sent) if sent[0] == '"' else sent[0] in "tT"


def told(body, precision):
    """What we read of a body, as InfluxDB's answers were recorded."""
    points, errors = [], []
    for line in (sent.lstrip(line_grammar.WHITE) for _, sent in line_grammar.lines(body)):
        if not line or line[0] == line_grammar.COMMENT:
            continue
        try:
            point = line_grammar.parse(line, precision.stamps)
        except BrokenLineError as error:
            errors.append(f"unable to parse '{line}': {error}")
            continue
        ticks = NOW_NS // precision.ns if point.ticks is None else point.ticks
        fields = {name: value(sent) for name, sent in point.fields.items()}
        points.append(
            {
                "measurement": point.measurement,
                "tags": point.tags,
                "fields": fields,
                "time_ns": ticks * precision.ns,
            }
        )
    return {"points": points, "error": "\n".join(errors)}


@pytest.mark.parametrize("line", GOLDEN.read_text("utf-8").splitlines())
def test_lines_are_read_and_refused_as_influxdb_does(line):
    case = json.loads(line)
    body, precision = case.pop("body"), Precision(case.pop("precision"))
    assert told(body, precision) == case


def test_names_and_tags_beyond_64_kib_are_refused_as_influxdb_does():
    assert line_grammar.parse("m,t=" + "a" * 65_526 + " v=1").fields == {"v": "1"}
    with pytest.raises(BrokenLineError, match="max key length exceeded: 65536 > 65535"):
        line_grammar.parse("m,t=" + "a" * 65_527 + " v=1")
    with pytest.raises(BrokenLineError, match="max key length exceeded: 70004 > 65535"):
        line_grammar.parse("m,t=" + "a" * 70_000 + " v=1")


# --- a body becomes rows -----------------------------------------------------------------------


def test_a_line_is_a_row():
    body = b"power,meter_id=a,hall=2 power_kw=1.5,volt=230 1767225600000000000\n"
    decoded = decode(body)
    assert decoded.frame.to_dicts() == [
        {"row": 0, "meter_id": "a", "timestamp": JANUARY, "power_kw": 1.5}
    ]
    assert decoded.ignored == ("hall", "volt")


def test_every_column_has_a_field():
    body = (
        b"m,site_id=s power_kw=1,energy_kwh=2i,register_kwh=3u,hashrate_th=4e0,"
        b'temperature_c=-5,reactive_power_kvar=-6,reactive_kvarh=7,quality="estimated"'
    )
    (row,) = rows_of(body)
    assert list(row) == [
        "row", "site_id", "timestamp", "power_kw", "energy_kwh", "register_kwh", "hashrate_th",
        "temperature_c", "reactive_power_kvar", "reactive_kvarh", "quality",
    ]  # fmt: skip
    assert list(row.values())[3:] == [1.0, 2.0, 3.0, 4.0, -5.0, -6.0, 7.0, "estimated"]


def test_the_tag_of_the_meter_goes_before_the_device_and_both_before_the_site():
    body = b"m,device_id=d,meter_id=a v=1\nm,device_id=d v=1\nm,site_id=s v=1\nm v=1\n"
    frame = decode(body).frame
    assert frame["meter_id"].to_list() == ["a", "d", None, None]
    assert frame["site_id"].to_list() == [None, None, "s", None]


@pytest.mark.parametrize(
    ("precision", "stamp", "microseconds"),
    [
        ("ns", 1_999, 1),  # what is below a microsecond is cut off
        ("ns", -1, -1),  # downwards
        ("us", 7, 7),
        ("ms", 7, 7_000),
        ("s", 7, 7_000_000),
        ("m", 7, 420_000_000),
        ("h", 7, 25_200_000_000),
    ],
)
@pytest.mark.parametrize("few", [0, ALL_BY_LINES])
def test_stamps_have_a_unit(precision, stamp, microseconds, few):
    body = f"m v=1 {stamp}\n".encode() * 2
    frame = decode(body, precision=Precision(precision), few=few).frame
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert frame["timestamp"].to_list() == [epoch + timedelta(microseconds=microseconds)] * 2


@pytest.mark.parametrize(
    ("precision", "microsecond"), [("ns", 123_456), ("us", 123_456), ("ms", 123_000), ("s", 0)]
)
@pytest.mark.parametrize("few", [0, ALL_BY_LINES])
def test_a_line_without_a_stamp_has_that_of_its_arrival_in_whole_units(precision, microsecond, few):
    frame = decode(b"m v=1\nm v=2\n", precision=Precision(precision), few=few).frame
    assert frame["timestamp"].to_list() == [NOW.replace(microsecond=microsecond)] * 2


def test_blank_lines_and_comments_are_no_rows_but_count_as_lines():
    body = b"\n# power of hall 2\nm power_kw=1\n  \t\n  # end\nm power_kw=2"
    assert [(row["row"], row["power_kw"]) for row in rows_of(body)] == [(2, 1.0), (5, 2.0)]


def test_a_body_without_points_has_no_rows():
    for body in (b"", b"\n\n", b"# nothing\n"):
        assert decode(body).frame.is_empty()


@pytest.mark.parametrize("few", [0, ALL_BY_LINES])
def test_a_carriage_return_before_the_newline_and_a_bom_are_no_part_of_a_line(few):
    body = b"\xef\xbb\xbfm,meter_id=a power_kw=1\r\nm,meter_id=a power_kw=2\r\n\r\n"
    assert [row["power_kw"] for row in rows_of(body, few=few)] == [1.0, 2.0]
    assert rows_of(b"m power_kw=1\r") == rows_of(b"m power_kw=1")


@pytest.mark.parametrize("few", [0, ALL_BY_LINES])
def test_escapes_are_undone(few):
    row, _ = rows_of(
        rb"m\ x,meter\ id=hall\ 2\,a kW\=total=5" b"\n" * 2,
        naming=Naming(measurement="m x", meter_tag="meter id", fields={"kW=total": "power_kw"}),
        few=few,
    )
    assert (row["meter_id"], row["power_kw"]) == ("hall 2,a", 5.0)


def test_a_line_that_cannot_be_read_is_a_row_with_its_reason_and_the_others_go_on():
    first, bad, last = rows_of(b"m power_kw=1\nm power_kw=NaN\nm power_kw=3\n")
    assert (first["power_kw"], last["power_kw"]) == (1.0, 3.0)
    assert bad["reason"] == "bad_row"
    assert bad["detail"] == "invalid number"
    assert bad["raw"] == "m power_kw=NaN"
    assert first["reason"] is first["raw"] is None


def test_bytes_that_are_no_utf8_spoil_their_line_alone():
    good, bad = rows_of(b"m power_kw=1\nm,meter_id=\xc3\xbc\xff power_kw=1\n")
    assert good["power_kw"] == 1.0
    assert (bad["reason"], bad["detail"]) == ("bad_row", "byte 13 is not UTF-8")
    assert bad["raw"] == "m,meter_id=ü\ufffd power_kw=1"


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ('power_kw="high"', "not_a_number", 'power_kw: must be a number, but is "high"'),
        ("power_kw=true", "not_a_number", "power_kw: must be a number, but is true"),
        ("quality=1i", "bad_quality", "quality: must be text, but is 1i"),
    ],
)
@pytest.mark.parametrize("few", [0, ALL_BY_LINES])
def test_a_value_of_the_wrong_type_is_refused(fields, reason, detail, few):
    bad, good = rows_of(f"m,meter_id=a {fields}\nm hashrate_th=1\n".encode(), few=few)
    assert (bad["reason"], bad["detail"], bad["meter_id"]) == (reason, detail, "a")
    assert bad["raw"] == f"m,meter_id=a {fields}"
    assert good["reason"] is None


def test_the_last_of_two_fields_with_one_name_counts_as_with_influxdb():
    for few in (0, ALL_BY_LINES):
        assert rows_of(b"m power_kw=1,power_kw=2\n" * 2, few=few)[1]["power_kw"] == 2.0


@pytest.mark.parametrize("few", [0, ALL_BY_LINES])
def test_lines_of_another_measurement_are_refused_where_one_is_named(few):
    body = b"cpu,host=x usage=1\nm power_kw=1\ncpu,host=y usage=2\n"
    decoded = decode(body, naming=Naming(measurement="m"), few=few)
    cpu, mine, _ = decoded.frame.to_dicts()
    assert (cpu["reason"], cpu["detail"]) == (
        "other_measurement",
        "measurement: must be m, but is cpu",
    )
    assert cpu["raw"] == "cpu,host=x usage=1"
    assert mine["reason"] is None
    assert decoded.ignored == ()


def test_a_newline_within_quotation_marks_belongs_to_the_text():
    body = b'm note="one\ntwo",power_kw=1\nm power_kw=2\n' * 60
    for few in (0, ALL_BY_LINES):
        frame = decode(body, few=few).frame
        assert frame["power_kw"].to_list() == [1.0, 2.0] * 60
        assert frame["row"].to_list()[:3] == [0, 2, 3]


def test_what_is_rare_among_many_lines_is_in_its_place():
    many = [f"m,meter_id=a power_kw={number}" for number in range(300)]
    many[7] = "broken"
    many[8] = "m,meter_id=b hashrate_th=8"
    many[9] = 'm,meter_id=c,note="x y power_kw=9'
    many[250] = "# a comment"
    frame = decode("\n".join(many).encode()).frame
    assert frame["row"].to_list() == [row for row in range(300) if row != 250]
    assert frame["power_kw"].sum() == sum(range(300)) - 7 - 8 - 9 - 250
    assert frame["hashrate_th"][8] == 8.0
    assert frame.filter(pl.col("reason").is_not_null())["detail"].to_list() == [
        "missing fields",
        "invalid field format",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "m " + ",".join(f"f{number}=1" for number in range(600)) + ",power_kw=5",
        "m,note=" + "a" * 20_000 + " power_kw=5",
        "m,a=1,a=2 power_kw=5",
        "m,time=1 power_kw=5",
        "m \tpower_kw=5",
        " m power_kw=5",
    ],
)
def test_a_line_that_needs_a_closer_look_gets_it(line):
    body = f"{line}\n".encode() * 2
    assert_frame_equal(decode(body, few=0).frame, decode(body, few=ALL_BY_LINES).frame)


def test_too_many_rows_are_refused():
    body = b"m power_kw=1\n" * 3 + b"\n# three\n"
    assert decode(body, max_rows=3).frame.height == 3
    with pytest.raises(TooLargeError):
        decode(body, max_rows=2)


def test_the_contract_is_kept():
    frame = decode(b'm,meter_id=a,site_id=b power_kw=1,quality="measured" 1\nx\n').frame
    assert list(frame.columns) == [name for name in RAW_READINGS.columns if name in frame.columns]
    for name, dtype in frame.schema.items():
        assert dtype == (
            pl.Datetime("us", "UTC") if name == "timestamp" else RAW_READINGS.schema[name]
        )


# --- by columns and by lines the same comes out ------------------------------------------------

SEEDS = [
    'r,meter_id=a,site_id=b power_kw=1.5,quality="measured" 1767225600000000000',
    "r,device_id=a power_kw=1i,x=t 1767225600000000000",
    'r,meter_id=c power_kw="x, y = z" 17',
    "r power_kw=1,hashrate_th=2u 5",
    "cpu,host=h usage=-1e1,free=.5",
    r"r\ x,meter_id=a\,b,h\=i=j hashrate\ th=5,power_kw=1 7",
]
PIECES = [
    *',= "\\#\n\t\0\r\x1c+-.0159eEiutf', "true", "nan", "inf", '"a b"', '"x,y=z"', "é", "  ", "\\ ",
    "power_kw", ",meter_id=a", " 99999999999999999999", "=+5", "1e400", "r ",
]  # fmt: skip


@st.composite
def bodies(draw):
    """Lines that are alike, some with something put in, taken out or replaced."""
    lines = []
    for _ in range(draw(st.integers(1, 10))):
        line = draw(st.sampled_from(SEEDS))
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
            at = draw(st.integers(0, len(line)))
            gone = draw(st.integers(0, 2))
            line = line[:at] + draw(st.sampled_from(["", *PIECES])) + line[at + gone :]
        lines.append(line)
    return ("\n".join(lines) + draw(st.sampled_from(["", "\n", "\r\n"]))).encode()


NAMINGS = [Naming(), Naming(measurement="r"), Naming(meter_tag="host", fields={"x": "quality"})]


@given(bodies(), st.sampled_from(list(Precision)), st.sampled_from(NAMINGS))
def test_by_columns_the_same_is_read_as_line_by_line(body, precision, naming):
    fast = decode(body, precision=precision, naming=naming, few=0)
    slow = decode(body, precision=precision, naming=naming, few=ALL_BY_LINES)
    assert_frame_equal(whole(fast.frame), whole(slow.frame), check_exact=True)
    assert sorted(fast.ignored) == sorted(slow.ignored)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_are_read_to_the_last_bit(numbers):
    body = "".join(f"m power_kw={number!r}\n" for number in numbers).encode()
    for few in (0, ALL_BY_LINES):
        assert decode(body, few=few).frame["power_kw"].to_list() == numbers


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8)))
def test_texts_come_through_as_they_were_sent(texts):
    escaped = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    body = "".join(f'm quality="{text}"\n' for text in escaped).encode()
    for few in (0, ALL_BY_LINES):
        frame = decode(body, few=few).frame
        assert (frame["quality"].to_list() if texts else []) == texts
        assert "reason" not in frame.columns


@given(st.binary(max_size=60))
def test_no_body_breaks_the_decoder_and_every_row_has_a_line(body):
    for few in (0, ALL_BY_LINES):
        rows = decode(body, few=few).frame["row"].to_list()
        assert rows == sorted(set(rows))
        assert not rows or rows[-1] <= body.count(b"\n")


def whole(frame):
    """The frame with every column of the contract."""
    columns = RAW_READINGS.schema | {"timestamp": pl.Datetime("us", "UTC")}
    return frame.select(
        pl.col(name) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in columns.items()
    )

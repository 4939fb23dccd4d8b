"""How text files are written: each guess has its evidence, and two readings are refused."""

import codecs
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.core.errors import InputError, UndecodableError
from wattbook.core.frames import RAW_GRID, RAW_READINGS
from wattbook.sources.codecs.numbers import Decimal, Notation, parse
from wattbook.sources.files import DateOrder, Mapping, Options, read, read_body

PAIRS = ("timestamp=t", "power_kw=v")


def decoded(text, contract=RAW_READINGS, **said):
    options = Options(**{"pairs": PAIRS, "meter": "m", "timezone": "UTC", **said})
    body = text if isinstance(text, bytes) else text.encode()
    return read_body(body, options.mapping(contract), contract)


def values(text, **said):
    return decoded(text, **said).frame["power_kw"].to_list()


def guess(text, what, **said):
    found = {each.what: each for each in decoded(text, **said).guesses}[what]
    return found.value, found.how


def table(*numbers, separator=";"):
    lines = [f'2026-03-03 {hour:02d}:00{separator}"{text}"\n' for hour, text in enumerate(numbers)]
    return f"t{separator}v\n" + "".join(lines)


def test_a_point_in_a_file_of_decimal_commas_groups_thousands():
    # 999.5 + 1234 + 1500 + 1000 = 4733.5
    german = table("999,5", "1.234", "1.500", "1.000")
    assert sum(values(german, decimal="comma")) == 4733.5
    assert values(german) == values(german, decimal="comma")  # 999,5 proves the comma
    assert guess(german, "decimals") == ("decimal comma, point between thousands", "detected")


def test_a_point_that_groups_nothing_is_never_read_as_decimal_where_a_comma_was_declared():
    frame = decoded(table("999,5", "12.5", "1.2345,0", "0.123"), decimal="comma").frame
    assert frame["power_kw"].to_list() == [999.5, None, None, None]
    assert frame["reason"].to_list() == [None, *["not_a_number"] * 3]
    assert frame["detail"][1] == 'power_kw: must be a number with a decimal comma, but is "12.5"'
    assert frame["raw"].to_list()[1:] == [  # as they were sent
        "2026-03-03 01:00;12.5",
        "2026-03-03 02:00;1.2345,0",
        "2026-03-03 03:00;0.123",
    ]


def test_quoted_commas_between_thousands_are_read():
    text = table("1,234.5", "999.5", "1,000", separator=",")
    assert values(text) == [1234.5, 999.5, 1000.0]
    assert values(table("12,34,567.5", separator=",")) == [1_234_567.5]  # as in India


def test_evidence_has_quotation_marks_where_the_file_needs_them():
    frame = decoded(table("1,234.5", "x,y", separator=",")).frame
    assert frame["raw"][1] == '2026-03-03 01:00,"x,y"'


@pytest.mark.parametrize(
    "text", ["1 234,5", "1\u00a0234,5", "1\u2009234,5", "1\u202f234,5", "1'234,5", "1\u2019234,5"]
)
def test_blanks_of_any_width_and_apostrophes_group_thousands(text):
    assert values(table(text)) == [1234.5]
    assert values(table(text.replace(",", "."))) == [1234.5]


@pytest.mark.parametrize("text", ["", "-", " - ", "N/A", "nan", "NaN", "#N/A", "null", "--"])
def test_words_for_nothing_are_missing_values(text):
    frame = decoded(table("1.5", text)).frame
    assert frame["power_kw"].to_list() == [1.5, None]
    assert frame.get_column("reason", default=pl.Series([None])).null_count() == frame.height or (
        "reason" not in frame.columns
    )


def test_a_value_that_means_nothing_may_be_named():
    assert values(table("1.5", "4294967.295"), nulls=("4294967.295",)) == [1.5, None]


def test_numbers_that_can_all_be_read_in_two_ways_are_refused_with_both():
    for text, point, comma in (("1.234", "1.234", "1234"), ("1,234", "1234", "1.234")):
        with pytest.raises(InputError) as caught:
            values(table(text, "5", "2" + text[1:]))
        assert str(caught.value) == (
            f"numbers can be read in two ways: {text!r} of 'v' (row 0) is {comma} with"
            f" --decimal-comma and {point} with --decimal-point; give one of these options"
        )
        assert values(table(text), decimal="point") == [float(point)]
        assert values(table(text), decimal="comma") == [float(comma)]


def test_one_number_that_is_certain_decides_for_the_file():
    assert values(table("1.234", "0.500")) == [1.234, 0.5]
    assert values(table("1.234", "17.25")) == [1.234, 17.25]
    assert values(table("1.234", "17,25")) == [1234.0, 17.25]
    assert values(table("1.234", "12345")) == [1.234, 12345.0]  # thousands are not grouped


def test_three_decimals_are_plain_in_a_file_with_commas_between_columns():
    assert values("t,v\n2026-03-03 00:00,1.234\n") == [1.234]


def test_both_signs_proven_keep_the_point_and_reject_the_other():
    frame = decoded(table("12.5", "12,5")).frame
    assert frame["power_kw"].to_list() == [12.5, None]
    assert frame["detail"][1] == 'power_kw: must be a number with a decimal point, but is "12,5"'


def test_the_separator_is_counted_outside_quotation_marks():
    text = 'Date;"Energy, active, kWh";"Power, max, kW"\n2026-03-06 00:00;12.5;50\n'
    said = {"pairs": ("timestamp=Date", "power_kw=Power, max, kW")}
    assert values(text, **said) == [50.0]
    assert guess(text, "separator", **said) == ("semicolon", "detected")


def test_the_separator_is_one_that_the_records_have_too():
    # Three commas in the header, without marks; the records have one semicolon each.
    text = "t;Leistung, Mittel, netto, v\n2026-03-06 00:00;12,5\n"
    assert values(text, pairs=("timestamp=t", "power_kw=Leistung, Mittel, netto, v")) == [12.5]


@pytest.mark.parametrize(
    ("name", "sign"), [("semicolon", ";"), ("tab", "\t"), ("|", "|"), ("^", "^")]
)
def test_the_separator_may_be_named(name, sign):
    assert values(f"t{sign}v\n2026-03-06 00:00{sign}5\n", separator=name) == [5.0]


def test_a_separator_is_one_sign():
    with pytest.raises(InputError, match="invalid separator 'ab'"):
        decoded("t,v\n", separator="ab")


def test_a_first_line_of_excel_names_the_separator_and_lines_before_the_header_are_skipped():
    assert values("sep=;\nt;v\n2026-03-06 00:00;1,5\n") == [1.5]
    assert values("Meter 7\n\nt;v\n2026-03-06 00:00;1,5\n", skip_lines=2) == [1.5]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"", "windows-1252"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF8, "utf-8")],
)
def test_the_encoding_is_found(mark, encoding):
    text = "t;Zähler;v\n2026-03-06 00:00;Süd;1,5\n"
    said = {"pairs": (*PAIRS, "meter_id=Zähler"), "meter": None}
    frame = decoded(mark + text.encode(encoding), **said).frame
    assert frame["meter_id"].to_list() == ["süd"]
    named = decoded(text.encode("cp850"), encoding="cp850", **said).frame
    assert named["meter_id"].to_list() == ["süd"]


def test_an_unknown_encoding_is_named_with_those_that_are_usual():
    with pytest.raises(InputError, match="unknown encoding 'ebcdix'"):
        decoded("t,v\n", encoding="ebcdix")


def test_a_unit_in_the_name_of_a_column_is_used_and_said():
    text = "t,Power (MW),Energy [kWh]\n2026-03-06 00:00,1.5,7\n"
    pairs = ("timestamp=t", "power_kw=Power (MW)", "energy_kwh=Energy [kWh]")
    frame = decoded(text, pairs=pairs).frame
    assert frame.select("power_kw", "energy_kwh").rows() == [(1500.0, 7.0)]
    assert guess(text, "unit of power_kw", pairs=pairs) == ("MW", "detected")
    assert decoded(text, pairs=pairs, units=("power_kw=W",)).frame["power_kw"].to_list() == [0.0015]


def test_meters_of_one_row_may_have_units_of_their_own():
    text = "t,gt1_mw,gt2_kw\n2026-03-06 00:00,1.5,7\n"
    pairs = ("timestamp=t", "p.1:power_kw=gt1_mw", "p.2:power_kw=gt2_kw")
    assert values(text, pairs=pairs, meter=None) == [1500.0, 7.0]


def test_words_of_quality_are_mapped():
    text = "t,q,v\n2026-01-01 00:00,Målt,1\n2026-01-01 01:00,Estimert,2\n2026-01-01 02:00,,3\n"
    pairs = (*PAIRS, "quality=q")
    said = decoded(text, pairs=pairs, words=("quality=Målt:measured,Estimert:estimated",))
    assert said.frame["quality"].to_list() == ["measured", "estimated", None]
    each = ("quality=Målt:measured", "quality=Estimert:estimated")
    assert decoded(text, pairs=pairs, words=each).frame["quality"][1] == "estimated"
    with pytest.raises(InputError, match="must be COLUMN=WORD:OURS"):
        decoded(text, words=("quality=Målt",))
    with pytest.raises(InputError, match="the words of power_kw cannot be mapped"):
        decoded(text, words=("power_kw=a:b",))


def test_a_file_without_our_columns_says_what_to_do():
    with pytest.raises(UndecodableError, match=r"it has 'Zeit', 'kW': say which is which with"):
        read_body(b"Zeit,kW\n", Mapping(), RAW_READINGS)


def test_an_interval_that_was_named_is_that_of_zone_rows():
    frame = decoded("zone,start,price_per_mwh\nX,t,5\n", RAW_GRID, pairs=(), meter=None,
                    timezone=None, interval_s=900).frame  # fmt: skip
    assert frame["interval_s"].to_list() == [900]


ZERO = datetime(2026, 2, 1)  # noqa: DTZ001 -- a clock on the wall
NUMBERS = st.floats(-1e9, 1e9).map(lambda value: round(value, 3))
DIALECTS = st.fixed_dictionaries(
    {
        "separator": st.sampled_from([",", ";", "\t", "|"]),
        "decimal": st.sampled_from(list(Decimal)),
        "grouped": st.sampled_from(["", "'", " ", "\u00a0", "\u202f", "other"]),
        "form": st.sampled_from(
            [
                ("%Y-%m-%d %H:%M", None),
                ("%d.%m.%Y %H:%M", DateOrder.DMY),
                ("%d/%m/%Y %I:%M:%S %p", DateOrder.DMY),
                ("%m/%d/%y %H:%M", DateOrder.MDY),
                ("%d/%m/%y %H:%M:%S", DateOrder.DMY),
                ("%y-%m-%d %H:%M", DateOrder.YMD),
                ("%d-%b-%Y %H:%M", None),
                ("%Y%m%d%H%M", None),
            ]
        ),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "windows-1252"]),
        "line": st.sampled_from(["\n", "\r\n"]),
    }
)


def written(value, dialect):
    text = f"{value:,.3f}"
    mark = {"other": dialect["decimal"].other}.get(dialect["grouped"], dialect["grouped"])
    return text.replace(",", "G").replace(".", dialect["decimal"]).replace("G", mark)


@given(st.lists(NUMBERS, min_size=1, max_size=20), DIALECTS, st.booleans())
def test_a_table_written_in_any_dialect_reads_back_the_same(
    tmp_path_factory, numbers, dialect, down
):
    # U+202F is not in windows-1252.
    if dialect["encoding"] == "windows-1252" and dialect["grouped"] == "\u202f":
        dialect["grouped"] = "'"
    form, order = dialect["form"]
    stamps = [ZERO + timedelta(minutes=15 * n) for n in range(len(numbers))]
    rows = list(zip(stamps, numbers, strict=True))[:: -1 if down else 1]
    lines = [f'"Zeit (°)"{dialect["separator"]}"kW, Mittel; netto|"'] + [
        f'"{at:{form}}"{dialect["separator"]}"{written(value, dialect)}"' for at, value in rows
    ]
    path = tmp_path_factory.mktemp("dialect") / "x.csv"
    text = dialect["line"].join(lines) + dialect["line"]
    path.write_bytes(text.encode(dialect["encoding"]))
    options = Options(
        pairs=("timestamp=Zeit (°)", "power_kw=kW, Mittel; netto|"),
        meter="m",
        timezone="UTC",
        date_order=order,
        decimal={Decimal.POINT: "point", Decimal.COMMA: "comma"}[dialect["decimal"]],
    )
    frame = pl.concat([chunk.frame for chunk in read(path, options.mapping())])
    assert frame["timestamp"].to_list() == [at.replace(tzinfo=UTC) for at, _ in rows]
    assert frame["power_kw"].to_list() == [value for _, value in rows]


@given(st.floats(-1e12, 1e12).map(lambda value: round(value, 4)), st.sampled_from(list(Decimal)))
def test_what_one_notation_reads_the_other_reads_as_the_same_or_as_something_ambiguous(value, sign):
    text = f"{value:,.4f}".replace(",", "G").replace(".", sign).replace("G", sign.other)
    right = parse(pl.Series([text]), Notation(sign, groups=True)).item()
    wrong = parse(pl.Series([text]), Notation(sign.other, groups=True)).item()
    assert right == value
    assert wrong is None  # four decimals are never a group of thousands

"""Which values were sent as null, and which were not sent."""

import pytest

from wattbook.core.frames import RAW_READINGS, READING_VALUES
from wattbook.core.readings.merge import BITS, EXPLICIT
from wattbook.sources.codecs.json import decode_json, decode_ndjson
from wattbook.sources.codecs.single import decode_single
from wattbook.sources.files import Mapping, read_body

HEAD = '"meter_id":"a","timestamp":"2026-01-01T00:00Z","power_kw":1'
RATE, WARM, REACTIVE = (
    BITS[name] for name in ("hashrate_th", "temperature_c", "reactive_power_kvar")
)


@pytest.mark.parametrize(
    ("sent", "cleared"),
    [
        (["", ""], None),
        ([',"hashrate_th":2', ""], None),
        ([',"hashrate_th":null', ',"hashrate_th":null'], [RATE, RATE]),
        ([',"hashrate_th":null', ',"hashrate_th":3'], [RATE, 0]),
        ([',"hashrate_th":null', ""], [RATE, 0]),
        (["", ',"hashrate_th" : null,"temperature_c":null'], [0, RATE | WARM]),
        ([',"reactive_kvarh":null', ',"reactive_power_kvar":null'], [REACTIVE, REACTIVE]),
        ([',"reactive_kvarh":null,"reactive_power_kvar":null', ""], [REACTIVE, 0]),
        ([',"note":null', ""], None),
        ([',"hashrate_th":2', ',"note":"\\"hashrate_th\\":null"'], None),
        ([',"note":"\\u0041","hashrate_th":null', ""], [RATE, 0]),
    ],
)
def test_a_null_that_was_sent_is_told_from_a_value_that_was_not(
    sent: list[str], cleared: list[int] | None
) -> None:
    rows = [f"{{{HEAD}{more}}}" for more in sent]
    bodies = [
        decode_ndjson("\n".join(rows).encode(), RAW_READINGS).frame,
        decode_json(f"[{','.join(rows)}]".encode(), RAW_READINGS).frame,
    ]

    for frame in bodies:
        found = frame[EXPLICIT].to_list() if EXPLICIT in frame.columns else None
        assert found == cleared


def test_a_single_reading_says_which_values_it_sends_as_null() -> None:
    row = decode_single(f'{{{HEAD},"hashrate_th":null}}'.encode())

    assert row[EXPLICIT] == RATE
    assert EXPLICIT not in decode_single(f"{{{HEAD}}}".encode())


def test_an_empty_cell_says_nothing() -> None:
    body = b"meter_id,timestamp,power_kw,hashrate_th\na,2026-01-01T00:00Z,1,\n"

    assert EXPLICIT not in read_body(body, Mapping(), RAW_READINGS).frame.columns


def test_no_sender_can_fill_the_column_of_what_was_sent() -> None:
    row = f'{{{HEAD},"{EXPLICIT}":31}}'.encode()

    decoded = decode_ndjson(row, RAW_READINGS)

    assert EXPLICIT not in decoded.frame.columns
    assert decoded.ignored == (EXPLICIT,)
    assert EXPLICIT not in READING_VALUES


def test_a_null_under_another_key_than_the_first_row_has_is_marked() -> None:
    """Two rows of one key and one null each: the marks of the body are those of two equal rows."""
    rows = '{"meter_id":null}', '{"power_kw":null}'

    lines = decode_ndjson("\n".join(rows).encode(), RAW_READINGS).frame
    array = decode_json(f"[{','.join(rows)}]".encode(), RAW_READINGS).frame

    assert lines[EXPLICIT].to_list() == [0, BITS["power_kw"]]
    assert array[EXPLICIT].to_list() == [0, BITS["power_kw"]]

import io

import polars as pl
import pytest

from wattbook.core.errors import UndecodableError
from wattbook.core.frames import RAW_READINGS
from wattbook.sources.codecs.raw import decode_raw, encode

ROWS = pl.DataFrame({"row": [0, 1], "meter_id": ["a", "a"], "power_kw": [1.0, None]}).cast(
    {"row": pl.UInt32}
)


def test_rows_come_back_as_they_left() -> None:
    assert decode_raw(encode(ROWS), RAW_READINGS).frame["power_kw"].to_list() == [1.0, None]


def test_a_file_in_place_of_a_stream_is_refused() -> None:
    file = io.BytesIO()
    ROWS.write_ipc(file)

    with pytest.raises(UndecodableError, match="not an Arrow stream of raw rows"):
        decode_raw(file.getvalue(), RAW_READINGS)


def test_row_numbers_that_repeat_are_refused() -> None:
    with pytest.raises(UndecodableError, match="each row needs a number of its own"):
        decode_raw(encode(pl.concat([ROWS, ROWS])), RAW_READINGS)

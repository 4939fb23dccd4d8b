import io
from dataclasses import replace

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import ipc

from wattbook.core.errors import TooLargeError, UndecodableError
from wattbook.core.frames import RAW_READINGS
from wattbook.sources.codecs import decode_arrow_stream, decode_parquet
from wattbook.sources.codecs.arrow_limits import (
    MAX_UNPACKED,
    ColumnChunk,
    RowGroup,
    check_arrow,
    check_parquet,
)

COLUMN = ColumnChunk("power_kw", values=3, is_nested=False, packed=40, unpacked=60, offset=4)
GROUP = RowGroup(rows=3, unpacked=60, columns=(COLUMN,))


def group(**changes):
    return [replace(GROUP, columns=(replace(COLUMN, **changes),))]


def arrow(table, *, new=ipc.new_stream, compression=None):
    out = io.BytesIO()
    with new(out, table.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return out.getvalue()


def test_counts_that_agree_pass():
    check_parquet([GROUP, GROUP], rows=6, body=100)


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ([GROUP, GROUP], "rows of the file and of its row groups differ: 3 and 6"),
        (group(values=4), "values of column 'power_kw' differ: 3 and 4"),
        (group(packed=97), "column 'power_kw' ends after the body"),
        (group(offset=61), "column 'power_kw' ends after the body"),
        (group(unpacked=-1), "a count is below zero"),
        ([replace(GROUP, columns=(COLUMN,) * 3)], "columns of 120 bytes in a body of 100"),
    ],
)
def test_counts_that_contradict_each_other_are_refused(groups, says):
    with pytest.raises(UndecodableError, match=says):
        check_parquet(groups, rows=3, body=100)


def test_a_nested_column_has_more_values_than_rows():
    check_parquet(group(values=9, is_nested=True), rows=3, body=100)


def test_columns_that_unpack_beyond_the_limit_are_refused():
    check_parquet(group(unpacked=MAX_UNPACKED), rows=3, body=100)
    with pytest.raises(TooLargeError, match="bytes when decompressed"):
        check_parquet(group(unpacked=MAX_UNPACKED + 1), rows=3, body=100)


@pytest.mark.parametrize("new", [ipc.new_stream, ipc.new_file])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_the_bytes_of_an_arrow_body_are_known_before_it_is_read(new, compression):
    """1 000 floats are 8 000 bytes, whatever they are packed into."""
    body = arrow(pa.table({"power_kw": [1.5] * 1000}), new=new, compression=compression)
    assert check_arrow(body, max_rows=1000) == 8000
    with pytest.raises(TooLargeError, match="at most 999 rows"):
        check_arrow(body, max_rows=999)
    frame = decode_arrow_stream(body, RAW_READINGS).frame
    assert frame["power_kw"].sum() == 1500


def test_dictionaries_count_their_bytes_and_not_their_rows():
    """Two texts of 1 byte each: 12 bytes of offsets and 2 of text; 5 indices of 4 bytes."""
    table = pa.table({"meter_id": pa.array(list("abaab")).dictionary_encode()})
    assert check_arrow(arrow(table), max_rows=5) == 12 + 2 + 20


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_the_files_of_polars_are_read(compression):
    frame = pl.DataFrame({"meter_id": ["a", "b", "a"], "power_kw": [1.0, None, 2.0]})
    packed = io.BytesIO()
    frame.write_ipc(packed, compression=compression)
    read = decode_arrow_stream(packed.getvalue(), RAW_READINGS).frame
    assert read["power_kw"].to_list() == [1.0, None, 2.0]


def test_files_of_several_row_groups_and_nested_columns_that_are_not_ours_are_read():
    frame = pl.DataFrame({"power_kw": [1.0, 2.0, 3.0], "boards": [[1, 2], [], [3]]})
    out = io.BytesIO()
    frame.write_parquet(out, row_group_size=2)
    assert decode_parquet(out.getvalue(), RAW_READINGS).frame["power_kw"].sum() == 6

"""Parquet and Arrow bodies.

PyArrow reads them, not Polars: on a damaged body Polars 2.1 can abort the whole process, where
PyArrow raises. What it has read is validated in full before Polars sees it.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import ipc

from wattbook.core.errors import Problem, TooLargeError, UndecodableError
from wattbook.core.frames import Contract
from wattbook.core.periods import EPOCH
from wattbook.core.readings.checks import RejectReason
from wattbook.sources.codecs import rows
from wattbook.sources.codecs.arrow_limits import (
    FILE_MAGIC,
    MAX_SCHEMA_DEPTH,
    check_arrow,
    check_parquet,
    row_groups,
)
from wattbook.sources.codecs.rows import Decoded

MAX_TEXT: Final = 1_000
"""No id, stamp or quality has so many bytes."""
MICROSECOND: Final = timedelta(microseconds=1)
FIRST_US: Final = (datetime(1, 1, 2, tzinfo=UTC) - EPOCH) // MICROSECOND
LAST_US: Final = (datetime(9999, 12, 30, tzinfo=UTC) - EPOCH) // MICROSECOND
STAMPS: Final = frozenset({"timestamp", "start", "start_utc"})
FAILURES: Final = (
    pa.ArrowException,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    ValueError,
    MemoryError,
    KeyError,
)


def decode_parquet(body: bytes, contract: Contract, *, max_rows: int = 2**32 - 1) -> Decoded:
    """Rows of a Parquet file; their number is known before any is decoded.

    Raises
    ------
    UndecodableError
        The body is no Parquet, or its stamps are no instants.
    TooLargeError
        It has more than `max_rows` rows.
    """
    file = _open_parquet(body, [])
    rows.refuse_more(file.metadata.num_rows, max_rows)
    groups = _try("Parquet", lambda: row_groups(file))
    check_parquet(groups, rows=file.metadata.num_rows, body=len(body))
    texts = [
        field.name
        for field in file.schema_arrow
        if field.name in rows.fields(contract) and _is_text(field.type)
    ]
    file = _open_parquet(body, texts)
    sent = file.schema_arrow.names
    known = [name for name in sent if name in rows.fields(contract)]
    table = _try("Parquet", lambda: file.read(columns=known))
    frame = _try("Parquet", lambda: to_frame(table, file.metadata.num_rows))
    return _decoded(frame, sent, contract)


def decode_arrow_stream(body: bytes, contract: Contract, *, max_rows: int = 2**32 - 1) -> Decoded:
    """Rows of an Arrow IPC stream, or of an IPC file.

    Raises
    ------
    UndecodableError
        The body is no Arrow, or its stamps are no instants.
    TooLargeError
        It has more than `max_rows` rows.
    """
    form = "an Arrow file" if body.startswith(FILE_MAGIC) else "an Arrow stream"
    _try(form, lambda: check_arrow(body, max_rows=max_rows))
    sent = _try(form, lambda: _open(body, None).schema.names)
    wanted = [index for index, name in enumerate(sent) if name in rows.fields(contract)]
    reader = _try(form, lambda: _open(body, wanted or [0] if sent else None))
    batches = []
    held = 0
    for batch in _batches(reader, form):
        held += batch.num_rows
        rows.refuse_more(held, max_rows)
        batches.append(batch)
    table = _try(form, lambda: pa.Table.from_batches(batches, schema=reader.schema))
    known = [name for name in table.schema.names if name in rows.fields(contract)]
    frame = _try(form, lambda: to_frame(table.select(known), held))
    return _decoded(frame, sent, contract)


def _open_parquet(body: bytes, texts: list[str]) -> Any:
    """The file, its footer read; columns `texts` are read as dictionaries."""
    return _try(
        "Parquet",
        lambda: pq.ParquetFile(
            pa.BufferReader(body),
            pre_buffer=False,
            read_dictionary=texts,
            # A text or a list of the footer has no more bytes or items than the body has bytes.
            thrift_string_size_limit=len(body),
            thrift_container_size_limit=len(body),
            schema_depth_limit=MAX_SCHEMA_DEPTH,
        ),
    )


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _refuse_long_texts(table: Any) -> None:
    """Stop before a long text that stands once in a dictionary is written out for every row."""
    for name, column in zip(table.schema.names, table.columns, strict=True):
        for chunk in column.chunks:
            values = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
            if not _is_text(values.type) or not len(values):
                continue
            texts = pl.from_arrow(values)
            assert isinstance(texts, pl.Series)
            longest: int = texts.to_frame("t").select(pl.col("t").str.len_bytes().max()).item() or 0
            if longest > MAX_TEXT:
                detail = f"a text of {longest} bytes, at most {MAX_TEXT} are taken"
                raise TooLargeError(f"{name}: {detail}", [Problem("too_large", detail, field=name)])


def to_frame(table: Any, height: int) -> pl.DataFrame:
    """A PyArrow table, validated, as a frame with `row` from 0 and stamps in UTC."""
    table.validate(full=True)
    _refuse_long_texts(table)
    for index, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type) and column.type.tz is not None:
            fits = column.type.unit != "ns"  # what is below a microsecond may go
            stamps = pc.cast(table[index], pa.timestamp("us", column.type.tz), safe=fits)
            stamps = pc.cast(stamps, pa.timestamp("us", "UTC"))
            table = table.set_column(index, column.name, stamps)
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):  # pragma: no cover - a table is always a frame
        raise TypeError(frame)
    if not frame.width:
        return pl.select(row=pl.int_range(height, dtype=pl.UInt32))
    return _dated(frame.with_row_index("row"))


def _dated(frame: pl.DataFrame) -> pl.DataFrame:
    """Stamps before the year 1 or after 9999, which no calendar here can show, refused."""
    for name in (name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)):
        frame = frame.with_columns(pl.col(name).dt.cast_time_unit("us"))
        ticks = frame[name].to_physical()
        beyond = ~ticks.is_between(FIRST_US, LAST_US)
        if not beyond.any():
            continue
        said = pl.format(name + ": {} µs from 1970 is not a date", ticks)
        frame = frame.with_columns(
            pl.when(~beyond).then(name).alias(name),
            reason=pl.when(beyond).then(pl.lit(str(RejectReason.BAD_TIMESTAMP))),
            detail=pl.when(beyond).then(said),
            raw=pl.when(beyond).then(ticks.cast(pl.String)),
        )
    return frame


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Decimals as floats, categories as text."""
    return frame.with_columns(
        pl.selectors.decimal().cast(pl.Float64),
        (pl.selectors.categorical() | pl.selectors.enum()).cast(pl.String),
    )


def _decoded(frame: pl.DataFrame, sent: list[str], contract: Contract) -> Decoded:
    problems = [
        Problem("bad_timestamp", detail, field=name)
        for name, dtype in frame.schema.items()
        if name in STAMPS and (detail := _no_instant(dtype))
    ]
    if problems:
        said = "; ".join(f"{problem.field}: {problem.detail}" for problem in problems)
        raise UndecodableError(f"timestamps that are not instants: {said}", problems)
    known = rows.fields(contract)
    frame = rows.fold_aliases(_one_type(plain(frame), contract), contract)
    return Decoded(frame, tuple(dict.fromkeys(name for name in sent if name not in known)))


def _one_type(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Names that mean one column must agree in type before they become one."""
    for alias, name in rows.aliases(contract).items():
        if {alias, name} <= set(frame.columns) and frame.schema[alias] != frame.schema[name]:
            frame = frame.drop(alias)
    return frame


def _no_instant(dtype: pl.DataType) -> str | None:
    if dtype in (pl.String, pl.Categorical, pl.Null) or isinstance(dtype, pl.Enum):
        return None
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is not None:
            return None
        return "the times have no time zone; write them in UTC, or as text with an offset"
    return f"must be times with a time zone, or text with an offset, but is {dtype}"


def _open(body: bytes, fields: list[int] | None) -> Any:
    options = ipc.IpcReadOptions(included_fields=fields)
    if body.startswith(FILE_MAGIC):
        return ipc.open_file(pa.BufferReader(body), options=options)
    return ipc.open_stream(pa.BufferReader(body), options=options)


def _batches(reader: Any, form: str) -> Any:
    if hasattr(reader, "num_record_batches"):
        for index in range(reader.num_record_batches):
            yield _try(form, partial(reader.get_batch, index))
        return
    while True:
        batch = _try(form, lambda: next(reader, None))
        if batch is None:
            return
        yield batch


def _try(form: str, step: Callable[[], Any]) -> Any:
    """What `step` returns, or an error that says what the body is not."""
    try:
        return step()
    except FAILURES as error:
        detail = f"{form} cannot be read from it: {str(error)[:200] or type(error).__name__}"
        raise UndecodableError(
            f"the body is damaged or of another format: {detail}", [Problem("bad_arrow", detail)]
        ) from error

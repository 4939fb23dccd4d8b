"""Rows that another wattbook has decoded: an Arrow stream that keeps what it could not read."""

from typing import Final

import polars as pl
from pyarrow import ipc

from wattbook.core.errors import Problem, UndecodableError
from wattbook.core.frames import Contract
from wattbook.core.readings.checks import RejectReason
from wattbook.sources.codecs.arrow import FAILURES, decode_arrow_stream
from wattbook.sources.codecs.rows import OURS, RAW_LENGTH, Decoded

MEDIA_TYPE: Final = "application/vnd.wattbook.raw+arrow"
REASONS: Final = [str(reason) for reason in RejectReason]


def encode(rows: pl.DataFrame) -> bytes:
    """Raw rows, as they leave a reader of files."""
    return rows.write_ipc_stream(None, compression="zstd").getvalue()


def decode_raw(body: bytes, contract: Contract, *, max_rows: int = 2**32 - 1) -> Decoded:
    """The rows of `encode`, with their numbers, and with rejects of rows that were unreadable.

    Raises
    ------
    UndecodableError
        The body is no Arrow stream, a reason is not one of ours, or row numbers repeat.
    TooLargeError
        It has more than `max_rows` rows.
    """
    decoded = decode_arrow_stream(body, contract, max_rows=max_rows)
    own = _own(body, contract)
    frame = decoded.frame.with_columns(own.get_columns()) if own.width else decoded.frame
    ignored = tuple(name for name in decoded.ignored if name not in own.columns)
    return Decoded(frame, ignored)


def _own(body: bytes, contract: Contract) -> pl.DataFrame:
    """The columns that wattbook itself adds to rows."""
    try:
        names = ipc.open_stream(body).schema.names
        places = [at for at, name in enumerate(names) if name in OURS]
        if not places:
            return pl.DataFrame()
        options = ipc.IpcReadOptions(included_fields=places)
        table = ipc.open_stream(body, options=options).read_all()
        table.validate(full=True)
        found = pl.from_arrow(table)
    except FAILURES as error:
        raise _refusal("body", f"not an Arrow stream of raw rows: {str(error)[:200]}") from error
    assert isinstance(found, pl.DataFrame)
    try:
        own = found.cast({name: contract.schema[name] for name in found.columns})
    except pl.exceptions.PolarsError as error:
        raise _refusal("row", f"wrong type: {error}") from error
    if "row" in own.columns and (own["row"].null_count() or own["row"].is_duplicated().any()):
        raise _refusal("row", "each row needs a number of its own")
    if "reason" in own.columns and not own["reason"].drop_nulls().is_in(REASONS).all():
        raise _refusal("reason", f"must be one of {', '.join(REASONS)}")
    texts = [name for name in own.columns if name in {"raw", "detail"}]
    return own.with_columns(pl.col(name).str.head(RAW_LENGTH) for name in texts)


def _refusal(field: str, detail: str) -> UndecodableError:
    return UndecodableError(f"{field}: {detail}", [Problem("bad_body", detail, field=field)])

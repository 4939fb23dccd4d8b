"""Bytes become raw frames: one module for each format that a body may have."""

from collections.abc import Callable
from typing import Final

from wattbook.core.errors import Problem, UnknownFormatError
from wattbook.core.frames import Contract
from wattbook.sources.codecs import raw
from wattbook.sources.codecs.arrow import decode_arrow_stream, decode_parquet
from wattbook.sources.codecs.inflate import inflate
from wattbook.sources.codecs.json import decode_json, decode_ndjson
from wattbook.sources.codecs.line_protocol import decode_line_protocol
from wattbook.sources.codecs.rows import Decoded

__all__ = [
    "MEDIA_TYPES",
    "Decoded",
    "decode",
    "decode_arrow_stream",
    "decode_json",
    "decode_line_protocol",
    "decode_ndjson",
    "decode_parquet",
    "inflate",
]

TEXT: Final = "text/csv"
"""Read by `sources.files`, because a text leaves more open than a codec may decide."""
MEDIA_TYPES: Final[dict[str, Callable[..., Decoded]]] = {
    "application/json": decode_json,
    "application/x-ndjson": decode_ndjson,
    "application/ndjson": decode_ndjson,
    "application/jsonl": decode_ndjson,
    "application/vnd.apache.parquet": decode_parquet,
    "application/parquet": decode_parquet,
    "application/x-parquet": decode_parquet,
    "application/vnd.apache.arrow.stream": decode_arrow_stream,
    "application/vnd.apache.arrow.file": decode_arrow_stream,
    raw.MEDIA_TYPE: raw.decode_raw,
}


def decode(body: bytes, media_type: str, contract: Contract, *, max_rows: int) -> Decoded:
    """Raw rows of a body in any of the `MEDIA_TYPES`; parameters of the type are ignored.

    Raises
    ------
    UnknownFormatError
        The media type is none of them.
    UndecodableError
        The body is not what it says.
    TooLargeError
        It has more than `max_rows` rows.
    """
    name = media_type.partition(";")[0].strip().lower()
    if name not in MEDIA_TYPES:
        known = ", ".join((*MEDIA_TYPES, TEXT))
        detail = f"Content-Type: must be one of {known}, but is {name[:80] or 'missing'}"
        problem = Problem("bad_media_type", detail, field="Content-Type")
        raise UnknownFormatError(detail, [problem])
    return MEDIA_TYPES[name](body, contract, max_rows=max_rows)

"""Documents as bytes: JSON, CSV or Arrow. Times end in `Z`, what is unknown is null or empty."""

import io
from dataclasses import dataclass
from typing import Any, Final

import orjson
import polars as pl

JSON_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY
STAMP: Final = "%Y-%m-%dT%H:%M:%S%.fZ"


@dataclass(frozen=True, slots=True)
class Answer:
    """A document of the HTTP API whose `rows` are a frame."""

    document: dict[str, Any]
    rows: pl.DataFrame

    def json(self) -> bytes:
        """The document with its rows as objects, written without an object for each row."""
        head = orjson.dumps(self.document, option=JSON_OPTIONS)
        stamps = pl.selectors.datetime().dt.strftime(STAMP)
        tail = outward(self.rows).with_columns(stamps).write_json().encode()
        return head[:-1] + b',"rows":' + tail + b"}"

    def csv(self) -> bytes:
        """The rows alone as CSV."""
        return outward(self.rows).write_csv(datetime_format=STAMP).encode()

    def arrow(self) -> bytes:
        """The rows alone as an Arrow stream."""
        buffer = io.BytesIO()
        outward(self.rows).write_ipc_stream(buffer)
        return buffer.getvalue()


def outward(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the names of the API: `start_utc` loses its suffix, because `Z` says it."""
    names = {name: name.removesuffix("_utc") for name in frame.columns if name.endswith("_utc")}
    return frame.rename(names)


def rows_of(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as objects, with the names of the API."""
    return outward(frame).to_dicts()

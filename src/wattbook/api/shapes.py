"""How series leave: rows of objects, CSV or Arrow, with a weak ETag."""

import hashlib
import io
from typing import Any, Final

import orjson
import polars as pl
from fastapi import Request, Response

CSV: Final = "text/csv"
ARROW: Final = "application/vnd.apache.arrow.stream"
_JSON_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY


def json_response(
    document: dict[str, Any],
    status: int = 200,
    headers: dict[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """A JSON document; times end in `Z`, numbers that are not finite are null."""
    content = orjson.dumps(document, option=_JSON_OPTIONS)
    return Response(content, status, headers, media_type)


def rows_of(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as objects; `start_utc` and the like lose their suffix, for `Z` says it."""
    return outward(frame).to_dicts()


def outward(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the names that the API uses."""
    names = {name: name.removesuffix("_utc") for name in frame.columns if name.endswith("_utc")}
    return frame.rename(names)


def series(request: Request, document: dict[str, Any], rows: pl.DataFrame) -> Response:
    """A series in the form that the caller accepts: JSON with its document, or the rows alone."""
    accept = request.headers.get("accept", "")
    if CSV in accept:
        text = outward(rows).write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
        return _tagged(request, text.encode(), CSV)
    if ARROW in accept:
        buffer = io.BytesIO()
        outward(rows).write_ipc_stream(buffer)
        return _tagged(request, buffer.getvalue(), ARROW)
    head = orjson.dumps(document, option=_JSON_OPTIONS)
    stamps = pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    tail = outward(rows).with_columns(stamps).write_json().encode()  # no object for each row
    return _tagged(request, head[:-1] + b',"rows":' + tail + b"}", "application/json")


def _tagged(request: Request, content: bytes, media_type: str) -> Response:
    tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept"}
    known = request.headers.get("if-none-match", "")
    if tag in known or known.strip() == "*":
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, media_type)

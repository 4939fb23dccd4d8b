"""How series leave: rows of objects, CSV or Arrow, with a weak ETag."""

import hashlib
from typing import Any, Final

import orjson
from fastapi import Request, Response

from wattbook.answers.encode import JSON_OPTIONS, Answer

CSV: Final = "text/csv"
ARROW: Final = "application/vnd.apache.arrow.stream"


def json_response(
    document: dict[str, Any],
    status: int = 200,
    headers: dict[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """A JSON document; times end in `Z`, numbers that are not finite are null."""
    content = orjson.dumps(document, option=JSON_OPTIONS)
    return Response(content, status, headers, media_type)


def series(request: Request, answer: Answer) -> Response:
    """A series in the form that the caller accepts: JSON with its document, or the rows alone."""
    accept = request.headers.get("accept", "")
    if CSV in accept:
        return _tagged(request, answer.csv(), CSV)
    if ARROW in accept:
        return _tagged(request, answer.arrow(), ARROW)
    return _tagged(request, answer.json(), "application/json")


def _tagged(request: Request, content: bytes, media_type: str) -> Response:
    tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept"}
    known = request.headers.get("if-none-match", "")
    if tag in known or known.strip() == "*":
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, media_type)

"""From errors in the words of the domain to RFC 9457 problem documents: one table."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from wattbook.api.responses import json_response
from wattbook.core import errors, when
from wattbook.core.errors import Problem, WattbookError
from wattbook.schemas import error_messages
from wattbook.schemas.problems import Fault

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"
STATUS: Final[dict[type[WattbookError], int]] = {
    WattbookError: 500,
    errors.InputError: 422,
    errors.FrameMismatchError: 422,
    errors.UndecodableError: 400,
    errors.UnknownFormatError: 415,
    errors.TooLargeError: 413,
    errors.InvalidPeriodError: 422,
    errors.InvalidEntityError: 422,
    errors.UnknownEntityError: 404,
    errors.RemovedError: 410,
    errors.ConflictError: 409,
    errors.ChangedError: 412,
    errors.UnsupportedError: 501,
    errors.UnavailableError: 503,
    errors.DamagedStoreError: 500,
    errors.StoreLockedError: 503,
}
UNAVAILABLE: Final = 503
TITLES: Final = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}
"""The status phrases of RFC 9110, which RFC 9457 asks for with `about:blank`."""


class ProblemDocument(BaseModel):
    """What every refusal looks like (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] = Field(default_factory=list)


def responses(*kinds: type[WattbookError]) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for its documentation."""
    return {
        STATUS[kind]: {
            "description": TITLES[STATUS[kind]],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for kind in kinds
    }


def document(schema: dict[str, Any]) -> None:
    """Add to an OpenAPI document what every route may answer, as a problem document.

    Routes in the form of another product (`/write`, `/health`) keep their own.
    """
    for path, operations in schema["paths"].items():
        if not path.startswith("/api/v1"):
            continue
        for operation in operations.values():
            kinds = [errors.InputError, errors.UnavailableError]
            if "requestBody" in operation:
                kinds += [errors.UndecodableError, errors.TooLargeError, errors.UnknownFormatError]
            for status, description in responses(*kinds).items():
                known = operation["responses"].get(str(status), {})
                if MEDIA_TYPE not in known.get("content", {}):
                    operation["responses"][str(status)] = description


def install(app: FastAPI) -> None:
    """Answer every error of this service with a problem document."""
    app.add_exception_handler(WattbookError, _of_domain)
    app.add_exception_handler(RequestValidationError, _of_request)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(ClientDisconnect, _of_disconnect)
    app.add_exception_handler(Exception, _of_surprise)


def answer(status: int, detail: str, problems: list[Problem], **more: object) -> Response:
    """A problem document."""
    document = {
        "type": "about:blank",
        "title": TITLES.get(status, HTTPStatus(status).phrase),
        "status": status,
        "detail": detail,
        "errors": [
            {
                name: value
                for name, value in (
                    ("field", each.field),
                    ("row", each.row),
                    ("reason", each.reason),
                    ("detail", each.detail),
                )
                if value is not None
            }
            for each in problems
        ],
        **more,
    }
    headers = {"Retry-After": "5"} if status == UNAVAILABLE else None
    return json_response(document, status, headers, MEDIA_TYPE)


async def _of_domain(_: Request, error: Exception) -> Response:
    assert isinstance(error, WattbookError)
    return answer(STATUS[type(error)], str(error), list(error.problems))


async def _of_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        Problem(
            reason=str(fault["type"]),
            detail=_said(fault, error.body),
            field=_place(request, fault, error.body),
        )
        for fault in error.errors()
    ]
    named = "; ".join(f"{problem.field}: {problem.detail}" for problem in problems)
    broken = any(problem.reason == "json_invalid" for problem in problems)
    return answer(400 if broken else 422, named, problems)


def _said(fault: Mapping[str, Any], body: object) -> str:
    """What is wrong, in plain words; of times in an address also how they are written there."""
    said = error_messages.message_of(fault, body)
    about_time = said.startswith((error_messages.TIME, when.WANTED))
    if about_time and fault["loc"][0] == "query":
        return f"{said} (in an address, + is written %2B)"
    return said


def _place(request: Request, fault: Mapping[str, Any], body: object) -> str:
    """Where in the request something is wrong; the parts of a bare list are named by the path."""
    source, *way = fault["loc"]
    if source != "body":
        return ".".join(str(part) for part in way) or str(source)
    named = isinstance(body, Sequence) and not isinstance(body, str | bytes)
    where = request.url.path.rsplit("/", 1)[-1] if named else ""
    return error_messages.place({**fault, "loc": way}, body, where) or str(source)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path}: {error.detail}"
    response = answer(error.status_code, detail, [])
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_methods(request))
    return response


def _methods(request: Request) -> list[str]:
    """Every method that some route of this path takes."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    fitting = (
        route
        for route in iter_route_contexts(request.app.routes)
        if route.methods and route.path_regex.match(path)
    )
    return sorted({method for route in fitting for method in route.methods or ()})


async def _of_disconnect(request: Request, _: Exception) -> Response:
    """A client that left before its request was whole: nothing was stored, nobody reads this."""
    log.info("client_disconnected", method=request.method, path=request.url.path)
    return answer(400, "the connection ended before the request was whole", [])


async def _of_surprise(request: Request, error: Exception) -> Response:
    log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return answer(500, "an error of wattbook itself; it is in the log", [])

"""Where clients of InfluxDB write readings, answered as InfluxDB answers them."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from wattbook import __version__
from wattbook.api.auth import Caller, CallerDep
from wattbook.api.deps import BodyDep, RuntimeDep
from wattbook.api.problems import STATUS, TITLES, UNAVAILABLE
from wattbook.api.responses import json_response
from wattbook.core.errors import WattbookError
from wattbook.core.readings.checks import RejectReason
from wattbook.flows import health as parts
from wattbook.flows import ingest as flow
from wattbook.flows.ingest import Origin
from wattbook.ports.readings import Receipt
from wattbook.sources.codecs import decode_line_protocol
from wattbook.sources.codecs.line_protocol import Precision
from wattbook.wiring.runtime import Runtime

log = structlog.get_logger()

V1: Final = "/write"
V2: Final = "/api/v2/write"
MAX_LISTED: Final = 100
"""So many lines are named in an answer; all that were refused are kept with the receipt."""
UNITS: Final = {
    V1: {"": Precision.NS, "n": Precision.NS, "u": Precision.US} | {p.value: p for p in Precision},
    V2: {"": Precision.NS} | {p.value: p for p in Precision if p not in ("m", "h")},
}
BAD_UNIT: Final = {
    V1: 'invalid precision "{}" (use n, u, ms, s, m or h)',
    V2: "invalid precision; valid precision units are ns, us, ms, and s",
}
CODES: Final = {
    400: "invalid",
    404: "not found",
    409: "conflict",
    413: "request too large",
    415: "invalid",
    422: "unprocessable entity",
    500: "internal error",
    501: "not implemented",
    503: "unavailable",
}
"""InfluxDB's word for a status."""
OURS: Final = {"X-Influxdb-Version": f"wattbook-{__version__}", "X-Influxdb-Build": "wattbook"}


def refusal(path: str, status: int, message: str) -> Response:
    """An error as version 1 or 2 of InfluxDB tells it."""
    headers = {"Retry-After": "5"} if status == UNAVAILABLE else {}
    if path == V1:
        return json_response({"error": message}, status, headers)
    code = CODES[status]
    headers["X-Platform-Error-Code"] = code
    return json_response({"code": code, "message": message}, status, headers)


class Influx(APIRoute):
    """Tells every error in InfluxDB's form, and who it is that answers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint with its errors."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except (HTTPException, ClientDisconnect):
                raise
            except WattbookError as error:
                response = refusal(self.path, STATUS[type(error)], str(error))
            except Exception:
                log.exception("request_failed", method=request.method, path=self.path)
                message = "an error of wattbook itself; it is in the log"
                response = refusal(self.path, 500, message)
            response.headers.update(OURS)
            return response

        return answer


class Told(BaseModel):
    """An error as version 2 says it."""

    code: str
    message: str = Field(description="the lines that were not kept, and why")


router = APIRouter(tags=["write"], route_class=Influx)


class V1Error(BaseModel):
    """An error as version 1 says it."""

    error: str = Field(description="the lines that were rejected, and why")


def _refusals(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": model, "description": text} for status, text in REFUSED.items()}


REFUSED: Final = {
    400: "lines that cannot be read; the others are stored",
    413: TITLES[413],
    415: TITLES[415],
    422: "lines that are rejected; the others are stored",
    503: TITLES[503],
}


def _described(*ignored: str) -> dict[str, Any]:
    """The body, and the parameters that may have any value."""
    example = (
        "power,meter_id=pecos-1.main power_kw=18250.5,hashrate_th=612000 1767225600000000000\n"
    )
    return {
        "requestBody": {
            "required": True,
            "content": {"text/plain": {"schema": {"type": "string"}, "example": example}},
        },
        "parameters": [
            {
                "name": name,
                "in": "query",
                "schema": {"type": "string"},
                "description": "accepted, and without effect",
            }
            for name in ignored
        ],
    }


@router.post(
    V2, status_code=204, responses=_refusals(Told), openapi_extra=_described("bucket", "org")
)
async def write(
    body: BodyDep, runtime: RuntimeDep, caller: CallerDep, precision: str = "ns"
) -> Response:
    """Write line protocol as to InfluxDB 2; when this answers, accepted lines are on disk."""
    return await _written(V2, body, precision, runtime, caller)


@router.post(
    V1,
    status_code=204,
    responses=_refusals(V1Error),
    openapi_extra=_described("db", "rp", "consistency"),
)
async def write_v1(
    body: BodyDep, runtime: RuntimeDep, caller: CallerDep, precision: str = "ns"
) -> Response:
    """Write line protocol as to InfluxDB 1."""
    return await _written(V1, body, precision, runtime, caller)


async def _written(
    path: str, body: bytes, precision: str, runtime: Runtime, caller: Caller
) -> Response:
    unit = UNITS[path].get(precision)
    if unit is None:
        return refusal(path, 400, BAD_UNIT[path].format(precision))
    decoded = await runtime.turnstile.run(
        lambda: decode_line_protocol(
            body,
            received=runtime.clock.now(),
            precision=unit,
            naming=runtime.settings.naming,
            max_rows=runtime.settings.body_limit_rows,
        )
    )
    if decoded.frame.is_empty():
        return Response(status_code=204)
    written = await flow.ingest_readings(
        decoded.frame,
        Origin.of(f"http:{caller.name}", body),
        turnstile=runtime.turnstile,
        registry=runtime.registry,
        readings=runtime.readings,
        clock=runtime.clock,
    )
    response = _told(path, written.receipt)
    response.headers["X-Wattbook-Batch"] = written.receipt.batch_id
    return response


def _told(path: str, receipt: Receipt) -> Response:
    """204 when every line was kept, else which were not and why."""
    if not receipt.rejected:
        return Response(status_code=204)
    unread = receipt.rejects.reasons.get(str(RejectReason.BAD_ROW), 0)
    said = "\n".join(
        f"unable to parse '{raw}': {detail}"
        if reason == RejectReason.BAD_ROW
        else f"line {row + 1}: {detail}"
        for row, reason, detail, raw in receipt.rejects.head(MAX_LISTED).iter_rows()
    )
    if receipt.rejected > MAX_LISTED:
        said += f"\nand {receipt.rejected - MAX_LISTED} more"
    if receipt.received == unread:
        return refusal(path, 400, said)
    said = f"partial write: {said} dropped={receipt.rejected}"
    if unread or path == V1:
        return refusal(path, 400, said)
    return refusal(path, 422, f"failure writing points to database: {said}")


@router.get("/ping", status_code=204)
@router.head("/ping", status_code=204, include_in_schema=False)
async def ping() -> Response:
    """Alive: what clients of InfluxDB ask first."""
    return Response(status_code=204)


@router.get("/health")
async def health(runtime: RuntimeDep) -> Response:
    """Ready or not, as InfluxDB says it; `/readyz` says it as wattbook does."""
    states = await parts.look(
        registry=runtime.registry, rollups=runtime.rollups, readings=runtime.readings
    )
    fine = all(state == "ok" for state in states.values())
    document = {
        "name": "wattbook",
        "status": "pass" if fine else "fail",
        "message": "ready for writes" if fine else "a part is not available",
        "checks": [
            {"name": name, "status": "pass" if state == "ok" else "fail", "message": state}
            for name, state in states.items()
        ],
        "version": __version__,
        "commit": "",
    }
    return json_response(document, 200 if fine else UNAVAILABLE)

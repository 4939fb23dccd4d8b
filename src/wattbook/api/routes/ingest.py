"""Taking in readings and grid conditions."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, Field

from wattbook.answers import listing
from wattbook.api import problems
from wattbook.api.auth import CallerDep
from wattbook.api.deps import RuntimeDep, batch_body, read_body, runtime, strict
from wattbook.api.limits import MAX_DOCUMENT_BYTES
from wattbook.api.responses import json_response
from wattbook.api.text_options import OptionsDep
from wattbook.core import errors, frames
from wattbook.core.errors import InputError, Problem
from wattbook.core.grid.curves import CurveType
from wattbook.core.readings.checks import IntervalLabel
from wattbook.core.readings.rejects import Rejects
from wattbook.flows import ingest as flow
from wattbook.flows.ingest import Origin
from wattbook.ports.readings import Receipt
from wattbook.schemas.fields import Instant
from wattbook.sources.codecs import Decoded
from wattbook.sources.codecs.single import decode_single
from wattbook.sources.files import Options
from wattbook.sources.files.bodies import decode

MOST_REJECTS_SHOWN = 1_000

router = APIRouter(prefix="/ingest", tags=["ingest"])

AtomicQuery = Annotated[
    bool, Query(description="all or nothing: one bad row refuses the whole batch")
]
DryRunQuery = Annotated[
    bool, Query(description="validate only: the receipt of what would happen, nothing is stored")
]
EvidenceQuery = Annotated[bool, Query(description="name every reject, with the row as it was sent")]


class GuessOut(BaseModel):
    """One property of a text, what it was taken for, and why."""

    what: str
    value: str
    how: str = Field(description="`given`, `detected` or `default`")
    because: str | None = None


CurveQuery = Annotated[
    CurveType,
    Query(description="A03: rows that repeat the one before are left out"),
]
PeriodEndQuery = Annotated[
    AwareDatetime | None, Query(description="until when the last row of a curve A03 holds")
]


class RejectOut(BaseModel):
    """A row that was refused."""

    row: int
    reason: str
    detail: str
    raw: str | None = Field(None, description="the row as sent, with `evidence`")


class ReceiptOut(BaseModel):
    """What became of a batch: accepted + duplicates + corrected + rejected = received."""

    batch_id: str
    received: int
    accepted: int
    duplicates: int
    corrected: int
    rejected: int
    reasons: dict[str, int] = Field(description="how many rows were rejected for which reason")
    rejects: list[RejectOut] = Field(
        description=f"at most {MOST_REJECTS_SHOWN} of them; all with `evidence`"
    )
    sha256: str = Field(description="of the decompressed body")
    received_utc: str
    ignored_columns: list[str] = Field(default_factory=list, description="columns without meaning")
    warnings: list[str] = Field(
        default_factory=list, description="what looks wrong about rows that were kept"
    )
    read_as: list[GuessOut] = Field(
        default_factory=list, description="of `text/csv`: how it was read; not kept"
    )


class SingleOut(BaseModel):
    """What became of one reading."""

    batch_id: str
    outcome: str = Field(description="`accepted`, `duplicate` or `corrected`")


def _document(
    receipt: Receipt, decoded: Decoded | None = None, *, evidence: bool = False
) -> dict[str, Any]:
    rejects = receipt.rejects
    document = {
        "batch_id": receipt.batch_id,
        "received": receipt.received,
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "corrected": receipt.corrected,
        "rejected": receipt.rejected,
        "reasons": rejects.reasons,
        "rejects": rejects.frame().to_dicts() if evidence else _first_rejects(rejects),
        "sha256": receipt.sha256,
        "received_utc": receipt.received_utc,
        "warnings": list(receipt.warnings),
        "ignored_columns": list(decoded.ignored) if decoded is not None else [],
    }
    if decoded is not None and decoded.guesses:
        document["read_as"] = [guess.document() for guess in decoded.guesses]
    return document


def _first_rejects(rejects: Rejects) -> list[dict[str, Any]]:
    return rejects.head(MOST_REJECTS_SHOWN).select("row", "reason", "detail").to_dicts()


def _answer(receipt: Receipt, decoded: Decoded, *, evidence: bool) -> Response:
    """The receipt; as a problem document where not one row was kept."""
    document = _document(receipt, decoded, evidence=evidence)
    if receipt.rejected < receipt.received:
        return json_response(document)
    shown = [
        Problem(each["reason"], each["detail"], row=each["row"])
        for each in _first_rejects(receipt.rejects)
    ]
    first = f"row {shown[0].row}: {shown[0].detail}"
    detail = f"all {receipt.received} rows were refused; the first: {first}"
    return problems.answer(422, detail, shown, **document)


async def _decoded(
    request: Request,
    caller: CallerDep,
    contract: frames.Contract,
    options: Options,
    runtime: RuntimeDep,
) -> tuple[Decoded, Origin]:
    """The rows of the body, which is not held any longer, and where they come from."""
    body = await batch_body(request, runtime)
    media_type = request.headers.get("content-type", "application/json")
    most = runtime.settings.body_limit_rows
    meters = await runtime.registry.meters() if options.meter or options.pairs else None
    decoded = await runtime.turnstile.run(
        lambda: decode(body, media_type, contract, options, meters=meters, max_rows=most)
    )
    if decoded.frame.is_empty():
        raise InputError("the body has no rows", [Problem("no_rows", "no rows", field="body")])
    return decoded, Origin.of(f"http:{caller.name}", body)


BODY = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in (
                "application/x-ndjson",
                "text/csv",
                "application/vnd.apache.parquet",
                "application/vnd.apache.arrow.stream",
            )
        }
        | {
            "application/json": {
                "schema": {"type": "array", "items": {"type": "object"}},
                "example": [
                    {
                        "meter_id": "pecos-1.main",
                        "timestamp": "2026-01-01T00:00:00Z",
                        "power_kw": 18250.5,
                        "hashrate_th": 612000.0,
                    }
                ],
            }
        },
    }
}
SINGLE = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "meter_id": "pecos-1.main",
                    "timestamp": "2026-01-01T00:00:00Z",
                    "power_kw": 18250.5,
                },
            }
        },
    }
}
REFUSALS = problems.responses(errors.InputError, errors.TooLargeError, errors.UndecodableError)


@router.post("/telemetry", response_model=ReceiptOut, responses=REFUSALS, openapi_extra=BODY)
async def telemetry(
    request: Request,
    runtime: RuntimeDep,
    caller: CallerDep,
    *,
    options: OptionsDep,
    atomic: AtomicQuery = False,
    dry_run: DryRunQuery = False,
    evidence: EvidenceQuery = False,
) -> Response:
    """Ingest a batch of readings; when this answers, they are on disk."""
    decoded, origin = await _decoded(request, caller, frames.RAW_READINGS, options, runtime)
    written = await flow.ingest_readings(
        decoded.frame,
        origin,
        label=decoded.label or options.label or IntervalLabel.START,
        atomic=atomic,
        dry_run=dry_run,
        turnstile=runtime.turnstile,
        registry=runtime.registry,
        readings=runtime.readings,
        clock=runtime.clock,
    )
    return _answer(written.receipt, decoded, evidence=evidence)


@router.post("/grid", response_model=ReceiptOut, responses=REFUSALS, openapi_extra=BODY)
async def grid(
    request: Request,
    runtime: RuntimeDep,
    caller: CallerDep,
    *,
    options: OptionsDep,
    atomic: AtomicQuery = False,
    dry_run: DryRunQuery = False,
    evidence: EvidenceQuery = False,
    curve_type: CurveQuery = CurveType.A01,
    period_end: PeriodEndQuery = None,
) -> Response:
    """Ingest conditions of grid zones: load, generation by technology, price, intensity."""
    decoded, origin = await _decoded(request, caller, frames.RAW_GRID, options, runtime)
    written = await flow.ingest_grid(
        decoded.frame,
        origin,
        label=decoded.label or options.label or IntervalLabel.START,
        curve=curve_type,
        period_end=period_end,
        atomic=atomic,
        dry_run=dry_run,
        turnstile=runtime.turnstile,
        grid=runtime.grid,
        clock=runtime.clock,
    )
    return _answer(written.receipt, decoded, evidence=evidence)


class Direct(APIRoute):
    """Hands the request to its endpoint as it is.

    Working out dependencies costs as much as taking in a reading, which comes thousands of times a
    second.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint itself."""
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


async def realtime(request: Request) -> Response:
    """Ingest one reading: 201 when it is new, 200 when it was known, on disk either way."""
    parts = await runtime(request)
    single = await parts.collector.take_in(
        decode_single(await read_body(request, min(MAX_DOCUMENT_BYTES, parts.settings.body_limit)))
    )
    if single.reason is not None:
        fault = Problem(single.reason, single.detail or "", row=0)
        return problems.answer(422, fault.detail, [fault], batch_id=single.batch_id)
    status = 200 if single.outcome == "duplicate" else 201
    return json_response({"batch_id": single.batch_id, "outcome": single.outcome}, status)


router.add_api_route(
    "/realtime",
    realtime,
    methods=["POST"],
    response_model=SingleOut,
    status_code=201,
    responses=REFUSALS | {200: {"model": SingleOut, "description": "the reading was known"}},
    openapi_extra=SINGLE,
    route_class_override=Direct,
)


class BatchOut(BaseModel):
    """What became of a batch."""

    batch_id: str
    source: str = Field(description="the way by which it came: http:…, file:…, realtime, …")
    sha256: str
    received_utc: AwareDatetime
    received: int
    accepted: int
    duplicates: int
    corrected: int
    rejected: int


class BatchPageOut(BaseModel):
    """Some batches, the newest first, and the cursor for those that follow."""

    batches: list[BatchOut]
    cursor: str | None


@router.get(
    "/batches",
    response_model=BatchPageOut,
    dependencies=[Depends(strict)],
    responses=problems.responses(errors.InputError),
)
async def batches(
    runtime: RuntimeDep,
    source: Annotated[
        str | None, Query(pattern=r"^[^\x00]{1,300}$", description="the way by which it came")
    ] = None,
    since: Annotated[Instant | None, Query(description="received at or after")] = None,
    until: Annotated[Instant | None, Query(description="received before")] = None,
    cursor: Annotated[str | None, Query(description="`cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="most batches in the answer")] = 100,
) -> Response:
    """Batches that came in, the newest first."""
    return json_response(
        await listing.batches(
            source=source,
            since=since,
            until=until,
            cursor=cursor,
            limit=limit,
            archive=runtime.archive,
        )
    )


@router.get(
    "/batches/{batch_id}",
    response_model=ReceiptOut,
    responses=problems.responses(errors.UnknownEntityError),
)
async def batch(
    batch_id: str,
    runtime: RuntimeDep,
    evidence: EvidenceQuery = False,  # noqa: FBT002 -- a parameter of the query has a name
) -> Response:
    """The receipt of a batch."""
    return json_response(_document(await runtime.readings.receipt(batch_id), evidence=evidence))

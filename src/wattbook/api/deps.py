"""What routes are given: the runtime, periods, bodies."""

import asyncio
from datetime import datetime
from typing import Annotated, Final, cast

from fastapi import Depends, Query, Request
from fastapi.dependencies.models import Dependant

from wattbook.core.errors import InputError, Problem, TooLargeError
from wattbook.core.periods import Grain, Period
from wattbook.core.when import Bounds
from wattbook.schemas.fields import Instant, When
from wattbook.sources.codecs.inflate import inflate
from wattbook.wiring.runtime import Runtime


async def runtime(request: Request) -> Runtime:
    """The stores and settings that the service was started with."""
    return cast("Runtime", request.app.state.runtime)


RuntimeDep = Annotated[Runtime, Depends(runtime)]


START: Final = "start (inclusive): an instant with offset, or a date on the clock of the entity"
END: Final = "end (exclusive): an instant with offset, or a date on the clock of the entity"


async def period(
    start: Annotated[Instant, Query(description="start (inclusive), ISO 8601 with offset")],
    end: Annotated[Instant, Query(description="end (exclusive), ISO 8601 with offset")],
) -> Period:
    """A half-open span of time."""
    return Period(start, end)


async def bounds(
    start: Annotated[When, Query(description=START)],
    end: Annotated[When | None, Query(description=f"{END}; default: the end of the data")] = None,
) -> Bounds:
    """A half-open span of time as it is asked for."""
    return Bounds(start, end)


async def strict(request: Request) -> None:
    """Refuse parameters that mean nothing here: a misspelt `as_of` would answer something else."""
    known = _query_names(request.scope["route"].dependant)
    problems = [
        Problem("unknown_parameter", f"must be one of {', '.join(sorted(known))}", field=name)
        for name in request.query_params
        if name not in known
    ]
    if problems:
        named = "; ".join(f"{problem.field}: {problem.detail}" for problem in problems)
        raise InputError(f"no such parameter: {named}", problems)


def _query_names(dependant: Dependant) -> set[str]:
    own = {field.alias for field in dependant.query_params}
    return own.union(*(_query_names(each) for each in dependant.dependencies))


PeriodDep = Annotated[Period, Depends(period)]
BoundsDep = Annotated[Bounds, Depends(bounds)]
GrainQuery = Annotated[Grain, Query(description="length of a bucket")]
AsOfQuery = Annotated[
    When | None,
    Query(description="use only data known at this time; default: all data"),
]


MAX_DISCARDED_BYTES: Final = 16 << 20


def too_large(limit: int) -> TooLargeError:
    """Error that says how large a body may be, and what to do with a larger one."""
    detail = (
        f"the body is larger than {limit >> 20} MiB, the limit here; send it in parts,"
        " or use `wattbook ingest` for files (batches: see BODY_LIMIT_MB)"
    )
    return TooLargeError(detail, [Problem("too_large", detail)])


async def read_body(request: Request, limit: int) -> bytes:
    """The request's body, decompressed; neither form of it is longer than `limit` bytes.

    Raises
    ------
    TooLargeError
        It is longer. Up to `MAX_DISCARDED_BYTES` of it are read and thrown away first, because many
        clients do not see an answer that comes while they send.
    """
    declared = request.headers.get("content-length", "")
    length = int(declared) if declared.isdigit() else 0
    if length > limit + MAX_DISCARDED_BYTES:
        raise too_large(limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit + MAX_DISCARDED_BYTES:
            break
        if max(size, length) > limit:
            parts.clear()
        else:
            parts.append(part)
    if max(size, length) > limit:
        raise too_large(limit)
    whole = parts[0] if len(parts) == 1 else b"".join(parts)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return whole
    return await asyncio.to_thread(inflate, whole, encoding, limit)


async def batch_body(request: Request, runtime: RuntimeDep) -> bytes:
    """The body of a batch, within BODY_LIMIT_MB."""
    return await read_body(request, runtime.settings.body_limit)


BodyDep = Annotated[bytes, Depends(batch_body)]


def instant(at: datetime) -> str:
    """ISO 8601 with `Z`."""
    return at.isoformat().replace("+00:00", "Z")

"""Background work: asking for it, watching it, stopping it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response, status
from fastapi.responses import StreamingResponse
from pydantic import Field

from wattbook.api.deps import RuntimeDep, strict
from wattbook.api.limits import SeriesRoute
from wattbook.api.problems import responses
from wattbook.core.errors import ConflictError, InputError, UnknownEntityError
from wattbook.core.jobs import Job, JobKind, JobState
from wattbook.jobs import registry
from wattbook.ports.jobs import JobRequest
from wattbook.schemas.fields import Instant
from wattbook.schemas.jobs import JobOut, JobPageOut
from wattbook.schemas.sites import Body

RETRY_AFTER_S: Final = 1
WATCH_S: Final = 0.25
BY_HTTP: Final = "http"


class JobIn(Body):
    """A job that is asked for."""

    kind: str = Field(
        description="what it does",
        json_schema_extra={"enum": [str(kind) for kind in registry.KINDS]},
    )
    params: dict[str, Any] = Field(default_factory=dict, description="its parameters")
    idempotency_key: Annotated[str, Field(pattern=r"^[^\x00]{1,200}$")] | None = Field(
        None, description="the same key with the same body is the same job; with another a conflict"
    )
    priority: Annotated[int, Field(ge=-100, le=100)] = Field(0, description="higher goes first")


router = APIRouter(tags=["jobs"], route_class=SeriesRoute, dependencies=[Depends(strict)])
WRITES = responses(UnknownEntityError, ConflictError)


@router.post(
    "/jobs",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(ConflictError, InputError),
)
async def submit(body: JobIn, runtime: RuntimeDep, request: Request, response: Response) -> JobOut:
    """Submit a background job; `Location` says where to follow it."""
    kind, params = registry.validate(body.kind, body.params)
    await registry.check(kind, params, runtime)
    job = await runtime.jobs.submit(
        JobRequest(
            kind=kind,
            params=params,
            requested_by=BY_HTTP,
            idempotency_key=body.idempotency_key,
            priority=body.priority,
        )
    )
    await request.app.state.bell.ring(job.kind)
    response.headers["Location"] = request.url_for("read_job", job_id=job.job_id).path
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return JobOut.of(job)


@router.post(
    "/aggregate",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(ConflictError, InputError),
)
async def aggregate(
    runtime: RuntimeDep, request: Request, response: Response, body: dict[str, Any] | None = None
) -> JobOut:
    """Bring rollups up to date in the background: `POST /jobs` with the kind `aggregate`."""
    order = JobIn(kind=JobKind.AGGREGATE, params=body or {}, idempotency_key=None, priority=0)
    return await submit(order, runtime, request, response)


@router.get("/jobs", responses=responses(InputError))
async def list_jobs(
    runtime: RuntimeDep,
    state: Annotated[JobState | None, Query(description="where a job stands")] = None,
    kind: Annotated[JobKind | None, Query(description="what a job does")] = None,
    requested_by: Annotated[
        str | None, Query(pattern=r"^[^\x00]{1,200}$", description="who asked for it")
    ] = None,
    parent_id: Annotated[
        str | None, Query(pattern=r"^[^\x00]{1,64}$", description="the parts of this job")
    ] = None,
    since: Annotated[Instant | None, Query(description="created at or after")] = None,
    until: Annotated[Instant | None, Query(description="created before")] = None,
    cursor: Annotated[str | None, Query(description="`cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="most jobs in the answer")] = 100,
) -> JobPageOut:
    """Jobs, newest first."""
    page = await runtime.jobs.jobs(
        state=state,
        kind=kind,
        requested_by=requested_by,
        parent_id=parent_id,
        since=since,
        until=until,
        after=cursor,
        limit=limit,
    )
    return JobPageOut.of(page)


@router.get("/jobs/{job_id}", responses=responses(UnknownEntityError))
async def read_job(job_id: str, runtime: RuntimeDep, response: Response) -> JobOut:
    """One job: its progress, the outcome of each attempt, and the result."""
    job = await runtime.jobs.job(job_id)
    if not job.state.ended:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return JobOut.of(job)


@router.post("/jobs/{job_id}/cancel", responses=WRITES)
async def cancel(job_id: str, runtime: RuntimeDep) -> JobOut:
    """Cancel a job: at once if it waits, at its next step if it runs."""
    return JobOut.of(await runtime.jobs.steer(job_id, JobState.CANCELLED))


@router.post("/jobs/{job_id}/retry", responses=WRITES)
async def retry(job_id: str, runtime: RuntimeDep, request: Request) -> JobOut:
    """Run a job again that failed or was cancelled; it goes on from its checkpoint.

    Of one that was divided, the parts that did not succeed.
    """
    job = await runtime.jobs.steer(job_id, JobState.QUEUED)
    await request.app.state.bell.ring(job.kind, job.children.get(JobState.QUEUED, 1))
    return JobOut.of(job)


@router.get(
    "/jobs/{job_id}/events",
    responses=responses(UnknownEntityError)
    | {200: {"content": {"text/event-stream": {}}, "description": "the job after each change"}},
    response_class=StreamingResponse,
)
async def events(job_id: str, runtime: RuntimeDep) -> StreamingResponse:
    """The job as server-sent events: one after each change, the last when it has ended."""
    first = await runtime.jobs.job(job_id)

    async def changes() -> AsyncIterator[bytes]:
        job = first
        said: Job | None = None
        while True:
            if job != said:
                said = job
                document = orjson.dumps(JobOut.of(job).model_dump(mode="json"))
                yield b"event: job\ndata: " + document + b"\n\n"
            if job.state.ended:
                return
            await asyncio.sleep(WATCH_S)
            job = await runtime.jobs.job(job_id)

    return StreamingResponse(
        changes(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )

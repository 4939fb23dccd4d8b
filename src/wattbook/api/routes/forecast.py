"""Forecasts of load and hash rate: those that are stored, made, brought, and how they fared."""

import asyncio
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, TypeAdapter

from wattbook.answers import forecast as documents
from wattbook.answers.encode import Answer
from wattbook.answers.forecast import document_of
from wattbook.api.deps import RuntimeDep, strict
from wattbook.api.limits import SeriesRoute
from wattbook.api.problems import responses
from wattbook.api.responses import json_response, series
from wattbook.api.routes.jobs import BY_HTTP, RETRY_AFTER_S
from wattbook.core import periods
from wattbook.core.errors import (
    ConflictError,
    InputError,
    Problem,
    UnknownEntityError,
    renamed,
)
from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.task import QUANTILES, Basis, ModelName
from wattbook.core.jobs import Job, JobKind, JobState, error_of
from wattbook.core.periods import Grain
from wattbook.flows import forecast as flow
from wattbook.jobs.forecasts import Forecast
from wattbook.ports.forecasts import ForecastSpec, Run
from wattbook.ports.jobs import JobRequest
from wattbook.schemas.custom_forecast import (
    HIGHEST,
    LOWEST,
    CustomForecastRequest,
    GrainName,
    Quantiles,
    Seed,
)
from wattbook.schemas.fields import Instant
from wattbook.schemas.jobs import JobOut
from wattbook.wiring.runtime import Runtime

WAIT_S: Final = 30.0
MAX_WAIT_S: Final = 120.0
POLL_INTERVAL_S: Final = 0.05
URGENT: Final = 10
"""Priority of what somebody waits for, before what is due by schedule."""
ONCE_S: Final = 10
"""Who asks for the same within so many seconds shares a job."""


def _wait(value: object) -> object:
    """Seconds; `true` is the usual time, `false` none."""
    said = str(value).lower()
    return {"true": WAIT_S, "false": 0.0}.get(said, value)


Wait = Annotated[
    Annotated[float, Field(ge=0, le=MAX_WAIT_S)],
    BeforeValidator(_wait),
]
WaitQuery = Annotated[
    Wait,
    Query(description=f"seconds to wait for a job, or `true` for {WAIT_S:.0f}; 202 after that"),
]
_QUANTILES: Final = TypeAdapter(Quantiles)


class Trained(BaseModel):
    """What was learnt from."""

    start: AwareDatetime
    end: AwareDatetime


class Score(BaseModel):
    """How good a model was in the backtest, at lead times of a band."""

    model: str
    band: str
    mase: float | None = Field(description="error over that of the naive forecast in training")
    rmae: float | None = Field(description="error over the spread of the series")
    pinball: float | None = Field(description="mean pinball loss of the quantiles")
    coverage: float | None = Field(description="how often the widest pair of quantiles held")
    width: float | None = Field(description="mean distance of that pair")
    origins: int = Field(description="forecasts of the past that were judged")


class IntervalCoverage(BaseModel):
    """How often the widest pair of quantiles held of late."""

    band: str
    nominal: float
    measured: float | None
    days: int


class RunOut(BaseModel):
    """A forecast that was made, without its rows."""

    run_id: str
    entity_id: str | None = Field(description="null for a series that a caller brought")
    meters: list[str]
    quantity: Quantity
    unit: str
    grain: Grain
    timezone: str
    basis: Basis = Field(description="`model`, `naive` or `insufficient`")
    reason: str | None = Field(
        description="what to know of it: where no model was better than the naive forecast, which"
        " models were not tried, which quantiles are null; null: nothing"
    )
    model: ModelName = Field(description="whose figures these are")
    asked: ModelName = Field(description="the model that was asked for")
    quantiles: list[float]
    seed: int
    origin: AwareDatetime = Field(description="end of what was known")
    end: AwareDatetime
    known_utc: AwareDatetime = Field(description="when it was made")
    trained: Trained | None
    parameters: dict[str, Any]
    fingerprint: str = Field(description="SHA-256 of the history and of what was asked")
    version: str = Field(description="of wattbook, which made it")
    leaderboard: list[Score]
    coverage: list[IntervalCoverage]


class ForecastRow(BaseModel):
    """One step; a column for each quantile, as p10.

    A quantile is null where too few past errors are known to tell it by.
    """

    start: AwareDatetime
    mean: float | None = Field(description="null where no figure can be given")


class ForecastOut(RunOut):
    """A forecast."""

    rows: list[ForecastRow]


class HashrateOut(ForecastOut):
    """A forecast of the hash rate."""

    efficiency_j_per_th: float | None = Field(
        description="load over hash rate [J/TH]; null where the hash rate itself was forecast"
    )
    efficiency_from: str | None = Field(description="`rollups` of 28 days, or the `fleet`")


class ComparedRow(ForecastRow):
    """One step, and what came of it."""

    actual: float | None = Field(description="null where it is not known, or not yet")


class ComparedOut(RunOut):
    """A forecast beside what happened."""

    rows: list[ComparedRow]


class HistoryRow(BaseModel):
    """One step of what was known."""

    start: AwareDatetime
    value: float | None = Field(description="null is a gap")


class HistoryOut(BaseModel):
    """What was known before a forecast."""

    run_id: str
    quantity: Quantity
    unit: str
    capacity: float | None = Field(description="most that the sites can draw, in `unit`")
    rows: list[HistoryRow]


class RunPageOut(BaseModel):
    """Some runs, newest first, and the cursor for those that follow."""

    runs: list[RunOut]
    cursor: str | None


class CustomIn(CustomForecastRequest):
    """A series of the caller's own, and what is asked of it."""

    wait: Wait = Field(WAIT_S, description="seconds to wait; after that 202 and a job")


class Backtest(BaseModel):
    """How the models fared on the past of a series."""

    series: str
    run_id: str
    known_utc: AwareDatetime
    grain: Grain
    unit: str
    basis: Basis
    reason: str | None
    model: ModelName
    parameters: dict[str, Any]
    leaderboard: list[Score]
    coverage: list[IntervalCoverage]


router = APIRouter(
    prefix="/forecast", tags=["forecast"], route_class=SeriesRoute, dependencies=[Depends(strict)]
)
REFUSALS = responses(UnknownEntityError, ConflictError, InputError)
LATER: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": JobOut, "description": "it is being made: `Location` says where to look"}
}


async def _asked(
    entity_id: Annotated[
        str,
        Query(
            pattern=r"^[^\x00]{1,80}$",
            description="a site, operator:ID or zone:ID; of hash rates also network:ID",
        ),
    ],
    grain: Annotated[GrainName, Query()] = Grain.HOUR,
    model: Annotated[ModelName, Query(description="a model by name, or auto")] = ModelName.AUTO,
    quantiles: Annotated[
        str | None, Query(description="between commas, as 0.1,0.5,0.9, the default")
    ] = None,
    seed: Annotated[Seed, Query()] = 0,
) -> ForecastSpec:
    return ForecastSpec(
        entity_id=entity_id,
        grain=grain,
        model=model,
        quantiles=QUANTILES if quantiles is None else _levels(quantiles),
        seed=seed,
    )


def _levels(text: str) -> tuple[float, ...]:
    try:
        return _QUANTILES.validate_python(text)
    except ValueError as error:
        detail = (
            f"{text!r}: must be numbers from {LOWEST} to {HIGHEST} between commas, each once,"
            " as 0.1,0.5,0.9"
        )
        problem = Problem("bad_quantile", detail, field="quantiles")
        raise InputError(f"quantiles: {detail}", [problem]) from error


AskedDep = Annotated[ForecastSpec, Depends(_asked)]
HorizonQuery = Annotated[
    str | None, Query(description="days, or as 24h or 7d; FORECAST_DAYS when left out, and at most")
]
PastQuery = Annotated[
    Instant | None,
    Query(description="the newest run that was known at this instant, whatever its age"),
]


@router.get("/load", response_model=ForecastOut, responses=REFUSALS | LATER)
async def load(
    request: Request,
    asked: AskedDep,
    runtime: RuntimeDep,
    horizon: HorizonQuery = None,
    wait: WaitQuery = 0.0,
    as_of: PastQuery = None,
) -> Response:
    """The load forecast of a site, an operator or a zone: the newest run, or a job for it."""
    reach = _reach(horizon, runtime)
    found = await _found(request, asked, wait, as_of, runtime)
    if not isinstance(found, Run):
        return _later(request, found)
    return series(request, await documents.load(found, reach, runtime))


@router.get("/hashrate", response_model=HashrateOut, responses=REFUSALS | LATER)
async def hashrate(
    request: Request,
    asked: AskedDep,
    runtime: RuntimeDep,
    horizon: HorizonQuery = None,
    wait: WaitQuery = 0.0,
    as_of: PastQuery = None,
) -> Response:
    """The hash rate forecast: of a site from its load, of a network from its own history."""
    reach = _reach(horizon, runtime)
    asked = replace(asked, quantity=Quantity.HASHRATE)
    found = await _found(request, asked, wait, as_of, runtime)
    if not isinstance(found, Run):
        return _later(request, found)
    return series(request, await documents.hashrate(found, reach, runtime))


@router.post("/custom", response_model=ForecastOut, responses=REFUSALS | LATER)
async def custom(request: Request, body: CustomIn, runtime: RuntimeDep) -> Response:
    """A forecast of the caller's own series: rows, a CSV, or meters that are added up."""
    brought = await asyncio.to_thread(body.brought, runtime.settings.forecast_days)
    with body.in_own_words():
        await flow.learnt_from(brought, ports=runtime)
    content = (await asyncio.to_thread(body.model_dump_json, exclude={"wait"})).encode()
    sha256 = await runtime.forecasts.keep_input(content, runtime.clock.now())
    told = Forecast.model_validate({"input": sha256}).model_dump(mode="json")
    job = await _waited(await _submitted(request, told, runtime), body.wait, runtime)
    if not job.state.ended:
        return _later(request, job)
    run = await _made(job, runtime)
    return series(request, Answer(document_of(run), run.rows))


@router.get("/backtest", response_model=Backtest, responses=REFUSALS | LATER)
async def backtest(
    request: Request,
    runtime: RuntimeDep,
    subject: Annotated[
        str,
        Query(
            alias="series",
            pattern=r"^[^\x00]{1,90}$",
            description="an entity, as site:ID; `hashrate:network:ID` of a network",
        ),
    ],
    grain: Annotated[GrainName, Query()] = Grain.HOUR,
    wait: WaitQuery = 0.0,
) -> Response:
    """How accurate the models were on the past of a series, from its newest run."""
    asked = await _asked(subject.removeprefix("load:").removeprefix("hashrate:"), grain)
    if subject.removeprefix("hashrate:").startswith(f"{flow.NETWORK}:"):
        asked = replace(asked, quantity=Quantity.HASHRATE)
    try:
        found = await _found(request, asked, wait, None, runtime)
    except (InputError, UnknownEntityError, ConflictError) as error:
        raise renamed(error, {"entity_id": "series"}) from error
    if not isinstance(found, Run):
        return _later(request, found)
    document = document_of(found)
    names = [name for name in Backtest.model_fields if name != "series"]
    named = f"{found.asked.quantity}:{found.asked.entity_id}"
    return json_response({"series": named} | {name: document[name] for name in names})


@router.get("/runs", response_model=RunPageOut, responses=responses(UnknownEntityError, InputError))
async def list_runs(
    runtime: RuntimeDep,
    entity_id: Annotated[
        str | None,
        Query(pattern=r"^[^\x00]{1,80}$", description="a site, operator:ID, zone:ID or network:ID"),
    ] = None,
    quantity: Annotated[Quantity | None, Query(description="what was forecast")] = None,
    model: Annotated[ModelName | None, Query(description="whose figures they are")] = None,
    since: Annotated[Instant | None, Query(description="made at or after")] = None,
    until: Annotated[Instant | None, Query(description="made before")] = None,
    cursor: Annotated[str | None, Query(description="`cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="most runs in the answer")] = 100,
) -> Response:
    """Forecast runs, the newest first, without their rows."""
    if entity_id is not None:
        entity_id = await flow.full_name(entity_id, registry=runtime.registry)
    page = await runtime.forecasts.runs(
        entity_id=entity_id,
        quantity=quantity,
        model=model,
        since=since,
        until=until,
        after=cursor,
        limit=limit,
    )
    return json_response({"runs": list(map(document_of, page.runs)), "cursor": page.cursor})


@router.get("/runs/{run_id}", response_model=ComparedOut, responses=responses(UnknownEntityError))
async def read_run(request: Request, run_id: str, runtime: RuntimeDep) -> Response:
    """A forecast run, with the observed values as far as they are known by now."""
    found = await flow.compare_forecast(run_id, ports=runtime)
    return series(request, Answer(document_of(found.run), found.rows))


@router.get(
    "/runs/{run_id}/history",
    response_model=HistoryOut,
    responses=responses(UnknownEntityError, ConflictError),
)
async def read_history(
    request: Request,
    run_id: str,
    runtime: RuntimeDep,
    since: Annotated[Instant, Query(description="steps that start at or after")],
    quantity: Annotated[Quantity, Query(description="load or hashrate")] = Quantity.LOAD,
) -> Response:
    """The values that were known before a forecast, step by step."""
    return series(request, await documents.history(run_id, quantity, since, runtime))


def _reach(horizon: str | None, runtime: Runtime) -> timedelta:
    days = runtime.settings.forecast_days
    return flow.horizon_of(days if horizon is None else horizon, days)


async def _found(
    request: Request,
    asked: ForecastSpec,
    wait: float,
    as_of: AwareDatetime | None,
    runtime: Runtime,
) -> Run | Job:
    """The newest run that is not too old, or the job that makes one."""
    if as_of is not None and as_of > runtime.clock.now():
        raise periods.invalid("as_of", "as_of is in the future")
    asked = await flow.with_full_name(asked, ports=runtime)
    max_age = timedelta(hours=runtime.settings.model_retrain_interval)
    run = await flow.find_stored(
        asked, max_age, as_of=as_of, forecasts=runtime.forecasts, clock=runtime.clock
    )
    if run is not None:
        return run
    if as_of is not None:
        detail = f"no forecast of {asked.entity_id} like this was known at {as_of.isoformat()}"
        raise UnknownEntityError(detail, [Problem("unknown_run", detail, field="as_of")])
    days = timedelta(days=runtime.settings.forecast_days)
    await flow.check(asked, days, ports=runtime)
    told = Forecast.from_series(asked).model_dump(mode="json")
    job = await _waited(await _submitted(request, told, runtime), wait, runtime)
    return await _made(job, runtime) if job.state.ended else job


async def _submitted(request: Request, told: dict[str, Any], runtime: Runtime) -> Job:
    """A job that does this: one that waits or is at work, or a new one."""
    for state in (JobState.RUNNING, JobState.QUEUED):
        page = await runtime.jobs.jobs(kind=JobKind.FORECAST, state=state, limit=1000)
        for job in page.jobs:
            if dict(job.params) == told:
                return job
    said = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    slot = int(runtime.clock.now().timestamp()) // ONCE_S
    job = await runtime.jobs.submit(
        JobRequest(
            kind=JobKind.FORECAST,
            params=told,
            requested_by=BY_HTTP,
            idempotency_key=f"forecast:{said}:{slot}",
            priority=URGENT,
        )
    )
    await request.app.state.bell.ring(job.kind)
    return job


async def _waited(job: Job, seconds: float, runtime: Runtime) -> Job:
    """The job when it has ended, or after so long."""
    now = asyncio.get_running_loop().time
    until = now() + seconds
    while not job.state.ended and now() < until:
        await asyncio.sleep(POLL_INTERVAL_S)
        job = await runtime.jobs.job(job.job_id)
    return job


async def _made(job: Job, runtime: Runtime) -> Run:
    """What a job that has ended made."""
    if job.state is not JobState.SUCCEEDED or job.result is None:
        raise error_of(job.job_id, job.state, job.failure)
    return await runtime.forecasts.run(job.result["run_id"])


def _later(request: Request, job: Job) -> Response:
    headers = {
        "Location": request.url_for("read_job", job_id=job.job_id).path,
        "Retry-After": str(RETRY_AFTER_S),
    }
    return json_response(JobOut.of(job).model_dump(mode="json"), 202, headers)

"""The web application."""

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline

from wattbook import __version__, logs
from wattbook.api import description, problems
from wattbook.api.problems import ProblemDocument
from wattbook.api.request_log import RequestLog
from wattbook.api.routes import (
    anomalies,
    carbon,
    cost,
    deletion,
    forecast,
    health,
    ingest,
    metrics,
    readings,
    reports,
    sites,
    stats,
    tombstones,
    write,
    zones,
)
from wattbook.api.routes import jobs as job_routes
from wattbook.api.routes import schedules as schedule_routes
from wattbook.flows import jobs, rollup, schedules
from wattbook.jobs import registry
from wattbook.ports.clock import Clock
from wattbook.settings import Settings, load
from wattbook.wiring.runtime import Runtime, open_runtime

PARTING_S = 5.0
"""So long a roll-up that is under way may take when the service ends."""


def create_app(settings: Settings, clock: Clock | None = None, *, alone: bool = False) -> FastAPI:
    """The service over the stores that the settings name; they open when it starts.

    `alone` in its process, it need not look again at what lives as long as it does.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_runtime(settings, clock) as runtime:
            app.state.runtime = runtime
            if alone:
                gc.collect()
                gc.freeze()
            halt = asyncio.Event()
            keeping_up = asyncio.create_task(
                rollup.run_background_rollups(
                    settings.rollup_idle_s,
                    halt,
                    registry=runtime.registry,
                    readings=runtime.readings,
                    rollups=runtime.rollups,
                    clock=runtime.clock,
                )
            )
            runner = _runner(runtime)
            app.state.bell = runtime.bell or runner
            plans = registry.build_schedules(settings)
            at_work = [
                asyncio.create_task(
                    schedules.keep(plans, halt, jobs=runtime.jobs, bell=app.state.bell)
                )
            ]
            if runtime.bell is None:  # nobody else is there to do it
                at_work.append(asyncio.create_task(runner.run()))
            yield
            if alone:
                gc.unfreeze()
            halt.set()
            await runner.stop()
            await asyncio.wait([keeping_up], timeout=PARTING_S)
            keeping_up.cancel()  # what is not rolled up stays marked
            await asyncio.gather(keeping_up, *at_work, return_exceptions=True)
        del app.state.runtime, app.state.bell
        if alone:
            gc.collect()  # what is found only now would be told as a leak of DuckDB's bindings

    app = FastAPIOffline(
        title="wattbook",
        version=__version__,
        description=description.ABOUT,
        openapi_tags=description.tags(),
        lifespan=lifespan,
        root_path=settings.root_path,
    )
    problems.install(app)
    if settings.least_severe == "DEBUG":
        app.add_middleware(RequestLog)
    app.include_router(health.router)
    app.include_router(write.router)
    for routes in (
        sites,
        deletion,
        ingest,
        metrics,
        readings,
        carbon,
        cost,
        forecast,
        anomalies,
        reports,
        job_routes,
        schedule_routes,
        tombstones,
        stats,
        zones,
    ):
        app.include_router(routes.router, prefix="/api/v1")
    app.add_route("/", lambda _: RedirectResponse(f"{settings.root_path}/docs"))
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # the documented way
    return app


def _runner(runtime: Runtime) -> jobs.Runner:
    settings = runtime.settings
    worker = jobs.Worker(
        runtime.jobs,
        registry.build_handlers(runtime),
        name=f"{socket.gethostname()}:{os.getpid()}",
        lease=timedelta(seconds=settings.job_lease_s),
    )
    return jobs.Runner(worker, slots=settings.job_slots)


def from_environment() -> FastAPI:
    """The service as the environment says: what `wattbook serve` hands to uvicorn."""
    settings = load()
    logs.configure(settings.least_severe)
    return create_app(settings, alone=True)


def _openapi(app: FastAPI) -> dict[str, object]:
    """The description of the API, with the problem document that refusals refer to."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        document = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        parts = schema.setdefault("components", {}).setdefault("schemas", {})
        parts.update(document.pop("$defs", {}))
        parts["ProblemDocument"] = document
        problems.document(schema)
        description.add_examples(schema)
        description.add_summaries(schema)
        app.openapi_schema = schema
    return app.openapi_schema

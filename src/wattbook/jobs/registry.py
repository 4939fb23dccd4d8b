"""The kinds of jobs that there are; every runner and every entry point asks here."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from wattbook.core.errors import InputError, Problem
from wattbook.core.jobs import JobKind, job_kind
from wattbook.flows.jobs import FannedOut, JobHandler, Running
from wattbook.flows.schedules import Schedule
from wattbook.jobs import anomalies, clean_up, forecasts, imports, reports, retraining, rollups
from wattbook.jobs.kind import Kind, Params
from wattbook.schemas import error_messages
from wattbook.settings import Settings
from wattbook.wiring.runtime import Runtime

KINDS: Final[Mapping[JobKind, Kind[Any]]] = {
    each.kind: each
    for each in (
        rollups.AGGREGATE,
        rollups.PROCESS_DEVICE,
        reports.REPORT,
        forecasts.FORECAST,
        retraining.RETRAIN,
        anomalies.DETECT_ANOMALIES,
        clean_up.CLEANUP,
        imports.IMPORT_INFLUXDB,
    )
}


def build_handlers(runtime: Runtime) -> dict[JobKind, JobHandler]:
    """The handler of each kind of job."""
    return {kind: _handler(each, runtime) for kind, each in KINDS.items()}


def _handler(kind: Kind[Any], runtime: Runtime) -> JobHandler:
    async def handle(running: Running) -> Mapping[str, Any] | FannedOut:
        params: Params = kind.params.model_validate(running.claim.job.params)
        return await kind.handler(running, params, runtime)

    return handle


def build_schedules(settings: Settings) -> tuple[Schedule, ...]:
    """What runs by itself, whoever runs it."""
    if not settings.schedules_enabled:
        return ()
    built = (each.schedule(settings) for each in KINDS.values() if each.schedule is not None)
    return tuple(schedule for schedule in built if schedule is not None)


def validate(kind: str, params: Mapping[str, Any]) -> tuple[JobKind, dict[str, Any]]:
    """A kind and its parameters as they are stored.

    Raises
    ------
    InputError
        With each problem of the parameters, or with the kinds that there are.
    """
    known = job_kind(kind)
    try:
        return known, KINDS[known].params.model_validate(dict(params)).model_dump(mode="json")
    except ValidationError as error:
        problems = [
            Problem("bad_parameter", each.detail, field=each.field)
            for each in error_messages.problems_from(error.errors(), params, "params")
        ]
        raise invalid_parameters(kind, problems) from error


def invalid_parameters(kind: str, problems: list[Problem]) -> InputError:
    """The error of a job with invalid parameters."""
    text = "; ".join(f"{problem.field}: {problem.detail}" for problem in problems)
    return InputError(f"bad parameters of {kind}: {text}", problems)


async def check(kind: JobKind, params: Mapping[str, Any], runtime: Runtime) -> None:
    """Refuse a job that cannot succeed, before it is queued.

    Raises
    ------
    InputError
        With a problem for each parameter that names something that does not exist yet.
    """
    known = KINDS[kind]
    if known.problems is None:
        return
    if problems := await known.problems(known.params.model_validate(params), runtime):
        raise invalid_parameters(kind, problems)

"""Job `retrain`: forecast again the series that were requested recently."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Self

from pydantic import Field, model_validator

from wattbook.core.errors import ConflictError, InputError, Problem
from wattbook.core.forecast.task import Basis
from wattbook.core.jobs import JobKind, Progress
from wattbook.flows import forecast
from wattbook.flows.jobs import FannedOut, Running, sum_children, was_fanned_out
from wattbook.flows.schedules import Schedule
from wattbook.jobs.forecasts import STEPS, SeriesParams, progress_of
from wattbook.jobs.kind import EntityId, Kind, problems_of
from wattbook.ports.forecasts import ForecastSpec
from wattbook.ports.jobs import Child
from wattbook.settings import Settings
from wattbook.wiring.runtime import Runtime

ACTIVE_SERIES_AGE: Final = timedelta(days=90)
"""A series that was not requested for 90 days is no longer retrained.

Retraining itself does not count as a request.
"""
MONDAY_2_AM: Final = timedelta(days=4, hours=2)
"""From the first day of 1970, a Thursday, to 02:00 of a Monday."""


class Retrain(SeriesParams):
    """Forecast again what was requested recently, each series in a job of its own."""

    entity_id: EntityId | None = Field(None, description="of one entity; of all when left out")

    @model_validator(mode="after")
    def _of_one(self) -> Self:
        if self.entity_id is None and self != Retrain.model_construct():
            raise ValueError("without entity_id all series are forecast as they were asked for")
        return self


async def problems(params: Retrain, runtime: Runtime) -> list[Problem]:
    """Whether the entity is unknown."""
    if params.entity_id is None:
        return []
    return await problems_of("entity_id", forecast.with_full_name(params.series, ports=runtime))


async def retrain(
    running: Running, params: Retrain, runtime: Runtime
) -> Mapping[str, Any] | FannedOut:
    """Divide the work into a job for each series; such a job forecasts its series."""
    job = running.claim.job
    if was_fanned_out(job):
        return await sum_children(job, jobs=runtime.jobs)
    if params.entity_id is None:
        since = runtime.clock.now() - ACTIVE_SERIES_AGE
        active = await forecast.active_series(since, ports=runtime)
        return FannedOut(tuple(map(_child, active))) if active else _counts()
    return await _retrain_one(running, params, runtime)


async def _retrain_one(running: Running, params: Retrain, runtime: Runtime) -> dict[str, int]:
    job = running.claim.job
    horizon = timedelta(days=runtime.settings.forecast_days)
    progress = progress_of(running)
    if job.parent_id is not None:
        try:
            await forecast.check(params.series, horizon, ports=runtime)
        except (InputError, ConflictError):  # too short a history of one series among many
            progress(forecast.STEPS, forecast.STEPS)
            return _counts(too_little=1)
    run = await forecast.make(job.job_id, params.series, horizon, ports=runtime, progress=progress)
    return _counts(forecasts=1, without_model=run.basis is not Basis.MODEL)


def _counts(
    forecasts: int = 0, too_little: int = 0, *, without_model: bool = False
) -> dict[str, int]:
    """The result for one series; those of several are added up."""
    return {
        "forecasts": forecasts,
        "without_model": int(without_model),
        "too_little_known": too_little,
    }


def _child(series: ForecastSpec) -> Child:
    """The part of a `retrain` that forecasts one series."""
    params = Retrain.from_series(series).model_dump(mode="json")
    return Child(params=params, progress=Progress(0, forecast.STEPS, STEPS))


def _weekly(settings: Settings) -> Schedule:
    return Schedule(
        name="retrain",
        kind=JobKind.RETRAIN,
        every=timedelta(hours=settings.model_retrain_interval),
        offset=MONDAY_2_AM,
        params=Retrain().model_dump(mode="json"),
    )


RETRAIN: Final = Kind(
    kind=JobKind.RETRAIN, params=Retrain, handler=retrain, problems=problems, schedule=_weekly
)

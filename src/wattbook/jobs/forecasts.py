"""Job `forecast`: forecast an entity, or a custom series, and store the run."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from wattbook.core.errors import Problem
from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.task import QUANTILES, ModelName
from wattbook.core.jobs import JobKind, Progress
from wattbook.core.periods import Grain
from wattbook.flows import forecast
from wattbook.flows.jobs import Running
from wattbook.jobs.kind import EntityId, Kind, Params, problems_of
from wattbook.ports.forecasts import ForecastSpec
from wattbook.schemas import custom_forecast
from wattbook.wiring.runtime import Runtime

STEPS: Final = "steps"
"""The unit of progress."""


class SeriesParams(Params):
    """Parameters of a job about a series of an entity."""

    entity_id: EntityId | None = Field(
        None, description="a site, operator:ID, zone:ID or network:ID"
    )
    quantity: Quantity = Field(Quantity.LOAD, description="of a network: hashrate")
    grain: custom_forecast.GrainName = Grain.HOUR
    model: ModelName = Field(ModelName.AUTO, description="a model by name, or auto")
    quantiles: custom_forecast.Quantiles = QUANTILES
    seed: custom_forecast.Seed = 0

    @classmethod
    def from_series(cls, series: ForecastSpec) -> Self:
        """The parameters of a job about this series."""
        return cls(
            entity_id=series.entity_id,
            quantity=series.quantity,
            grain=series.grain,
            model=series.model,
            quantiles=series.quantiles,
            seed=series.seed,
        )

    @property
    def series(self) -> ForecastSpec:
        """The series that the job is about."""
        return ForecastSpec(
            entity_id=self.entity_id,
            quantity=self.quantity,
            grain=self.grain,
            model=self.model,
            quantiles=self.quantiles,
            seed=self.seed,
        )


class Forecast(SeriesParams):
    """Forecast an entity, or a series that a caller sent, and store the run."""

    input: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(
        None, description="what POST /api/v1/forecast/custom kept, by its SHA-256"
    )

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.entity_id is None) == (self.input is None):
            raise ValueError("name entity_id or input, one of the two")
        return self


async def problems(params: Forecast, runtime: Runtime) -> list[Problem]:
    """What makes the forecast impossible: an unknown entity, or an input that is not stored."""
    if params.input is not None:
        return await problems_of("input", runtime.forecasts.input(params.input))
    return await problems_of("entity_id", forecast.with_full_name(params.series, ports=runtime))


async def make(running: Running, params: Forecast, runtime: Runtime) -> Mapping[str, Any]:
    """Make the forecast and store the run under the id of the job."""
    job_id = running.claim.job.job_id
    days = runtime.settings.forecast_days
    progress = progress_of(running)
    if params.input is None:
        run = await forecast.make(
            job_id, params.series, timedelta(days=days), ports=runtime, progress=progress
        )
    else:
        content = await runtime.forecasts.input(params.input)
        custom = custom_forecast.CustomForecastRequest.model_validate_json(content)
        with custom.in_own_words():
            series = custom.brought(days)
            run = await forecast.make_custom(job_id, series, ports=runtime, progress=progress)
    return {
        "run_id": run.run_id,
        "entity_id": run.asked.entity_id,
        "basis": run.basis,
        "model": run.model,
        "links": {"run": f"{runtime.settings.root_path}/api/v1/forecast/runs/{run.run_id}"},
    }


def progress_of(running: Running) -> Callable[[int, int], None]:
    """Updates the progress of a job that forecasts; such a job is cancelled from outside."""
    running.step(0, forecast.STEPS, STEPS)

    def update(done: int, total: int) -> None:
        running.progress = Progress(done, total, STEPS)

    return update


FORECAST: Final = Kind(kind=JobKind.FORECAST, params=Forecast, handler=make, problems=problems)

"""Job `detect_anomalies`: detect what is unusual, and store the findings."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Self

from pydantic import Field, model_validator

from wattbook.core.jobs import JobKind, Progress
from wattbook.flows import anomaly
from wattbook.flows.jobs import Running
from wattbook.flows.schedules import Schedule
from wattbook.jobs.kind import Id, Kind, Params
from wattbook.schemas import custom_forecast
from wattbook.schemas.fields import DayOrInstant
from wattbook.settings import Settings
from wattbook.wiring.runtime import Runtime

HALF_PAST_ONE: Final = timedelta(hours=1, minutes=30)
"""When the daily job runs: at 01:30."""


class DetectAnomalies(Params):
    """Detect what is unusual, and store the findings."""

    site_id: Id | None = Field(None, description="the meters of one site; all when left out")
    meter_id: Id | None = Field(None, description="one meter")
    start: DayOrInstant | None = Field(
        None, description="start of the period to analyse; default: seven days before end"
    )
    end: DayOrInstant | None = Field(None, description="end (exclusive); default: an hour ago")
    seed: custom_forecast.Seed = 0

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("end must be after start")
        return self


async def detect(running: Running, params: DetectAnomalies, runtime: Runtime) -> Mapping[str, Any]:
    """Run the rules and the model over the meters."""
    request = anomaly.DetectionRequest(
        site_id=params.site_id,
        meter_id=params.meter_id,
        span=await anomaly.span_of_data(
            params.start,
            params.end,
            site_id=params.site_id,
            meter_id=params.meter_id,
            ports=runtime,
        ),
        per_month=runtime.settings.anomalies_per_meter_month,
        seed=params.seed,
    )
    looked = await anomaly.look(
        request,
        ports=runtime,
        progress=lambda done, total: running.step(done, total, "meters"),
    )
    running.progress = Progress(looked.meters, looked.meters, "meters")
    return {
        "start": request.span.start.isoformat(),
        "end": request.span.end.isoformat(),
        **looked.counts,
    }


def _daily(settings: Settings) -> Schedule:
    return Schedule(
        name="detect_anomalies",
        kind=JobKind.DETECT_ANOMALIES,
        every=timedelta(seconds=settings.anomalies_every_s),
        offset=HALF_PAST_ONE,
        params=DetectAnomalies().model_dump(mode="json"),
    )


DETECT_ANOMALIES: Final = Kind(
    kind=JobKind.DETECT_ANOMALIES, params=DetectAnomalies, handler=detect, schedule=_daily
)

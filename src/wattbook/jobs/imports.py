"""Job `import_influxdb`: bring in what is new in a bucket of InfluxDB."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import Field

from wattbook.core.jobs import JobKind
from wattbook.core.periods import Period
from wattbook.core.readings.checks import IntervalLabel
from wattbook.flows import pull
from wattbook.flows.jobs import Running
from wattbook.flows.schedules import Schedule
from wattbook.jobs.kind import Kind, Params, refuse_second
from wattbook.ports.readings import Receipt
from wattbook.schemas.fields import DayOrInstant
from wattbook.settings import Settings
from wattbook.wiring.runtime import Runtime
from wattbook.wiring.streams import open_source


class ImportInfluxdb(Params):
    """Bring in what is new in INFLUXDB_BUCKET."""

    since: DayOrInstant | None = Field(
        None, description="from when; from where the last run came to when left out"
    )
    interval_label: IntervalLabel | None = Field(
        None, description="which end of an interval is stamped; before INFLUXDB_INTERVAL_LABEL"
    )


async def import_influxdb(
    running: Running, params: ImportInfluxdb, runtime: Runtime
) -> Mapping[str, Any]:
    """Bring it in; progress is counted in seconds of the period."""
    settings = runtime.settings
    await refuse_second(running.claim.job, runtime.jobs, "import")

    def progress(_: Receipt | None, period: Period, until_utc: datetime) -> None:
        done, whole = (
            int(span.total_seconds())
            for span in (until_utc - period.start, period.end - period.start)
        )
        running.step(done, max(whole, 1), "seconds")

    async with open_source(settings) as source:
        pulled = await pull.pull(
            source,
            overlap=timedelta(seconds=settings.influxdb_overlap_s),
            since=params.since,
            label=params.interval_label or IntervalLabel(settings.influxdb_interval_label),
            tell=progress,
            registry=runtime.registry,
            readings=runtime.readings,
            watermarks=runtime.watermarks,
            clock=runtime.clock,
        )
    period = pulled.period
    return {
        **{name: pulled.counts[name] for name in pull.COUNTS},
        "reasons": dict(pulled.reasons),
        "start": None if period is None else period.start.isoformat(),
        "end": None if period is None else period.end.isoformat(),
    }


def _scheduled(settings: Settings) -> Schedule | None:
    if settings.import_influxdb_every_s is None:
        return None
    return Schedule(
        name="import_influxdb",
        kind=JobKind.IMPORT_INFLUXDB,
        every=timedelta(seconds=settings.import_influxdb_every_s),
        params=ImportInfluxdb().model_dump(mode="json"),
    )


IMPORT_INFLUXDB: Final = Kind(
    kind=JobKind.IMPORT_INFLUXDB,
    params=ImportInfluxdb,
    handler=import_influxdb,
    schedule=_scheduled,
)

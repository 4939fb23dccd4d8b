"""Jobs `aggregate` and `process_device`: bring rollups up to date."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

import polars as pl
from pydantic import Field, model_validator

from wattbook.core.jobs import JobKind, Progress
from wattbook.core.periods import Period
from wattbook.flows import device, rollup, sites
from wattbook.flows.jobs import FannedOut, Running, sum_children, was_fanned_out
from wattbook.flows.rollup import Share
from wattbook.flows.schedules import Schedule
from wattbook.jobs.kind import Id, Kind, OverPeriod, Params
from wattbook.ports.jobs import Child
from wattbook.schemas.fields import DayOrInstant
from wattbook.settings import Settings
from wattbook.wiring.runtime import Runtime

QUARTERS: Final = "quarters"
"""The unit of progress."""
AFTER_THE_HOUR: Final = timedelta(minutes=5)
"""When the hourly job runs: by then most readings of the hour before have come in."""


class Aggregate(Params):
    """Bring rollups up to date."""

    site_id: Id | None = Field(None, description="the meters of one site; all when left out")
    site_ids: Annotated[tuple[Id, ...], Field(min_length=1)] | None = Field(
        None, description="the meters of several sites"
    )
    everything: bool = Field(
        default=False, description="compute all figures again, also those that are up to date"
    )
    start: DayOrInstant | None = Field(
        None, description="with `end`: compute the figures of this period again"
    )
    end: DayOrInstant | None = Field(None, description="end (exclusive) of the period")

    @model_validator(mode="after")
    def _period_alone(self) -> "Aggregate":
        if self.site_id is not None and self.site_ids is not None:
            raise ValueError("name site_id or site_ids, not both")
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end belong together")
        if self.period is not None and self.everything:
            raise ValueError("everything and start with end are mutually exclusive")
        return self

    @property
    def period(self) -> Period | None:
        """The period that is computed again."""
        return None if self.start is None or self.end is None else Period(self.start, self.end)

    @property
    def sites(self) -> tuple[str, ...] | None:
        """The sites to bring up to date; None for all."""
        return self.site_ids if self.site_id is None else (self.site_id,)


class ProcessDevice(OverPeriod):
    """Validate and roll up one meter's readings of a period again."""

    meter_id: Id = Field(description="the meter")


async def aggregate(
    running: Running, params: Aggregate, runtime: Runtime
) -> Mapping[str, Any] | FannedOut:
    """Bring the rollups of some sites up to date; much work is divided by sites."""
    job = running.claim.job
    if was_fanned_out(job):
        return await sum_children(job, jobs=runtime.jobs)
    ids = await _meter_ids(params, runtime)
    if (params.everything or params.period) and not running.checkpoint.get("marked"):
        await _mark(ids, params, runtime)
        running.step(0, None, QUARTERS, marked=True)
    if job.parent_id is None:
        shares = await rollup.shares(ids, registry=runtime.registry, rollups=runtime.rollups)
        if len(shares) > 1:
            return FannedOut(tuple(_child(share) for share in shares))
    rolled = await rollup.catch_up(
        ids,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        clock=runtime.clock,
        progress=lambda done, total: running.step(done, total, QUARTERS),
    )
    running.progress = Progress(rolled.quarters, rolled.quarters, QUARTERS)
    return {"meters": rolled.meters, "rows_written": rolled.rows_written}


async def _meter_ids(params: Aggregate, runtime: Runtime) -> list[str]:
    """The meters of the sites; UnknownEntityError for a site that is not registered."""
    meters = await runtime.registry.meters()
    if params.sites is not None:
        meters = meters.filter(pl.col("site_id").is_in(params.sites))
        for site_id in sorted(set(params.sites) - set(meters["site_id"])):
            await runtime.registry.site(site_id)
    return meters["meter_id"].to_list()


async def _mark(ids: list[str], params: Aggregate, runtime: Runtime) -> None:
    """Mark as dirty what is to be computed again."""
    if params.everything:
        await sites.mark(
            ids, registry=runtime.registry, readings=runtime.readings, rollups=runtime.rollups
        )
    elif params.period is not None:
        await sites.mark_period(
            ids, params.period, readings=runtime.readings, rollups=runtime.rollups
        )


def _child(share: Share) -> Child:
    """The part of an `aggregate` that brings some sites up to date: what is marked by now."""
    params = Aggregate(site_ids=share.site_ids).model_dump(mode="json")
    return Child(params=params, progress=Progress(0, share.quarters, QUARTERS))


def _hourly(settings: Settings) -> Schedule:
    return Schedule(
        name="aggregate",
        kind=JobKind.AGGREGATE,
        every=timedelta(seconds=settings.aggregate_every_s),
        offset=AFTER_THE_HOUR,
        params=Aggregate().model_dump(mode="json"),
    )


async def process_device(
    running: Running, params: ProcessDevice, runtime: Runtime
) -> Mapping[str, Any]:
    """Validate and roll up one meter's readings of a period again; tell which days changed."""
    found = await device.look_again(
        params.meter_id,
        params.period,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        clock=runtime.clock,
        progress=lambda done, total: running.step(done, total, QUARTERS),
    )
    days = found.changed.with_columns(found.changed["start_utc"].dt.to_string("iso:strict"))
    return {
        "readings": found.readings,
        "refused_today": found.refused_today,
        "days_changed": days.to_dicts(),
    }


AGGREGATE: Final = Kind(
    kind=JobKind.AGGREGATE, params=Aggregate, handler=aggregate, schedule=_hourly
)
PROCESS_DEVICE: Final = Kind(
    kind=JobKind.PROCESS_DEVICE, params=ProcessDevice, handler=process_device
)

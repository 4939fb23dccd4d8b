"""Job `cleanup`: remove what is older than its retention time."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import Field

from wattbook import __version__
from wattbook.core.jobs import JobKind, JobState
from wattbook.flows import retention
from wattbook.flows.jobs import Running, Stopped
from wattbook.flows.schedules import Schedule
from wattbook.jobs.kind import Id, Kind, Params, refuse_second
from wattbook.settings import Settings
from wattbook.wiring.runtime import Runtime

SUNDAY_NIGHT: Final = timedelta(days=3, hours=3)
"""From the first day of 1970, a Thursday, to 03:00 of a Sunday."""


class Cleanup(Params):
    """Remove what is older than RETENTION_… says."""

    dry_run: bool = Field(default=False, description="only say what would go, and what would not")
    site_id: Id | None = Field(None, description="what belongs to one site; all when left out")


async def clean_up(running: Running, params: Cleanup, runtime: Runtime) -> Mapping[str, Any]:
    """Remove it, or report what would be removed."""
    job = running.claim.job
    cleaner = retention.Cleaner(
        order=retention.Order(
            job_id=job.job_id,
            now=job.created,
            days=runtime.settings.retention,
            site_id=params.site_id,
            version=__version__,
        ),
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        retentions=runtime.retentions,
        tombstones=runtime.tombstones,
        clock=runtime.clock,
    )
    if params.dry_run:
        return retention.result(await cleaner.look(), dry_run=True)
    await refuse_second(job, runtime.jobs, "clean-up")
    try:
        cleaned = await cleaner.clean_up(lambda done, total: running.step(done, total, "rows"))
    except (Stopped, asyncio.CancelledError):
        if running.state is JobState.CANCELLING:  # no other attempt continues it
            await cleaner.close(await runtime.tombstones.of_job(job.job_id))
        raise
    return retention.result(cleaned, dry_run=False)


def _weekly(settings: Settings) -> Schedule | None:
    if not settings.retention:
        return None
    return Schedule(
        name="cleanup",
        kind=JobKind.CLEANUP,
        every=timedelta(seconds=settings.cleanup_every_s),
        offset=SUNDAY_NIGHT,
        params=Cleanup().model_dump(mode="json"),
    )


CLEANUP: Final = Kind(kind=JobKind.CLEANUP, params=Cleanup, handler=clean_up, schedule=_weekly)

"""Deleting sites and meters that were registered by mistake."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from wattbook import __version__
from wattbook.api.deps import RuntimeDep, strict
from wattbook.api.problems import responses
from wattbook.api.routes.jobs import BY_HTTP
from wattbook.api.routes.sites import Unchanged
from wattbook.core.errors import (
    ChangedError,
    ConflictError,
    InvalidEntityError,
    UnknownEntityError,
)
from wattbook.flows.deletion import Deleter, Request
from wattbook.schemas.tombstones import TombstoneOut

router = APIRouter(tags=["sites"], dependencies=[Depends(strict)])

REFUSALS = responses(UnknownEntityError, ConflictError, ChangedError, InvalidEntityError)
Force = Annotated[
    bool,
    Query(description="also where there are readings: they and what was computed from them go"),
]
Reason = Annotated[str | None, Query(description="why, for the tombstone: one line")]


@router.delete("/sites/{site_id}", responses=REFUSALS)
async def delete_site(
    site_id: str,
    runtime: RuntimeDep,
    check: Unchanged,
    force: Force = False,  # noqa: FBT002 -- a parameter of the address
    reason: Reason = None,
) -> list[TombstoneOut]:
    """Delete a site with everything on it; answers its tombstone and those of its meters.

    Refused with 409 under legal hold, and without `force` where there are readings. A deletion that
    did not come to its end is finished by the same request.
    """
    request = Request(
        site_id=site_id,
        force=force,
        reason=reason,
        requested_by=BY_HTTP,
        version=__version__,
        check=check,
    )
    return [TombstoneOut.of(each) for each in await Deleter.of(runtime).delete(request)]


@router.delete("/sites/{site_id}/meters/{meter_id}", responses=REFUSALS)
async def delete_meter(
    site_id: str,
    meter_id: str,
    runtime: RuntimeDep,
    check: Unchanged,
    force: Force = False,  # noqa: FBT002 -- a parameter of the address
    reason: Reason = None,
) -> list[TombstoneOut]:
    """Delete a meter; answers its tombstone. Refused as deleting a site is."""
    request = Request(
        site_id=site_id,
        meter_id=meter_id,
        force=force,
        reason=reason,
        requested_by=BY_HTTP,
        version=__version__,
        check=check,
    )
    return [TombstoneOut.of(each) for each in await Deleter.of(runtime).delete(request)]

"""Grid zones that are known, with their aliases."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from wattbook.api import problems
from wattbook.api.responses import json_response
from wattbook.core import errors
from wattbook.core.grid import zones
from wattbook.core.paging import Listing

router = APIRouter(tags=["sites"])


class ZoneOut(BaseModel):
    """A grid zone."""

    zone: str = Field(description="canonical name, which sites and conditions are stored under")
    name: str
    kind: str = Field(description="`country`, `state`, `balancing authority`, …")
    parent: str | None = Field(description="zone that holds it, whose factor stands in")
    aliases: list[str] = Field(description="names that are taken for it")
    source: str


class ZonePage(BaseModel):
    """Some zones, and the cursor for those that follow."""

    cursor: str | None
    zones: list[ZoneOut]


@router.get("/zones", response_model=ZonePage, responses=problems.responses(errors.InputError))
async def zones_(
    search: Annotated[str, Query(max_length=64, description="in a name or an alias")] = "",
    kind: Annotated[str | None, Query(max_length=32)] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Response:
    """Zones by their canonical names; private ones, as `XX-lab`, are not listed."""
    listing = Listing("zones", {"search": search, "kind": kind}, words=0)
    found = zones.search(search, () if kind is None else (kind,))
    if cursor is not None:
        after = str(listing.read(cursor)[0])
        found = [each for each in found if each.zone > after]
    page, more = found[:limit], len(found) > limit
    return json_response(
        {
            "cursor": listing.after(page[-1].zone) if more else None,
            "zones": [asdict(each) for each in page],
        }
    )

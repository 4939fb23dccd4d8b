"""Sites and what stands on them."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response, status
from pydantic import BaseModel

from wattbook.api.deps import RuntimeDep
from wattbook.api.limits import DocumentRoute
from wattbook.api.problems import responses
from wattbook.core.errors import (
    ChangedError,
    ConflictError,
    InputError,
    InvalidEntityError,
    UnknownEntityError,
)
from wattbook.core.paging import Listing
from wattbook.core.registry import dated
from wattbook.core.registry.entities import SLUG, ZONE, Site, SiteStatus
from wattbook.flows import sites as flow
from wattbook.flows import tariffs as paying
from wattbook.schemas.site_answers import FleetOut, MeterOut, SiteOut, SitePage, SupplyOut
from wattbook.schemas.sites import FleetList, MeterList, SiteIn, SitePatch, SupplyList
from wattbook.schemas.tariffs import AllTariffs, TariffIn, TariffList, TariffOut


async def filters(
    operator: Annotated[str | None, Query(pattern=f"^{SLUG.pattern}$")] = None,
    zone: Annotated[str | None, Query(pattern=f"^{ZONE.pattern}$")] = None,
    status: Annotated[SiteStatus | None, Query()] = None,
) -> dict[str, str]:
    """What the sites of a list have in common."""
    asked = {"operator": operator, "zone": zone, "status": status}
    return {name: str(value) for name, value in asked.items() if value is not None}


router = APIRouter(tags=["sites"], route_class=DocumentRoute)

READS = responses(UnknownEntityError)
WRITES = responses(UnknownEntityError, ConflictError, ChangedError, InvalidEntityError)


async def unchanged(
    if_match: Annotated[
        str | None,
        Header(
            max_length=1000,
            description="the `ETag` of the site as it was read: the request is refused with 412 if"
            " the site has changed since",
        ),
    ] = None,
) -> flow.Check | None:
    """Refuses a site that is no longer the one that was read."""
    return flow.matching(if_match)


Unchanged = Annotated[flow.Check | None, Depends(unchanged)]


def _answer(site: Site, response: Response) -> SiteOut:
    """A site, with the tag that `If-Match` takes."""
    response.headers["ETag"] = f'"{dated.tag(site)}"'
    return SiteOut.of(site)


def created(part: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The answer where some of the parts are new."""
    return {201: {"model": list[part], "description": "as 200; some of them are new"}}  # type: ignore[valid-type]


@router.get("/sites", responses=responses(InputError))
async def list_sites(
    runtime: RuntimeDep,
    asked: Annotated[dict[str, str], Depends(filters)],
    cursor: Annotated[str | None, Query(description="`cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="most sites in the answer")] = 100,
) -> SitePage:
    """Sites in the order of their ids."""
    listing = Listing("sites", asked, words=0)
    begin = None if cursor is None else listing.read(cursor)[0]
    page = await runtime.registry.sites(asked, after=begin, limit=limit)
    return SitePage(
        sites=[SiteOut.of(site) for site in page.sites],
        cursor=None if page.cursor is None else listing.after(page.cursor),
    )


@router.post(
    "/sites",
    status_code=status.HTTP_201_CREATED,
    responses=responses(ConflictError, InvalidEntityError),
)
async def register_site(
    body: SiteIn, runtime: RuntimeDep, request: Request, response: Response
) -> SiteOut:
    """Register a site, with its meters, supplies and fleet if they are known."""
    site = await flow.register(body.draft(), registry=runtime.registry, now=runtime.clock.now())
    response.headers["Location"] = request.url_for("read_site", site_id=site.id).path
    return _answer(site, response)


@router.get("/sites/{site_id}", responses=READS)
async def read_site(site_id: str, runtime: RuntimeDep, response: Response) -> SiteOut:
    """One site with everything on it; its `ETag` is for `If-Match`."""
    return _answer(await runtime.registry.site(site_id), response)


@router.patch("/sites/{site_id}", responses=WRITES)
async def change_site(
    site_id: str, body: SitePatch, runtime: RuntimeDep, response: Response, check: Unchanged
) -> SiteOut:
    """Change the fields that are sent.

    Another capacity holds from `valid_from`, or from the first reading that is yet to come. Another
    time zone, or a capacity of the past, recomputes the rollups.
    """
    site = await flow.change(
        site_id,
        body.changes(),
        valid_from=body.since,
        check=check,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        now=runtime.clock.now(),
    )
    return _answer(site, response)


@router.get("/sites/{site_id}/meters", responses=READS)
async def read_meters(site_id: str, runtime: RuntimeDep) -> list[MeterOut]:
    """The meters of a site."""
    return SiteOut.of(await runtime.registry.site(site_id)).meters


@router.post("/sites/{site_id}/meters", responses=WRITES | created(MeterOut))
async def put_meters(
    site_id: str, body: MeterList, runtime: RuntimeDep, response: Response, check: Unchanged
) -> list[MeterOut]:
    """Add meters, or change those with the same id; answers all of the site (201: with new).

    What is sent holds from `valid_from` until `valid_to`. Without `valid_from`, a change holds from
    the first reading that is yet to come: what is there is not computed again. The past is
    corrected by the `valid_from` of the version that is meant, null for the first.
    """
    return (await _put(site_id, body, runtime, response, check)).meters


@router.get("/sites/{site_id}/supplies", responses=READS)
async def read_supplies(site_id: str, runtime: RuntimeDep) -> list[SupplyOut]:
    """The supplies of a site."""
    return SiteOut.of(await runtime.registry.site(site_id)).supplies


@router.post("/sites/{site_id}/supplies", responses=WRITES | created(SupplyOut))
async def put_supplies(
    site_id: str, body: SupplyList, runtime: RuntimeDep, response: Response, check: Unchanged
) -> list[SupplyOut]:
    """Add supplies or replace those with the same id; answers all of the site (201: with new)."""
    return (await _put(site_id, body, runtime, response, check)).supplies


@router.get("/sites/{site_id}/fleet", responses=READS)
async def read_fleet(site_id: str, runtime: RuntimeDep) -> list[FleetOut]:
    """The machines of a site."""
    return SiteOut.of(await runtime.registry.site(site_id)).fleet


@router.post("/sites/{site_id}/fleet", responses=WRITES | created(FleetOut))
async def put_fleet(
    site_id: str, body: FleetList, runtime: RuntimeDep, response: Response, check: Unchanged
) -> list[FleetOut]:
    """Add machines or replace those with the same id; answers all of the site (201: with new)."""
    return (await _put(site_id, body, runtime, response, check)).fleet


@router.get("/sites/{site_id}/tariffs", responses=READS)
async def read_tariffs(site_id: str, runtime: RuntimeDep) -> list[TariffOut]:
    """The tariffs of a site."""
    return SiteOut.of(await runtime.registry.site(site_id)).tariffs


@router.post("/sites/{site_id}/tariffs", responses=WRITES | created(TariffOut))
async def put_tariffs(
    site_id: str, body: TariffList, runtime: RuntimeDep, response: Response, check: Unchanged
) -> list[TariffOut]:
    """Add tariffs or replace those with the same id; answers all of the site (201: with new)."""
    return await _pay_by(site_id, body, runtime, response, check, only=False)


@router.put("/sites/{site_id}/tariffs", responses=WRITES | created(TariffOut))
async def replace_tariffs(
    site_id: str, body: AllTariffs, runtime: RuntimeDep, response: Response, check: Unchanged
) -> list[TariffOut]:
    """Replace all tariffs of a site; answers them (201: with new)."""
    return await _pay_by(site_id, body, runtime, response, check, only=True)


async def _pay_by(
    site_id: str,
    body: Sequence[TariffIn],
    runtime: RuntimeDep,
    response: Response,
    check: flow.Check | None,
    *,
    only: bool,
) -> list[TariffOut]:
    placed = await paying.put(
        site_id,
        [each.entity() for each in body],
        only=only,
        check=check,
        registry=runtime.registry,
        calendar=runtime.calendar,
        now=runtime.clock.now(),
    )
    if placed.added:
        response.status_code = status.HTTP_201_CREATED
    return _answer(placed.site, response).tariffs


async def _put(
    site_id: str,
    body: MeterList | SupplyList | FleetList,
    runtime: RuntimeDep,
    response: Response,
    check: flow.Check | None,
) -> SiteOut:
    placed = await flow.put_parts(
        site_id,
        [part.entity() for part in body],
        check=check,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        now=runtime.clock.now(),
    )
    if placed.added:
        response.status_code = status.HTTP_201_CREATED
    return _answer(placed.site, response)

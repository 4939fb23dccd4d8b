"""Energy and statistics of a site, of the network, and of each meter."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from wattbook.answers import analytics
from wattbook.answers.encode import Answer
from wattbook.api import problems
from wattbook.api.deps import AsOfQuery, BoundsDep, GrainQuery, PeriodDep, RuntimeDep, strict
from wattbook.api.responses import series
from wattbook.core import errors
from wattbook.core.paging import Listing
from wattbook.core.periods import Grain
from wattbook.flows import metrics as flow
from wattbook.schemas.figures import AggregateOut, RollupPage, SiteMetrics

router = APIRouter(prefix="/metrics", tags=["metrics"], dependencies=[Depends(strict)])

REFUSALS = problems.responses(errors.UnknownEntityError, errors.InvalidPeriodError)


@router.get("/site/{site_id}", response_model=SiteMetrics, responses=REFUSALS)
async def site(
    request: Request,
    site_id: str,
    bounds: BoundsDep,
    runtime: RuntimeDep,
    grain: GrainQuery = Grain.HOUR,
    as_of: AsOfQuery = None,
) -> Response:
    """A site's energy, power, hash rate, efficiency and cost per bucket, and over the period."""
    return series(request, await analytics.of_site(site_id, bounds, grain, as_of, runtime))


@router.get("/aggregate", response_model=AggregateOut, responses=REFUSALS)
async def aggregate(
    request: Request,
    bounds: BoundsDep,
    runtime: RuntimeDep,
    grain: GrainQuery = Grain.DAY,
    by: Annotated[
        str, Query(pattern="^(none|zone|operator|site)$", description="split of the total")
    ] = "none",
    timezone: Annotated[str, Query(description="IANA time zone of days, weeks and months")] = "UTC",
    as_of: AsOfQuery = None,
) -> Response:
    """Totals of the network: all main meters, or those of each zone, operator or site."""
    answer = await analytics.of_network(bounds, grain, by, timezone, as_of, runtime)
    return series(request, answer)


@router.get("", response_model=RollupPage, responses=REFUSALS)
async def rollups(
    request: Request,
    period: PeriodDep,
    runtime: RuntimeDep,
    grain: GrainQuery = Grain.HOUR,
    site_id: str | None = None,
    meter_id: str | None = None,
    operator: str | None = None,
    zone: str | None = None,
    role: Annotated[str | None, Query(pattern="^(main|sub|generation)$")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
) -> Response:
    """Rollups of single meters, in the order of meter and start, page by page."""
    filters = {
        "site_id": site_id,
        "meter_id": meter_id,
        "operator": operator,
        "zone": zone,
        "role": role,
    }
    listing = Listing(
        "rollups", filters | {"grain": grain, "start": period.start, "end": period.end}
    )
    rows, more = await flow.page(
        {name: value for name, value in filters.items() if value is not None},
        period,
        grain,
        after=_after(cursor, listing),
        limit=limit,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        clock=runtime.clock,
    )
    meter, last = rows.select("meter_id", "start_utc").row(-1) if more else ("", None)
    following = listing.after(last, meter) if more else None
    document = {"grain": grain, "start": period.start, "end": period.end, "cursor": following}
    return series(request, Answer(document, rows))


def _after(cursor: str | None, listing: Listing) -> tuple[str, str] | None:
    if cursor is None:
        return None
    at, meter_id = listing.read_dated(cursor)
    return str(meter_id), f"{at:%Y-%m-%dT%H:%M:%S}"

"""What sites pay."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from wattbook.api import problems
from wattbook.api.deps import AsOfQuery, GrainQuery, PeriodDep, RuntimeDep, strict
from wattbook.api.series import CostOut
from wattbook.api.shapes import series
from wattbook.core import errors
from wattbook.core.periods import Grain
from wattbook.flows import cost as flow

SpreadQuery = Annotated[
    bool, Query(description="spread demand and fixed charges evenly over their days")
]

router = APIRouter(prefix="/analytics", tags=["analytics"], dependencies=[Depends(strict)])


@router.get(
    "/cost/{entity_id}",
    response_model=CostOut,
    responses=problems.responses(errors.UnknownEntityError, errors.InvalidPeriodError),
)
async def cost(
    request: Request,
    entity_id: str,
    period: PeriodDep,
    runtime: RuntimeDep,
    grain: GrainQuery = Grain.MONTH,
    spread: SpreadQuery = False,  # noqa: FBT002 -- a parameter of the query has a name
    as_of: AsOfQuery = None,
) -> Response:
    """Bills of a site by its tariffs, and the cost of each component per bucket."""
    found = await flow.account(
        entity_id,
        period,
        grain,
        spread=spread,
        as_of=as_of,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        grid=runtime.grid,
        calendar=runtime.calendar,
        clock=runtime.clock,
    )
    document = {
        "entity_id": f"site:{found.site_id}",
        "method": flow.METHOD,
        "grain": found.grain,
        "timezone": found.timezone,
        "start": found.period.start,
        "end": found.period.end,
        "as_of": as_of,
        "spread": found.spread,
        "energy_kwh": found.energy_kwh,
        "coverage": found.coverage,
        "totals": found.totals,
        "bills": [flow.told(bill) for bill in found.bills],
    }
    return series(request, document, found.rows)

"""What sites pay."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from wattbook.answers import analytics
from wattbook.api import problems
from wattbook.api.deps import AsOfQuery, BoundsDep, GrainQuery, RuntimeDep, strict
from wattbook.api.responses import series
from wattbook.core import errors
from wattbook.core.periods import Grain
from wattbook.schemas.figures import CostOut

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
    bounds: BoundsDep,
    runtime: RuntimeDep,
    grain: GrainQuery = Grain.MONTH,
    spread: SpreadQuery = False,  # noqa: FBT002 -- a parameter of the query has a name
    as_of: AsOfQuery = None,
) -> Response:
    """Bills of a site by its tariffs, and the cost of each component per bucket."""
    answer = await analytics.cost(entity_id, bounds, grain, as_of, runtime, spread=spread)
    return series(request, answer)

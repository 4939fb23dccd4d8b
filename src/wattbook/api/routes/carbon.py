"""Carbon accounts."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from wattbook.answers import analytics
from wattbook.api import problems
from wattbook.api.deps import AsOfQuery, BoundsDep, GrainQuery, RuntimeDep, strict
from wattbook.api.responses import series
from wattbook.core import errors
from wattbook.core.carbon.factors import DEFAULT_SET
from wattbook.core.periods import Grain
from wattbook.schemas.figures import CarbonOut

router = APIRouter(prefix="/analytics", tags=["analytics"], dependencies=[Depends(strict)])


@router.get(
    "/carbon/{entity_id}",
    response_model=CarbonOut,
    responses=problems.responses(errors.UnknownEntityError, errors.InvalidPeriodError),
)
async def carbon(
    request: Request,
    entity_id: str,
    bounds: BoundsDep,
    runtime: RuntimeDep,
    grain: GrainQuery = Grain.HOUR,
    factors: Annotated[str, Query(description="set of factors by technology")] = DEFAULT_SET,
    as_of: AsOfQuery = None,
) -> Response:
    """Location-based emissions of an entity or the `network`, with the factors behind them."""
    answer = await analytics.carbon(entity_id, bounds, grain, factors, as_of, runtime)
    return series(request, answer)

"""Carbon accounts."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from wattbook.api import problems
from wattbook.api.deps import AsOfQuery, GrainQuery, PeriodDep, RuntimeDep, strict
from wattbook.api.series import CarbonOut
from wattbook.api.shapes import rows_of, series
from wattbook.core import errors
from wattbook.core.factors import DEFAULT_SET
from wattbook.core.periods import Grain
from wattbook.flows import carbon as flow

router = APIRouter(prefix="/analytics", tags=["analytics"], dependencies=[Depends(strict)])


@router.get(
    "/carbon/{entity_id}",
    response_model=CarbonOut,
    responses=problems.responses(errors.UnknownEntityError, errors.InvalidPeriodError),
)
async def carbon(
    request: Request,
    entity_id: str,
    period: PeriodDep,
    runtime: RuntimeDep,
    grain: GrainQuery = Grain.HOUR,
    factors: Annotated[str, Query(description="set of factors by technology")] = DEFAULT_SET,
    as_of: AsOfQuery = None,
) -> Response:
    """Location-based emissions of a site, an operator or a zone, with the factors behind them."""
    account = await flow.account(
        entity_id,
        period,
        grain,
        factor_set=factors,
        factors=runtime.factors,
        as_of=as_of,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        grid=runtime.grid,
        clock=runtime.clock,
    )
    document = {
        "entity_id": account.entity,
        "method": "location-based",
        "factor_set": account.factor_set,
        "grain": account.grain,
        "timezone": account.timezone,
        "as_of": as_of,
        "start": account.period.start,
        "end": account.period.end,
        "total": account.total,
        "factors": rows_of(account.factors),
    }
    return series(request, document, account.rows)

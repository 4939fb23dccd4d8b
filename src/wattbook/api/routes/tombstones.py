"""What was removed or deleted, when, and by which job or whom."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from wattbook.api.deps import RuntimeDep, strict
from wattbook.api.problems import responses
from wattbook.core.errors import InputError
from wattbook.core.retention.kinds import Kind
from wattbook.schemas.fields import Instant
from wattbook.schemas.tombstones import TombstoneOut

Text = Annotated[str, Query(pattern=r"^[^\x00]{1,500}$")]


class TombstonePage(BaseModel):
    """Some tombstones, the latest first, and the cursor for those that follow."""

    tombstones: list[TombstoneOut]
    cursor: str | None


router = APIRouter(tags=["jobs"], dependencies=[Depends(strict)])


@router.get("/tombstones", responses=responses(InputError))
async def list_tombstones(
    runtime: RuntimeDep,
    job_id: Annotated[Text | None, Query(description="what one job removed")] = None,
    kind: Annotated[Kind | None, Query(description="what was removed")] = None,
    owner: Annotated[Text | None, Query(description="whose it was, as a meter")] = None,
    site_id: Annotated[Text | None, Query(description="at which site")] = None,
    since: Annotated[Instant | None, Query(description="rows at or after")] = None,
    until: Annotated[Instant | None, Query(description="rows before")] = None,
    cursor: Annotated[str | None, Query(description="`cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="most tombstones in the answer")] = 100,
) -> TombstonePage:
    """What clean-ups removed, and which sites and meters were deleted, the latest first."""
    page = await runtime.tombstones.page(
        job_id=job_id,
        kind=kind,
        owner=owner,
        site_id=site_id,
        since=since,
        until=until,
        after=cursor,
        limit=limit,
    )
    return TombstonePage(
        tombstones=[TombstoneOut.of(stone) for stone in page.tombstones], cursor=page.cursor
    )

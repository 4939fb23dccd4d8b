"""What was removed, when, and by which job."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from wattbook.api.deps import RuntimeDep, strict
from wattbook.api.problems import responses
from wattbook.core.errors import InputError
from wattbook.core.lifetimes import Kind
from wattbook.core.retention import Tombstone
from wattbook.fields import Instant

Text = Annotated[str, Query(pattern=r"^[^\x00]{1,500}$")]


class TombstoneOut(BaseModel):
    """What one job removed of one owner."""

    kind: Kind
    owner: str = Field(
        description="the meter, the source of the batches, the kind of the jobs, or of reports and"
        " forecasts the entity (`brought`: series that callers brought)"
    )
    site_id: str | None = Field(description="null for what belongs to no one site")
    from_: datetime | None = Field(
        serialization_alias="from", description="time of the oldest row that was removed"
    )
    until: datetime = Field(description="nothing before it is taken in or computed any more")
    rows: int | None = Field(description="null until they are counted")
    removed: datetime | None = Field(description="when the last row was gone; null: under way")
    job_id: str
    version: str = Field(description="that of wattbook")

    @classmethod
    def of(cls, stone: Tombstone) -> "TombstoneOut":
        """The answer about a tombstone."""
        return cls(
            kind=stone.kind,
            owner=stone.owner,
            site_id=stone.site_id,
            from_=stone.from_utc,
            until=stone.until_utc,
            rows=stone.rows,
            removed=stone.removed_utc,
            job_id=stone.job_id,
            version=stone.version,
        )


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
    """What clean-ups removed, the latest first."""
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

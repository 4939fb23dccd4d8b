"""Readings as they are believed now, and what changed since one last asked."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from wattbook.answers import listing
from wattbook.answers.encode import Answer
from wattbook.api import problems
from wattbook.api.deps import RuntimeDep, strict
from wattbook.api.responses import series
from wattbook.core import errors
from wattbook.schemas.fields import Instant

router = APIRouter(prefix="/readings", tags=["readings"], dependencies=[Depends(strict)])


class Value(BaseModel):
    """What a reading said, or says."""

    meter_id: str
    ts: AwareDatetime = Field(description="instant, or start of the interval")
    power_kw: float | None
    energy_kwh: float | None
    register_kwh: float | None
    hashrate_th: float | None
    temperature_c: float | None
    reactive_power_kvar: float | None = Field(
        description="reactive power [kvar]: positive inductive, negative capacitive"
    )
    quality: str
    known: AwareDatetime = Field(description="when it became known")
    revision: int = Field(description="0, and one more with each correction")


class RevisionOut(Value):
    """A value of a reading that a correction replaced."""

    superseded: AwareDatetime = Field(description="when the next value replaced it")


class RevisionsOut(BaseModel):
    """Some earlier values of a meter's readings, by time and revision."""

    cursor: str | None
    rows: list[RevisionOut]


class ReadingOut(Value):
    """One reading."""

    above_capacity: bool | None = Field(
        description="whether it is above the capacity in force at its instant; null without a"
        " capacity, without a value and for registers, whose power is in the figures"
    )


class ReadingsOut(BaseModel):
    """Some readings, by meter and time, and the cursor for those that follow."""

    next_changed_since: AwareDatetime = Field(
        description="as `changed_since`, when all pages are read: what changes from here on, with"
        " a few minutes of what was seen already"
    )
    cursor: str | None
    rows: list[ReadingOut]


@router.get(
    "",
    response_model=ReadingsOut,
    responses=problems.responses(errors.UnknownEntityError, errors.InputError),
)
async def readings(
    request: Request,
    runtime: RuntimeDep,
    site_id: str | None = None,
    meter_id: str | None = None,
    start: Annotated[Instant | None, Query(description="stamped at or after")] = None,
    end: Annotated[Instant | None, Query(description="stamped before")] = None,
    changed_since: Annotated[
        Instant | None, Query(description="new or corrected after this instant")
    ] = None,
    cursor: Annotated[str | None, Query(description="`cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100_000, description="most rows in the answer")] = 10_000,
) -> Response:
    """Current readings, in the order of meter and time, page by page.

    As CSV and Arrow the cursor is in the header `Wattbook-Cursor`.
    """
    answer = await listing.readings(
        site_id=site_id,
        meter_id=meter_id,
        period=listing.between(start, end),
        changed_since=changed_since,
        cursor=cursor,
        limit=limit,
        runtime=runtime,
    )
    return _paged(request, answer)


@router.get(
    "/revisions",
    response_model=RevisionsOut,
    responses=problems.responses(
        errors.UnknownEntityError, errors.InputError, errors.UnsupportedError
    ),
)
async def revisions(
    request: Request,
    runtime: RuntimeDep,
    meter_id: str,
    start: Annotated[Instant | None, Query(description="stamped at or after")] = None,
    end: Annotated[Instant | None, Query(description="stamped before")] = None,
    cursor: Annotated[str | None, Query(description="`cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100_000, description="most rows in the answer")] = 10_000,
) -> Response:
    """Earlier values of readings that were corrected, with when each was known and superseded.

    The value that holds now is in `GET /readings`. As CSV and Arrow the cursor is in the header
    `Wattbook-Cursor`.
    """
    answer = await listing.revisions(
        meter_id=meter_id,
        period=listing.between(start, end),
        cursor=cursor,
        limit=limit,
        runtime=runtime,
    )
    return _paged(request, answer)


def _paged(request: Request, answer: Answer) -> Response:
    response = series(request, answer)
    if answer.document["cursor"] is not None:
        response.headers["Wattbook-Cursor"] = answer.document["cursor"]
    return response

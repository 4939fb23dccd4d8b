"""Findings: what is unusual, what it comes to, and what people say of it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field, StringConstraints

from wattbook.answers import anomalies as documents
from wattbook.api.deps import PeriodDep, RuntimeDep, strict
from wattbook.api.limits import DocumentRoute
from wattbook.api.problems import responses
from wattbook.core.anomaly.finding import Category, Review, Rule, State
from wattbook.core.errors import InputError, InvalidPeriodError, UnknownEntityError
from wattbook.core.registry.entities import SLUG
from wattbook.flows import anomaly as flow
from wattbook.ports.anomalies import FindingFilter
from wattbook.schemas.fields import Answer, Instant
from wattbook.schemas.findings import FindingOut, FindingsOut
from wattbook.schemas.sites import Body

IdQuery = Annotated[str | None, Query(pattern=f"^{SLUG.pattern}$")]
Said = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"
    ),
]


class ReviewBody(Body):
    """What is said of a finding; who says nothing of the note or of himself takes them back."""

    state: State
    note: Said | None = Field(None, description="why")
    by: Annotated[Said, Field(max_length=200)] | None = Field(None, description="who says so")


class ScoreOut(Answer):
    """How unusual an hour was."""

    start: datetime = Field(validation_alias="start_utc")
    score: float | None = Field(
        description="0 to 1: one half comes once a month by itself; null where not judged"
    )
    expected_kwh: float | None


class ScoresOut(Answer):
    """The scores of the hours of a meter that were judged."""

    meter_id: str
    rows: list[ScoreOut]


router = APIRouter(
    prefix="/anomalies",
    tags=["anomalies"],
    route_class=DocumentRoute,
    dependencies=[Depends(strict)],
)


@router.get("", responses=responses(InputError))
async def list_findings(
    runtime: RuntimeDep,
    site_id: IdQuery = None,
    meter_id: IdQuery = None,
    category: Annotated[Category | None, Query(description="what is to be done about it")] = None,
    rule: Annotated[Rule | None, Query(description="what noticed it")] = None,
    state: Annotated[State | None, Query(description="state of its review")] = None,
    since: Annotated[Instant | None, Query(description="those that end after it")] = None,
    until: Annotated[Instant | None, Query(description="those that begin before it")] = None,
    cursor: Annotated[str | None, Query(description="`cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="most findings in the answer")] = 100,
) -> FindingsOut:
    """Findings, the latest start first; `POST /jobs` with `detect_anomalies` detects them."""
    wanted = FindingFilter(
        site_id=site_id,
        meter_id=meter_id,
        category=category,
        rule=rule,
        state=state,
        since=since,
        until=until,
    )
    return await documents.page(wanted, runtime, after=cursor, limit=limit)


@router.get("/scores", responses=responses(InvalidPeriodError, UnknownEntityError))
async def read_scores(
    runtime: RuntimeDep,
    period: PeriodDep,
    meter_id: Annotated[str, Query(pattern=f"^{SLUG.pattern}$")],
) -> ScoresOut:
    """How unusual each hour of a meter was, and the expected power."""
    rows = await flow.scores(
        meter_id, period, registry=runtime.registry, anomalies=runtime.anomalies
    )
    return ScoresOut(
        meter_id=meter_id, rows=[ScoreOut.model_validate(row) for row in rows.to_dicts()]
    )


@router.get("/{finding_id}", responses=responses(UnknownEntityError))
async def read_finding(finding_id: str, runtime: RuntimeDep) -> FindingOut:
    """One finding."""
    return FindingOut.of(await runtime.anomalies.finding(finding_id))


@router.patch("/{finding_id}", responses=responses(UnknownEntityError, InputError))
async def review_finding(finding_id: str, body: ReviewBody, runtime: RuntimeDep) -> FindingOut:
    """Review a finding; later detection runs keep the review. `open` takes back what was said."""
    said = Review(state=body.state, note=body.note, by=body.by, at_utc=runtime.clock.now())
    return FindingOut.of(await runtime.anomalies.review(finding_id, said))

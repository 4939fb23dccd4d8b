"""Reports that were made: which there are, and each as a file."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from wattbook.api.deps import RuntimeDep, strict
from wattbook.api.problems import responses
from wattbook.core.errors import InputError, UnknownEntityError
from wattbook.core.reporting.report import Format
from wattbook.flows import entities
from wattbook.ports.reports import StoredReport
from wattbook.schemas.fields import Answer, Instant

MEDIA_TYPES: Final[dict[Format, str]] = {
    Format.PDF: "application/pdf",
    Format.HTML: "text/html; charset=utf-8",
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8",
    Format.ZIP: "application/zip",
}
SHOWN: Final = (Format.PDF, Format.HTML)
"""What a browser shows by itself; it saves the others."""
ALONE: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""A page of a report asks for nothing, and nothing in it runs."""


class SheetOut(Answer):
    """A report in one format."""

    format: Format = Field(validation_alias="form")
    href: str
    sha256: str
    size_bytes: int


class ReportOut(BaseModel):
    """A report that is kept."""

    report_id: str
    entity_id: str
    name: str
    start: datetime
    end: datetime
    timezone: str
    as_of: datetime = Field(description="what was known at this instant is in it")
    fingerprint: str = Field(description="SHA-256 of everything that its figures rest on")
    version: str = Field(description="of wattbook, which made it")
    created: datetime
    documents: list[SheetOut]

    @classmethod
    def of(cls, filed: StoredReport, request: Request) -> "ReportOut":
        """The answer about a report."""
        return cls(
            report_id=filed.report_id,
            entity_id=filed.entity_id,
            name=filed.name,
            start=filed.period.start,
            end=filed.period.end,
            timezone=filed.timezone,
            as_of=filed.known_utc,
            fingerprint=filed.fingerprint,
            version=filed.version,
            created=filed.created_utc,
            documents=[
                SheetOut(
                    form=sheet.form,
                    href=request.url_for(
                        "read_document", report_id=filed.report_id, form=sheet.form
                    ).path,
                    sha256=sheet.sha256,
                    size_bytes=sheet.size_bytes,
                )
                for sheet in filed.sheets
            ],
        )


class ReportPageOut(BaseModel):
    """Some reports, newest first, and the cursor for those that follow."""

    reports: list[ReportOut]
    cursor: str | None


router = APIRouter(prefix="/reports", tags=["reports"], dependencies=[Depends(strict)])


@router.get("", responses=responses(InputError, UnknownEntityError))
async def list_reports(
    request: Request,
    runtime: RuntimeDep,
    entity_id: Annotated[
        str | None,
        Query(pattern=r"^[^\x00]{1,80}$", description="a site, operator:ID or zone:ID"),
    ] = None,
    since: Annotated[Instant | None, Query(description="made at or after")] = None,
    until: Annotated[Instant | None, Query(description="made before")] = None,
    cursor: Annotated[str | None, Query(description="`cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="most reports in the answer")] = 100,
) -> ReportPageOut:
    """Reports, the newest first; `POST /jobs` with the kind `report` makes them."""
    if entity_id is not None:
        entity_id = await entities.full_name(entity_id, registry=runtime.registry)
    page = await runtime.reports.reports(
        entity_id=entity_id, since=since, until=until, after=cursor, limit=limit
    )
    return ReportPageOut(
        reports=[ReportOut.of(filed, request) for filed in page.reports], cursor=page.cursor
    )


@router.get(
    "/{report_id}.{form}",
    response_class=Response,
    responses=responses(UnknownEntityError, InputError)
    | {
        200: {
            "description": "the document",
            "content": {kind.split(";")[0]: {} for kind in MEDIA_TYPES.values()},
        }
    },
)
async def read_document(
    report_id: str, form: Format, request: Request, runtime: RuntimeDep
) -> Response:
    """A report as a file: `.pdf`, `.html`, `.json`, `.csv`, or `.zip` with every table."""
    filed, content = await runtime.reports.document(report_id, form)
    (sheet,) = [sheet for sheet in filed.sheets if sheet.form is form]
    headers = {
        "ETag": f'"{sheet.sha256}"',
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'{_kept(form)}; filename="{filed.file_name(form)}"',
        "Content-Security-Policy": ALONE,
        "X-Content-Type-Options": "nosniff",
    }
    known = request.headers.get("if-none-match", "")
    if sheet.sha256 in known or known.strip() == "*":
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, MEDIA_TYPES[form])


def _kept(form: Format) -> str:
    return "inline" if form in SHOWN else "attachment"

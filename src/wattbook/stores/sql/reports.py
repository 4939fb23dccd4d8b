"""Reports and their documents, in SQLite or PostgreSQL."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import zstandard
from sqlalchemy import ColumnElement, RowMapping, delete, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wattbook.core.errors import Problem, UnknownEntityError
from wattbook.core.paging import Listing
from wattbook.core.periods import Period
from wattbook.core.reporting.report import Format
from wattbook.ports.reports import ReportPage, Sheet, StoredReport
from wattbook.stores.sql.engine import ALONE, reached
from wattbook.stores.sql.schema import documents, reports

LEVEL: Final = 6
"""Of zstd: a year by hours as JSON, 5 MB, becomes a twentieth of it in a tenth of a second."""
NUL: Final = "\0"
AS_THEY_ARE: Final = (
    "report_id",
    "entity_id",
    "name",
    "timezone",
    "known_utc",
    "fingerprint",
    "version",
    "created_utc",
)


class SqlReports:
    """`ports.reports.Reports` in an SQL database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def file(self, filed: StoredReport, contents: Mapping[Format, bytes]) -> StoredReport:
        """Keep a report and its documents, on disk before this returns; replaces its namesake."""
        rows = await asyncio.to_thread(_packed, filed.report_id, contents)
        head = {name: getattr(filed, name) for name in AS_THEY_ARE}
        head |= {"start_utc": filed.period.start, "end_utc": filed.period.end}
        with reached(self._engine.url):
            async with self._engine.execution_options(**ALONE).begin() as connection:
                for table in (documents, reports):
                    namesake = table.c.report_id == filed.report_id
                    await connection.execute(delete(table).where(namesake))
                await connection.execute(insert(reports), head)
                if rows:
                    await connection.execute(insert(documents), rows)
        return replace(filed, sheets=tuple(_sheet(row) for row in rows))

    async def reports(
        self,
        *,
        entity_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> ReportPage:
        """Reports by the time at which they were made, newest first."""
        listing = Listing("reports", {"entity_id": entity_id, "since": since, "until": until})
        asked: list[ColumnElement[bool]] = []
        if entity_id is not None:
            asked.append(reports.c.entity_id == entity_id)
        if since is not None:
            asked.append(reports.c.created_utc >= since)
        if until is not None:
            asked.append(reports.c.created_utc < until)
        key = (reports.c.created_utc, reports.c.report_id)
        if after is not None:
            asked.append(tuple_(*key) < listing.read_dated(after))
        query = select(reports).where(*asked).order_by(*(each.desc() for each in key))
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query.limit(limit + 1))).mappings().all()
                found = await _with_sheets(connection, rows[:limit])
        last = found[-1] if len(rows) > limit else None
        return ReportPage(
            found, None if last is None else listing.after(last.created_utc, last.report_id)
        )

    async def document(self, report_id: str, form: Format) -> tuple[StoredReport, bytes]:
        """A report in one format."""
        query = select(reports).where(reports.c.report_id == report_id)
        packed = select(documents.c.content).where(
            documents.c.report_id == report_id, documents.c.form == form
        )
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                # PostgreSQL keeps no text with a NUL in it, nor looks for one.
                rows = (
                    [] if NUL in report_id else (await connection.execute(query)).mappings().all()
                )
                if not rows:
                    raise _unknown(f"there is no report {report_id!r}", "report_id")
                (found,) = await _with_sheets(connection, rows)
                content: bytes | None = await connection.scalar(packed)
        if content is None:
            have = ", ".join(sheet.form for sheet in found.sheets)
            raise _unknown(f"report {report_id} was made as {have}, not as {form}", "form")
        return found, await asyncio.to_thread(_unpacked, content)


def _unknown(detail: str, field: str) -> UnknownEntityError:
    return UnknownEntityError(detail, [Problem("unknown_report", detail, field=field)])


def _packed(report_id: str, contents: Mapping[Format, bytes]) -> list[dict[str, Any]]:
    pack = zstandard.ZstdCompressor(level=LEVEL).compress
    return [
        {
            "report_id": report_id,
            "form": form,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
            "content": pack(content),
        }
        for form, content in sorted(contents.items())
    ]


def _unpacked(content: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(content)


async def _with_sheets(
    connection: AsyncConnection, rows: Sequence[RowMapping]
) -> tuple[StoredReport, ...]:
    ids = [row["report_id"] for row in rows]
    query = (
        select(documents.c.report_id, documents.c.form, documents.c.sha256, documents.c.size_bytes)
        .where(documents.c.report_id.in_(ids))
        .order_by(documents.c.form)
    )
    sheets: dict[str, list[Sheet]] = {report_id: [] for report_id in ids}
    for row in (await connection.execute(query)).mappings():
        sheets[row["report_id"]].append(_sheet(row))
    return tuple(
        StoredReport(
            **{name: row[name] for name in AS_THEY_ARE},
            period=Period(row["start_utc"], row["end_utc"]),
            sheets=tuple(sheets[row["report_id"]]),
        )
        for row in rows
    )


def _sheet(row: Mapping[str, Any] | RowMapping) -> Sheet:
    return Sheet(form=row["form"], sha256=row["sha256"], size_bytes=row["size_bytes"])

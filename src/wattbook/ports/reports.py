"""What keeps reports as they were handed out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from wattbook.core.periods import Period, zone
from wattbook.core.reporting.report import Format, Report

Render: TypeAlias = Callable[[Report, Format], bytes]
"""Writes a report in a format; the same report gives the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A report in one format."""

    form: Format
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """What is known of a report that is kept; its documents are fetched one by one."""

    report_id: str
    entity_id: str
    """As the analytics endpoints name it: `site:x`, `operator:x`, `zone:x`."""
    name: str
    period: Period
    timezone: str
    known_utc: datetime
    fingerprint: str
    version: str
    created_utc: datetime
    sheets: tuple[Sheet, ...] = ()
    """In the order of their formats' names."""

    def file_name(self, form: Format) -> str:
        """What a file of it is called: of whom, and from when until when."""
        return file_name(self.entity_id, self.period, self.timezone, form)


def file_name(entity_id: str, period: Period, timezone: str, form: Format) -> str:
    """What a report's file is called: of whom, and its first and last day.

    >>> file_name(
    ...     "zone:NO1",
    ...     Period(
    ...         datetime.fromisoformat("2026-01-01T00:00Z"),
    ...         datetime.fromisoformat("2026-02-01T00:00Z"),
    ...     ),
    ...     "UTC",
    ...     Format.PDF,
    ... )
    'zone-NO1_2026-01-01_2026-01-31.pdf'
    """
    here = zone(timezone)
    days = [at.astimezone(here) for at in (period.start, period.end - timedelta(microseconds=1))]
    return f"{entity_id.replace(':', '-')}_{'_'.join(f'{day:%Y-%m-%d}' for day in days)}.{form}"


@dataclass(frozen=True, slots=True)
class ReportPage:
    """Some reports, newest first, and the cursor for those that follow; null at the end."""

    reports: tuple[StoredReport, ...]
    cursor: str | None


class Reports(Protocol):
    """Keeps reports; one is identified by its id, which cannot be guessed."""

    async def file(self, filed: StoredReport, contents: Mapping[Format, bytes]) -> StoredReport:
        """Keep a report and its documents, on disk before this returns; replaces its namesake."""
        ...

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
        ...

    async def document(self, report_id: str, form: Format) -> tuple[StoredReport, bytes]:
        """A report in one format; UnknownEntityError if it is not there, or not in this format."""
        ...

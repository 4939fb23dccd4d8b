"""What is kept for a time of its own, and which of these times go together.

Settings know it, and whoever reads settings: it loads nothing that computes.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from wattbook.core.errors import InputError, Problem


class Kind(StrEnum):
    """What is kept for a time of its own; and sites and meters, which are deleted by hand."""

    READINGS = "readings"
    REVISIONS = "revisions"
    QUARTERS = "rollups.quarter"
    HOURS = "rollups.hour"
    DAYS = "rollups.day"
    WEEKS = "rollups.week"
    MONTHS = "rollups.month"
    REJECTS = "rejects"
    RECEIPTS = "receipts"
    JOBS = "jobs"
    REPORTS = "reports"
    FORECASTS = "forecasts"
    ANOMALIES = "anomalies"
    SITE = "site"
    METER = "meter"

    @property
    def grain(self) -> str | None:
        """The name of the grain, of rollups."""
        return self.value.partition(".")[2] or None

    @property
    def table(self) -> str:
        """The table that holds such rows, in whatever store."""
        if self is Kind.REVISIONS:
            return "reading_revisions"
        return "rollups" if self.grain else self.value

    @property
    def instant(self) -> str:
        """The column by which such a row is old."""
        if self is Kind.READINGS:
            return "ts_utc"
        if self is Kind.REVISIONS:
            return "superseded_utc"
        if self is Kind.ANOMALIES:
            return "end_utc"
        return "start_utc" if self.grain else "received_utc"

    @property
    def of_meters(self) -> bool:
        """Whether each row belongs to a meter, and so to a site."""
        shared = (Kind.REJECTS, Kind.RECEIPTS, Kind.JOBS)
        return not self.of_entities and self not in shared and self not in REGISTERED

    @property
    def of_entities(self) -> bool:
        """Whether each row is about a site, or about several."""
        return self in (Kind.REPORTS, Kind.FORECASTS)


REGISTERED: Final = frozenset({Kind.SITE, Kind.METER})
"""What is registered: it has no lifetime and is deleted by hand alone."""

IN_THE_REGISTRY: Final = frozenset({Kind.JOBS, Kind.REPORTS, Kind.FORECASTS, Kind.ANOMALIES})
"""What is kept beside the registry, wherever readings are."""

AFTER: Final[dict[Kind, Kind]] = {
    Kind.QUARTERS: Kind.READINGS,
    Kind.HOURS: Kind.QUARTERS,
    Kind.DAYS: Kind.QUARTERS,
    Kind.WEEKS: Kind.DAYS,
    Kind.MONTHS: Kind.DAYS,
    Kind.RECEIPTS: Kind.REJECTS,
}
"""What is removed only after that which it is made of, or which refers to it, is gone."""


def check_days(days: Mapping[Kind, int]) -> None:
    """Refuse times that would take away what something else still rests on.

    Raises
    ------
    InputError
        With one problem for each kind.
    """
    problems = []
    for kind, first in AFTER.items():
        if kind in days and days.get(first, days[kind] + 1) > days[kind]:
            detail = f"{kind} go only after {first}: set {setting(first)} to as few days"
            problems.append(Problem("bad_setting", detail, field=setting(kind)))
    if problems:
        said = "; ".join(f"{problem.field}: {problem.detail}" for problem in problems)
        raise InputError(said, problems)


def setting(kind: Kind) -> str:
    """The setting that says for how long a kind is kept.

    >>> setting(Kind.QUARTERS)
    'RETENTION_ROLLUPS_QUARTER_DAYS'
    """
    return f"RETENTION_{kind.value.replace('.', '_').upper()}_DAYS"

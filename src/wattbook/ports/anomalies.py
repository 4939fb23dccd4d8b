"""What keeps findings, and what people said of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from wattbook.core.anomaly.finding import Category, Finding, Review, Rule, State
from wattbook.core.periods import Period


@dataclass(frozen=True, slots=True)
class FindingPage:
    """Some findings, the latest start first, and the cursor for those that follow."""

    findings: tuple[Finding, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class ReplaceResult:
    """What became of findings: how many were not there before, still are, and are there no more."""

    new: int
    again: int
    gone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFilter:
    """What the findings of a list have in common."""

    site_id: str | None = None
    meter_id: str | None = None
    category: Category | None = None
    rule: Rule | None = None
    state: State | None = None
    since: datetime | None = None
    """Those that end after it."""
    until: datetime | None = None
    """Those that begin before it."""


class Anomalies(Protocol):
    """Keeps findings and hourly scores; a finding is identified by its id."""

    async def replace(
        self,
        meter_ids: Sequence[str],
        period: Period,
        found: Sequence[Finding],
        *,
        known_from: datetime | None = None,
    ) -> ReplaceResult:
        """Replace the findings of these meters in `period` by `found`.

        A new finding that overlaps a stored one of the same meter and rule updates it: its id, the
        time of its first detection and its review stay. A stored finding without a match is
        deleted, except if it was reviewed, or if it began before `known_from`, which this
        detection did not cover.
        """
        ...

    async def finding(self, finding_id: str) -> Finding:
        """One finding; UnknownEntityError if there is none."""
        ...

    async def findings(
        self, wanted: FindingFilter, *, after: str | None = None, limit: int = 100
    ) -> FindingPage:
        """Findings, the latest start first."""
        ...

    async def review(self, finding_id: str, review: Review) -> Finding:
        """Say something of a finding; UnknownEntityError if there is none."""
        ...

    async def keep_scores(self, meter_id: str, scores: pl.DataFrame) -> None:
        """Keep `core.anomaly.detection.SCORES` of a meter; replaces those of the same hours."""
        ...

    async def scores(self, meter_id: str, period: Period) -> pl.DataFrame:
        """`core.anomaly.detection.SCORES` of a meter, sorted by start; only hours that are kept."""
        ...

    async def daily(self, period: Period) -> pl.DataFrame:
        """`day`, `category`, `findings`: what began on each UTC day, but for what was dismissed."""
        ...

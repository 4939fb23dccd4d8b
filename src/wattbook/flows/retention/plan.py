"""What a clean-up is asked for, and what it removed or refused to remove."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.retention.cutoffs import Tombstone
from wattbook.core.retention.kinds import Kind

OF_SITE: Final = "site:"
"""So begins the name of an entity that is one site."""
NO_LINES: Final = pl.DataFrame(
    schema={"owner": pl.String, "site_id": pl.String, "until_utc": frames.UTC}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be cleaned up, by which job, as of which instant."""

    job_id: str
    now: datetime
    days: Mapping[Kind, int]
    """For how many days each kind is kept; those that are not here are kept for ever."""
    site_id: str | None = None
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What stays although its time is over, and why."""

    kind: Kind
    site_id: str | None
    reason: str
    """`hold`, `dirty`, `missing_rollups` or `unsupported`."""
    detail: str
    owners: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedRows:
    """What went, or would go, of one kind and site."""

    kind: Kind
    site_id: str | None
    owners: int
    rows: int
    from_utc: datetime | None
    until_utc: datetime


@dataclass(frozen=True, slots=True)
class CleanUpResult:
    """What a clean-up did, or would do."""

    gone: list[RemovedRows]
    refused: list[Refusal]


@dataclass(slots=True)
class _Plan:
    """Lines by kind, and what there is before them."""

    lines: dict[Kind, pl.DataFrame] = field(default_factory=dict)
    stones: list[Tombstone] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def _lines(stones: Sequence[Tombstone]) -> pl.DataFrame:
    rows = [(stone.owner, stone.site_id, stone.until_utc) for stone in stones]
    return pl.DataFrame(rows, schema=NO_LINES.schema, orient="row")


def _free_of(holds: Mapping[str, str], lines: pl.DataFrame) -> pl.DataFrame:
    """Those whose site is not on hold; what belongs to no one site is free where no site is."""
    return lines.filter(~pl.col("site_id").is_in(list(holds))) if holds else lines


def _any_hold(holds: Mapping[str, str]) -> str:
    return f"they belong to no one site, and {', '.join(sorted(holds))} is on legal hold"


def _everybody(until: datetime) -> pl.DataFrame:
    return pl.DataFrame([(None, None, until)], schema=NO_LINES.schema, orient="row")


def _by_site(lines: pl.DataFrame, tally: pl.DataFrame | None) -> list[tuple[str, int]]:
    """Sites and how many of their meters have a line, and rows before it where there is a tally."""
    if tally is not None:
        lines = lines.join(tally.select("owner").unique(), on="owner", how="semi")
    return list(lines.group_by("site_id").agg(pl.len()).sort("site_id").iter_rows())

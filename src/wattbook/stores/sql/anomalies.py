"""Findings, what people said of them, and the scores of hours, in SQLite or PostgreSQL."""

from collections.abc import AsyncIterator, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import polars as pl
from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Table,
    and_,
    delete,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wattbook.core import frames
from wattbook.core.anomaly.detection import SCORES
from wattbook.core.anomaly.finding import (
    Category,
    Evidence,
    Finding,
    Review,
    Rule,
    Severity,
    State,
    another_id,
)
from wattbook.core.errors import Problem, UnknownEntityError
from wattbook.core.paging import Listing
from wattbook.core.periods import EPOCH, Period
from wattbook.ports.anomalies import FindingFilter, FindingPage, ReplaceResult
from wattbook.stores.sql.engine import ALONE, reached
from wattbook.stores.sql.schema import anomalies, anomaly_scores

NUL: Final = "\0"
ROWS_PER_CHUNK: Final = 500
"""So many ids in one statement: SQLite takes no more than some thousand parameters."""
HOURS_A_DAY: Final = 24
AS_THEY_ARE: Final = (
    "finding_id",
    "meter_id",
    "site_id",
    "start_utc",
    "end_utc",
    "score",
    "energy_at_stake_kwh",
    "cause",
    "detector",
    "fingerprint",
    "version",
    "found_utc",
    "seen_utc",
)


class SqlAnomalies:
    """`ports.anomalies.Anomalies` in an SQL database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def _alone(self, table: Table) -> AsyncIterator[AsyncConnection]:
        """A transaction that finds the same when it writes: no other writes to the table."""
        with reached(self._engine.url):
            async with self._engine.execution_options(**ALONE).begin() as connection:
                if connection.dialect.name == "postgresql":
                    lock = text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")
                    await connection.execute(lock)
                yield connection

    async def replace(
        self,
        meter_ids: Sequence[str],
        period: Period,
        found: Sequence[Finding],
        *,
        known_from: datetime | None = None,
    ) -> ReplaceResult:
        """Put what was found at these meters in the place of what was found there before."""
        async with self._alone(anomalies) as connection:
            before = await _overlapping(connection, meter_ids, _hull(period, found))
            taken = await _known(connection, [each.finding_id for each in found])
            merged = _merged(before, found, {each.finding_id for each in before} | taken)
            still = {each.finding_id for each in merged}
            known = {each.finding_id for each in before}
            gone = [
                each.finding_id
                for each in before
                if each.finding_id not in still
                and each.review.state is State.OPEN
                and each.end_utc > period.start
                and each.start_utc < period.end
                and (known_from is None or each.start_utc >= known_from)
            ]
            stale = [*gone, *(still & known)]
            for begin in range(0, len(stale), ROWS_PER_CHUNK):
                some = stale[begin : begin + ROWS_PER_CHUNK]
                await connection.execute(delete(anomalies).where(anomalies.c.finding_id.in_(some)))
            if merged:
                await connection.execute(insert(anomalies), [_row(each) for each in merged])
        return ReplaceResult(new=len(still - known), again=len(still & known), gone=len(gone))

    async def finding(self, finding_id: str) -> Finding:
        """One finding; UnknownEntityError if there is none."""
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                return await _one(connection, finding_id)

    async def findings(
        self, wanted: FindingFilter, *, after: str | None = None, limit: int = 100
    ) -> FindingPage:
        """Findings, the latest start first."""
        listing = Listing("anomalies", asdict(wanted))
        asked = _asked(wanted)
        key = (anomalies.c.start_utc, anomalies.c.finding_id)
        if after is not None:
            asked.append(tuple_(*key) < listing.read_dated(after))
        query = select(anomalies).where(*asked).order_by(*(each.desc() for each in key))
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query.limit(limit + 1))).mappings().all()
        found = tuple(map(_finding, rows[:limit]))
        last = found[-1] if len(rows) > limit else None
        return FindingPage(
            found, None if last is None else listing.after(last.start_utc, last.finding_id)
        )

    async def review(self, finding_id: str, review: Review) -> Finding:
        """Say something of a finding; UnknownEntityError if there is none."""
        said = _review_row(review)
        async with self._alone(anomalies) as connection:
            found = await _one(connection, finding_id)
            which = anomalies.c.finding_id == finding_id
            await connection.execute(update(anomalies).where(which).values(said))
        return replace(found, review=review)

    async def keep_scores(self, meter_id: str, scores: pl.DataFrame) -> None:
        """Keep the scores of a meter; replaces those of the same hours."""
        if scores.is_empty():
            return
        days = scores.select(pl.col("start_utc").dt.date().unique().sort()).to_series().to_list()
        which = and_(anomaly_scores.c.meter_id == meter_id, anomaly_scores.c.day.in_(days))
        async with self._alone(anomaly_scores) as connection:
            known = (await connection.execute(select(anomaly_scores).where(which))).mappings()
            before = {row["day"]: row for row in known}
            await connection.execute(delete(anomaly_scores).where(which))
            rows = [_day_row(meter_id, day, rows, before.get(day)) for day, rows in _days(scores)]
            await connection.execute(insert(anomaly_scores), rows)

    async def scores(self, meter_id: str, period: Period) -> pl.DataFrame:
        """The scores of a meter, sorted by start; only hours that are kept."""
        query = (
            select(anomaly_scores)
            .where(
                anomaly_scores.c.meter_id == meter_id,
                anomaly_scores.c.day >= period.start.date(),
                anomaly_scores.c.day <= period.end.date(),
            )
            .order_by(anomaly_scores.c.day)
        )
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                days = (await connection.execute(query)).mappings().all()
        rows = [
            {"start_utc": first + timedelta(hours=hour), "score": score, "expected_kwh": kwh}
            for day in days
            for first in [datetime.combine(day["day"], time(), EPOCH.tzinfo)]
            for hour, (score, kwh) in enumerate(
                zip(day["scores"], day["expected_kwh"], strict=True)
            )
        ]
        inside = pl.col("start_utc").is_between(period.start, period.end, closed="left")
        known = pl.any_horizontal(pl.col("score", "expected_kwh").is_not_null())
        return pl.DataFrame(rows, schema=SCORES).filter(inside, known)

    async def daily(self, period: Period) -> pl.DataFrame:
        """`day`, `category`, `findings`: what began on each UTC day, but for what was dismissed."""
        query = select(anomalies.c.start_utc, anomalies.c.category).where(
            anomalies.c.start_utc >= period.start,
            anomalies.c.start_utc < period.end,
            anomalies.c.state != State.DISMISSED,
        )
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                rows = [tuple(row) for row in await connection.execute(query)]
        found = pl.DataFrame(
            rows, schema={"start_utc": frames.UTC, "category": pl.String}, orient="row"
        )
        return (
            found.group_by("category", day=pl.col("start_utc").dt.date())
            .agg(findings=pl.len().cast(pl.Int64))
            .select("day", "category", "findings")
            .sort("day", "category")
        )


def _asked(wanted: FindingFilter) -> list[ColumnElement[bool]]:
    named = {
        "site_id": wanted.site_id,
        "meter_id": wanted.meter_id,
        "category": wanted.category,
        "rule": wanted.rule,
        "state": wanted.state,
    }
    asked = [
        anomalies.c[name] == (value if name == "state" else str(value))
        for name, value in named.items()
        if value is not None
    ]
    if wanted.since is not None:
        asked.append(anomalies.c.end_utc > wanted.since)
    if wanted.until is not None:
        asked.append(anomalies.c.start_utc < wanted.until)
    return asked


def _hull(period: Period, found: Sequence[Finding]) -> Period:
    """The period, widened to all of what was found: some of it began before."""
    return Period(
        min([period.start, *(each.start_utc for each in found)]),
        max([period.end, *(each.end_utc for each in found)]),
    )


async def _overlapping(
    connection: AsyncConnection, meter_ids: Sequence[str], period: Period
) -> list[Finding]:
    found: list[Finding] = []
    for begin in range(0, len(meter_ids), ROWS_PER_CHUNK):
        query = select(anomalies).where(
            anomalies.c.meter_id.in_(meter_ids[begin : begin + ROWS_PER_CHUNK]),
            anomalies.c.start_utc < period.end,
            anomalies.c.end_utc > period.start,
        )
        found += map(_finding, (await connection.execute(query)).mappings())
    return sorted(found, key=lambda each: (each.start_utc, each.finding_id))


async def _known(connection: AsyncConnection, ids: Sequence[str]) -> set[str]:
    """Those of the ids that findings have."""
    known: set[str] = set()
    for begin in range(0, len(ids), ROWS_PER_CHUNK):
        some = anomalies.c.finding_id.in_(ids[begin : begin + ROWS_PER_CHUNK])
        known |= set(await connection.scalars(select(anomalies.c.finding_id).where(some)))
    return known


def _merged(
    before: Sequence[Finding], found: Sequence[Finding], taken: Container[str]
) -> list[Finding]:
    """The findings, with the ids and reviews of stored ones that they are found to be again.

    Reviewed findings are matched first, because they outlive all others. If a finding fell apart,
    all parts have its review, and the part that shares most with it keeps its id. `taken` are the
    ids of other findings.
    """
    found = list({each.finding_id: each for each in reversed(found)}.values())[::-1]
    first = sorted(before, key=lambda each: each.review.state is State.OPEN)
    ids: dict[int, str] = {}
    for old in first:
        parts = [at for at, each in enumerate(found) if at not in ids and old.overlaps(each)]
        if parts:
            ids[max(parts, key=lambda at: _alike(old, found[at]))] = old.finding_id
    merged = []
    for at, each in enumerate(found):
        kept = replace(each, finding_id=ids.get(at) or _free(each.finding_id, taken))
        same = next((old for old in first if old.overlaps(each)), None)
        if same is not None:
            kept = replace(kept, found_utc=same.found_utc, review=same.review)
        merged.append(kept)
    return merged


def _alike(old: Finding, new: Finding) -> tuple[bool, timedelta]:
    both = min(old.end_utc, new.end_utc) - max(old.start_utc, new.start_utc)
    return old.finding_id == new.finding_id, both


def _free(made: str, taken: Container[str]) -> str:
    """The id, or another where a finding that began elsewhere by now still has it."""
    while made in taken:
        made = another_id(made)
    return made


async def _one(connection: AsyncConnection, finding_id: str) -> Finding:
    query = select(anomalies).where(anomalies.c.finding_id == finding_id)
    # PostgreSQL keeps no text with a NUL in it, nor looks for one.
    rows = [] if NUL in finding_id else (await connection.execute(query)).mappings().all()
    if not rows:
        detail = f"there is no finding {finding_id!r}"
        raise UnknownEntityError(detail, [Problem("unknown_finding", detail, field="finding_id")])
    return _finding(rows[0])


def _review_row(review: Review) -> dict[str, Any]:
    return {
        "state": review.state,
        "note": review.note,
        "judged_by": review.by,
        "judged_utc": review.at_utc,
    }


def _row(finding: Finding) -> dict[str, Any]:
    return {
        **{name: getattr(finding, name) for name in AS_THEY_ARE},
        **_review_row(finding.review),
        "rule": str(finding.rule),
        "category": str(finding.category),
        "severity": str(finding.severity),
        "evidence": asdict(finding.evidence),
    }


def _finding(row: Mapping[str, Any] | RowMapping) -> Finding:
    return Finding(
        **{name: row[name] for name in AS_THEY_ARE},
        rule=Rule(row["rule"]),
        category=Category(row["category"]),
        severity=Severity(row["severity"]),
        evidence=Evidence(**row["evidence"]),
        review=Review(
            state=row["state"], note=row["note"], by=row["judged_by"], at_utc=row["judged_utc"]
        ),
    )


def _days(scores: pl.DataFrame) -> list[tuple[date, pl.DataFrame]]:
    dated = scores.with_columns(day=pl.col("start_utc").dt.date())
    return [(rows["day"][0], rows) for _, rows in dated.group_by("day", maintain_order=True)]


def _day_row(
    meter_id: str, day: date, rows: pl.DataFrame, before: Mapping[str, Any] | RowMapping | None
) -> dict[str, Any]:
    """A day with the hours that are told; those that are not stay as they were."""
    made: dict[str, Any] = {"meter_id": meter_id, "day": day}
    hours = rows["start_utc"].dt.hour().to_list()
    for column, source in (("scores", "score"), ("expected_kwh", "expected_kwh")):
        values = list(before[column]) if before is not None else [None] * HOURS_A_DAY
        for hour, value in zip(hours, rows[source].to_list(), strict=True):
            values[hour] = value
        made[column] = values
    return made

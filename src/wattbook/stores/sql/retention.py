"""Removing jobs that ended long ago, old reports and forecasts, and findings of long ago."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import polars as pl
from sqlalchemy import Column, ColumnElement, Subquery, delete, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbook.core import frames
from wattbook.core.jobs import JobKind
from wattbook.core.retention.cutoffs import TALLY
from wattbook.core.retention.kinds import IN_THE_REGISTRY, Kind
from wattbook.stores.sql.engine import ALONE, reached
from wattbook.stores.sql.forecasts import ASKED
from wattbook.stores.sql.schema import (
    anomalies,
    anomaly_scores,
    attempts,
    documents,
    forecast_inputs,
    forecast_runs,
    jobs,
    reports,
)

WITNESSES: Final = (JobKind.CLEANUP,)
"""Jobs of these kinds stay: tombstones name them."""
BROUGHT: Final = "brought"
"""Owner of the series that callers brought, and of their forecasts."""

Owners = Sequence[str] | None
"""Null: all."""


@dataclass(frozen=True, slots=True)
class Doomed:
    """Rows that are to go: `id`, `owner`, `at`; and the columns by which all of each is found."""

    rows: Subquery
    columns: tuple[Column[Any], ...]


class SqlRetention:
    """`ports.retention.Retention` of what is kept beside the registry."""

    kinds = IN_THE_REGISTRY

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def tally(self, kind: Kind, lines: pl.DataFrame) -> pl.DataFrame:
        """How much there is before each owner's line."""
        found = pl.DataFrame(schema={"owner": pl.String, "at": frames.UTC})
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                for until, owners in _by_line(lines):
                    for each in _doomed(kind, until, owners):
                        query = select(each.rows.c.owner, each.rows.c.at)
                        rows = [tuple(row) for row in await connection.execute(query)]
                        found.extend(pl.DataFrame(rows, schema=found.schema, orient="row"))
        if "since_utc" in lines.columns:
            found = found.join(lines.select("owner", "since_utc"), on="owner", how="left").filter(
                (pl.col("at") >= pl.col("since_utc")).fill_null(value=True)
            )
        return (
            found.group_by("owner", day=pl.col("at").dt.date())
            .agg(rows=pl.len().cast(pl.Int64), first_utc=pl.col("at").min())
            .with_columns(readings=pl.lit(None, dtype=pl.Int64))
            .select(*TALLY)
        )

    async def remove(self, kind: Kind, lines: pl.DataFrame, before: datetime) -> None:
        """Remove what lies before its owner's line and `before`, with all that belongs to it."""
        with reached(self._engine.url):
            async with self._engine.execution_options(**ALONE).begin() as connection:
                for until, owners in _by_line(lines):
                    for each in _doomed(kind, until, owners):
                        ids = select(each.rows.c.id).where(each.rows.c.at < before)
                        for column in each.columns:
                            statement = delete(column.table).where(column.in_(ids))
                            await connection.execute(statement)
                    if kind is Kind.ANOMALIES:
                        day, meter = anomaly_scores.c.day, anomaly_scores.c.meter_id
                        old = (day < min(before, until).date(), _of(meter, owners))
                        await connection.execute(delete(anomaly_scores).where(*old))


def _by_line(lines: pl.DataFrame) -> list[tuple[datetime, Owners]]:
    """Each line, and the owners whose it is."""
    by_line = lines.group_by("until_utc").agg("owner").sort("until_utc")
    return [(until, None if None in owners else owners) for until, owners in by_line.iter_rows()]


def _doomed(kind: Kind, until: datetime, owners: Owners) -> list[Doomed]:
    """What of a kind is to go that is older than a line."""
    if kind is Kind.JOBS:
        return [_jobs(until, owners)]
    if kind is Kind.REPORTS:
        return [_reports(until, owners)]
    if kind is Kind.ANOMALIES:
        return [_findings(until, owners)]
    return [_runs(until, owners), _inputs(until, owners)]


def _jobs(until: datetime, owners: Owners) -> Doomed:
    witness = jobs.c.kind.in_([str(kind) for kind in WITNESSES])
    rows = select(
        jobs.c.job_id.label("id"), jobs.c.kind.label("owner"), jobs.c.finished.label("at")
    )
    rows = rows.where(jobs.c.finished < until, ~witness, _of(jobs.c.kind, owners))
    return Doomed(rows.subquery(), (attempts.c.job_id, jobs.c.job_id))


def _findings(until: datetime, owners: Owners) -> Doomed:
    owner, at = anomalies.c.meter_id, anomalies.c.end_utc
    rows = select(anomalies.c.finding_id.label("id"), owner.label("owner"), at.label("at"))
    rows = rows.where(at < until, _of(owner, owners))
    return Doomed(rows.subquery(), (anomalies.c.finding_id,))


def _reports(until: datetime, owners: Owners) -> Doomed:
    owner, at = reports.c.entity_id, reports.c.created_utc
    rows = select(reports.c.report_id.label("id"), owner.label("owner"), at.label("at"))
    rows = rows.where(at < until, _of(owner, owners))
    return Doomed(rows.subquery(), (documents.c.report_id, reports.c.report_id))


def _runs(until: datetime, owners: Owners) -> Doomed:
    """Of each series of an entity the newest run before the line stays.

    From the line on, then, whatever was known at an instant can be told.
    """
    runs = forecast_runs.c
    newer = func.row_number().over(
        partition_by=[runs[name] for name in ASKED],
        order_by=[runs.known_utc.desc(), runs.run_id.desc()],
    )
    owner = func.coalesce(runs.entity_id, BROUGHT)
    old = (
        select(
            runs.run_id.label("id"),
            owner.label("owner"),
            runs.known_utc.label("at"),
            runs.entity_id,
            newer.label("place"),
        )
        .where(runs.known_utc < until, _of(owner, owners))
        .subquery()
    )
    rows = select(old.c.id, old.c.owner, old.c.at).where(
        or_(old.c.entity_id.is_(None), old.c.place > 1)
    )
    return Doomed(rows.subquery(), (runs.run_id,))


def _inputs(until: datetime, owners: Owners) -> Doomed:
    owner, at = literal(BROUGHT), forecast_inputs.c.brought_utc
    rows = select(forecast_inputs.c.sha256.label("id"), owner.label("owner"), at.label("at"))
    rows = rows.where(at < until, _of(owner, owners))
    return Doomed(rows.subquery(), (forecast_inputs.c.sha256,))


def _of(owner: ColumnElement[str], owners: Owners) -> ColumnElement[bool]:
    return literal(value=True) if owners is None else owner.in_(owners)

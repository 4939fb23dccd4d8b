"""Removing jobs that ended long ago, and findings about what was long ago."""

from datetime import datetime
from typing import Final

import polars as pl
from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wattbook.core import frames
from wattbook.core.jobs import JobKind
from wattbook.core.lifetimes import Kind
from wattbook.core.retention import TALLY
from wattbook.stores.sql.engine import reached
from wattbook.stores.sql.schema import anomalies, anomaly_scores, attempts, jobs

WITNESSES: Final = (JobKind.CLEANUP,)
"""Jobs of these kinds stay: tombstones name them."""


class SqlRetention:
    """`ports.retention.Retention` of jobs and of findings."""

    kinds = frozenset({Kind.JOBS, Kind.ANOMALIES})

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def tally(self, kind: Kind, lines: pl.DataFrame) -> pl.DataFrame:
        """How many jobs of each kind had ended before the line, or findings of each meter."""
        query = select(jobs.c.kind, jobs.c.finished).where(_over(lines["until_utc"][0]))
        if kind is Kind.ANOMALIES:
            until = lines["until_utc"].max()
            query = select(anomalies.c.meter_id, anomalies.c.end_utc).where(
                anomalies.c.end_utc < until
            )
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).all()
        found = pl.DataFrame(
            [tuple(row) for row in rows],
            schema={"owner": pl.String, "at": frames.UTC},
            orient="row",
        )
        if kind is Kind.ANOMALIES:
            found = found.join(_since(lines), on="owner").filter(
                pl.col("at") < pl.col("until_utc"),
                (pl.col("at") >= pl.col("since_utc")).fill_null(value=True),
            )
        return (
            found.group_by("owner", day=pl.col("at").dt.date())
            .agg(rows=pl.len().cast(pl.Int64), first_utc=pl.col("at").min())
            .with_columns(readings=pl.lit(None, dtype=pl.Int64))
            .select(*TALLY)
        )

    async def remove(self, kind: Kind, lines: pl.DataFrame, before: datetime) -> None:
        """Remove what had ended before the line and `before`, with all that belongs to it."""
        with reached(self._engine.url):
            async with self._engine.begin() as connection:
                if kind is Kind.ANOMALIES:
                    for meter_id, until in lines.select("owner", "until_utc").iter_rows():
                        await _forget(connection, meter_id, min(before, until))
                    return
                over = _over(min(before, lines["until_utc"][0]))
                ids = select(jobs.c.job_id).where(over)
                await connection.execute(delete(attempts).where(attempts.c.job_id.in_(ids)))
                await connection.execute(delete(jobs).where(over))


def _since(lines: pl.DataFrame) -> pl.DataFrame:
    if "since_utc" not in lines.columns:
        lines = lines.with_columns(since_utc=pl.lit(None, dtype=frames.UTC))
    return lines.select("owner", "since_utc", "until_utc")


async def _forget(connection: AsyncConnection, meter_id: str, until: datetime) -> None:
    """Remove a meter's findings that had ended by then, and the scores of the days before."""
    await connection.execute(
        delete(anomalies).where(anomalies.c.meter_id == meter_id, anomalies.c.end_utc < until)
    )
    scores = anomaly_scores.c
    await connection.execute(
        delete(anomaly_scores).where(scores.meter_id == meter_id, scores.day < until.date())
    )


def _over(line: datetime) -> ColumnElement[bool]:
    witness = jobs.c.kind.in_([str(kind) for kind in WITNESSES])
    return and_(jobs.c.finished < line, ~witness)

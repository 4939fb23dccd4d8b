"""Removing jobs that ended long ago."""

from datetime import datetime
from typing import Final

import polars as pl
from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbook.core import frames
from wattbook.core.jobs import JobKind
from wattbook.core.lifetimes import Kind
from wattbook.core.retention import TALLY
from wattbook.stores.sql.engine import reached
from wattbook.stores.sql.schema import attempts, jobs

WITNESSES: Final = (JobKind.CLEANUP,)
"""Jobs of these kinds stay: tombstones name them."""


class SqlRetention:
    """`ports.retention.Retention` of jobs."""

    kinds = frozenset({Kind.JOBS})

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def tally(self, kind: Kind, lines: pl.DataFrame) -> pl.DataFrame:  # noqa: ARG002
        """How many jobs of each kind had ended before the line."""
        query = select(jobs.c.kind, jobs.c.finished).where(_over(lines["until_utc"][0]))
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).all()
        found = pl.DataFrame(
            [tuple(row) for row in rows],
            schema={"owner": pl.String, "at": frames.UTC},
            orient="row",
        )
        return (
            found.group_by("owner", day=pl.col("at").dt.date())
            .agg(rows=pl.len().cast(pl.Int64), first_utc=pl.col("at").min())
            .with_columns(readings=pl.lit(None, dtype=pl.Int64))
            .select(*TALLY)
        )

    async def remove(self, kind: Kind, lines: pl.DataFrame, before: datetime) -> None:  # noqa: ARG002
        """Remove jobs that had ended before the line and `before`, with their attempts."""
        over = _over(min(before, lines["until_utc"][0]))
        ids = select(jobs.c.job_id).where(over)
        with reached(self._engine.url):
            async with self._engine.begin() as connection:
                await connection.execute(delete(attempts).where(attempts.c.job_id.in_(ids)))
                await connection.execute(delete(jobs).where(over))


def _over(line: datetime) -> ColumnElement[bool]:
    witness = jobs.c.kind.in_([str(kind) for kind in WITNESSES])
    return and_(jobs.c.finished < line, ~witness)

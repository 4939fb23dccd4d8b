"""Forecasts as they were made, in SQLite or PostgreSQL."""

import asyncio
import hashlib
import io
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import polars as pl
import zstandard
from sqlalchemy import ColumnElement, RowMapping, delete, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbook.core.errors import Problem, UnknownEntityError
from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.task import Basis, ModelName
from wattbook.core.paging import Listing
from wattbook.core.periods import Grain, Period
from wattbook.ports.forecasts import ForecastSpec, Run, RunPage
from wattbook.stores.sql.engine import ALONE, reached
from wattbook.stores.sql.schema import forecast_inputs, forecast_runs

NUL: Final = "\0"
HEAD: Final = [each for each in forecast_runs.c if each.name != "rows"]
ASKED: Final = ("entity_id", "quantity", "grain", "asked_model", "quantiles", "seed")
AS_THEY_ARE: Final = (
    "run_id",
    "timezone",
    "unit",
    "reason",
    "parameters",
    "leaderboard",
    "coverage",
    "fingerprint",
    "version",
    "known_utc",
)


class SqlForecasts:
    """`ports.forecasts.Forecasts` in an SQL database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, run: Run) -> None:
        """Keep a run, on disk before this returns; replaces its namesake."""
        row = await asyncio.to_thread(_row, run)
        with reached(self._engine.url):
            async with self._engine.execution_options(**ALONE).begin() as connection:
                namesake = forecast_runs.c.run_id == run.run_id
                await connection.execute(delete(forecast_runs).where(namesake))
                await connection.execute(insert(forecast_runs), row)

    async def run(self, run_id: str) -> Run:
        """One run with its rows; UnknownEntityError if there is none."""
        # PostgreSQL keeps no text with a NUL in it, nor looks for one.
        found = None if NUL in run_id else await self._one(forecast_runs.c.run_id == run_id)
        if found is None:
            detail = f"there is no run {run_id!r}"
            raise UnknownEntityError(detail, [Problem("unknown_run", detail, field="run_id")])
        return found

    async def latest(self, asked: ForecastSpec, *, as_of: datetime | None = None) -> Run | None:
        """The newest run of a series, or the newest that was known then; null if there is none."""
        wanted = [forecast_runs.c[name] == value for name, value in _asked(asked).items()]
        if as_of is not None:
            wanted.append(forecast_runs.c.known_utc <= as_of)
        return await self._one(*wanted)

    async def runs(
        self,
        *,
        entity_id: str | None = None,
        quantity: Quantity | None = None,
        model: ModelName | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> RunPage:
        """Runs by the time at which they were made, newest first."""
        named = {"entity_id": entity_id, "quantity": quantity, "model": model}
        listing = Listing("forecasts", named | {"since": since, "until": until})
        asked = [
            forecast_runs.c[name] == str(value)
            for name, value in named.items()
            if value is not None
        ]
        if since is not None:
            asked.append(forecast_runs.c.known_utc >= since)
        if until is not None:
            asked.append(forecast_runs.c.known_utc < until)
        key = (forecast_runs.c.known_utc, forecast_runs.c.run_id)
        if after is not None:
            asked.append(tuple_(*key) < listing.read_dated(after))
        query = select(*HEAD).where(*asked).order_by(*(each.desc() for each in key))
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query.limit(limit + 1))).mappings().all()
        found = tuple(_run(row, None) for row in rows[:limit])
        last = found[-1] if len(rows) > limit else None
        return RunPage(found, None if last is None else listing.after(last.known_utc, last.run_id))

    async def series(self, since: datetime) -> tuple[ForecastSpec, ...]:
        """What was asked of entities since then, each once."""
        columns = [forecast_runs.c[name] for name in ASKED]
        query = (
            select(*columns)
            .where(forecast_runs.c.known_utc >= since, forecast_runs.c.entity_id.is_not(None))
            .distinct()
            .order_by(*columns)
        )
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).mappings().all()
        return tuple(_asked_of(row) for row in rows)

    async def keep_input(self, content: bytes, now: datetime) -> str:
        """Keep what a caller brought, and name it by its SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        packed = await asyncio.to_thread(zstandard.compress, content)
        namesake = forecast_inputs.c.sha256 == sha256
        with reached(self._engine.url):
            async with self._engine.execution_options(**ALONE).begin() as connection:
                await connection.execute(delete(forecast_inputs).where(namesake))
                row = {"sha256": sha256, "content": packed, "brought_utc": now}
                await connection.execute(insert(forecast_inputs), row)
        return sha256

    async def input(self, sha256: str) -> bytes:
        """What a caller brought; UnknownEntityError if it is not there."""
        query = select(forecast_inputs.c.content).where(forecast_inputs.c.sha256 == sha256)
        content: bytes | None = None
        if NUL not in sha256:
            with reached(self._engine.url):
                async with self._engine.connect() as connection:
                    content = await connection.scalar(query)
        if content is None:
            detail = f"there is no custom series {sha256!r}"
            raise UnknownEntityError(detail, [Problem("unknown_input", detail, field="input")])
        return await asyncio.to_thread(zstandard.decompress, content)

    async def _one(self, *wanted: ColumnElement[bool]) -> Run | None:
        newest = (forecast_runs.c.known_utc.desc(), forecast_runs.c.run_id.desc())
        query = select(forecast_runs).where(*wanted).order_by(*newest).limit(1)
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).mappings().all()
        return _run(rows[0], rows[0]["rows"]) if rows else None


def _asked(asked: ForecastSpec) -> dict[str, Any]:
    return {
        "entity_id": asked.entity_id,
        "quantity": str(asked.quantity),
        "grain": str(asked.grain),
        "asked_model": str(asked.model),
        "quantiles": json.dumps(asked.quantiles),
        "seed": asked.seed,
    }


def _asked_of(row: Mapping[str, Any] | RowMapping) -> ForecastSpec:
    return ForecastSpec(
        entity_id=row["entity_id"],
        quantity=Quantity(row["quantity"]),
        grain=Grain(row["grain"]),
        model=ModelName(row["asked_model"]),
        quantiles=tuple(json.loads(row["quantiles"])),
        seed=row["seed"],
    )


def _row(run: Run) -> dict[str, Any]:
    buffer = io.BytesIO()
    run.rows.write_ipc(buffer, compression="zstd")
    trained = run.trained
    return {
        **_asked(run.asked),
        **{name: getattr(run, name) for name in AS_THEY_ARE},
        "meter_ids": list(run.meter_ids),
        "basis": str(run.basis),
        "model": str(run.model),
        "trained_from_utc": None if trained is None else trained.start,
        "trained_until_utc": None if trained is None else trained.end,
        "start_utc": run.period.start,
        "end_utc": run.period.end,
        "rows": buffer.getvalue(),
    }


def _run(row: Mapping[str, Any] | RowMapping, rows: bytes | None) -> Run:
    trained = row["trained_from_utc"], row["trained_until_utc"]
    return Run(
        **{name: row[name] for name in AS_THEY_ARE},
        asked=_asked_of(row),
        meter_ids=tuple(row["meter_ids"]),
        basis=Basis(row["basis"]),
        model=ModelName(row["model"]),
        trained=None if None in trained else Period(*trained),
        period=Period(row["start_utc"], row["end_utc"]),
        rows=pl.DataFrame() if rows is None else pl.read_ipc(io.BytesIO(rows)),
    )

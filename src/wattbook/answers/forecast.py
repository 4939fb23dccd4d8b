"""Forecasts: the documents of `/forecast`."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from wattbook.answers.encode import Answer
from wattbook.core.errors import ConflictError, Problem
from wattbook.core.forecast.history import Quantity
from wattbook.flows import forecast as flow
from wattbook.ports.forecasts import Run
from wattbook.wiring.runtime import Runtime


def document_of(run: Run) -> dict[str, Any]:
    """A run without its rows."""
    asked, trained = run.asked, run.trained
    return {
        "run_id": run.run_id,
        "entity_id": asked.entity_id,
        "meters": list(run.meter_ids),
        "quantity": asked.quantity,
        "unit": run.unit,
        "grain": asked.grain,
        "timezone": run.timezone,
        "basis": run.basis,
        "reason": run.reason,
        "model": run.model,
        "asked": asked.model,
        "quantiles": list(asked.quantiles),
        "seed": asked.seed,
        "origin": run.period.start,
        "end": run.period.end,
        "known_utc": run.known_utc,
        "trained": None if trained is None else {"start": trained.start, "end": trained.end},
        "parameters": dict(run.parameters),
        "fingerprint": run.fingerprint,
        "version": run.version,
        "leaderboard": list(run.leaderboard),
        "coverage": list(run.coverage),
    }


async def load(run: Run, reach: timedelta, runtime: Runtime) -> Answer:
    """The steps of a run that lie ahead, as far as `reach`."""
    return Answer(document_of(run), flow.ahead(run, reach, runtime.clock.now()))


async def hashrate(run: Run, reach: timedelta, runtime: Runtime) -> Answer:
    """The hash rate that goes with a run: of a network its own, of a site what its load gives."""
    rows = flow.ahead(run, reach, runtime.clock.now())
    made = await flow.hashing(run, rows, ports=runtime)
    document = document_of(run) | {
        "quantity": Quantity.HASHRATE,
        "unit": Quantity.HASHRATE.unit,
        "efficiency_j_per_th": made.efficiency_j_per_th,
        "efficiency_from": made.efficiency_from,
    }
    return Answer(document, made.rows)


async def history(run_id: str, quantity: Quantity, since: datetime, runtime: Runtime) -> Answer:
    """What was known before a run, by its steps: `start` and `value`, in the unit of `quantity`.

    Raises
    ------
    ConflictError
        The run is of a series that the caller sent: its history is not stored.
    """
    run = await runtime.forecasts.run(run_id)
    if run.asked.entity_id is None:
        detail = "the run is of a series that was sent with the request; its history is not stored"
        raise ConflictError(detail, [Problem("custom_series", detail, field="run_id")])
    of = await flow.subject(str(run.asked.entity_id), run.asked.quantity, ports=runtime)
    known = await flow.load_history(of, run.asked.grain, ports=runtime)
    rows = known.filter(
        pl.col("start_utc") >= since, pl.col("start_utc") < run.period.start
    ).select("start_utc", "value")
    unit = run.unit
    capacity = flow.capacity_kw(of)
    if quantity is Quantity.HASHRATE and run.asked.quantity is not quantity:
        made = await flow.hashing(run, run.rows, ports=runtime)
        unit = quantity.unit
        rows = rows.with_columns(pl.col("value") * made.scale)
        capacity = None if capacity is None or made.scale is None else capacity * made.scale
    document = {"run_id": run_id, "quantity": quantity, "unit": unit, "capacity": capacity}
    return Answer(document, rows)

"""Forecasts: the documents of `/forecast`."""

from typing import Any

from wattbook.ports.forecasts import Run


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

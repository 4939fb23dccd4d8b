"""A report for programs: every figure, with the keys of the API."""

from dataclasses import asdict
from typing import Any, Final

import orjson
import polars as pl

from wattbook.core.report import METHODS, SCHEMA, VERSIONS, Report

OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


def render(report: Report) -> bytes:
    """One JSON document; times end in `Z`, what is unknown is null."""
    return orjson.dumps(document(report), option=OPTIONS)


def document(report: Report) -> dict[str, Any]:
    """The report as plain objects, in a fixed order of keys."""
    scope, quality = report.scope, report.quality
    return {
        "schema": SCHEMA,
        "entity_id": scope.entity,
        "name": scope.name,
        "start": scope.period.start,
        "end": scope.period.end,
        "timezone": scope.timezone,
        "as_of": scope.known_utc,
        "version": scope.version,
        "simulated": list(scope.simulated),
        "capacity_kw": scope.capacity_kw,
        "factor_set": scope.factor_set,
        "methods": [
            {"name": name, "page": page, "version": VERSIONS[name]}
            for name, page in METHODS.items()
        ],
        "total": report.total,
        "costs": _rows(report.costs),
        "grain": report.grain,
        "steps": _rows(report.steps),
        "step_costs": _rows(report.step_costs),
        "meters": _rows(report.meters),
        "sites": _rows(report.sites),
        "duration": _rows(report.curves.duration),
        "quality": {
            "gaps": _rows(quality.gaps),
            "rejects": None if quality.rejects is None else _rows(quality.rejects),
            "corrections": None if quality.corrections is None else _rows(quality.corrections),
            "register_events": _rows(quality.events),
        },
        "factor_shares": _rows(report.rungs),
        "factors": _rows(report.factors),
        "fingerprint": asdict(report.fingerprint),
        "series_grain": report.series_grain,
        "series": _rows(report.series),
    }


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as objects; `start_utc` and the like lose their suffix, for `Z` says it."""
    names = {name: name.removesuffix("_utc") for name in frame.columns if name.endswith("_utc")}
    return frame.rename(names).to_dicts()

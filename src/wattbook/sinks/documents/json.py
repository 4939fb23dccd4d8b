"""A report for programs: every figure, with the keys of the API."""

from dataclasses import asdict
from typing import Any, Final

import orjson
import polars as pl

from wattbook.core.anomaly.finding import Finding
from wattbook.core.reporting.ahead import Ahead
from wattbook.core.reporting.comparison import Comparison
from wattbook.core.reporting.report import METHODS, SCHEMA, VERSIONS, Report

OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


def render(report: Report) -> bytes:
    """One JSON document; times end in `Z`, what is unknown is null."""
    return orjson.dumps(document(report), option=OPTIONS)


def document(report: Report) -> dict[str, Any]:
    """The report as plain objects, in a fixed order of keys."""
    scope, quality = report.scope, report.quality
    came = quality.completeness
    return {
        "schema": SCHEMA,
        "status": "final" if scope.final else "draft",
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
        "notices": [asdict(notice) for notice in report.notices],
        "total": report.total,
        "costs": _rows(report.costs),
        "grain": report.grain,
        "steps": _rows(report.steps),
        "step_costs": _rows(report.step_costs),
        "bill": _rows(report.payments.lines),
        "bill_missing": _rows(report.payments.missing),
        "step_components": _rows(report.payments.steps),
        "whole_months": report.payments.whole_months,
        "comparison": _comparison(report.comparison),
        "meters": _rows(report.meters),
        "sites": _rows(report.sites),
        "operators": _rows(report.operators),
        "forecast": _ahead(report.ahead),
        "duration": _rows(report.curves.duration),
        "mean_day": _rows(report.curves.mean_day),
        "quality": {
            "readings": {
                "received": came.received,
                "expected": came.expected,
                "missing": came.missing,
                "meters": _rows(came.meters),
                "silences": _rows(came.silences),
            },
            "findings": None
            if quality.findings is None
            else [_finding(each) for each in quality.findings],
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


def _ahead(found: Ahead | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "run_id": found.run_id,
        "made": found.made_utc,
        "origin": found.origin_utc,
        "model": found.model,
        "basis": found.basis,
        "reason": found.reason,
        "grain": found.grain,
        "energy_kwh": found.energy_kwh,
        "rows": _rows(found.rows),
    }


def _comparison(earlier: Comparison | None) -> dict[str, Any] | None:
    if earlier is None:
        return None
    return {
        "start": earlier.period.start,
        "end": earlier.period.end,
        "yearly": earlier.yearly,
        "energy_kwh": earlier.energy_kwh,
        "power_kw_mean": earlier.power_kw_mean,
        "power_kw_max": earlier.power_kw_max,
        "coverage": earlier.coverage,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "finding_id": finding.finding_id,
        "site_id": finding.site_id,
        "meter_id": finding.meter_id,
        "start": finding.start_utc,
        "end": finding.end_utc,
        "rule": finding.rule,
        "category": finding.category,
        "severity": finding.severity,
        "energy_at_stake_kwh": finding.energy_at_stake_kwh,
        "cause": finding.cause,
        "state": finding.review.state,
    }


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as objects; `start_utc` and the like lose their suffix, for `Z` says it."""
    names = {name: name.removesuffix("_utc") for name in frame.columns if name.endswith("_utc")}
    return frame.rename(names).to_dicts()

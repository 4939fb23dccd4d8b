"""A report's tables for spreadsheets: the series, or all of them together."""

import io
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import polars as pl

from wattbook.core.report import Report

STAMP: Final = "%Y-%m-%dT%H:%M:%SZ"
MODE: Final = 0o644 << 16


def render(report: Report) -> bytes:
    """The series, a row for each bucket; what is unknown is empty."""
    return _text(report.series)


def bundle(report: Report) -> bytes:
    """A ZIP of every table, one tidy CSV each."""
    quality = report.quality
    tables = {
        "series": report.series,
        "steps": report.steps,
        "step_costs": report.step_costs,
        "costs": report.costs,
        "total": pl.DataFrame([report.total]),
        "meters": report.meters,
        "sites": report.sites,
        "gaps": quality.gaps,
        "rejects": quality.rejects,
        "corrections": quality.corrections,
        "register_events": quality.events,
        "factor_shares": report.rungs,
        "factors": report.factors,
    }
    made = report.scope.made_utc
    packed = io.BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for name, table in tables.items():
            if table is None:
                continue
            entry = ZipInfo(f"{name}.csv", made.timetuple()[:6])
            entry.compress_type, entry.external_attr = ZIP_DEFLATED, MODE
            archive.writestr(entry, _text(table))
        manifest = "".join(f"{line}\n" for line in report.fingerprint.manifest)
        entry = ZipInfo("fingerprint.txt", made.timetuple()[:6])
        entry.compress_type, entry.external_attr = ZIP_DEFLATED, MODE
        archive.writestr(entry, manifest)
    return packed.getvalue()


def _text(table: pl.DataFrame) -> bytes:
    names = {name: name.removesuffix("_utc") for name in table.columns if name.endswith("_utc")}
    return table.rename(names).write_csv(datetime_format=STAMP).encode()

"""A report's tables for spreadsheets: the series, or all of them together."""

import io
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import polars as pl
from polars import selectors

from wattbook.core.reporting.report import Report

STAMP: Final = "%Y-%m-%dT%H:%M:%SZ"
MODE: Final = 0o644 << 16
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""Of every file in a bundle: the least that ZIP can say, so that equal tables are equal bundles."""
FORMULA: Final = r"^(\s*[=+\-@\t\r＝＋－＠])"  # noqa: RUF001 -- spreadsheets read these alike
"""What a spreadsheet would compute instead of showing it."""


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
        "bill": report.payments.lines,
        "bill_missing": report.payments.missing,
        "step_components": report.payments.steps,
        "readings": quality.completeness.meters,
        "silences": quality.completeness.silences,
        "total": pl.DataFrame([report.total]),
        "meters": report.meters,
        "sites": report.sites,
        "operators": report.operators,
        "forecast": None if report.ahead is None else report.ahead.rows,
        "gaps": quality.gaps,
        "rejects": quality.rejects,
        "corrections": quality.corrections,
        "register_events": quality.events,
        "factor_shares": report.rungs,
        "factors": report.factors,
    }
    files = {f"{name}.csv": _text(table) for name, table in tables.items() if table is not None}
    manifest = "".join(f"{line}\n" for line in report.fingerprint.manifest)
    packed = io.BytesIO()
    with ZipFile(packed, "w") as archive:
        for name, content in (files | {"fingerprint.txt": manifest.encode()}).items():
            entry = ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = ZIP_DEFLATED, MODE
            archive.writestr(entry, content)
    return packed.getvalue()


def _text(table: pl.DataFrame) -> bytes:
    names = {name: name.removesuffix("_utc") for name in table.columns if name.endswith("_utc")}
    told = table.rename(names).with_columns(selectors.string().str.replace(FORMULA, "'$1"))
    return told.write_csv(datetime_format=STAMP).encode()

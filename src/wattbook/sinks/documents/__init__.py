"""A report as a file: for people as HTML or PDF, for programs as JSON or CSV."""

from pathlib import PurePath
from typing import Final

from wattbook.core.errors import UnavailableError, UnknownFormatError
from wattbook.core.report import Report

FORMATS: Final = ("pdf", "html", "json", "csv", "zip")


def format_of(name: str) -> str:
    """The format that a file's name asks for.

    Raises
    ------
    UnknownFormatError
        It ends in none that there is.
    """
    found = PurePath(name).suffix.removeprefix(".").lower()
    if found not in FORMATS:
        known = ", ".join(f".{each}" for each in FORMATS)
        raise UnknownFormatError(f"{name}: a report's name ends in {known}")
    return found


def render(report: Report, form: str) -> bytes:
    """The report in one of `FORMATS`; the same report gives the same bytes.

    Raises
    ------
    UnavailableError
        What prints PDF is not installed.
    """
    # ruff: noqa: PLC0415 -- what sets type is loaded where it is asked for, and may be missing
    if form == "json":
        from wattbook.sinks.documents import json

        return json.render(report)
    if form in ("csv", "zip"):
        from wattbook.sinks.documents import csv

        return csv.render(report) if form == "csv" else csv.bundle(report)
    from wattbook.sinks.documents.outline import outline

    if form == "html":
        from wattbook.sinks.documents import html

        return html.render(outline(report))
    try:
        from wattbook.sinks.documents import pdf
    except ModuleNotFoundError as error:
        message = f"{error.name} is missing: pip install 'wattbook[report]'"
        raise UnavailableError(message) from error
    return pdf.render(outline(report), report.scope.made_utc)

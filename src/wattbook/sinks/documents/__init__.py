"""A report as a file: for people as HTML or PDF, for programs as JSON or CSV."""

# ruff: noqa: PLC0415 -- what sets type is loaded where it is asked for

from wattbook.core.reporting.report import Format, Report


def render(report: Report, form: Format) -> bytes:
    """The report in a format; the same report gives the same bytes."""
    if form is Format.JSON:
        from wattbook.sinks.documents import json

        return json.render(report)
    if form is Format.CSV:
        from wattbook.sinks.documents import csv

        return csv.render(report)
    if form is Format.ZIP:
        from wattbook.sinks.documents import csv

        return csv.bundle(report)
    from wattbook.sinks.documents.outline import outline

    if form is Format.HTML:
        from wattbook.sinks.documents import html

        return html.render(outline(report))
    from wattbook.sinks.documents import pdf

    return pdf.render(outline(report), report.scope.known_utc)


def render_png(svg: str) -> bytes:
    """A chart as PNG."""
    from wattbook.sinks.documents.png import png

    return png(svg)

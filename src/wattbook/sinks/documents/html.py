"""A report as one HTML file that needs nothing else: on a screen, in the dark, on paper."""

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from wattbook.core.charts.svg import Chart
from wattbook.sinks.documents.blocks import Document


def render(document: Document) -> bytes:
    """The document in HTML 5."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["picture"] = _picture
    environment.tests["a"] = _is_a
    template = environment.from_string(_packaged("report.html.jinja"))
    return template.render(document=document, style=Markup(_packaged("report.css"))).encode()  # noqa: S704 -- our own file


def _picture(chart: Chart) -> Markup:
    """The chart as it is: what comes from outside was escaped when it was drawn."""
    return Markup(chart.svg)  # noqa: S704


def _is_a(block: Any, kind: str) -> bool:  # noqa: ANN401 -- whatever stands in a section
    return type(block).__name__ == kind


def _packaged(name: str) -> str:
    return files("wattbook.sinks.documents").joinpath(name).read_text("utf-8")

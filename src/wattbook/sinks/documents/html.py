"""A report as one HTML file that needs nothing else: on a screen, in the dark, on paper."""

from base64 import b64encode
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from wattbook.core.charts.svg import COLOURS, DARK, DARK_STOPS, Chart, ramp
from wattbook.sinks.documents.blocks import Document

FONTS: Final = {400: "LibertinusSerif-Regular.woff2", 600: "LibertinusSerif-Semibold.woff2"}
"""The typeface of the PDF, its Latin, Greek and Cyrillic letters, by weight."""


def render(document: Document) -> bytes:
    """The document in HTML 5."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["picture"] = _picture
    environment.tests["a"] = _is_a
    template = environment.from_string(_packaged("report.html.jinja"))
    return template.render(document=document, style=Markup(_style())).encode()  # noqa: S704 -- our own files


@cache
def _style() -> str:
    """The style sheet with the typeface in it, and the colours of the charts in light and dark."""
    faces = "".join(
        '@font-face { font-family: "Libertinus Serif"; font-style: normal;'
        f" font-weight: {weight}; src: url(data:font/woff2;base64,{_encoded(name)})"
        ' format("woff2"); }\n'
        for weight, name in FONTS.items()
    )
    light = f":root {{ {_variables(COLOURS)} }}\n"
    shades = "".join(
        f".chart .h{at} {{ fill: {shade}; }}\n" for at, shade in enumerate(ramp(DARK_STOPS))
    )
    dark = (
        "@media screen and (prefers-color-scheme: dark) {\n"
        f":root {{ {_variables(DARK)} --warn: #f2c14e; --warn-tint: #2b2618; }}\n{shades}}}\n"
    )
    kinds = "".join(
        f".chart .{name}, .chart text.{name} {{ fill: var(--{name}); }}\n"
        f".chart .{name}-line {{ stroke: var(--{name}); }}\n"
        for name in COLOURS
        if name != "hatch"
    )
    return (
        faces + light + _packaged("report.css") + kinds + ".chart .hatch-line"
        " { stroke: var(--hatch); }\n.chart .estimate-line { stroke: var(--mark); }\n" + dark
    )


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def _encoded(name: str) -> str:
    font = files("wattbook.sinks.documents").joinpath("fonts", name).read_bytes()
    return b64encode(font).decode()


def _picture(chart: Chart) -> Markup:
    """The chart as it is: what comes from outside was escaped when it was drawn."""
    return Markup(chart.svg)  # noqa: S704


def _is_a(block: Any, kind: str) -> bool:  # noqa: ANN401 -- whatever stands in a section
    return type(block).__name__ == kind


def _packaged(name: str) -> str:
    return files("wattbook.sinks.documents").joinpath(name).read_text("utf-8")

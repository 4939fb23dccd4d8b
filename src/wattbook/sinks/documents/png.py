"""A chart as pixels."""

import json
from functools import cache
from typing import Final

import typst

from wattbook.core.errors import UnavailableError

PPI: Final = 144.0
PAGE: Final = b"""#set page(width: auto, height: auto, margin: 10pt)
#image(bytes(json(bytes(sys.inputs.chart))), format: "svg", width: 720pt)
"""


def png(svg: str) -> bytes:
    """A chart of `core.charts` as PNG, twice as fine as its coordinates.

    Raises
    ------
    UnavailableError
        typst does not take it.
    """
    try:
        compiler = typst.Compiler(PAGE, font_paths=_fonts(), sys_inputs={"chart": json.dumps(svg)})
        made = compiler.compile(format="png", ppi=PPI)
    except typst.TypstError as error:
        raise UnavailableError(f"typst refuses the chart: {error.message}") from error
    assert isinstance(made, bytes)
    return made


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=True)

"""A report as a PDF for archives (PDF/A-2a) and for readers of every kind (PDF/UA-1)."""

import json
import re
from dataclasses import asdict
from datetime import datetime
from importlib.resources import files
from typing import Any, Final, Literal

import typst

from wattbook.core.charts.svg import COLOURS
from wattbook.core.errors import UnavailableError
from wattbook.sinks.documents.blocks import Document

MISSING: Final = re.compile(r'the text [`"]+(.+?)[`"]+ could not be displayed')
STAND_IN: Final = "□"
TRIES: Final = 20


def render(document: Document, made: datetime) -> bytes:
    """The document in A4. The fonts come with typst, so it looks the same everywhere.

    Letters that these fonts lack are set in a font of this machine; what none has is a box.
    """
    pages = compiled(document, made, "pdf")
    assert isinstance(pages, bytes)
    return pages


def compiled(
    document: Document, made: datetime, form: Literal["pdf", "png"], *, ppi: float | None = None
) -> bytes | list[bytes]:
    """The document in a format of typst's: `pdf`, or `png` to look at."""
    source = files("wattbook.sinks.documents").joinpath("report.typ").read_bytes()
    content = json.dumps(_content(document, made), ensure_ascii=False)
    own = True
    for _ in range(TRIES):
        fonts = typst.Fonts(include_system_fonts=not own)
        compiler = typst.Compiler(source, font_paths=fonts, sys_inputs={"document": content})
        try:
            made_of = compiler.compile(
                format=form,
                pdf_standards=["a-2a", "ua-1"] if form == "pdf" else None,
                timestamp=made.replace(microsecond=0),
                ppi=ppi,
            )
        except typst.TypstError as error:
            missing = MISSING.findall(error.diagnostic)
            if not missing:
                raise UnavailableError(f"typst refuses the report: {error.message}") from error
            if own:
                own = False
                continue
            for letter in missing:
                content = content.replace(letter, STAND_IN)
            continue
        assert made_of is not None
        return made_of
    raise UnavailableError("typst has no font for the names in the report")


def _content(document: Document, made: datetime) -> dict[str, Any]:
    """What the template reads: each block says of which kind it is."""
    sections = [
        {
            "name": section.name,
            "heading": section.heading,
            "blocks": [{"kind": type(block).__name__, **asdict(block)} for block in section.blocks],
        }
        for section in document.sections
    ]
    return {
        **asdict(document),
        "sections": sections,
        "date": [made.year, made.month, made.day],
        "colours": COLOURS,
    }

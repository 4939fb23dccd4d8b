"""A report as a PDF for archives (PDF/A-2a) and for readers of every kind (PDF/UA-1)."""

import json
import re
from dataclasses import asdict
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import typst

from wattbook.core.charts.svg import COLOURS
from wattbook.core.errors import UnavailableError
from wattbook.sinks.documents.blocks import Document

WARN: Final = "#9a6700"
NO_SUSPECTS: Final = b"/Suspects false"
"""What readers of the poppler family complain of, although it is right; left out it means the same.
Blanks of its length keep every offset in the file."""
STANDARDS: "Final[list[typst.PDFStandard]]" = ["a-2a", "ua-1"]
MISSING: Final = re.compile(r'the text [`"]+.*?[`"]+ could not be displayed')


def render(document: Document, known: datetime) -> bytes:
    """The document in A4, dated when the last of what is in it was known.

    The fonts come with typst, so it looks the same everywhere. Letters that these lack are set in a
    font of this machine; where it has none, they are boxes, which the standards do not allow.
    """
    pages = compiled(document, known, "pdf")
    assert isinstance(pages, bytes)
    return pages.replace(NO_SUSPECTS, b" " * len(NO_SUSPECTS))


def compiled(
    document: Document, known: datetime, form: Literal["pdf", "png"], *, ppi: float | None = None
) -> bytes | list[bytes]:
    """The document in a format of typst's: `pdf`, or `png` to look at.

    Raises
    ------
    UnavailableError
        typst does not take it.
    """
    source = files("wattbook.sinks.documents").joinpath("report.typ").read_bytes()
    content = json.dumps(_content(document, known), ensure_ascii=False)
    lacking: typst.TypstError | None = None
    for every_font, standards in ((False, STANDARDS), (True, STANDARDS), (True, None)):
        compiler = typst.Compiler(
            source, font_paths=_fonts(every=every_font), sys_inputs={"document": content}
        )
        try:
            made_of = compiler.compile(
                format=form,
                pdf_standards=standards if form == "pdf" else None,
                timestamp=known.replace(microsecond=0),
                ppi=ppi,
            )
        except typst.TypstError as error:
            if not MISSING.search(error.diagnostic):
                raise UnavailableError(f"typst refuses the report: {error.message}") from error
            lacking = error
            continue
        assert made_of is not None
        return made_of
    raise UnavailableError("typst has no font for the names in the report") from lacking


@cache
def _fonts(*, every: bool) -> typst.Fonts:
    """Those that come with typst, or those of this machine too."""
    return typst.Fonts(include_system_fonts=every)


def _content(document: Document, known: datetime) -> dict[str, Any]:
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
        "date": [known.year, known.month, known.day],
        "colours": {**COLOURS, "warn": WARN},
    }

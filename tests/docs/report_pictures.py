"""Draws the pictures of reports in `docs/img` again.

    .venv/bin/python -m tests.docs.report_pictures

They show the sample sites, loaded into a temporary folder, after the commands of
`docs/first-report.md`.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import typst
from tests.docs.test_report_guides import commands
from typer.testing import CliRunner

from wattbook.cli import local
from wattbook.cli.main import app
from wattbook.core import periods
from wattbook.core.periods import Period
from wattbook.core.reporting.report import Report
from wattbook.flows import report as reports
from wattbook.sinks.documents import pdf
from wattbook.sinks.documents.outline import outline
from wattbook.wiring.runtime import Runtime

IMAGES = Path(__file__).parents[2] / "docs" / "img"
TIMEZONE = "America/Chicago"
PAGE_PPI = 144
WIDTH_MM = 210
SHEET = """
#let parts = json(bytes(sys.inputs.parts))
#let gap = if parts.len() > 1 { 3mm } else { 0mm }
#set page(width: auto, height: auto, margin: 0mm, fill: rgb("#8592a0"))
#stack(dir: ltr, spacing: gap, ..parts.map(part => box(
  width: part.width * 1mm, height: part.height * 1mm, clip: true,
  place(dx: -part.left * 1mm, dy: -part.top * 1mm, image(part.name, width: 210mm, height: 297mm)),
)))
"""


@dataclass(frozen=True)
class Part:
    """A rectangle [mm] of a page."""

    page: int
    top: float = 0
    height: float = 297
    left: float = 0
    width: float = WIDTH_MM


def picture(name: str, report: Report, parts: Sequence[Part], ppi: float) -> None:
    """Parts of the pages of a report, side by side."""
    document = outline(report)
    pages = pdf.compiled(document, report.scope.known_utc, "png", ppi=PAGE_PPI)
    assert isinstance(pages, list)
    with tempfile.TemporaryDirectory() as folder:
        for number, page in enumerate(pages, start=1):
            (Path(folder) / f"{number}.png").write_bytes(page)
        said = [
            {"name": f"{part.page}.png", "top": part.top, "height": part.height,
             "left": part.left, "width": part.width}
            for part in parts
        ]  # fmt: skip
        made = typst.Compiler(
            SHEET.encode(), root=folder, sys_inputs={"parts": json.dumps(said)}
        ).compile(format="png", ppi=ppi)
    assert isinstance(made, bytes)
    (IMAGES / name).write_bytes(made)


def span(first: date, end: date) -> Period:
    return Period(periods.midnight(first, TIMEZONE), periods.midnight(end, TIMEZONE))


async def draw(runtime: Runtime) -> None:
    async def report(entity: str, first: date, end: date) -> Report:
        return await reports.of(entity, span(first, end), factors=runtime.factors, ports=runtime)

    june = date(2021, 6, 1), date(2021, 7, 1)
    month = await report("pecos-1", *june)
    picture("report-pages.png", month, [Part(1), Part(2)], 71)
    days = await report("odessa-2", date(2021, 6, 20), date(2021, 6, 23))
    picture("report-first-page.png", days, [Part(1, top=74, height=177, left=16, width=178)], 104)
    zone = await report("zone:US-TEX-ERCO", *june)
    picture("report-sites.png", zone, [Part(2, top=162, height=93, left=16, width=178)], 110)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DATA_DIR"] = folder
        run = CliRunner().invoke
        for words in [["demo", "--load-only", "--no-serve"], *commands()]:
            if words[0] == "report":
                continue
            result = run(app, words)
            assert result.exit_code == 0, result.output
        local.run(draw)


if __name__ == "__main__":
    main()

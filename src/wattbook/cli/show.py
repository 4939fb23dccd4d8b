"""How figures look in a terminal: units in headers, numbers to the right, gaps as a dash."""

import os
import sys
from collections.abc import Sequence
from csv import writer
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wattbook.core.digits import NOTHING, number, percent

__all__ = [
    "NOTHING",
    "Column",
    "console",
    "csv",
    "json",
    "number",
    "percent",
    "say",
    "starts",
    "table",
]

PIPE_WIDTH: Final = 160
"""Columns where nobody looks: wide enough that nothing is cut or folded."""


def console(*, err: bool = False) -> Console:
    """A console on stdout or stderr; NO_COLOR and COLUMNS hold."""
    stream = sys.stderr if err else sys.stdout
    wide = None if stream.isatty() or os.environ.get("COLUMNS") else PIPE_WIDTH
    return Console(stderr=err, highlight=False, width=wide)


def say(text: str, *, err: bool = False) -> None:
    """One line, whatever the width; square brackets mean nothing."""
    console(err=err).print(text, markup=False, soft_wrap=True)


def notices(found: Sequence[dict[str, str]]) -> None:
    """What has to be read before the figures, a line each."""
    for notice in found:
        say(f"notice: {notice['detail']}")


def starts(instants: Sequence[str], grain: str, timezone: str) -> list[str]:
    """Bucket starts on the clock of the time zone; with its offset where clocks change."""
    local = [datetime.fromisoformat(at).astimezone(ZoneInfo(timezone)) for at in instants]
    if grain == "month":
        return [f"{at:%Y-%m}" for at in local]
    if grain in ("day", "week"):
        return [f"{at:%Y-%m-%d}" for at in local]
    changes = len({at.utcoffset() for at in local}) > 1
    return [f"{at:%Y-%m-%d %H:%M}{_offset(at) if changes else ''}" for at in local]


def _offset(at: datetime) -> str:
    offset = at.utcoffset() or timedelta(0)
    sign = "-" if offset < timedelta(0) else "+"
    minutes = abs(offset) // timedelta(minutes=1)
    return f" {sign}{minutes // 60:02}:{minutes % 60:02}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its cells, and how soon it may be left out (the lowest first)."""

    name: str
    cells: Sequence[str]
    unit: str = ""
    total: str = ""
    right: bool = True
    worth: int = 9
    folds: bool = False

    @property
    def width(self) -> int:
        """Cells on the screen."""
        heads = (self.name, self.unit, self.total)
        lines = (line for text in (*heads, *self.cells) for line in text.split("\n"))
        return max(map(cell_len, lines))

    @property
    def empty(self) -> bool:
        """Whether no cell says anything."""
        return all(cell in (NOTHING, "") for cell in (*self.cells, self.total or NOTHING))


def table(columns: Sequence[Column], *, title: str | None = None) -> None:
    """Print a table; columns that say nothing or do not fit are left out, those with a notice."""
    out = console()
    shown = [column for column in columns if column.worth >= _MUST or not column.empty]
    missing = []
    gap = 2 if _width(shown, gap=2) <= out.width else 1
    while _width(shown, gap) > out.width and any(column.worth < _MUST for column in shown):
        least = min(shown, key=lambda column: column.worth)
        shown.remove(least)
        missing.append(least.name)
    made = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        show_edge=False,
        pad_edge=False,
        show_footer=any(column.total for column in shown),
        padding=(0, gap - 1, 0, 0),
    )
    for column in shown:
        head = Text(column.name, style="bold")
        if any(other.unit for other in shown):
            head.append(f"\n{column.unit}", style="dim")
        made.add_column(
            head,
            Text(column.total),
            justify="right" if column.right else "left",
            no_wrap=not column.folds,
            overflow="fold",
        )
    for cells in zip(*(column.cells for column in shown), strict=True):
        made.add_row(*map(Text, cells))
    out.print(made)
    if missing:
        say(f"(not shown in {out.width} columns: {', '.join(missing)})", err=True)


_MUST: Final = 9
_FOLDED: Final = 12
"""A column that folds is still read when it has so many cells."""


def _width(columns: Sequence[Column], gap: int) -> int:
    each = [min(column.width, _FOLDED) if column.folds else column.width for column in columns]
    return sum(each) + gap * (len(columns) - 1)


def json(document: Any) -> None:  # noqa: ANN401 -- whatever JSON can hold
    """Print a document as JSON; times end in `Z`."""
    options = orjson.OPT_UTC_Z | orjson.OPT_INDENT_2
    sys.stdout.write(orjson.dumps(document, option=options).decode() + "\n")


def csv(rows: Sequence[dict[str, Any]]) -> None:
    """Print the rows of a document as CSV; what is not known is empty."""
    out = writer(sys.stdout, lineterminator="\n")
    out.writerow(rows[0] if rows else ())
    out.writerows(["" if value is None else value for value in row.values()] for row in rows)

"""What a report is made of, whatever it is printed with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from wattbook.core.charts.svg import Chart


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A few sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be known of the table or the chart above, in small letters."""

    text: str


@dataclass(frozen=True, slots=True)
class Sentences:
    """Statements, one to a line: what the figures say."""

    sentences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Notice:
    """What must not be overlooked."""

    text: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A key figure: its name, itself, and what is to be known with it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tiles:
    """Key figures side by side, four in a row."""

    tiles: Sequence[Tile]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and what they stand for."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name, the unit of its figures, and where they stand."""

    name: str
    unit: str = ""
    right: bool = True
    wide: int = 0
    """Takes so large a part of the room that is left, and breaks its lines."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below a caption; the first cell names its row, the last rows may sum up."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    totals: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart below its title; `note` says unit and resolution, `caption` what surprises."""

    title: str
    note: str
    chart: Chart
    narrow: Chart
    """The same for a narrow screen."""
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """Small charts side by side; below each other where the screen is narrow."""

    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Listing:
    """Numbered entries: a source that a figure names as [2] is the second."""

    entries: Sequence[str]


@dataclass(frozen=True, slots=True)
class Code:
    """Text that is compared letter by letter."""

    text: str


Block: TypeAlias = (
    Paragraph | Note | Sentences | Notice | Tiles | Pairs | Table | Figure | Side | Listing | Code
)


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks below a heading."""

    name: str
    """For links: a word."""
    heading: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A report as it is read."""

    title: str
    kind: str
    """What it is: `Energy report`, and whether it is a draft."""
    period: str
    """In words."""
    about: Sequence[tuple[str, str]]
    notices: Sequence[Notice]
    sections: Sequence[Section] = field(default=())
    footer: str
    """Stands on every page, with its number."""
    author: str
    keywords: Sequence[str]

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
class Notice:
    """What nobody may overlook."""

    text: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A key figure: its name, itself, and what is to be known with it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tiles:
    """Key figures side by side."""

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
    """Rows of cells below a caption; the first cell names its row, the last row may sum up."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    total: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart above its caption."""

    chart: Chart
    caption: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Numbered entries: a source that a figure names as [2] is the second."""

    entries: Sequence[str]


@dataclass(frozen=True, slots=True)
class Code:
    """Text that is compared letter by letter."""

    text: str


Block: TypeAlias = Paragraph | Notice | Tiles | Pairs | Table | Figure | Listing | Code


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
    subtitle: str
    about: Sequence[tuple[str, str]]
    notices: Sequence[Notice]
    sections: Sequence[Section] = field(default=())
    footer: str
    """Stands on every page, with its number."""
    author: str
    keywords: Sequence[str]

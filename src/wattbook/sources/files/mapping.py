"""What the columns of a file mean: `target=source` pairs, units and the clock on the wall."""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

import polars as pl

from wattbook.core import units
from wattbook.core.errors import InputError, Problem
from wattbook.core.frames import RAW_READINGS, Contract
from wattbook.core.periods import zone
from wattbook.core.readings.checks import IntervalLabel
from wattbook.sources.codecs.numbers import Decimal
from wattbook.sources.codecs.rows import OURS

NULLS: Final = (
    *("?", "-", "--", "–", "—", "NA", "N/A", "#N/A", "n/a", "n.a.", "NaN", "nan", "NAN"),
    *("NULL", "null", "None", r"\N"),
)
CONSTANTS: Final = {"meter": "meter_id", "site": "site_id"}
TEMPLATE: Final = re.compile(r"\{([^{}]+)\}")
IDS: Final = frozenset({"meter_id", "site_id"})
TEXTS: Final = ("quality", "meter_id", "site_id", "zone", "currency")
"""Text columns whose words may be replaced."""


class Sense(StrEnum):
    """What a yes of a flag means: a repeated hour (its second pass), or summer time in effect."""

    REPEATED = "repeated"
    SUMMER = "summer"


class DateOrder(StrEnum):
    """In which order the numbers of a date stand."""

    YMD = "ymd"
    DMY = "dmy"
    MDY = "mdy"


@dataclass(frozen=True, slots=True)
class Target:
    """A column to fill, of one meter where the file is wide, from one or more columns."""

    column: str
    sources: tuple[str, ...]
    meter: str | None = None
    either: bool = False
    """The first of the sources that holds something, not all of them joined."""
    unit: str | None = None

    def in_base(self) -> pl.Expr:
        """The column in the unit of its name."""
        return pl.col(self.column) if self.unit is None else units.to_base(self.column, self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """How the rows of a file become raw rows.

    What is None is detected in the file, or has a default; every chunk has the outcome as
    `guesses`. `label_span` is the registered length of the intervals: where clocks go back it is
    the hour that happens twice, not its label at the end, as 02:00 for the hour that begins at
    01:00. `interval` is the length that was declared for this file.
    `midnight_closes_day` reads 00:00 as 24:00 of the same date. `words` are replacements in text
    columns, as `{"quality": {"Målt": "measured"}}`. `dst_flag` is the column that tells the two
    passes of a repeated hour apart.
    """

    columns: tuple[Target, ...] = ()
    constants: Dictionary[str, str] = field(default_factory=dict)
    units: Dictionary[str, str] = field(default_factory=dict)
    words: Dictionary[str, Dictionary[str, str]] = field(default_factory=dict)
    timezone: str | None = None
    date_order: DateOrder | None = None
    midnight_closes_day: bool = False
    label: IntervalLabel | None = None
    label_span: timedelta | None = None
    interval: timedelta | None = None
    dst_flag: str | None = None
    dst_sense: Sense | None = None
    encoding: str | None = None
    separator: str | None = None
    skip_lines: int = 0
    decimal: Decimal | None = None
    null_values: tuple[str, ...] = NULLS

    def __post_init__(self) -> None:
        """Refuse time zones and units that do not exist.

        Raises
        ------
        InputError
            Which one, and what there is instead.
        """
        if self.timezone is not None:
            zone(self.timezone)
        for column, unit in self.units.items():
            units.to_base(column, unit)
        for column in self.words:
            if column not in TEXTS:
                detail = f"the words of {column} cannot be mapped, only those of {', '.join(TEXTS)}"
                raise InputError(detail, [Problem("bad_mapping", detail, field="map_values")])

    @property
    def meters(self) -> tuple[str, ...]:
        """Meters that share a row of a wide file, in the order in which they were named."""
        return tuple(dict.fromkeys(target.meter for target in self.columns if target.meter))

    @property
    def named(self) -> Iterator[str]:
        """Columns of the file that are used."""
        for target in self.columns:
            for source in target.sources:
                yield from TEMPLATE.findall(source) or [source]
        if self.dst_flag is not None:
            yield self.dst_flag


IDENTITY: Final = Mapping()
"""For files whose columns have the contract's names."""


def parse_mapping(
    pairs: Sequence[str], contract: Contract = RAW_READINGS, base: Mapping = IDENTITY
) -> Mapping:
    """`base` (units, time zone …) with the columns that `target=source` pairs describe.

    A target is a column of the contract, for wide files with a meter in front
    (`plant.gt1:power_kw`). A source is a column of the file, two of them (`Date+Time`, joined by
    a blank), a text that holds one (`pjm.{zone}`), or a constant (`'CISO'`). `meter=ID` and
    `site=ID` are constants too. Ids are made lower case, as ids are.

    Raises
    ------
    InputError
        With one problem for each invalid pair.
    """
    allowed = [name for name in contract.columns if name not in OURS]
    targets: list[Target] = []
    constants: dict[str, str] = {}
    problems: list[Problem] = []
    for pair in pairs:
        left, equals, source = (part.strip() for part in pair.partition("="))
        meter, _, column = left.rpartition(":")
        if not (equals and column and source):
            problems.append(_bad(pair, "must be target=source"))
        elif column in CONSTANTS and not meter and CONSTANTS[column] in allowed:
            constants[CONSTANTS[column]] = source.lower()
        elif column not in allowed:
            problems.append(_bad(pair, f"{column!r} is none of {', '.join(allowed)}"))
        elif meter and (column in IDS or contract.columns[column].dtype == pl.String):
            problems.append(_bad(pair, f"{column} cannot differ between the meters of one row"))
        elif any((column, meter or None) == (said.column, said.meter) for said in targets):
            problems.append(_bad(pair, f"{left} is mapped twice"))
        elif len(source) > 1 and source[0] == source[-1] == "'":
            constants[column] = source[1:-1].lower() if column in IDS else source[1:-1]
        else:
            sources = (source,) if "+" not in source else tuple(source.split("+"))
            targets.append(Target(column, sources, meter or None))
    wide = any(target.meter for target in targets)
    loose = [
        target.column
        for target in targets
        if wide and target.meter is None and contract.columns[target.column].dtype != pl.String
    ]
    problems += [
        _bad(f"{column}=…", "name its meter too, as the other columns do") for column in loose
    ]
    if wide and ("meter_id" in constants or any(one.column == "meter_id" for one in targets)):
        problems.append(_bad("meter_id=…", "each value column names its own meter already"))
    if problems:
        said = "; ".join(problem.detail for problem in problems)
        raise InputError(f"the mapping cannot be used: {said}", problems)
    return replace(base, columns=tuple(targets), constants=constants)


def _bad(pair: str, why: str) -> Problem:
    return Problem("bad_mapping", f"{pair}: {why}", field="map")

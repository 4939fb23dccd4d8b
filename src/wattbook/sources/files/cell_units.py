"""Units that stand behind the numbers of a file, each in its cell: `12.5 kW`, `1,2 MW`."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from wattbook.core import units
from wattbook.sources.codecs import numbers
from wattbook.sources.codecs.rows import Guess
from wattbook.sources.files.mapping import Target
from wattbook.sources.files.unit_names import known_unit

MOST: Final = 100
"""A column with more kinds of words behind its numbers has no units there."""


@dataclass(frozen=True, slots=True)
class Cells:
    """A number column as text without units, and the unit of each cell that names one."""

    texts: pl.Series
    unit: pl.Series | None = None
    example: str = ""

    @classmethod
    def of(cls, column: pl.Series, target: Target) -> "Cells":
        """What a column holds; a word that is no unit of the target stays in its cell."""
        if column.dtype != pl.String:
            return cls(column)
        text = numbers.normal(column)
        behind = numbers.unit(text)
        words = behind.drop_nulls().unique().head(MOST).to_list()
        known = units.units_of(target.column)
        means = {word: known_unit(word, known) for word in words}
        spelt = {word: named for word, named in means.items() if named is not None}
        if not spelt:
            return cls(column)
        unit = behind.replace_strict(spelt, default=None, return_dtype=pl.String)
        texts = pl.select(pl.when(unit.is_null()).then(column).otherwise(numbers.bare(text)))
        example = column.filter(unit.is_not_null())[0]
        return cls(texts.to_series().alias(column.name), unit, example.strip())

    @property
    def units(self) -> list[str]:
        """The units that occur."""
        return [] if self.unit is None else self.unit.drop_nulls().unique().sort().to_list()

    def in_base(self, target: Target) -> pl.Expr:
        """The read column in the unit of its name, each number by its own unit."""
        value = target.in_base()
        if self.unit is None:
            return value
        own = [
            pl.when(pl.lit(self.unit == unit)).then(units.to_base(target.column, unit))
            for unit in self.units
        ]
        return pl.when(pl.lit(self.unit.is_null())).then(value).otherwise(pl.coalesce(own))

    def guess(self, target: Target) -> Guess | None:
        """How the units were found, if there are any."""
        if self.unit is None:
            return None
        what = f"unit of {target.column}"
        return Guess(what, ", ".join(self.units), "detected", f"cells, as {self.example!r}")

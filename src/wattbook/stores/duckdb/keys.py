"""Small whole numbers that stand for long ids within the file."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from wattbook.stores.duckdb.engine import Connection, Engine, fetch, insert


@dataclass(frozen=True, slots=True)
class Known:
    """Ids in the order of their numbers: the number of an id is its place."""

    names: pl.Series
    places: dict[str, int]
    enum: pl.Enum

    @classmethod
    def of(cls, names: pl.Series) -> "Known":
        """These ids, prepared for looking up."""
        return cls(names, {name: place for place, name in enumerate(names)}, pl.Enum(names))


class Keys:
    """Ids of one kind and their numbers, all in memory; the writing thread adds to them."""

    def __init__(self, engine: Engine, table: str, name: str) -> None:
        self.table: Final = table
        self.name: Final = name
        self.number: Final = table.removesuffix("s")
        self._engine = engine
        self._known = self._load()

    def _load(self) -> Known:
        found = self._engine.on_cursor(
            lambda con: fetch(con, f"select {self.name} from {self.table} order by {self.number}")
        )
        return Known.of(found[self.name].cast(pl.String))

    def add(self, con: Connection, names: pl.Series) -> None:
        """Number the ids that are new; part of the caller's transaction."""
        fresh = [
            name for name in names.unique(maintain_order=True) if name not in self._known.places
        ]
        if not fresh:
            return
        series = pl.Series(self.name, fresh, dtype=pl.String)
        numbered = series.to_frame().with_row_index(self.number, offset=len(self._known.names))
        insert(con, self.table, numbered.with_columns(pl.col(self.number).cast(pl.Int32)))
        self._known = Known.of(pl.concat([self._known.names, series]))

    def reload(self) -> None:
        """Forget what a failed transaction added."""
        self._known = self._load()

    def of(self, names: list[str]) -> list[int]:
        """Numbers of those ids that occur in the file."""
        places = self._known.places
        return [places[name] for name in names if name in places]

    def named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the ids in place of their numbers."""
        ids = pl.lit(self._known.names).gather(pl.col(self.number))
        return frame.with_columns(ids.alias(self.name)).drop(self.number)

    def numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the numbers beside the ids; null where an id has none."""
        place = pl.col(self.name).cast(self._known.enum, strict=False).to_physical()
        return frame.with_columns(place.cast(pl.Int32).alias(self.number))

"""Small whole numbers that stand for long ids within the file."""

from typing import Final

import polars as pl

from wattbook.stores.duckdb.engine import Connection, Engine, fetch, insert


class Keys:
    """Ids of one kind and their numbers, all in memory; the writing thread adds to them."""

    def __init__(self, engine: Engine, table: str, name: str) -> None:
        self.table: Final = table
        self.name: Final = name
        self.number: Final = table.removesuffix("s")
        self._engine = engine
        self.known = self._load()

    def _load(self) -> pl.DataFrame:
        found = self._engine.on_cursor(
            lambda con: fetch(con, f"select {self.name}, {self.number} from {self.table}")
        )
        return found.sort(self.number).cast({self.name: pl.String, self.number: pl.Int32})

    def add(self, con: Connection, names: pl.Series) -> None:
        """Number the ids that are new; part of the caller's transaction."""
        fresh = names.unique(maintain_order=True).to_frame(self.name)
        fresh = fresh.join(self.known, on=self.name, how="anti", maintain_order="left")
        if fresh.is_empty():
            return
        first = self.known.height
        rows = fresh.with_row_index(self.number, offset=first).select(
            pl.col(self.number).cast(pl.Int32), self.name
        )
        insert(con, self.table, rows)
        self.known = pl.concat([self.known, rows.select(self.name, self.number)])

    def reload(self) -> None:
        """Forget what a failed transaction added."""
        self.known = self._load()

    def of(self, names: list[str]) -> list[int]:
        """Numbers of those ids that occur in the file."""
        wanted = self.known.filter(pl.col(self.name).is_in(names))
        return wanted[self.number].to_list()

    @property
    def _enum(self) -> pl.Enum:
        """The ids as a type: the number of an id is its place."""
        return pl.Enum(self.known[self.name])

    def named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the ids in place of their numbers."""
        ids = pl.lit(self.known[self.name]).gather(pl.col(self.number))
        return frame.with_columns(ids.alias(self.name)).drop(self.number)

    def numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the numbers beside the ids."""
        place = pl.col(self.name).cast(self._enum, strict=False).to_physical()
        return frame.with_columns(place.cast(pl.Int32).alias(self.number))

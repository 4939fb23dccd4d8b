"""The numbers that stand for ids within the file."""

from typing import Final

import polars as pl

from wattbook.core import keys
from wattbook.stores.duckdb.engine import Connection, Engine, fetch, insert


class Keys:
    """Ids of one kind and their numbers, all in memory; the writing thread adds to them."""

    def __init__(self, engine: Engine, table: str, name: str) -> None:
        self.table: Final = table
        self.name: Final = name
        self.number: Final = table.removesuffix("s")
        self._engine = engine
        self._known = self._load()

    def _load(self) -> keys.Keys:
        found = self._engine.on_cursor(
            lambda con: fetch(con, f"select {self.name} from {self.table} order by {self.number}")
        )
        return keys.Keys.of(found[self.name].cast(pl.String), self.number)

    def add(self, con: Connection, names: pl.Series) -> None:
        """Number the ids that are new; part of the caller's transaction."""
        fresh = self._known.fresh(names)
        if fresh.height:
            insert(con, self.table, fresh)
            self._known = self._known.extended(fresh)

    def reload(self) -> None:
        """Forget what a failed transaction added."""
        self._known = self._load()

    def of(self, names: list[str]) -> list[int]:
        """Numbers of those ids that occur in the file."""
        return self._known.numbers(names)

    def named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the ids in place of their numbers."""
        return self._known.named(frame)

    def numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the numbers beside the ids; null where an id has none."""
        return self._known.numbered(frame)

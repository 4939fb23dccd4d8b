"""The numbers that stand for ids within the database."""

from threading import Lock
from typing import Final

import polars as pl

from wattbook.core import keys
from wattbook.stores.postgres.engine import Engine, Session, alone_with


class Keys:
    """Ids of one kind and their numbers; other processes may add to them too."""

    def __init__(self, engine: Engine, table: str, name: str) -> None:
        self.table: Final = table
        self.name: Final = name
        self.number: Final = table.removesuffix("s")
        self._engine = engine
        self._lock = Lock()
        self._known = keys.Keys.of(pl.Series(name, [], dtype=pl.String), self.number)

    async def number_all(self, names: pl.Series) -> None:
        """Give a number to each id that has none, in a transaction of its own."""
        if self._lacks(names):
            await self._engine.read(lambda session: self._add(session, names))

    async def look_up(self, names: list[str]) -> list[int]:
        """Numbers of those ids that have one."""
        if self._lacks(pl.Series(names, dtype=pl.String)):
            await self._engine.read(self.refresh)
        return self._known.numbers(names)

    def refresh(self, session: Session) -> None:
        """Learn the numbers that others gave: they only ever follow those that are known."""
        found = session.fetch(
            f"select {self.number}, {self.name} from {self.table}"
            f" where {self.number} >= {len(self._known.names)} order by {self.number}"
        )
        with self._lock:  # of two that looked at once the second finds less that is new
            fresh = found.filter(pl.col(self.number) >= len(self._known.names))
            if fresh.height:
                self._known = self._known.extended(fresh)

    def named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the ids in place of their numbers."""
        return self._known.named(frame)

    def numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the numbers beside the ids; null where an id has none."""
        return self._known.numbered(frame)

    def knows(self, numbers: pl.Series) -> bool:
        """Whether all these numbers stand for ids that were seen here."""
        return bool((numbers < len(self._known.names)).all())

    def _lacks(self, names: pl.Series) -> bool:
        return not self._known.places.keys() >= set(names.unique())

    def _add(self, session: Session, names: pl.Series) -> None:
        with session.transaction():
            session.fetch(alone_with(self.table))
            self.refresh(session)
            session.copy(self.table, self._known.fresh(names))
        self.refresh(session)

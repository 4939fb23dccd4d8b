"""The months of a table that is partitioned by time."""

from datetime import datetime

import polars as pl

from wattbook.core.periods import Grain, after
from wattbook.stores.postgres.engine import Engine, Session, alone_with, instant


class Partitions:
    """Makes the months that rows need before the rows come; a hypertable makes its own."""

    def __init__(self, engine: Engine, table: str) -> None:
        self._engine = engine
        self.table = table
        self._months: set[datetime] = set()
        self._own: bool | None = None

    async def make(self, instants: pl.Series) -> None:
        """Make the months of these instants, where they are missing."""
        months = set(instants.dt.truncate("1mo").unique()) - self._months
        if months:
            await self._engine.read(lambda session: self._make(session, sorted(months)))
            self._months |= months

    def forget(self) -> None:
        """Another process may have dropped some."""
        self._months.clear()

    def _make(self, session: Session, months: list[datetime]) -> None:
        for month in months:
            name = f"{self.table}_{month:%Y_%m}"
            with session.transaction():
                session.fetch(alone_with(self.table))
                if not is_partitioned(session, self.table):
                    return
                if not session.fetch(f"select to_regclass('{name}') as found")["found"][0]:
                    # Attaching lets others write meanwhile; making it as a partition would not.
                    session.execute(f"create table {name} (like {self.table})")
                    session.execute(
                        f"alter table {self.table} attach partition {name} for values"
                        f" from ({instant(month)}) to ({instant(after(month, Grain.MONTH, 'UTC'))})"
                    )


def is_partitioned(session: Session, table: str) -> bool:
    """Whether a table is partitioned by PostgreSQL itself."""
    sql = f"select relkind::text as kind from pg_class where oid = to_regclass('{table}')"
    return bool(session.fetch(sql)["kind"][0] == "p")

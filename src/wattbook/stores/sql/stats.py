"""What the registry's file knows of itself."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbook.ports.stats import Storage
from wattbook.stores.sql.engine import reached
from wattbook.stores.sql.schema import jobs, sites, tombstones


class SqliteStats:
    """`ports.stats.Stored` of the registry, where it is a file of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def storage(self) -> Storage:
        """The file without its log, and the tables that grow."""
        size = "select page_count * page_size from pragma_page_count(), pragma_page_size()"
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                (found,) = (await connection.exec_driver_sql(size)).one()
                rows = {}
                for table in (sites, jobs, tombstones):
                    count = select(func.count()).select_from(table)
                    rows[str(table.name)] = await connection.scalar(count) or 0
        return Storage("sqlite", found, rows)

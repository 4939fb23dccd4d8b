"""How far sources have been read, beside the registry."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbook.stores.sql.engine import reached
from wattbook.stores.sql.schema import watermarks


class SqlWatermarks:
    """`ports.watermarks.Watermarks` in SQLite or PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def reached(self, source: str) -> datetime | None:
        """How far the source was read."""
        query = select(watermarks.c.reached_utc).where(watermarks.c.source == source)
        with reached(self._engine.url):
            async with self._engine.connect() as connection:
                at: datetime | None = await connection.scalar(query)
        return at

    async def reach(self, source: str, at_utc: datetime, now: datetime) -> None:
        """Note that it was read so far, on disk before this returns; never goes back."""
        row = {"source": source, "reached_utc": at_utc, "updated_utc": now}
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        fresh = dialect.insert(watermarks).values(row)
        statement = fresh.on_conflict_do_update(
            index_elements=[watermarks.c.source],
            set_={name: fresh.excluded[name] for name in ("reached_utc", "updated_utc")},
            where=fresh.excluded.reached_utc > watermarks.c.reached_utc,
        )
        with reached(self._engine.url):
            async with self._engine.begin() as connection:
                await connection.execute(statement)

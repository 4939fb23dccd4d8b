"""Brings the registry's tables up to date."""

import asyncio
from dataclasses import dataclass
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from wattbook.core.errors import UnavailableError
from wattbook.stores.sql.engine import ALONE, create_engine, reached, take_turn

SCRIPTS: Final = "wattbook.stores.sql:migrations"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """From which revision (null: there was nothing) to which."""

    before: str | None
    after: str | None


def upgrade(url: str) -> Upgrade:
    """Bring the database at `url` to the newest revision; not for a thread with an event loop."""
    return asyncio.run(_upgrade_at(url))


async def upgrade_on(engine: AsyncEngine) -> Upgrade:
    """Bring a database to the newest revision, in one transaction; harmless to repeat.

    UnavailableError when a newer wattbook wrote it, or it cannot be reached.
    """
    with reached(engine.url):
        async with engine.execution_options(**ALONE).begin() as connection:
            return await connection.run_sync(_upgrade)


def revision(url: str) -> str | None:
    """The revision of the database at `url`, null where there is nothing; it is only read."""
    return asyncio.run(_revision_at(url))


async def _revision_at(url: str) -> str | None:
    engine = create_engine(url)
    try:
        with reached(engine.url):
            async with engine.connect() as connection:
                return await connection.run_sync(_revision)
    finally:
        await engine.dispose()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def _upgrade_at(url: str) -> Upgrade:
    engine = create_engine(url)
    try:
        return await upgrade_on(engine)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> Upgrade:
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    newest = scripts.get_current_head()
    take_turn(connection)  # of two that start at once, the second finds the work done
    before = _revision(connection)
    if before is not None and before not in known:
        raise UnavailableError(
            f"the registry is at revision {before!r} and this wattbook knows none "
            f"after {newest!r}: a newer one wrote it, so use that one or newer"
        )
    command.upgrade(config, "head")
    return Upgrade(before, newest)

"""How Alembic reaches the registry: forward only, online, one at a time, all or nothing."""

import asyncio
import logging

from alembic import context
from sqlalchemy import Connection, text

from wattbook.stores.sql.engine import ALONE, create_engine
from wattbook.stores.sql.schema import metadata

TURN = 7_741_001
"""Key of the advisory lock: any number that nothing else uses."""


def run(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Wait for another migration, but not for ever.
        connection.execute(text("SET LOCAL statement_timeout = '300s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TURN})
        # A waiting migration blocks every reader behind it.
        connection.execute(text("SET LOCAL lock_timeout = '4s'"))
        connection.execute(text("SET LOCAL statement_timeout = '60s'"))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_from_command_line() -> None:
    from wattbook.settings import Settings  # noqa: PLC0415 -- only the command line needs it

    engine = create_engine(Settings().registry_url)
    async with engine.execution_options(**ALONE).begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


if context.is_offline_mode():
    raise NotImplementedError("the registry is migrated online: leave out --sql")
if (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    logging.basicConfig(format="%(message)s")
    logging.getLogger("alembic").setLevel(logging.INFO)
    asyncio.run(run_from_command_line())

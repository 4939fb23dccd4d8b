"""How Alembic reaches the registry: forward only, online, one at a time, all or nothing."""

import asyncio
import logging

from alembic import context
from sqlalchemy import Connection

from wattbook.stores.sql.engine import ALONE, create_engine, take_turn
from wattbook.stores.sql.schema import metadata


def run(connection: Connection) -> None:
    take_turn(connection)
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

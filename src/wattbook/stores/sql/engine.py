"""The way into the registry's database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from wattbook.core.errors import InputError, Problem, UnavailableError

DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
BUSY_MS: Final = 10_000
"""So long a writer waits for the one before it."""
POOL_SIZE: Final = 4
CONNECT_S: Final = 5
COMMAND_S: Final = 300
ALONE: Final = {"sqlite_begin": "BEGIN IMMEDIATE"}
"""Execution options of a transaction that reads first and must find the same when it writes."""
PRAGMAS: Final = (
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # acknowledged means on disk, even when the power fails
    "PRAGMA foreign_keys = ON",
)


def create_engine(url: str) -> AsyncEngine:
    """An engine for `url` (`sqlite:///…`, `postgresql://…`); makes the folder of a SQLite file.

    It belongs to the event loop that first uses it; `await engine.dispose()` closes it.
    """
    try:
        address = make_url(url)
    except ArgumentError:
        # The address may hold a password, so it is not repeated.
        detail = "no address of a database, as in sqlite:///registry.sqlite"
        raise InputError(detail, [Problem("bad_url", detail, field="registry_url")]) from None
    address = address.set(drivername=DRIVERS.get(address.drivername, address.drivername))
    if address.get_backend_name() == "sqlite":
        return _sqlite(address)
    try:
        return _postgresql(address)
    except ModuleNotFoundError as error:
        message = f"{error.name} is missing: pip install 'wattbook[postgres]'"
        raise UnavailableError(message) from error


def _postgresql(address: URL) -> AsyncEngine:
    import asyncpg  # noqa: PLC0415 -- an extra: embedded set-ups do without it

    # asyncpg reads the address itself, as libpq does: sslmode and the like mean the same to both.
    dsn = address.set(drivername="postgresql").render_as_string(hide_password=False)

    async def connect() -> asyncpg.Connection:
        try:
            return await asyncpg.connect(dsn, timeout=CONNECT_S, command_timeout=COMMAND_S)
        except (asyncpg.PostgresError, ValueError) as error:
            raise ConnectionError(error) from error

    return create_async_engine(
        address, async_creator=connect, pool_size=POOL_SIZE, pool_pre_ping=True
    )


@contextmanager
def reached(url: URL) -> Iterator[None]:
    """Says in our words that the database cannot be reached, or is held by another."""
    try:
        yield
    except DBAPIError as error:
        if not _out_of_reach(error):
            raise
        raise UnavailableError(f"the registry at {url!r}: {error.orig}") from error
    except OSError as error:
        raise UnavailableError(f"the registry at {url!r}: {error or 'no answer'}") from error


def refused(error: Exception) -> bool:
    """Whether the database was reached and could not keep a value: each driver says it its way."""
    if isinstance(error, IntegrityError | DataError | OverflowError):
        return True
    return type(error) is DBAPIError and not error.connection_invalidated  # asyncpg


def _out_of_reach(error: DBAPIError) -> bool:
    # SQLite says of a file that is none of its own only that it is a DatabaseError.
    return (
        isinstance(error, OperationalError | InterfaceError)
        or type(error) is DatabaseError
        or error.connection_invalidated
    )


def _sqlite(address: URL) -> AsyncEngine:
    in_memory = address.database in (None, "", ":memory:")
    if not in_memory:
        with reached(address):
            Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        address,
        poolclass=AsyncAdaptedQueuePool,
        # A database in memory lives and dies with its one connection.
        pool_size=1 if in_memory else POOL_SIZE,
        max_overflow=0,
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 -- a driver's object
    # Python's sqlite3 begins transactions late and commits before DDL; here we begin them.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))

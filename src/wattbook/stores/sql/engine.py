"""The way into the registry's database."""

import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, event, text
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
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from wattbook.core.errors import (
    DamagedStoreError,
    InputError,
    Problem,
    UnavailableError,
    missing_package,
)
from wattbook.stores.address import Address

BUSY_MS: Final = 10_000
"""So long a writer waits for the one before it."""
POOL_SIZE: Final = 4
WAIT_S: Final = 30
"""So long a question waits for one of the connections."""
CONNECT_S: Final = 5
COMMAND_S: Final = 300
LIBPQ_ALONE: Final = frozenset(
    "client_encoding connect_timeout channel_binding fallback_application_name gssdelegation"  # noqa: SIM905  names in a row
    " gssencmode keepalives keepalives_count keepalives_idle keepalives_interval"
    " load_balance_hosts require_auth requirepeer sslcertmode sslcompression sslcrldir sslsni"
    " tcp_user_timeout".split()
)
"""What only libpq takes; asyncpg would hand it to the server, which knows no such setting."""
MIGRATING: Final = 7_741_001
"""Advisory lock of who migrates: any number that nothing else uses."""
HELD: Final = "55P03"
"""SQLSTATE: another transaction held a lock for longer than `lock_timeout`, set for migrations."""
REFUSED: Final = ("22", "23")
"""SQLSTATE classes of values that cannot be kept."""
DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""What SQLite says of a file that it cannot read as a database."""
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
    if url.startswith("sqlite"):
        try:
            return _sqlite(make_url(url).set(drivername="sqlite+aiosqlite"))
        except ArgumentError:
            detail = "no address of a database, as in sqlite:///registry.sqlite"
            raise InputError(detail, [Problem("bad_url", detail, field="registry_url")]) from None
    try:
        return _postgresql(Address.of(url))
    except ModuleNotFoundError as error:
        raise missing_package(error.name, "postgres") from error


def _postgresql(address: Address) -> AsyncEngine:
    import asyncpg  # noqa: PLC0415 -- an extra: embedded set-ups do without it

    # asyncpg reads the address itself, as libpq does: sslmode and the like mean the same to both.
    dsn = address.without(LIBPQ_ALONE).asking(application_name="wattbook")
    trusted = None
    if address.parameter("sslrootcert") == "system":  # libpq's word; asyncpg would open that file
        trusted, dsn = ssl.create_default_context(), dsn.without({"sslrootcert"})
    asked = address.parameter("connect_timeout") or ""
    patience_s = int(asked) if asked.isdigit() and int(asked) else CONNECT_S

    async def connect() -> asyncpg.Connection:
        try:
            return await asyncpg.connect(
                dsn.url, ssl=trusted, timeout=patience_s, command_timeout=COMMAND_S
            )
        except TimeoutError as error:
            raise ConnectionError(f"no answer within {patience_s} s") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise ConnectionError(_line(error)) from error

    return create_async_engine(
        URL.create("postgresql+asyncpg", database=str(address)),  # what errors call it, no more
        async_creator=connect,
        isolation_level="READ COMMITTED",  # who waited sees what was waited for
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=WAIT_S,
        pool_pre_ping=True,
    )


@contextmanager
def reached(url: URL) -> Iterator[None]:
    """Raise UnavailableError or DamagedStoreError where the database cannot be reached or read.

    Messages reach callers of the API, so they name the file without its folder.
    """
    name = url.database
    if url.get_backend_name() != "postgresql":
        name = Path(name or ":memory:").name
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorcode", None) in DAMAGED:
            detail = f"{name} is damaged ({error.orig}): restore it from a backup"
            raise DamagedStoreError(detail) from error
        if not _out_of_reach(error):
            raise
        raise UnavailableError(f"{name}: {_said(error)}") from error
    except PoolTimeoutError as error:
        raise UnavailableError(f"{name}: all {POOL_SIZE} connections are busy") from error
    except OSError as error:
        raise UnavailableError(f"{name}: {error.strerror or str(error)}") from error


def refused(error: Exception) -> bool:
    """Whether the database was reached and could not keep a value: each driver says it its way."""
    if isinstance(error, IntegrityError | DataError | OverflowError):
        return True
    return isinstance(error, DBAPIError) and _state(error).startswith(REFUSED)


def take_turn(connection: Connection) -> None:
    """Wait for whoever else migrates, but not for ever; after that, let no lock block readers."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL statement_timeout = '300s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
        # A waiting migration blocks every reader behind it.
        connection.execute(text("SET LOCAL lock_timeout = '4s'"))
        connection.execute(text("SET LOCAL statement_timeout = '60s'"))


def _out_of_reach(error: DBAPIError) -> bool:
    if _state(error):  # PostgreSQL names what went wrong
        return not refused(error)
    # SQLite says of a file that is none of its own only that it is a DatabaseError.
    return (
        isinstance(error, OperationalError | InterfaceError)
        or type(error) is DatabaseError
        or error.connection_invalidated
    )


def _state(error: DBAPIError) -> str:
    """The SQLSTATE, where the driver tells one."""
    return getattr(error.orig, "sqlstate", None) or ""


def _said(error: DBAPIError) -> str:
    """What the database said: SQLAlchemy puts the name of asyncpg's class before it."""
    assert error.orig is not None
    if _state(error) == HELD:
        return "another transaction holds a table that is to be migrated; try again when it ended"
    return _line(error.orig.__cause__ or error.orig) if _state(error) else str(error.orig)


def _line(error: BaseException) -> str:
    """A message of asyncpg, which puts details on lines of their own, on one."""
    return "; ".join(str(error).splitlines())


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

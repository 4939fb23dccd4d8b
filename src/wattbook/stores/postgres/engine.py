"""The way into the database: connections that read and write columns, and what if they break."""

import asyncio
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi as driver
import polars as pl
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from wattbook.core.errors import InputError, Problem, UnavailableError
from wattbook.core.periods import Period
from wattbook.stores.address import Address
from wattbook.stores.writer_thread import Item, Result, Run, WriterThread

CONNECT: Final = {
    "connect_timeout": "5",
    "application_name": "wattbook",
    "client_encoding": "UTF8",  # whatever the database keeps
    # A server whose machine is gone says nothing more: after a minute it is taken for gone.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""What every connection asks of libpq, where the address does not say otherwise."""
SETTINGS: Final = {
    "standard_conforming_strings": "on",  # a backslash is a backslash
    "synchronous_commit": "on",  # acknowledged means on disk, whatever the database is set to
    "default_transaction_isolation": "read committed",  # who waited sees what was waited for
    # A correction may reach into compressed chunks; without TimescaleDB this says nothing.
    "timescaledb.max_tuples_decompressed_per_dml_transaction": "0",
    # If it is our machine that is gone, what we held is free after a minute: locks and the turn.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60000",
    "idle_in_transaction_session_timeout": "60000",
}
READERS: Final = 4
WAITING: Final = 32
"""So many threads read or wait for it; all other work of the process has threads of its own."""
SESSION_TIMEOUT_S: Final = 30
"""So long a reader waits for one of the sessions."""
RETRY_S: Final = 10.0
"""So long a write is tried again while the server is away: a restart takes less."""
PAUSE_S: Final = 0.2
RETRY_DELAY_S: Final = 1.0
"""After a failure, so long what else waits is refused: one by one it would wait all day."""
MAX_ATTEMPTS: Final = 5
"""So often a transaction begins again because another one was first."""
TABLES: Final = 7_741_002
"""Advisory lock, with a table beside it: one at a time makes its partitions or numbers its ids."""
WRITES: Final = 7_741_003
"""Advisory lock that every write shares from before it looks at the clock until its commit."""
SHAPES: Final = 7_741_006
"""Advisory lock that writes of rollups share while nobody makes another table of them."""

UNIQUE: Final = "23505"
HELD: Final = "55P03"
"""Another transaction held a lock for longer than `lock_timeout`."""
AGAIN: Final = frozenset({"40001", "40P01"})
"""Serialisation failures and deadlocks: another transaction was first."""
AWAY: Final = re.compile("08(?!P01)|57P|25P03")
"""SQLSTATEs of a connection that ended; 08P01 is said of a row that is none."""
RESTS: Final = re.compile("08|53|55|57|58")
"""SQLSTATEs that say nothing of what was written: without room, memory, a lock, time, a server."""
UNFIT: Final = "22"
"""SQLSTATE class of values that a column cannot hold."""


class TryAgainError(Exception):
    """What this transaction took for granted is not so: it begins again from what is."""


class Session:
    """One connection. Everything runs and commits by itself, but inside `transaction`."""

    def __init__(self, url: str, statement_timeout_s: float) -> None:
        self._connection = driver.connect(url, autocommit=True)
        self._staged: set[str] = set()
        self._filled: set[str] = set()
        self.used = False
        """Whether it has stood idle since: it may have lost its server meanwhile."""
        settings = SETTINGS | {"statement_timeout": str(round(statement_timeout_s * 1000))}
        asked = ", ".join(f"('{name}', '{value}')" for name, value in settings.items())
        try:
            told = self.fetch(
                "select set_config(name, value, false) as value, pg_backend_pid() as process"
                f" from (values {asked}) as asked(name, value)"
            )
        except adbc.Error:
            self.close()
            raise
        self.process: int = told["process"][0]
        """Number of the server's process at the other end."""

    def execute(self, sql: str) -> None:
        """Run a statement that answers nothing."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)

    def fetch(self, sql: str, values: Sequence[object] = ()) -> pl.DataFrame:
        """The rows of a query; `values` are its `$1`, `$2` …."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            found = pl.from_arrow(cursor.fetch_arrow_table())
        assert isinstance(found, pl.DataFrame)
        return found

    def copy(self, table: str, rows: pl.DataFrame) -> None:
        """Append rows to a table, by the names of their columns."""
        if rows.height:
            with self._connection.cursor() as cursor:
                cursor.adbc_ingest(table, rows.to_arrow(), mode="append")

    def stage(self, table: str, like: str, rows: pl.DataFrame) -> str:
        """Rows in a table of this transaction alone, typed as in `like`; its name."""
        if table in self._filled:
            self.execute(f"truncate {table}")
        elif table not in self._staged:
            columns = ", ".join(rows.columns)
            self.execute(
                f"create temp table {table} on commit delete rows"
                f" as select {columns} from {like} limit 0"
            )
            self._staged.add(table)
        self._filled.add(table)
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest(table, rows.to_arrow(), mode="append", temporary=True)
        return table

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what the block does."""
        staged = set(self._staged)
        self._filled.clear()
        self.execute("begin")
        try:
            yield
            self.execute("commit")
        except BaseException:
            self._staged = staged
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        try:
            self.execute("rollback")
        except adbc.Error:  # the connection is gone, and the transaction with it
            return

    def under_way(self, process: int) -> bool:
        """Whether another connection of ours is in a transaction that began before now."""
        found = self.fetch(
            f"select 1 as one from pg_stat_activity where pid = {process} and xact_start < now()"
            " and usename = current_user and datname = current_database()"
        )
        return found.height > 0

    def cancel(self) -> None:
        """End the statement that another thread waits for."""
        self._connection.adbc_cancel()

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


Found = TypeVar("Found")


class Engine:
    """A database: a pool of sessions to read with, and lanes that write."""

    def __init__(
        self, url: str, *, statement_timeout_s: float = 300.0, retry_s: float = RETRY_S
    ) -> None:
        self._address = Address.of(url).asking(**CONNECT)
        self._timeout_s = statement_timeout_s
        self.retry_s = retry_s
        self._pool = QueuePool(
            self.connect,  # type: ignore[arg-type]  # a session closes as a DBAPI connection does
            pool_size=READERS,
            max_overflow=0,
            timeout=SESSION_TIMEOUT_S,
            reset_on_return=None,
        )
        self._threads = ThreadPoolExecutor(WAITING, "postgres-reads")

    def connect(self) -> Session:
        """A new session."""
        return Session(self._address.url, self._timeout_s)

    async def read(self, run: Callable[[Session], Found]) -> Found:
        """What `run` finds, off the event loop; again where the connection was a stale one."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.on_session, run)

    def on_session(self, run: Callable[[Session], Found]) -> Found:
        """What `run` finds, here and now."""
        with self.reached():
            while True:
                held = self._held()
                session: Session = held.dbapi_connection
                try:
                    found = run(session)
                except BaseException as error:
                    held.invalidate()
                    if session.used and isinstance(error, adbc.Error) and is_away(error):
                        continue  # the others that stood idle may be as dead: each is found out
                    raise
                session.used = True
                held.close()
                return found

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Says in our words what the database could not do."""
        try:
            yield
        except adbc.Error as error:
            raise self.failed(error) from error

    def _held(self) -> Any:  # noqa: ANN401  SQLAlchemy's idea of a connection
        try:
            return self._pool.connect()
        except PoolTimeoutError as error:
            raise UnavailableError(f"{self}: all {READERS} connections are busy") from error

    def failed(self, error: adbc.Error) -> UnavailableError | InputError:
        """The error in our words; it never shows the password."""
        reason = said(error)
        if (error.sqlstate or "").startswith(UNFIT):
            return InputError(reason, [Problem("refused", reason)])
        return UnavailableError(f"{self}: {reason}")

    def close(self) -> None:
        """Let go of all connections."""
        self._threads.shutdown()
        self._pool.dispose()

    def __str__(self) -> str:
        """Which database this is."""
        return str(self._address)


class Writer:
    """A lane of its own with a connection of its own.

    A transaction that another one stood in the way of is run again; one that lost its connection
    is run again on a new one, and told that its former self may have been committed.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._session: Session | None = None
        self.in_doubt = False
        """Whether the transaction before this one may have been committed unheard."""
        self._lost: int | None = None
        """The process of the server with which it was lost."""
        self._away_since: float | None = None
        self._rests_until = -math.inf
        self._failure = ""
        self._lane = WriterThread(name, self._transact)

    async def write(self, run: Run[Item, Result], item: Item, rows: int) -> Result:
        """Have `item` committed; when this returns, it is on disk."""
        return await self._lane.write(run, item, rows)

    def close(self) -> None:
        """Finish what waits and let go of the connection."""
        self._lane.close()
        self._drop()

    def _transact(self, run: Run[Any, Any], items: list[Any]) -> list[Any]:
        if time.monotonic() < self._rests_until:
            raise UnavailableError(self._failure)
        try:
            results = self._tried(run, items)
        except adbc.Error as error:
            failed = self._engine.failed(error)
            if not error.sqlstate or RESTS.match(error.sqlstate):
                self._rests_until, self._failure = time.monotonic() + RETRY_DELAY_S, str(failed)
            raise failed from error
        self.in_doubt, self._away_since = False, None
        return results

    def _tried(self, run: Run[Any, Any], items: list[Any]) -> list[Any]:
        tries = 0
        while True:
            try:
                return self._once(run, items)
            except TryAgainError:
                tries += 1
                if tries >= MAX_ATTEMPTS:
                    raise UnavailableError(
                        f"{self._engine}: others write the same rows, time after time"
                    ) from None
            except adbc.Error as error:
                if is_away(error):
                    self._wait(error)
                    continue
                tries += 1
                if tries >= MAX_ATTEMPTS or not self._was_another(error):
                    raise

    def _was_another(self, error: adbc.Error) -> bool:
        """Whether another transaction was first; in doubt, that may have been a former self."""
        return error.sqlstate in AGAIN or (self.in_doubt and error.sqlstate == UNIQUE)

    def _once(self, run: Run[Any, Any], items: list[Any]) -> list[Any]:
        if self._session is None:
            self._session = self._engine.connect()
        if self._lost is not None:
            self._outlast(self._session, self._lost)
            self._lost = None
        with self._session.transaction():
            return run(self._session, items)

    def _outlast(self, session: Session, lost: int) -> None:
        """Wait until what may have been committed has been, or never will be."""
        end = time.monotonic() + SESSION_TIMEOUT_S
        while session.under_way(lost):
            if time.monotonic() > end:
                raise UnavailableError(
                    f"{self._engine}: a transaction whose connection was lost is still under way"
                )
            time.sleep(PAUSE_S)

    def _wait(self, error: adbc.Error) -> None:
        """Wait for the server; give up where it has been away for too long."""
        if self._session is not None and self._lost is None:
            self._lost = self._session.process
        self._drop()
        self.in_doubt = True
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since > self._engine.retry_s:
            raise error
        time.sleep(PAUSE_S)

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def is_away(error: adbc.Error) -> bool:
    """Whether it is the connection or the server that failed, not the statement."""
    if error.sqlstate:
        return AWAY.match(error.sqlstate) is not None
    # What the server says of a statement has a SQLSTATE; what libpq says of a connection has none.
    return isinstance(error, adbc.OperationalError)


def said(error: adbc.Error) -> str:
    """What the server said, on one line, without the statement that it said it of."""
    text = re.sub(r"^\w+: (\[libpq\] )?", "", str(error)).partition("\nQuery was")[0]
    own = re.search(r"(?:ERROR|FATAL|PANIC): +(.+)", text)
    if own is not None and not text.startswith("Failed to connect"):
        return own[1]
    hints = ("\t", " ", "LINE ")
    lines = [line.strip() for line in text.splitlines() if line and not line.startswith(hints)]
    return "; ".join(lines)


def alone_with(table: str) -> str:
    """SQL that waits until nobody else makes parts of a table; until the end of the transaction."""
    return f"select pg_advisory_xact_lock({TABLES}, hashtext('{table}'))"


def integers(numbers: Sequence[int]) -> str:
    """Whole numbers as an array of SQL."""
    return "'{" + ",".join(str(int(number)) for number in numbers) + "}'::int[]"


def texts(values: Sequence[str]) -> str:
    """Texts as an array of SQL."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"array[{quoted}]::text[]"


def instant(at: datetime) -> str:
    """An instant in SQL."""
    return f"'{at.astimezone(UTC).isoformat()}'::timestamptz"


def within(column: str, period: Period) -> str:
    """A condition of SQL: the column lies in the period."""
    return f"{column} >= {instant(period.start)} and {column} < {instant(period.end)}"

"""The way into the database: connections that read and write columns, and what if they break."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi as driver
import polars as pl
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from wattbook.core.errors import InputError, Problem, UnavailableError
from wattbook.core.periods import Period
from wattbook.stores.lane import Item, Lane, Result, Run

CONNECT_S: Final = 5
READERS: Final = 4
WAIT_S: Final = 30
"""So long a reader waits for one of the sessions."""
RETRY_S: Final = 10.0
"""So long a write is tried again while the server is away: a restart takes less."""
PAUSE_S: Final = 0.2
TRIES: Final = 5
"""So often a transaction begins again because another one was first."""
TABLE_LOCKS: Final = 7_741_002
"""Advisory lock: one at a time makes partitions or numbers ids."""
WRITES: Final = 7_741_003
"""Advisory lock that every write shares from before it looks at the clock until its commit."""

UNIQUE: Final = "23505"
AGAIN: Final = frozenset({"40001", "40P01"})
"""Serialisation failures and deadlocks: another transaction was first."""
AWAY: Final = re.compile(
    r"terminating connection|starting up|shutting down|in recovery|too many clients"
    r"|remaining connection slots|server closed the connection|no connection to the server"
    r"|connection refused|could not connect|could not receive|could not send|timeout expired"
    r"|could not translate|connection reset|broken pipe|eof detected|no such file or directory"
    r"|not accepting connections|network is unreachable|no route to host|crash of another",
    re.IGNORECASE,
)
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
        self.execute(f"set statement_timeout = {round(statement_timeout_s * 1000)}")
        self.execute("set standard_conforming_strings = on")  # a backslash is a backslash
        # Acknowledged means on disk, whatever the database is set to.
        self.execute("set synchronous_commit = on")
        # A correction may reach into compressed chunks; without TimescaleDB this says nothing.
        self.execute("set timescaledb.max_tuples_decompressed_per_dml_transaction = 0")

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
        self._url = make_url(url).set(drivername="postgresql")
        self._timeout_s = statement_timeout_s
        self.retry_s = retry_s
        self._pool = QueuePool(
            self.connect,  # type: ignore[arg-type]  # a session closes as a DBAPI connection does
            pool_size=READERS,
            max_overflow=0,
            timeout=WAIT_S,
            reset_on_return=None,
        )

    def connect(self) -> Session:
        """A new session."""
        ours = {"connect_timeout": str(CONNECT_S), "application_name": "wattbook"}
        asked = {name: value for name, value in ours.items() if name not in self._url.query}
        url = self._url.update_query_dict(asked)
        return Session(url.render_as_string(hide_password=False), self._timeout_s)

    async def read(self, run: Callable[[Session], Found]) -> Found:
        """What `run` finds, off the event loop; once more where the connection was a stale one."""
        return await asyncio.to_thread(self.on_session, run)

    def on_session(self, run: Callable[[Session], Found]) -> Found:
        """What `run` finds, here and now."""
        with self.reached():
            try:
                return self._once(run)
            except adbc.Error as error:
                if not is_away(error):
                    raise
                stale, self._pool = self._pool, self._pool.recreate()  # the others are as old
                stale.dispose()
                return self._once(run)

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Says in our words what the database could not do."""
        try:
            yield
        except adbc.Error as error:
            raise self.failed(error) from error

    def _once(self, run: Callable[[Session], Found]) -> Found:
        try:
            held: Any = self._pool.connect()
        except PoolTimeoutError as error:
            raise UnavailableError(f"{self}: all {READERS} connections are busy") from error
        try:
            found = run(held.dbapi_connection)
        except BaseException:
            held.invalidate()
            raise
        held.close()
        return found

    def failed(self, error: adbc.Error) -> UnavailableError | InputError:
        """The error in our words; it never shows the password."""
        said = _said(error)
        if (error.sqlstate or "").startswith(UNFIT):
            return InputError(said, [Problem("refused", said)])
        return UnavailableError(f"{self}: {said}")

    def close(self) -> None:
        """Let go of all connections."""
        self._pool.dispose()

    def __str__(self) -> str:
        """Which database this is."""
        return f"PostgreSQL at {place(self._url)}"


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
        self._away_since: float | None = None
        self._lane = Lane(name, self._transact)

    async def write(self, run: Run[Item, Result], item: Item, rows: int) -> Result:
        """Have `item` committed; when this returns, it is on disk."""
        return await self._lane.write(run, item, rows)

    def close(self) -> None:
        """Finish what waits and let go of the connection."""
        self._lane.close()
        self._drop()

    def _transact(self, run: Run[Any, Any], items: list[Any]) -> list[Any]:
        tries = 0
        while True:
            try:
                results = self._once(run, items)
            except TryAgainError:
                tries += 1
                if tries == TRIES:
                    raise UnavailableError(
                        f"{self._engine}: others write the same rows, time after time"
                    ) from None
            except adbc.Error as error:
                tries += 1
                if is_away(error):
                    self._wait(error)
                elif error.sqlstate not in AGAIN or tries == TRIES:
                    raise self._engine.failed(error) from error
            else:
                self.in_doubt, self._away_since = False, None
                return results

    def _once(self, run: Run[Any, Any], items: list[Any]) -> list[Any]:
        if self._session is None:
            self._session = self._engine.connect()
        with self._session.transaction():
            return run(self._session, items)

    def _wait(self, error: adbc.Error) -> None:
        """Wait for the server; give up where it has been away for too long."""
        self._drop()
        self.in_doubt = True
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since > self._engine.retry_s:
            raise self._engine.failed(error) from error
        time.sleep(PAUSE_S)

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def is_away(error: adbc.Error) -> bool:
    """Whether it is the connection or the server that failed, not the statement."""
    state = error.sqlstate or ""
    if state.startswith(("08", "57P")):
        return True
    return not state and AWAY.search(str(error)) is not None


def place(url: URL) -> str:
    """Where a database is, without user and password."""
    host = url.host or url.query.get("host") or "localhost"
    return f"{host}:{url.port or 5432}/{url.database or ''}"


def _said(error: adbc.Error) -> str:
    """What the server said, on one line."""
    primary = [value for name, value in error.details if name == "PG_DIAG_MESSAGE_PRIMARY"]
    if primary:
        return primary[0].decode("utf-8", "replace")
    text = re.sub(r"^\w+: (\[libpq\] )?", "", str(error)).replace("\n", " ")
    return re.sub(r"\s+", " ", text).strip().rstrip(".")


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

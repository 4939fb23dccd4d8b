"""The DuckDB file: who may write, how writes are grouped, how reads run beside them."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar

import duckdb
import polars as pl

from wattbook.core.errors import UnavailableError

GROUP_ROWS: Final = 200_000
"""Batches that wait are committed together, up to so many rows."""
IDLE_S: Final = 2.0
"""After so much quiet the log is folded into the file, which compresses it."""
BLOCKED: Final = re.compile(r"PID (\d+)")

Connection = duckdb.DuckDBPyConnection
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class Work(Generic[Item, Result]):
    """Something for the writing thread: `rows` of it can share a transaction with its like."""

    run: Callable[[Connection, list[Item]], list[Result]]
    item: Item
    rows: int
    done: "Future[Result]" = field(default_factory=Future)


AnyWork = Work[Any, Any]


class Engine:
    """One DuckDB file, held by one process: a thread that writes, and cursors that read."""

    def __init__(self, path: Path | None, *, memory_limit: str, threads: int) -> None:
        self.path = path
        self._held = _hold(path)
        try:
            self._root = _connect(path, memory_limit=memory_limit, threads=threads)
            self.migrated = self._migrate()
            """Schema before and after."""
        except BaseException:
            _HELD.discard(self._held)
            raise
        self._queue: SimpleQueue[AnyWork | None] = SimpleQueue()
        self._written = False
        self._thread = threading.Thread(target=self._write_loop, name="duckdb-writer", daemon=True)
        self._thread.start()

    async def write(
        self, run: Callable[[Connection, list[Item]], list[Result]], item: Item, rows: int
    ) -> Result:
        """Have the writing thread commit `item`, together with others that wait for the same `run`.

        When this returns, the transaction is on disk.
        """
        work = Work(run, item, rows)
        self._queue.put(work)
        # Once handed over, the write happens; a caller that goes away must not make it half known.
        return await asyncio.shield(asyncio.wrap_future(work.done))

    async def settled(self) -> None:
        """Wait until everything that was handed over before is on disk."""
        await self.write(_nothing, None, 0)

    async def read(self, run: Callable[[Connection], Result]) -> Result:
        """Run a read on a snapshot of its own, off the event loop."""
        return await asyncio.to_thread(self.on_cursor, run)

    def on_cursor(self, run: Callable[[Connection], Result]) -> Result:
        """Run a read on a snapshot of its own, here and now."""
        cursor = self._root.cursor()
        try:
            return run(cursor)
        except duckdb.Error as error:
            raise _unavailable(error) from error
        finally:
            cursor.close()

    def close(self) -> None:
        """Finish what waits, fold the log into the file and let go of it."""
        self._queue.put(None)
        self._thread.join()
        self._root.close()
        _HELD.discard(self._held)

    def _write_loop(self) -> None:
        connection = self._root.cursor()
        held: AnyWork | None = None
        while True:
            try:
                first = held or self._queue.get(timeout=IDLE_S)
            except Empty:
                self._fold(connection)
                continue
            if first is None:
                break
            group, held, last = self._gather(first)
            self._commit(connection, group)
            if last:
                break
        connection.close()

    def _gather(self, first: AnyWork) -> tuple[list[AnyWork], AnyWork | None, bool]:
        """What can be committed with `first`, the first that cannot, and whether to stop."""
        group, rows = [first], first.rows
        while rows < GROUP_ROWS:
            try:
                after = self._queue.get_nowait()
            except Empty:
                return group, None, False
            if after is None:
                return group, None, True
            if after.run != first.run:
                return group, after, False
            group.append(after)
            rows += after.rows
        return group, None, False

    def _commit(self, connection: Connection, group: Sequence[AnyWork]) -> None:
        try:
            results = self._transaction(connection, group)
        except Exception as error:  # noqa: BLE001  the writer must outlive whatever one group does
            if len(group) > 1:
                for work in group:
                    self._commit(connection, [work])
                return
            failure = _unavailable(error) if isinstance(error, duckdb.Error) else error
            group[0].done.set_exception(failure)
            return
        self._written = True
        for work, result in zip(group, results, strict=True):
            work.done.set_result(result)

    def _transaction(self, connection: Connection, group: Sequence[AnyWork]) -> list[Any]:
        connection.begin()
        try:
            results = group[0].run(connection, [work.item for work in group])
            connection.commit()
        except BaseException:
            _roll_back(connection)
            raise
        return results

    def _fold(self, connection: Connection) -> None:
        if self._written and self.path is not None:
            self._written = False
            try:
                connection.execute("checkpoint")
            except duckdb.TransactionException:  # a reader holds an old snapshot: next time
                self._written = True

    def _migrate(self) -> tuple[int, int]:
        con = self._root
        con.execute("create table if not exists schema_version (version integer not null)")
        (have,) = con.execute("select coalesce(max(version), 0) from schema_version").fetchall()[0]
        steps = _migrations()
        if have > len(steps):
            raise UnavailableError(
                f"{self.path} was written by a newer wattbook (schema {have}, known {len(steps)})"
            )
        for version, script in enumerate(steps[have:], start=have + 1):
            con.begin()
            con.execute(script)
            con.execute("insert into schema_version values (?)", [version])
            con.commit()
        return have, len(steps)


_HELD: Final[set[Path | None]] = set()
"""Files open in this process: DuckDB itself would hand out the same one twice."""


def _hold(path: Path | None) -> Path | None:
    if path is None:
        return None
    real = path.resolve()
    if real in _HELD:
        raise UnavailableError(f"{path} is open in this process already")
    _HELD.add(real)
    return real


def _nothing(_: Connection, items: list[None]) -> list[None]:
    return items


def _connect(path: Path | None, *, memory_limit: str, threads: int) -> Connection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "threads": threads,
        "checkpoint_threshold": "128MB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    try:
        if path is None:
            return duckdb.connect(":memory:", config=config)
        path.parent.mkdir(parents=True, exist_ok=True)
        return duckdb.connect(str(path), config=config)
    except duckdb.Error as error:
        text = str(error)
        holder = BLOCKED.search(text)
        if "lock" in text.lower():
            who = f"process {holder[1]}" if holder else "another process"
            raise UnavailableError(
                f"{path} is open in {who}; stop it, or send your data to its HTTP service"
            ) from error
        raise UnavailableError(f"{path} cannot be opened: {text.splitlines()[0]}") from error
    except OSError as error:
        raise UnavailableError(f"{path} cannot be opened: {error.strerror}") from error


def _roll_back(connection: Connection) -> None:
    try:
        connection.rollback()
    except duckdb.TransactionException:  # the failure ended the transaction already
        return


def _unavailable(error: Exception) -> UnavailableError:
    return UnavailableError(f"the store failed: {str(error).splitlines()[0]}")


def _migrations() -> list[str]:
    folder = resources.files(__package__) / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text("utf-8") for name in names]


def fetch(
    con: Connection, sql: str, values: list[Any] | None = None, **tables: pl.DataFrame
) -> pl.DataFrame:
    """The rows of a query as a frame; `tables` are frames that it names."""
    for name, table in tables.items():
        con.register(name, table.to_arrow())
    found = pl.from_arrow(con.sql(sql, params=values).to_arrow_table())
    for name in tables:
        con.unregister(name)
    assert isinstance(found, pl.DataFrame)
    return found


def insert(con: Connection, table: str, rows: pl.DataFrame) -> None:
    """Append rows whose columns are those of the table, in its order."""
    # DuckDB finds the frame by its name here; a registered view would be a write to the catalogue,
    # which costs more than the rows.
    new_rows = rows.to_arrow()  # noqa: F841
    con.execute(f"insert into {table} select * from new_rows")


def listed(keys: Iterable[int]) -> str:
    """Whole numbers for an SQL `in (…)`; never empty."""
    return ", ".join(str(int(key)) for key in keys) or "-1"

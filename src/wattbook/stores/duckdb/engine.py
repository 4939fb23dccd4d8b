"""The DuckDB file: who may write, how writes are grouped, how reads run beside them."""

import asyncio
import re
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from wattbook.core.errors import StoreLockedError, UnavailableError
from wattbook.stores.writer_thread import Item, Result, Run, WriterThread

BLOCKED: Final = re.compile(r"PID (\d+)")

Connection = duckdb.DuckDBPyConnection


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
        self._writer = self._root.cursor()
        self._written = False
        self._lane = WriterThread("duckdb-writer", self._transact, idle=self._fold)

    async def write(self, run: Run[Item, Result], item: Item, rows: int) -> Result:
        """Have the writing thread commit `item`; when this returns, it is on disk."""
        return await self._lane.write(run, item, rows)

    async def settled(self) -> None:
        """Wait until everything that was handed over before is on disk."""
        await self._lane.settled()

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

    def size(self) -> int:
        """Bytes of the file and of the log that is not folded in yet; 0 in memory."""
        if self.path is None:
            return 0
        log = self.path.with_name(f"{self.path.name}.wal")
        return sum(each.stat().st_size for each in (self.path, log) if each.exists())

    def close(self) -> None:
        """Finish what waits, fold the log into the file and let go of it."""
        self._lane.close()
        self._writer.close()
        self._root.close()
        _HELD.discard(self._held)

    def _transact(self, run: Run[Any, Any], items: list[Any]) -> list[Any]:
        self._writer.begin()
        try:
            results = run(self._writer, items)
            self._writer.commit()
        except BaseException as error:
            _roll_back(self._writer)
            if isinstance(error, duckdb.Error):
                raise _unavailable(error) from error
            raise
        self._written = True
        return results

    def _fold(self) -> None:
        """Fold the log into the file, which compresses it."""
        if self._written and self.path is not None:
            self._written = False
            try:
                self._writer.execute("checkpoint")
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
            pid = int(holder[1]) if holder else None
            raise StoreLockedError(f"{path} is open in {who}", holder=pid) from error
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
    """Append rows whose columns are those of the table, in any order."""
    # DuckDB finds the frame by its name here; a registered view would be a write to the catalogue,
    # which costs more than the rows.
    new_rows = rows.to_arrow()  # noqa: F841
    con.execute(f"insert into {table} by name select * from new_rows")


def listed(keys: Iterable[int]) -> str:
    """Whole numbers for an SQL `in (…)`; never empty."""
    return ", ".join(str(int(key)) for key in keys) or "-1"

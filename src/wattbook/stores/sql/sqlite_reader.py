"""The sites and jobs of an embedded registry, read with SQLite's own driver.

SQLAlchemy takes longer to import than a command that shows sites or jobs takes for all else.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from wattbook.core.jobs import Job, JobKind, JobState, Outcome
from wattbook.core.paging import Listing
from wattbook.core.registry import dated
from wattbook.core.registry.entities import SLUG, Site, SiteStatus, SupplyKind
from wattbook.core.registry.tariffs import Netting
from wattbook.ports.jobs import JobPage
from wattbook.stores.sql import assembly

Found = TypeVar("Found")
REVISION: Final = "select version_num from alembic_version"
OF_SITES: Final = "site_id in (select value from json_each(?))"
OF_JOBS: Final = "job_id in (select value from json_each(?))"
CHILDREN: Final = """
    select parent_id, state, count(*), sum(done), sum(total), max(unit) from jobs
    where parent_id in (select value from json_each(?)) group by parent_id, state
"""
WORDS: Final[Mapping[str, Mapping[str, type[StrEnum]]]] = {
    "sites": {"status": SiteStatus},
    "meters": dated.WORDS,
    "supplies": {"kind": SupplyKind},
    "tariffs": {"netting": Netting},
    "jobs": {"state": JobState},
    "job_attempts": {"outcome": Outcome},
}
"""Columns of each table that hold one word of a closed list."""
CONVERTERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "DATETIME": lambda text: datetime.fromisoformat(text.decode()).replace(tzinfo=UTC),
    "DATE": lambda text: date.fromisoformat(text.decode()),
    "BOOLEAN": lambda text: text != b"0",
    "JSON": json.loads,
}
"""Values of columns, by the type that the table declares."""


class SqliteReader:
    """Reads the sites and jobs of one snapshot of a registry."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def sites(self) -> tuple[Site, ...]:
        """Every site with everything on it, in the order of ids."""
        return self._sites(self._rows("sites", "true order by id"))

    def site(self, site_id: str) -> Site:
        """One site with everything on it; UnknownEntityError if there is none."""
        found = self._rows("sites", "id = ?", site_id) if SLUG.fullmatch(site_id) else []
        if not found:
            raise assembly.unknown_site(site_id)
        return self._sites(found)[0]

    def jobs(
        self,
        *,
        state: JobState | None = None,
        kind: JobKind | None = None,
        parent_id: str | None = None,
        limit: int = 100,
    ) -> JobPage:
        """Jobs by the time of their creation, newest first."""
        filters = {"state": state, "kind": kind, "parent_id": parent_id}
        named = {name: str(value) for name, value in filters.items() if value is not None}
        where = " and ".join(["true", *(f"{name} = ?" for name in named)])
        order = "order by created desc, job_id desc limit ?"
        rows = self._rows("jobs", f"{where} {order}", *named.values(), limit + 1)
        found = self._jobs(rows[:limit])
        listing = Listing("jobs", named)
        last = found[-1] if len(rows) > limit else None
        return JobPage(found, None if last is None else listing.after(last.created, last.job_id))

    def job(self, job_id: str) -> Job:
        """One job; UnknownEntityError if there is none."""
        found = self._rows("jobs", "job_id = ?", job_id)
        if not found:
            raise assembly.unknown_job(job_id)
        return self._jobs(found)[0]

    def _sites(self, rows: Sequence[assembly.Row]) -> tuple[Site, ...]:
        ids = json.dumps([row["id"] for row in rows])
        valid = f"superseded_utc is null and {OF_SITES} order by id"
        held = assembly.by_owner(self._rows("versions", valid, ids))
        parts = {
            table: self._rows(table, f"{OF_SITES} order by {', '.join(order)}", ids)
            for table, order in assembly.ORDER.items()
        }
        return assembly.sites_of(rows, held, parts)

    def _jobs(self, rows: Sequence[assembly.Row]) -> tuple[Job, ...]:
        ids = json.dumps([row["job_id"] for row in rows])
        families = assembly.families_of(self._connection.execute(CHILDREN, (ids,)))
        attempts = self._rows("job_attempts", f"{OF_JOBS} order by number", ids)
        return assembly.jobs_of(rows, attempts, families)

    def _rows(self, table: str, where: str, *values: object) -> list[dict[str, Any]]:
        query = f"select * from {table} where {where}"  # noqa: S608 -- names of ours
        found = self._connection.execute(query, values)
        names = [column[0] for column in found.description]
        readers = column_readers(table, tuple(names))
        return [
            {
                name: value if reader is None or value is None else reader(value)
                for name, reader, value in zip(names, readers, row, strict=True)
            }
            for row in found
        ]


@cache
def column_readers(table: str, names: tuple[str, ...]) -> tuple[Callable[[Any], Any] | None, ...]:
    """What turns the values of each column into those of the core; None where they are the same."""
    found: dict[str, Callable[[Any], Any]] = dict(WORDS.get(table, {}))
    if table == "tariffs":
        for name, kind in assembly.LISTS.items():
            found[name] = TypeAdapter(tuple[kind, ...]).validate_python  # type: ignore[valid-type]
    return tuple(found.get(name) for name in names)


def read(path: Path, work: Callable[[SqliteReader], Found]) -> Found | None:
    """What `work` reads of the file; None where it is absent, damaged, or of another revision."""
    if not path.exists():
        return None
    for name, convert in CONVERTERS.items():
        sqlite3.register_converter(name, convert)
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(
            sqlite3.connect(
                address, uri=True, detect_types=sqlite3.PARSE_DECLTYPES, isolation_level=None
            )
        ) as connection:
            connection.execute("begin")
            if connection.execute(REVISION).fetchall() != [(_newest(),)]:
                return None
            return work(SqliteReader(connection))
    except sqlite3.Error:
        return None


def _newest() -> str:
    """The newest revision that this version knows."""
    folder = resources.files("wattbook.stores.sql") / "migrations" / "versions"
    names = (entry.name for entry in folder.iterdir() if entry.name.endswith(".py"))
    return max(name.partition("_")[0] for name in names)

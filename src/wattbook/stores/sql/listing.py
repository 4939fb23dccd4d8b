"""The sites of an embedded registry in a line each, read with SQLite's own driver.

A list of sites is the command that is typed most, and importing SQLAlchemy takes longer than all
else it does. Whatever is not exactly as expected is left to `SqlRegistry`.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

SQL: Final = """
    select sites.id, sites.name, operator, zone, timezone, sites.capacity_kw, sites.status,
           (select count(*) from meters where meters.site_id = sites.id) as meters
    from sites order by sites.id
"""
REVISION: Final = "select version_num from alembic_version"


@dataclass(frozen=True, slots=True)
class Line:
    """A site in a line."""

    id: str
    name: str
    operator: str
    zone: str
    timezone: str
    capacity_kw: float | None
    status: str
    meters: int


def lines(path: Path) -> list[Line] | None:
    """Every site, in the order of ids; None where the file is not there or of another schema."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            if opened.execute(REVISION).fetchall() != [(_newest(),)]:
                return None
            return [Line(*row) for row in opened.execute(SQL)]
    except sqlite3.Error:
        return None


def _newest() -> str:
    """The newest revision that this version knows."""
    folder = resources.files("wattbook.stores.sql") / "migrations" / "versions"
    names = (entry.name for entry in folder.iterdir() if entry.name.endswith(".py"))
    return max(name.partition("_")[0] for name in names)

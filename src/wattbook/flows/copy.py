"""Moving house: everything that one store keeps, taken over by another.

The order is chosen so that a copy that is killed never looks complete. Rows come first: what was
superseded before what is believed now, readings before the receipts that vouch for them, and the
note of what is out of date before the figures that are. The sites come last, because they are the
door to all the rest: until a site is registered nobody can ask for its figures, send it readings or
have it rolled up, so there is nothing that could be taken for the whole. Whether the sites can be
registered is looked at before any row moves. What clean-ups removed is remembered before the sites
come, so that nothing is taken in where the source would refuse it.

Each portion is one transaction, and is read again and compared with what was given before the next
one begins. A portion that is the same on both sides is passed over: to run a copy again finishes
one that was killed, brings what has come in since, and verifies the rest. The source is only read.
"""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Final

import polars as pl

from wattbook.core import archive, frames
from wattbook.core.archive import BY_NAME, READINGS, TABLES, Portion, Table
from wattbook.core.entities import Site
from wattbook.core.errors import (
    ConflictError,
    InputError,
    Problem,
    UnavailableError,
    UnsupportedError,
)
from wattbook.flows.sites import every
from wattbook.ports.archive import Archive
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import RollupStore
from wattbook.ports.tombstones import Tombstones

SITES: Final = "sites"
PARTS: Final = (*BY_NAME, SITES)
"""What can be copied: the tables, and the sites."""
STONES_AT_ONCE: Final = 5000
NAMED: Final = 3
"""So many conflicts are named in a message; its problems are all of them."""
REGISTERED: Final = ("created_utc", "updated_utc")
"""When a site was registered may differ between two houses that know the same site."""

Progress = Callable[[int, int, str], None]
"""Takes rows done, rows in all, and the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A store, as far as it is copied."""

    archive: Archive
    rollups: RollupStore
    registry: Registry
    tombstones: Tombstones


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of one table: all rows and those the target lacked, and the months verified."""

    table: str
    rows: int
    copied: int
    months: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy did."""

    tables: list[Moved]
    sites: int
    sites_added: int
    differences: pl.DataFrame
    """`frames.CONTENTS` that were verified, and that the target does not have in the end."""


async def everything(
    *,
    source: House,
    target: House,
    only: Sequence[str] = PARTS,
    replace: bool = False,
    progress: Progress | None = None,
) -> Copied:
    """Copy the parts `only` and verify each month of each owner.

    What the target keeps of other owners and of other months stays as it is. Where rollups are not
    copied, those of all readings are marked to be computed at the target.

    Raises
    ------
    ConflictError
        The target has rows that the source never had, and they may not be replaced: one problem
        for each owner and month. Or a site is another one there: one problem for each site.
    UnsupportedError
        The target cannot keep one of the tables.
    UnavailableError
        The target did not keep what it was given.
    """
    tables = _chosen(only)
    contents = await source.archive.contents(tables)
    _refuse_what_cannot_be_kept(contents, target.archive)
    sites = [site async for site in every(source.registry)] if SITES in only else []
    absent = await _absent(sites, target.registry)

    there = await target.archive.contents(tables)
    move = _Move(source.archive, target.archive, contents, there, replace, progress)
    figures = [table for table in tables if table.derived]
    for table in tables:
        if table not in figures:
            await move.table(table)
    if figures:
        await _mark(await source.rollups.dirty(), target.rollups)
    elif READINGS in tables:
        await _mark(archive.spans(contents), target.rollups)
    for table in figures:
        await move.table(table)
    if SITES in only:
        await _remember(source.tombstones, target.tombstones)
    for site in absent:
        await target.registry.add(site)

    verified = move.verified()
    now = await target.archive.contents(tables)
    return Copied(
        tables=[
            Moved(table.name, move.rows[table.name], move.copied[table.name], months.height)
            for table in tables
            if not (months := verified.filter(table=table.name)).is_empty()
        ],
        sites=len(sites),
        sites_added=len(absent),
        differences=verified.join(now, on=list(frames.CONTENTS.columns), how="anti"),
    )


@dataclass(slots=True)
class _Move:
    """Portion after portion on its way from one archive to the other."""

    source: Archive
    target: Archive
    contents: pl.DataFrame
    """`frames.CONTENTS` of the source."""
    there: pl.DataFrame
    """`frames.CONTENTS` of the target before the first portion moved."""
    replace: bool
    progress: Progress | None
    rows: Counter[str] = field(default_factory=Counter)
    """Rows by table that moved so far, and those of them that the target lacked."""
    copied: Counter[str] = field(default_factory=Counter)
    kept: list[pl.DataFrame] = field(default_factory=lambda: [frames.CONTENTS.empty()])

    async def table(self, table: Table) -> None:
        """Move all rows of a table."""
        for portion in archive.portions(self.contents, table):
            for part in await self._parts(portion):
                kept = await self._moved(part)
                self.kept.append(archive.counted(kept, table))
                if self.progress is not None:
                    self.progress(self.rows.total(), _rows(self.contents), table.name)

    def verified(self) -> pl.DataFrame:
        """`frames.CONTENTS` of what the target keeps of all that moved."""
        key = list(frames.CONTENTS.key)
        return pl.concat(self.kept).group_by(key).agg(pl.col("rows").sum()).sort(key)

    async def _parts(self, portion: Portion) -> list[Portion]:
        """The portion, cut where one owner's month is more than can be held."""
        if portion.rows <= portion.table.at_once:
            return [portion]
        table, (owner,) = portion.table, portion.owners
        periods = await self.source.cut(table, owner, portion.period, table.at_once)
        return [dataclasses.replace(portion, period=period) for period in periods]

    async def _moved(self, portion: Portion) -> pl.DataFrame:
        """Have the rows of a portion on both sides; what the target then keeps in its place."""
        table, owners, period = portion.table, portion.owners, portion.period
        rows = await self.source.take(table, owners, period)
        whole, there = rows, rows.clear()
        if not archive.within(self.there, portion).is_empty():
            there = await self.target.take(table, owners, period)
        if table.shared:
            there, beside = archive.parted(there, rows, table)
            whole = pl.concat([rows, beside])
        whose = list(owners)
        if there.height:
            whose = await asyncio.to_thread(archive.unlike, rows, there, table)
        self.rows[table.name] += rows.height
        if not whose:
            return whole
        if not self.replace:
            await self._refuse_what_never_was(
                dataclasses.replace(portion, owners=whose), rows, there
            )

        fresh = table.of_owners(whole, whose)
        await self.target.put(table, whose, period, fresh)

        kept = await self.target.take(table, whose, period)
        if bad := await asyncio.to_thread(archive.unlike, fresh, kept, table):
            raise UnavailableError(
                f"{table.name} of {bad[0]} from {period.start:%F} to {period.end:%F}:"
                " the target did not keep what it was given"
            )
        self.copied[table.name] += table.of_owners(rows, whose).height
        return whole

    async def _refuse_what_never_was(
        self, portion: Portion, rows: pl.DataFrame, there: pl.DataFrame
    ) -> None:
        """Stop where the target has rows of the portion that are no earlier state of the source."""
        table, owners = portion.table, portion.owners
        theirs = table.of_owners(there, owners)
        if theirs.is_empty():
            return
        superseded = rows.clear()
        if table.history is not None:
            history = BY_NAME[table.history]
            superseded = await self.source.take(history, owners, portion.period)
        foreign = archive.contradictions(table, rows, theirs, superseded)
        problems = [
            Problem("conflict", f"{table.name} of {owner} in {month:%Y-%m}: {count} rows")
            for owner, month, count in archive.counted(foreign, table)
            .select("owner", "month", "rows")
            .iter_rows()
        ]
        if problems:
            raise ConflictError(
                f"the target has what the source never had: {_said(problems)}", problems
            )


def _chosen(only: Sequence[str]) -> list[Table]:
    if unknown := [name for name in only if name not in PARTS]:
        detail = f"{unknown[0]!r} is none of {', '.join(PARTS)}"
        raise InputError(detail, [Problem("unknown_table", detail, field="only")])
    return [table for table in TABLES if table.name in only]


def _refuse_what_cannot_be_kept(contents: pl.DataFrame, target: Archive) -> None:
    homeless = contents.filter(~pl.col("table").is_in(target.holds))
    counts = homeless.group_by("table").agg(pl.col("rows").sum()).sort("table")
    problems = [
        Problem("unsupported", f"{name} ({rows} rows)", field=name)
        for name, rows in counts.iter_rows()
    ]
    if problems:
        fits = ", ".join(name for name in BY_NAME if name in target.holds)
        raise UnsupportedError(
            f"the target cannot keep {_said(problems)}; it keeps only {fits}", problems
        )


async def _absent(sites: Sequence[Site], target: Registry) -> list[Site]:
    """Those of the sites that the target does not know yet.

    Raises
    ------
    ConflictError
        The target knows another site of this id, or a meter's id at another site.
    """
    if not sites:
        return []
    known = {site.id: site async for site in every(target)}
    owners = {meter.id: site.id for site in known.values() for meter in site.meters}
    problems = []
    for site in sites:
        if site.id in known:
            names = [
                each.name
                for each in fields(Site)
                if each.name not in REGISTERED
                and getattr(site, each.name) != getattr(known[site.id], each.name)
            ]
            if names:
                problems.append(f"site {site.id} has another {', '.join(names)}")
            continue
        problems += [
            f"meter {meter.id} of {site.id} is at {owners[meter.id]}"
            for meter in site.meters
            if meter.id in owners
        ]
    if problems:
        found = [Problem("conflict", said, field="id") for said in problems]
        raise ConflictError(f"at the target, {_said(found)}", found)
    return [site for site in sites if site.id not in known]


async def _remember(source: Tombstones, target: Tombstones) -> None:
    """Have the target know what the source removed: nothing is taken in there either."""
    cursor = None
    while True:
        page = await source.page(after=cursor, limit=STONES_AT_ONCE)
        if page.tombstones:
            await target.put(page.tombstones)
        cursor = page.cursor
        if cursor is None:
            return


async def _mark(spans: pl.DataFrame, target: RollupStore) -> None:
    """Mark at the target what is not marked there."""
    columns = ["meter_id", "from_utc", "to_utc"]
    missing = spans.select(columns).join(await target.dirty(), on=columns, how="anti").unique()
    if missing.height:
        await target.mark(missing)


def _rows(contents: pl.DataFrame) -> int:
    return int(contents["rows"].sum())


def _said(problems: Sequence[Problem]) -> str:
    """The first problems, and how many there are beyond them."""
    said = "; ".join(problem.detail for problem in problems[:NAMED])
    more = len(problems) - NAMED
    return f"{said}; and {more} more" if more > 0 else said

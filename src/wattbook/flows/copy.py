"""Moving house: everything that one store keeps, taken over by another.

The order is chosen so that a copy that is killed never looks complete. Rows come first: what was
superseded before what is believed now, readings before the receipts that vouch for them, and the
note of what is out of date before the figures that are. The sites come last, because they are the
door to all the rest: until a site is registered nobody can ask for its figures, send it readings or
have it rolled up, so there is nothing that could be taken for the whole. Whether the sites can be
registered is looked at before any row moves, and what the target cannot keep is told. What was
removed by clean-ups is remembered before the sites come, so that nothing is taken in where the
source would refuse it.

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

from wattbook.core import frames
from wattbook.core.archive import checksums, tables
from wattbook.core.archive.tables import BY_NAME, READINGS, TABLES, Portion, Table
from wattbook.core.errors import (
    ConflictError,
    InputError,
    Problem,
    UnavailableError,
    UnsupportedError,
)
from wattbook.core.periods import Period
from wattbook.core.registry.entities import Site
from wattbook.flows.sites import every
from wattbook.ports.archive import Archive
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import RollupStore
from wattbook.ports.tombstones import Tombstones

SITES: Final = "sites"
PARTS: Final = (*BY_NAME, SITES)
"""What can be copied: the tables, and the sites."""
ROWS_PER_CHUNK: Final = 2
"""While one portion is written, another is read and compared."""
TOMBSTONES_PER_CHUNK: Final = 5000
MAX_LISTED: Final = 3
"""So many conflicts are named in a message; its problems are all of them."""
REGISTERED: Final = ("created_utc", "updated_utc")
"""When a site was registered may differ between two houses that know the same site."""

Progress = Callable[[int, int, str], None]
"""Takes rows done, rows in all, and the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyEndpoint:
    """A store, as far as it is copied; what keeps readings alone has no rollups and no sites."""

    archive: Archive
    rollups: RollupStore | None = None
    registry: Registry | None = None
    tombstones: Tombstones | None = None

    @property
    def holds(self) -> list[str]:
        """The parts that can be kept here."""
        sites = [SITES] if self.registry is not None else []
        return [name for name in BY_NAME if name in self.archive.holds] + sites


@dataclass(frozen=True, slots=True)
class Staying:
    """A part that the target cannot keep, and how many rows of it, or sites, the source has."""

    part: str
    rows: int


Announce = Callable[[Sequence[Staying]], None]
"""Is told what will stay behind, before anything moves."""


@dataclass(frozen=True, slots=True)
class MovedRows:
    """What became of one table: all rows and those the target lacked, and the months verified."""

    table: str
    rows: int
    copied: int
    months: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyResult:
    """What a copy did."""

    tables: list[MovedRows]
    sites: int
    sites_added: int
    staying: list[Staying]
    """What the target cannot keep."""
    unfigured: int
    """Meters whose readings came without rollups: they are to be rolled up."""
    unregistered: list[str]
    """Meters with readings that the target now has, and with no site there."""
    differences: pl.DataFrame
    """`frames.CONTENTS` that were verified, and that the target does not have in the end."""


async def everything(
    *,
    source: CopyEndpoint,
    target: CopyEndpoint,
    only: Sequence[str] | None = None,
    replace: bool = False,
    announce: Announce | None = None,
    progress: Progress | None = None,
) -> CopyResult:
    """Copy the parts `only`, or all that the target can keep, and verify each month of each owner.

    What the target keeps of other owners and of other months stays as it is. Where rollups are not
    copied, those of all readings are marked to be computed at the target. Where the source keeps
    no history, readings that it corrects become history at the target.

    Raises
    ------
    ConflictError
        The target has rows that the source never had, and they may not be replaced: one problem
        for each owner and month. Or a site is another one there: one problem for each site.
    UnsupportedError
        One of the parts that are asked for by name cannot be kept here or there.
    UnavailableError
        The target did not keep what it was given.
    """
    parts = _chosen(only, source, target)
    asked = [table for table in TABLES if table.name in parts]
    contents = await source.archive.contents(asked)
    sites = []
    if SITES in parts and source.registry is not None:
        sites = [site async for site in every(source.registry)]
    absent = await _absent(sites, target.registry)
    tables = [table for table in asked if table.name in target.archive.holds]
    there = await target.archive.contents(tables)
    staying = _staying(contents, len(sites), target)
    if announce is not None:
        announce(staying)

    contents = contents.filter(pl.col("table").is_in([table.name for table in tables]))
    move = _Move(source.archive, target.archive, contents, there, replace, progress)
    figures = [table for table in tables if table.derived]
    for table in tables:
        if table not in figures:
            await move.table(table)
    unfigured = await _note(source, target, contents, with_figures=bool(figures))
    for table in figures:
        await move.table(table)
    if target.registry is not None:
        if source.tombstones is not None and target.tombstones is not None and SITES in parts:
            await _remember(source.tombstones, target.tombstones)
        for site in absent:
            assert source.registry is not None  # it is where the sites come from
            await target.registry.add(site, await source.registry.history(site.id))

    verified = move.verified()
    now = await target.archive.contents(tables)
    return CopyResult(
        tables=[
            MovedRows(table.name, move.rows[table.name], move.copied[table.name], months.height)
            for table in tables
            if not (months := verified.filter(table=table.name)).is_empty()
        ],
        sites=0 if target.registry is None else len(sites),
        sites_added=len(absent),
        staying=staying,
        unfigured=unfigured,
        unregistered=await _unregistered(contents, target.registry),
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
        """Move all rows of a table; where one portion fails, no other begins."""
        parts = [
            part
            for portion in tables.portions(self.contents, table)
            for part in await self._parts(portion)
        ]
        waiting = iter(parts)

        async def some() -> None:
            for part in waiting:
                try:
                    await self._move(part)
                except BaseException:
                    for _ in waiting:  # those that have not begun need not begin
                        pass
                    raise

        done = await asyncio.gather(
            *(some() for _ in range(ROWS_PER_CHUNK)), return_exceptions=True
        )
        for failure in filter(None, done):
            raise failure

    async def _move(self, part: Portion) -> None:
        kept = await self._moved(part)
        self.kept.append(tables.counted(kept, part.table))
        if self.progress is not None:
            self.progress(self.rows.total(), _rows(self.contents), part.table.name)

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
        if not tables.within(self.there, portion).is_empty():
            there = await self.target.take(table, owners, period)
        if table.shared:
            there, beside = tables.parted(there, rows, table)
            whole = pl.concat([rows, beside])
        whose = list(owners)
        if there.height:
            whose = await asyncio.to_thread(checksums.unlike, rows, there, table)
        self.rows[table.name] += rows.height
        if not whose:
            return whole
        if not self.replace:
            await self._refuse_what_never_was(
                dataclasses.replace(portion, owners=whose), rows, there
            )

        fresh = table.of_owners(whole, whose)
        await self._keep_history(table, whose, period, rows, there)
        await self.target.put(table, whose, period, fresh)

        kept = await self.target.take(table, whose, period)
        if bad := await asyncio.to_thread(checksums.unlike, fresh, kept, table):
            raise UnavailableError(
                f"{table.name} of {bad[0]} from {period.start:%F} to {period.end:%F}:"
                " the target did not keep what it was given"
            )
        self.copied[table.name] += table.of_owners(rows, whose).height
        return whole

    async def _keep_history(
        self,
        table: Table,
        owners: Sequence[str],
        period: Period,
        rows: pl.DataFrame,
        there: pl.DataFrame,
    ) -> None:
        """Have what the rows correct in the target's history, where the source has none to copy."""
        if table.history is None or table.history in self.source.holds:
            return
        if table.history not in self.target.holds:
            return
        replaced = tables.replaced(table, rows, there)
        if replaced.is_empty():
            return
        history = BY_NAME[table.history]
        kept = await self.target.take(history, owners, period)
        whole = pl.concat([kept, replaced]).unique(history.contract.key, keep="first")
        await self.target.put(history, owners, period, whole)

    async def _refuse_what_never_was(
        self, portion: Portion, rows: pl.DataFrame, there: pl.DataFrame
    ) -> None:
        """Stop where the target has rows of the portion that are no earlier state of the source."""
        table, owners = portion.table, portion.owners
        theirs = table.of_owners(there, owners)
        if theirs.is_empty():
            return
        superseded = None
        if table.history is not None and table.history in self.source.holds:
            history = BY_NAME[table.history]
            superseded = await self.source.take(history, owners, portion.period)
        foreign = tables.contradictions(table, rows, theirs, superseded)
        problems = [
            Problem("conflict", f"{table.name} of {owner} in {month:%Y-%m}: {count} rows")
            for owner, month, count in tables.counted(foreign, table)
            .select("owner", "month", "rows")
            .iter_rows()
        ]
        if problems:
            raise ConflictError(
                f"the target has rows that the source does not have: {_said(problems)}", problems
            )


def _chosen(
    only: Sequence[str] | None, source: CopyEndpoint, target: CopyEndpoint
) -> Sequence[str]:
    """The parts that are copied: what is asked for by name must be there and find a place."""
    if only is None:
        return source.holds
    if unknown := [name for name in only if name not in PARTS]:
        detail = f"{unknown[0]!r} is none of {', '.join(PARTS)}"
        raise InputError(detail, [Problem("unknown_table", detail, field="only")])
    for side, house in (("source", source), ("target", target)):
        missing = [name for name in only if name not in house.holds]
        if missing:
            fits = ", ".join(house.holds)
            detail = f"the {side} keeps no {', '.join(missing)}; it keeps only {fits}"
            problems = [Problem("unsupported", detail, field=name) for name in missing]
            raise UnsupportedError(detail, problems)
    return only


def _staying(contents: pl.DataFrame, sites: int, target: CopyEndpoint) -> list[Staying]:
    rows = dict(contents.group_by("table").agg(pl.col("rows").sum()).iter_rows()) | {SITES: sites}
    return [
        Staying(part, rows[part]) for part in PARTS if rows.get(part) and part not in target.holds
    ]


async def _unregistered(contents: pl.DataFrame, target: Registry | None) -> list[str]:
    """Meters with readings that no site at the target has."""
    if target is None:
        return []
    known = (await target.meters())["meter_id"]
    owners = contents.filter(table=READINGS.name)["owner"].unique().sort()
    return owners.filter(~owners.is_in(known.implode())).to_list()


async def _absent(sites: Sequence[Site], target: Registry | None) -> list[Site]:
    """Those of the sites that the target does not know yet.

    Raises
    ------
    ConflictError
        The target knows another site of this id, or a meter's id at another site.
    """
    if not sites or target is None:
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


async def _note(
    source: CopyEndpoint, target: CopyEndpoint, contents: pl.DataFrame, *, with_figures: bool
) -> int:
    """Note at the target what is out of date; meters whose readings come without figures."""
    if with_figures and source.rollups is not None and target.rollups is not None:
        await _mark(await source.rollups.dirty(), target.rollups)
        return 0
    unfigured = tables.spans(contents)
    if target.rollups is not None:
        await _mark(unfigured, target.rollups)
    return unfigured["meter_id"].n_unique()


async def _remember(source: Tombstones, target: Tombstones) -> None:
    """Have the target know what the source removed: nothing is taken in there either."""
    cursor = None
    while True:
        page = await source.page(after=cursor, limit=TOMBSTONES_PER_CHUNK)
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
    said = "; ".join(problem.detail for problem in problems[:MAX_LISTED])
    more = len(problems) - MAX_LISTED
    return f"{said}; and {more} more" if more > 0 else said

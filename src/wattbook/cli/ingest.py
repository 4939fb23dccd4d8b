"""Takes in files, part by part, and says what became of every row."""

import asyncio
import csv
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

import polars as pl

from wattbook.cli import local, progress, read_as, show
from wattbook.cli.client import Service
from wattbook.cli.intake import Here, Intake, There
from wattbook.cli.rollup import catch_up
from wattbook.cli.show import Column
from wattbook.core import frames
from wattbook.core.errors import UnavailableError, WattbookError
from wattbook.core.grid.curves import CurveType
from wattbook.core.readings import plausibility, validation
from wattbook.core.readings.checks import IntervalLabel, RejectReason
from wattbook.core.units import SECONDS_PER_HOUR
from wattbook.flows.ingest import Origin
from wattbook.ports.readings import Receipt
from wattbook.sources.files import (
    Chunk,
    Guess,
    Mapping,
    Options,
    meters_of,
    registered_interval,
    tree,
)
from wattbook.wiring.runtime import Runtime

EXAMPLES: Final = 3
"""So many refused rows are shown for each reason."""
COUNTS: Final = ("received", "accepted", "duplicates", "corrected", "rejected")
UNREGISTERED: Final = (str(RejectReason.UNKNOWN_METER), str(RejectReason.UNKNOWN_SITE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the files are written, and whether they hold zone conditions instead of readings."""

    options: Options
    grid: bool = False
    curve: CurveType = CurveType.A01
    period_end: datetime | None = None

    @property
    def contract(self) -> frames.Contract:
        """What the rows are to become."""
        return frames.RAW_GRID if self.grid else frames.RAW_READINGS

    def mapping(self, registered: timedelta | None = None) -> Mapping:
        """The same, for the reader of files."""
        return self.options.mapping(self.contract, registered)


@dataclass(slots=True)
class Tally:
    """What became of one file; of refused rows only the counts and a few examples are held."""

    name: str
    sha256: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    batches: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    guesses: tuple[Guess, ...] = ()

    def add(self, receipt: Receipt) -> None:
        """Count a part."""
        self.counts.update({name: getattr(receipt, name) for name in COUNTS})
        self.batches.append(receipt.batch_id)
        self.warnings = plausibility.first_of_each([*self.warnings, *receipt.warnings])
        for rejects in receipt.rejects.chunks():
            self.refuse(rejects)

    def refuse(self, rejects: pl.DataFrame) -> None:
        """Count refused rows by reason and keep the first of each."""
        for (reason,), rows in rejects.group_by("reason", maintain_order=True):
            held = self.examples.setdefault(str(reason), [])
            held += rows.select("row", "detail").head(EXAMPLES - len(held)).to_dicts()
            self.reasons[str(reason)] += rows.height

    def refuse_the_rest(self) -> None:
        """Count the good rows as refused too: all of the file or nothing."""
        good = self.counts["received"] - self.counts["rejected"]
        self.counts["rejected"] = self.counts["received"]
        if good:
            self.reasons[str(RejectReason.BATCH_REFUSED)] = good
            self.examples[str(RejectReason.BATCH_REFUSED)] = []

    def document(self) -> dict[str, Any]:
        """The same, for JSON."""
        return {
            "file": self.name,
            "sha256": self.sha256,
            **{name: self.counts[name] for name in COUNTS},
            "reasons": dict(self.reasons),
            "examples": self.examples,
            "batches": self.batches,
            "warnings": self.warnings,
            "read_as": [guess.document() for guess in self.guesses],
        }


class Evidence:
    """The file of refused rows."""

    def __init__(self, file: IO[str] | None) -> None:
        self._writer = csv.writer(file) if file is not None else None
        if self._writer is not None:
            self._writer.writerow(("file", *frames.REJECTS.columns))

    def write(self, name: str, rejects: pl.DataFrame) -> None:
        """Append the refused rows of a part."""
        if self._writer is not None:
            self._writer.writerows((name, *row) for row in rejects.iter_rows())


def run(
    files: Sequence[Path],
    form: Form,
    url: str | None,
    *,
    atomic: bool,
    rejects: Path | None,
    as_json: bool,
) -> int:
    """Take in the files, roll up, print the receipt; how many rows were refused."""
    tallies = [Tally(_named(path)) for path in files]
    form.mapping()  # invalid options are reported before anything is opened

    async def work(intake: Intake) -> None:
        with ExitStack() as stack:
            file = stack.enter_context(_created(rejects)) if rejects is not None else None
            evidence = Evidence(file)
            for path, tally in zip(files, tallies, strict=True):
                await _file(path, form, tally, evidence, intake, atomic=atomic)

    async def here(runtime: Runtime) -> None:
        await work(Here(runtime, grid=form.grid))
        await catch_up(runtime)

    try:
        if url is None:
            local.run(here, create=True)
        else:
            with Service(url) as service:  # which rolls up by itself
                asyncio.run(work(There(service, grid=form.grid)))
    except WattbookError:
        if any(tally.counts["received"] for tally in tallies):
            _receipt(tallies, form, as_json=as_json)
        raise
    _receipt(tallies, form, as_json=as_json)
    return sum(tally.counts["rejected"] for tally in tallies)


def _named(path: Path) -> str:
    return f"{path.resolve().name}/" if path.is_dir() else path.name


def _created(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}") from error


async def _file(
    path: Path, form: Form, tally: Tally, evidence: Evidence, intake: Intake, *, atomic: bool
) -> None:
    """Take in a file or a folder; with `atomic` only if a first pass finds nothing to refuse."""
    tally.sha256 = await asyncio.to_thread(tree.sha256, path)
    mapping = form.mapping(await _registered(form, intake))
    if atomic:
        with progress.bar(f"judging {tally.name}", tree.size(path)) as step:
            async for chunk in _chunks(path, mapping, form, step):
                tally.guesses = chunk.guesses
                rejects = await intake.validate(chunk.frame, chunk.label)
                tally.counts["received"] += chunk.frame.height
                tally.counts["rejected"] += rejects.height
                tally.refuse(rejects)
                evidence.write(tally.name, rejects)
        if tally.counts["rejected"]:
            tally.refuse_the_rest()
            return
        tally.counts.clear()
    origin = Origin(source=f"file:{tally.name}", sha256=tally.sha256)
    with progress.bar(tally.name, tree.size(path)) as step:
        async for chunk in _chunks(path, mapping, form, step):
            tally.guesses = chunk.guesses
            receipt = await intake.take_in(chunk.frame, origin, chunk.label)
            tally.add(receipt)
            for rejects in receipt.rejects.chunks():
                evidence.write(tally.name, rejects)


async def _chunks(
    path: Path, mapping: Mapping, form: Form, step: progress.Step
) -> AsyncIterator[Chunk]:
    """The parts of a file or folder; the next is decoded while one is being worked on."""
    parts = _read(path, mapping, form)
    pace, rows = progress.Pace(tree.size(path)), 0
    coming = asyncio.create_task(asyncio.to_thread(next, parts, None))
    try:
        while (chunk := await coming) is not None:
            coming = asyncio.create_task(asyncio.to_thread(next, parts, None))
            yield chunk
            rows += chunk.frame.height
            step(chunk.bytes_read, pace.words(rows, chunk.bytes_read))
    finally:
        coming.cancel()


def _read(path: Path, mapping: Mapping, form: Form) -> Iterator[Chunk]:
    parts = tree.read(path, mapping, form.contract)
    if form.curve is not CurveType.A03:
        yield from parts
    elif chunks := list(parts):  # a row holds until the next one, in whatever part that is
        rows = pl.concat([chunk.frame for chunk in chunks], how="diagonal")
        held = validation.hold(rows, form.period_end, chunks[-1].label)
        yield replace(chunks[-1], frame=held, label=IntervalLabel.START)


async def _registered(form: Form, intake: Intake) -> timedelta | None:
    """Length of the intervals by what the meters of the file register."""
    if form.grid:
        return timedelta(seconds=SECONDS_PER_HOUR)
    named = form.mapping()
    return registered_interval(named, await intake.meters(meters_of(named)))


def _receipt(tallies: Sequence[Tally], form: Form, *, as_json: bool) -> None:
    if as_json:
        total = {name: sum(tally.counts[name] for tally in tallies) for name in COUNTS}
        show.json({"files": [tally.document() for tally in tallies], "total": total})
        return
    many = len(tallies) > 1
    show.table(
        [
            Column(
                "file",
                [each.name for each in tallies],
                total="all" * many,
                right=False,
                folds=True,
            ),
            *(
                Column(
                    name,
                    [show.number(each.counts[name]) for each in tallies],
                    total=show.number(sum(each.counts[name] for each in tallies)) * many,
                )
                for name in COUNTS
            ),
        ]
    )
    for tally in tallies:
        read_as.show_guesses(tally.guesses, tally.name if many else None)
    _refusals(tallies, form)
    for hint in _hints(tallies, form):
        show.say(hint, err=True)


def _refusals(tallies: Sequence[Tally], form: Form) -> None:
    found = [
        (tally.name, reason, rows, tally.examples[reason])
        for tally in tallies
        for reason, rows in tally.reasons.most_common()
    ]
    if not found:
        return
    show.say("")
    shown = ["\n".join(f"row {row['row']}: {row['detail']}" for row in rows) for *_, rows in found]
    wide = len(form.mapping().meters)
    counted = f"rows count from 0{f', {wide} to a line' * (wide > 1)}"
    columns = [
        Column("refused", [show.number(rows) for _, _, rows, _ in found], unit="rows"),
        Column("reason", [reason for _, reason, _, _ in found], right=False),
        Column("for example", shown, unit=counted, right=False, folds=True),
    ]
    if len(tallies) > 1:
        columns.insert(0, Column("file", [name for name, *_ in found], right=False, folds=True))
    show.table(columns)


def _hints(tallies: Sequence[Tally], form: Form) -> Iterator[str]:
    for tally in tallies:
        yield from (f"warning: {tally.name}: {each}" for each in tally.warnings)
    seen = {reason for tally in tallies for reason in tally.reasons}
    if seen.intersection(UNREGISTERED):
        yield "hint: `wattbook sites add` registers sites, `wattbook sites meters` lists meters"
    if str(RejectReason.BAD_TIMESTAMP) in seen and form.options.timezone is None:
        yield "hint: --timezone is for stamps without offset, --date-order for their order"
    if str(RejectReason.BAD_QUALITY) in seen:
        yield "hint: --map-values quality=WORD:measured,WORD:estimated maps the words of the file"
    if str(RejectReason.BATCH_REFUSED) in seen:
        yield "nothing was taken in of files with refused rows (--atomic)"

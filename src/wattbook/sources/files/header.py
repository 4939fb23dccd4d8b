"""Where the header of a text is, what parts its columns, and the row of units below it."""

import csv as stdlib_csv
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from wattbook.core import units
from wattbook.core.errors import InputError, Problem, UndecodableError
from wattbook.core.frames import Contract
from wattbook.sources.codecs import csv
from wattbook.sources.codecs.rows import Guess
from wattbook.sources.files import dialect
from wattbook.sources.files.mapping import Mapping, Target
from wattbook.sources.files.resolving import names_of, resolve
from wattbook.sources.files.unit_names import known_unit

MAX_LINES: Final = 20
"""A header is looked for in so many lines."""
SHOWN: Final = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "pipe"}
UNIT_SIGNS: Final = " []()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header of a text, and the text below it."""

    names: tuple[str, ...]
    separator: str
    text: bytes
    line: int
    """Number, in the file, of the first line of `text`."""
    guesses: tuple[Guess, ...]
    mapping: Mapping
    """With sources that are all columns of the file."""
    units: dict[str, str] = field(default_factory=dict)
    """Unit of each column that a row below the header names."""


def find(
    text: bytes, mapping: Mapping, contract: Contract, *, named: str | None, line: int
) -> Header:
    """The first line that has the wanted columns; what is above it is not read.

    `named` is the separator that the file names, `line` the number of the first line of `text`.

    Raises
    ------
    InputError, UndecodableError
        None of the first lines is that header; the message is of the first one.
    """
    refused: InputError | UndecodableError | None = None
    first = line
    for _ in range(1 if mapping.skip_lines else MAX_LINES):
        try:
            found = _at(text, mapping, contract, named, line)
        except (InputError, UndecodableError) as error:
            refused = refused or error
            text, line = text.partition(b"\n")[2], line + 1
            if not text.strip():
                break
            continue
        if line == first:
            return found
        why = f"it has {', '.join(dict.fromkeys(found.mapping.named))}"
        guess = Guess("header", f"line {line}", "detected", why)
        return replace(found, guesses=(guess, *found.guesses))
    assert refused is not None
    raise refused


def _at(text: bytes, mapping: Mapping, contract: Contract, named: str | None, line: int) -> Header:
    """The header in the first line of a text."""
    head, rest = csv.split_header(text)
    if mapping.separator is not None or named is not None:
        separator = mapping.separator or str(named)
        how, because = ("given", None) if mapping.separator else ("detected", "a first line sep=")
    else:
        separator, because = dialect.find_separator(head, rest)
        how = "detected"
    names = csv.read_header(head, separator)
    resolved = resolve(mapping, names, contract)
    names = _as_wide_as_records(names, rest, separator)
    guess = Guess("separator", SHOWN.get(separator, separator), how, because)
    header = Header(
        names=names,
        separator=separator,
        text=rest,
        line=line + 1,
        guesses=(guess,),
        mapping=resolved,
    )
    return _below_units(header, contract)


def _records(text: bytes, separator: str, count: int) -> Iterator[list[str]]:
    """Cells of the first records that are not blank."""
    lines = text[: dialect.SAMPLE_BYTES].decode("utf-8", "replace").splitlines()
    if len(text) > dialect.SAMPLE_BYTES:
        lines.pop()
    try:
        for cells in stdlib_csv.reader(lines, delimiter=separator):
            if count and any(map(str.strip, cells)):
                count -= 1
                yield [cell.strip() for cell in cells]
    except stdlib_csv.Error:
        return


def _as_wide_as_records(names: tuple[str, ...], text: bytes, separator: str) -> tuple[str, ...]:
    """The names, with as many nameless ones at the end as all records have empty cells there."""
    records = list(_records(text, separator, dialect.SAMPLE_RECORDS))
    widths = {len(cells) for cells in records}
    if len(widths) != 1:
        return names
    (width,) = widths
    if width < len(names) and not any(names[width:]):
        return names[:width]
    if width > len(names) and not any(any(cells[len(names) :]) for cells in records):
        return names + ("",) * (width - len(names))
    return names


def _below_units(header: Header, contract: Contract) -> Header:
    """The header with the units that the record below it names, and the text after that record.

    A record without a digit in the columns of stamps and ids, and with words where numbers belong,
    names units if one of the words is a unit, or if its stamps and ids are empty. Any other is a
    row, which is rejected.

    Raises
    ------
    InputError
        It names a unit that the column cannot be given in.
    """
    record = next(_records(header.text, header.separator, 1), None)
    if record is None or len(record) != len(header.names):
        return header
    cells = dict(zip(reversed(header.names), reversed(record), strict=True))  # the first of a name
    numeric = [one for one in header.mapping.columns if _is_number(one, contract)]
    texts = [one for one in header.mapping.columns if not _is_number(one, contract)]
    if any(map(str.isdigit, "".join(cells[name] for one in texts for name in names_of(one)))):
        return header
    found = {
        source: cells[source].strip(UNIT_SIGNS)
        for target in numeric
        for source in target.sources
        if cells[source] and cells[source] not in header.mapping.null_values
    }
    if not found or any(_digits(cell) or _is_float(cell) for cell in found.values()):
        return header
    labelled = any(cells[name] for one in texts for name in names_of(one))
    if labelled and not any(
        _known(one, source, found) for one in numeric for source in one.sources
    ):
        return header
    named = {}
    for target in numeric:
        for source in target.sources:
            if source in found and target.column not in header.mapping.units:
                named[source] = _unit(found[source], source, target)
    rest = header.text.lstrip(b"\r\n").partition(b"\n")[2]
    passed = header.text[: len(header.text) - len(rest)].count(b"\n")
    guess = Guess("units row", f"line {header.line}", "detected", "no date, and units for numbers")
    return replace(
        header, text=rest, line=header.line + passed, units=named, guesses=(*header.guesses, guess)
    )


def _digits(cell: str) -> bool:
    return any(map(str.isdigit, cell.removeprefix("1/")))


def _is_float(cell: str) -> bool:
    """Whether a word is a number all the same: `inf`, `nan`."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _known(target: Target, source: str, found: dict[str, str]) -> bool:
    """Whether the cell of a column is a unit of it."""
    return source in found and known_unit(found[source], units.units_of(target.column)) is not None


def _is_number(target: Target, contract: Contract) -> bool:
    return contract.columns[target.column].dtype != pl.String


def _unit(text: str, source: str, target: Target) -> str:
    known = units.units_of(target.column)
    unit = known_unit(text, known)
    if unit is None:
        detail = (
            f"the row below the header has {text!r} for {source!r}, which is not a unit of"
            f" {target.column} ({', '.join(known) or 'it has none'}): give the unit with --unit"
            f" {target.column}=UNIT, or leave that row out"
        )
        raise InputError(detail, [Problem("bad_unit", detail, field="unit")])
    return unit

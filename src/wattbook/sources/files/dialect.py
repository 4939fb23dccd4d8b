"""How a text file is written, as far as its first lines show it: encoding, separator, numbers."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

import polars as pl

from wattbook.core.errors import InputError, Problem, UndecodableError
from wattbook.sources.codecs import numbers
from wattbook.sources.codecs.csv import BOM, Layout, table
from wattbook.sources.codecs.numbers import Decimal, Evidence, Notation
from wattbook.sources.codecs.rows import Guess

SEPARATORS: Final = (",", ";", "\t", "|")
SEPARATOR_NAMES: Final = {
    "comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|",
}  # fmt: skip
SAMPLE_BYTES: Final = 1 << 16
LARGE_SAMPLE_BYTES: Final = 8 << 20
SAMPLE_RECORDS: Final = 50
BOMS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WESTERN: Final = "windows-1252"
WESTERN_SIGNS: Final = frozenset("°²³µ·€–—’“”§£½¼¾×÷±\u00a0")
HINT_LINE: Final = re.compile(rb'^"?sep=(.)"?\r?$', re.IGNORECASE)
ONLY_DIGITS: Final = rf"^[-+\d.,eE{numbers.BLANKS}{numbers.QUOTES}\u2212]*$"


def ambiguous(what: str, readings: Sequence[tuple[str, str]], shown: str, field: str) -> InputError:
    """Refusal of a file that has two readings: each with the option that means it."""
    ways = " and ".join(f"{meaning} with {option}" for option, meaning in readings)
    detail = f"{what} can be read in two ways: {shown} is {ways}; give one of these options"
    return InputError(detail, [Problem("ambiguous_file", detail, field=field)])


def separator_of(text: str) -> str:
    """The separator that was named: the sign itself, or `semicolon`, `comma`, `tab`, `pipe`.

    Raises
    ------
    InputError
        It is not one sign.
    """
    sign = SEPARATOR_NAMES.get(text.lower(), text)
    if len(sign) != 1 or not sign.isascii() or sign in '"\r\n':
        detail = f"invalid separator {text!r}: must be one sign, or {', '.join(SEPARATOR_NAMES)}"
        raise InputError(detail, [Problem("bad_mapping", detail, field="separator")])
    return sign


def in_utf8(pieces: Iterator[bytes], encoding: str | None) -> tuple[Iterator[bytes], Guess]:
    """The text as UTF-8, and the encoding it was in.

    Raises
    ------
    InputError
        There is no such encoding.
    UndecodableError
        The text is not in that encoding.
    """
    first = next(pieces, b"")
    if encoding is None:
        name, because = _encoding(first)
        guess = Guess("encoding", name, "detected" if name != "utf-8" else "default", because)
    else:
        try:
            name = codecs.lookup(encoding).name
            codecs.getincrementaldecoder(name)
        except LookupError as error:
            detail = f"unknown encoding {encoding!r}: must be utf-8, {WESTERN}, utf-16 or the like"
            raise InputError(detail, [Problem("bad_mapping", detail, field="encoding")]) from error
        guess = Guess("encoding", name, "given")
    whole = chain((first,), pieces)
    return (whole if name == "utf-8" else _recoded(whole, name)), guess


def _encoding(first: bytes) -> tuple[str, str | None]:
    """The encoding of a text, by its first bytes; UTF-8 unless they show another."""
    for mark, name in BOMS.items():
        if first.startswith(mark):
            return name, "byte order mark"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError as error:
        western = first.decode(WESTERN, "replace")
        odd = {sign for sign in western if not sign.isascii()}
        if all(sign in WESTERN_SIGNS or (sign.isalpha() and sign != "ÿ") for sign in odd):
            around = first[max(error.start - 12, 0) : error.start + 12].decode(WESTERN, "replace")
            return WESTERN, f"not UTF-8: {' '.join(around.split())!r}"
    return "utf-8", None


def _recoded(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(name)()
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode("utf-8", "replace")
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")
    except UnicodeDecodeError as error:
        detail = f"the text is not {name}: {error.reason}"
        raise UndecodableError(detail, [Problem("bad_csv", detail)]) from error


def newlines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The text with newlines, also where its lines end with a carriage return alone."""
    first = next(pieces, b"")
    if b"\r" not in first.rstrip(b"\r") or b"\n" in first:
        return chain((first,), pieces)
    return (piece.replace(b"\r", b"\n") for piece in chain((first,), pieces))


def hinted(text: bytes) -> tuple[str | None, bytes]:
    """The separator that a first line `sep=;` names, as Excel writes it, and the text after it."""
    text = text.removeprefix(BOM)
    end = text.find(b"\n")
    found = HINT_LINE.match(text[:end]) if end >= 0 else None
    return (found[1].decode("ascii", "replace"), text[end + 1 :]) if found else (None, text)


def find_separator(line: bytes, text: bytes) -> tuple[str, str]:
    """The separator that header and records agree on, counted outside quotation marks, and why."""
    head = line.decode("utf-8", "replace").rstrip("\r\n")
    sample = text[:SAMPLE_BYTES]
    if len(text) > SAMPLE_BYTES:
        sample = sample[: sample.rfind(b"\n") + 1]
    lines = sample.decode("utf-8", "replace").splitlines()
    best, because = (False, 0.0, 0), ""
    chosen = ","
    for separator in SEPARATORS:
        fields = _fields([head], separator, strict=True)[0] if head else 1
        records = _fields(lines, separator, strict=False)
        share = sum(count == fields for count in records) / len(records) if records else 1.0
        rank = (fields > 1, share if fields > 1 else 0.0, fields)
        if rank > best:
            best, chosen = rank, separator
            because = f"{fields} columns" + (
                f" in {share:.0%} of the first rows" if records else ""
            )
    return chosen, because


def _fields(lines: list[str], separator: str, *, strict: bool) -> list[int]:
    """How many fields each of the first records has; [1] where quotation marks do not fit."""
    counts: list[int] = []
    try:
        for cells in csv.reader(lines, delimiter=separator, strict=strict):
            if cells and any(cell.strip() for cell in cells):
                counts.append(len(cells))
            if len(counts) == SAMPLE_RECORDS:
                break
    except csv.Error:
        return counts or [1]
    return counts or ([1] if lines else [])


def find_notation(text: bytes, layout: Layout, decimal: Decimal | None) -> tuple[Notation, Guess]:
    """How the number columns are written, by what they hold.

    Raises
    ------
    InputError
        Every number can be read in two ways, and neither was declared.
    """
    if decimal is not None:
        notation = Notation(decimal, groups=True)
        return notation, Guess("decimals", _named(notation), "given")
    for size in (SAMPLE_BYTES, LARGE_SAMPLE_BYTES):
        part = text[: text.rfind(b"\n", 0, size) + 1] or text
        found = _columns(part, layout)
        shown = numbers.evidence(found.values())
        decided = _decided(shown, layout)
        plain = not (shown.proofs or shown.ambiguous)
        elsewhere = plain and len(part) < len(text) and (layout.separator != "," or b'"' in text)
        if decided is not None and not elsewhere:
            return decided
        if len(part) == len(text):
            break
    ambiguity = shown.ambiguous.get(Decimal.COMMA) or shown.ambiguous[Decimal.POINT]
    name = next(name for name, column in found.items() if (column == ambiguity).any())
    readings = [
        (f"--decimal-{word}", f"{numbers.parse(pl.Series([ambiguity]), Notation(sign, True))[0]:g}")
        for word, sign in (("comma", Decimal.COMMA), ("point", Decimal.POINT))
    ]
    row = int((found[name] == ambiguity).arg_max() or 0)
    raise ambiguous("numbers", readings, f"{ambiguity!r} of {name!r} (row {row})", "decimal")


def _decided(shown: Evidence, layout: Layout) -> tuple[Notation, Guess] | None:
    """The notation that the evidence shows, or that is the default; none where two are left."""
    groups = not shown.ungrouped
    if len(shown.proofs) == 1:
        ((sign, text),) = shown.proofs.items()
        notation = Notation(sign, groups)
        how = "detected" if sign is Decimal.COMMA or "," in text else "default"
        name = _named(notation) if how == "detected" else notation.name
        return notation, Guess("decimals", name, how, f"as in {text!r}")
    if shown.proofs:
        two = " and ".join(repr(text) for text in shown.proofs.values())
        return Notation(), Guess("decimals", "decimal point", "default", f"both occur: {two}")
    signs = set(shown.ambiguous)
    # What is never grouped in whole numbers is not grouped beside decimals either.
    if shown.ungrouped and len(signs) == 1:
        notation = Notation(Decimal(signs.pop()))
        return notation, Guess("decimals", notation.name, "detected", "thousands are not grouped")
    if not signs or (signs == {Decimal.POINT} and layout.separator == ","):
        return Notation(), Guess("decimals", "decimal point", "default")
    return None


def _named(notation: Notation) -> str:
    grouped = {Decimal.POINT: "comma", Decimal.COMMA: "point"}[notation.decimal]
    return f"{notation.name}, {grouped} between thousands" if notation.groups else notation.name


def _columns(text: bytes, layout: Layout) -> dict[str, pl.Series]:
    """The mapped number columns as text, and the others that hold nothing but numbers."""
    whole = Layout(
        header=layout.header,
        wanted=frozenset(layout.header),
        numbers=frozenset(),
        separator=layout.separator,
        nulls=layout.nulls,
    )
    frame = table(text, whole)
    found = {name: frame[name] for name in layout.header if name in layout.numbers}
    for name in layout.header:
        column = frame[name]
        if (
            name not in found
            and name not in layout.wanted
            and column.str.contains(ONLY_DIGITS).all()
        ):
            found[name] = column
    return found

"""Numbers as people write them: which sign parts decimals, which one groups thousands.

A grouped number has one to three digits, then groups of three (or, as in India, groups of two and
one of three): `1,234.5`, `1.234,5`, `1 234,5`, `1'234.5`, `12,34,567`. Blanks and apostrophes
between digits can only group. A point or a comma is either: `1.234` is 1234 or 1.234, and what
decides it is the declaration, or other numbers of the same file, never the number alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

BLANKS: Final = "\u0020\u00a0\u2007\u2009\u202f"
QUOTES: Final = "'\u2019\u02bc"
GROUPING: Final = rf"[{BLANKS}{QUOTES}]"
MINUS: Final = "\u2212"
FORMULA: Final = r'^="(.*)"$'
PARENTHESES: Final = r"^\((.*\d.*)\)$"
BEHIND: Final = r"^([^-+]*\d)\s?-$"
UNIT: Final = rf"^([-+(]?[\d.,{BLANKS}{QUOTES}]*\d[)-]?)\s*([^\d\s.,()+'-][^\d,()]*)$"
"""A number, and what is behind it in the same cell."""
EXPONENT: Final = r"(?:[eE][+-]?\d+)?"


class Decimal(StrEnum):
    """The sign before the decimals."""

    POINT = "."
    COMMA = ","

    @property
    def other(self) -> "Decimal":
        """The sign that then groups thousands."""
        return Decimal.COMMA if self is Decimal.POINT else Decimal.POINT


def _grouped(mark: str) -> str:
    """Digits in groups that `mark` (a regular expression) parts; always the same mark."""
    return rf"(?:[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|[1-9]\d?(?:{mark}\d{{2}})+{mark}\d{{3}})"


def _anchored(body: str) -> str:
    return rf"^[+-]?{body}$"


AMBIGUOUS: Final = {
    sign: _anchored(rf"[1-9]\d{{0,2}}{'[.]' if sign == '.' else ','}\d{{3}}") for sign in Decimal
}
"""One sign and three digits behind it: a thousand or so, or a few with three decimals."""


def _certain(decimal: Decimal) -> str:
    """Numbers that can only be meant with this decimal sign."""
    sign, other = (f"[{mark}]" for mark in (decimal, decimal.other))
    grouped = _grouped(other)
    whole = rf"(?:\d+|{grouped}|{_grouped(GROUPING)})"
    fraction = rf"(?:{sign}(?:\d{{1,2}}|\d{{4,}})?{EXPONENT}|{sign}\d{{3}}[eE][+-]?\d+)"
    return "|".join(
        _anchored(body)
        for body in (
            rf"{whole}{fraction}",  # 12,5  1.234,56
            rf"(?:0|\d{{4,}}|{grouped}|{_grouped(GROUPING)}){sign}\d{{3}}",  # 0,123  12345,678
            rf"{sign}\d+",  # ,5
            rf"[1-9]\d{{0,2}}(?:{other}\d{{3}}){{2,}}",  # 1.234.567
        )
    )


LONG: Final = _anchored(r"[1-9]\d{3,}")
"""A whole number of a thousand or more, without a sign in it."""
CERTAIN: Final = {sign: _certain(sign) for sign in Decimal}


@dataclass(frozen=True, slots=True)
class Notation:
    """The decimal sign, and whether the other sign may group thousands.

    Where it has been neither declared nor seen between thousands, a number that has the other sign
    is not read.
    """

    decimal: Decimal = Decimal.POINT
    groups: bool = False

    @property
    def name(self) -> str:
        """The notation by its decimal sign."""
        return "decimal point" if self.decimal is Decimal.POINT else "decimal comma"


PLAIN: Final = Notation()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What numbers show about the signs: texts that prove one, and ambiguous ones."""

    proofs: dict[Decimal, str]
    ambiguous: dict[str, str]
    """The first `1.234` and the first `1,234`, by the sign in it."""
    ungrouped: bool
    """Whether a whole number of four digits or more stands without a sign: nothing is grouped."""


def evidence(texts: Iterable[pl.Series]) -> Evidence:
    """What these columns show, all of one file."""
    proofs: dict[Decimal, str] = {}
    ambiguous: dict[str, str] = {}
    ungrouped = False
    for each in texts:
        plain = _is_plain(each)
        text = each if plain else normal(bare(each))
        for sign in (Decimal.POINT,) if plain else Decimal:
            for pattern, found in ((CERTAIN[sign], proofs), (AMBIGUOUS[sign], ambiguous)):
                hits = text.filter(text.str.contains(pattern).fill_null(value=False)).head(1)
                if hits.len():
                    found.setdefault(sign, hits.item())
        ungrouped |= bool(text.str.contains(LONG).fill_null(value=False).any())
    return Evidence(proofs, ambiguous, ungrouped)


def _is_plain(text: pl.Series) -> bool:
    """Whether all are numbers as a machine writes them: none of them shows a decimal comma."""
    return text.cast(pl.Float64, strict=False).null_count() == text.null_count()


def normal(text: pl.Series) -> pl.Series:
    """Without blanks around, with a plain minus before the digits.

    >>> normal(pl.Series([" \u22121", "(2.5)", "3,5-", '="4"'])).to_list()
    ['-1', '-2.5', '-3,5', '4']
    """
    text = text.str.strip_chars().str.replace(MINUS, "-", literal=True)
    text = text.str.replace(FORMULA, "${1}")
    return text.str.replace(PARENTHESES, "-${1}").str.replace(BEHIND, "-${1}")


def bare(text: pl.Series) -> pl.Series:
    """The texts without a unit behind the number."""
    return text.str.replace(UNIT, "${1}")


def unit(text: pl.Series) -> pl.Series:
    """The unit behind each number; null where there is none.

    >>> unit(pl.Series(["12.5 kW", "1 234,5", "(3 MWh)", "1e3", "n/a"])).to_list()
    ['kW', None, None, None, None]
    """
    return text.str.strip_chars().str.extract(UNIT, 2).str.strip_chars()


def parse(text: pl.Series, notation: Notation = PLAIN) -> pl.Series:
    """The numbers as floats; null where the text is none in this notation.

    >>> comma = Notation(Decimal.COMMA, groups=True)
    >>> parse(pl.Series(["1.234", "1.234,5", "12.5", "2 000"]), comma).to_list()
    [1234.0, 1234.5, None, 2000.0]
    """
    decimal = notation.decimal
    text = normal(text)
    plain = text
    if decimal is Decimal.COMMA:
        pointed = text.str.contains(".", literal=True)
        if pointed.any():
            plain = pl.select(pl.when(~pointed).then(text)).to_series()
        plain = plain.str.replace(",", ".", literal=True)
    read = plain.cast(pl.Float64, strict=False)
    if read.null_count() == text.null_count():
        return read.alias(text.name)
    other = f"[{decimal.other}]"
    shape = "|".join(
        _anchored(rf"{_grouped(mark)}(?:[{decimal}]\d*)?{EXPONENT}")
        for mark in ((GROUPING, other) if notation.groups else (GROUPING,))
    )
    fits = read.is_null() & text.str.contains(shape).fill_null(value=False)
    if not fits.any():
        return read.alias(text.name)
    plain = text.str.replace_all(rf"{GROUPING}|{other}", "").str.replace(decimal, ".", literal=True)
    more = pl.select(pl.when(fits).then(plain)).to_series().cast(pl.Float64, strict=False)
    return pl.select(pl.coalesce(read, more)).to_series().alias(text.name)

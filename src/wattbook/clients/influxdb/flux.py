"""The text of Flux queries: values are quoted here and nowhere else."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from wattbook.core.periods import EPOCH
from wattbook.core.units import US_PER_SECOND

NS_PER_US: Final = 1000
_UNPRINTED: Final = re.compile(r"[\x00-\x1f\x7f]")
_MEANT: Final = re.compile(r"([\\.+*?()|\[\]{}^$/])")
"""What has a meaning in a pattern; both a Go and a Rust parser read it, and Rust takes no other."""
_OWN: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def text(value: str) -> str:
    r"""A value in quotation marks.

    >>> print(text('a "quoted" ${name}'))
    "a \"quoted\" \${name}"
    """
    plain = value.replace("\\", r"\\").replace('"', r"\"").replace("${", r"\${")
    shown = _UNPRINTED.sub(lambda found: _OWN.get(found[0]) or f"\\x{ord(found[0]):02x}", plain)
    return f'"{shown}"'


def moment(microseconds: int) -> str:
    """An instant, of which microseconds since 1970 are given.

    >>> moment(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    return f"{EPOCH + timedelta(microseconds=microseconds):%Y-%m-%dT%H:%M:%S.%f}Z"


def nanosecond(nanoseconds: int) -> str:
    """An instant, of which nanoseconds since 1970 are given.

    >>> nanosecond(1_500_000_001)
    '1970-01-01T00:00:01.500000001Z'
    """
    seconds, rest = divmod(nanoseconds, US_PER_SECOND * NS_PER_US)
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def column(name: str) -> str:
    """A column of the row `r`."""
    return f"r[{text(name)}]"


def among(name: str, values: Sequence[str]) -> str:
    r"""The condition that a column is one of some values, of which there is at least one.

    A pattern takes as many as one likes; of comparisons joined by `or`, the parser takes some 250.

    >>> print(among("meter_id", ["a.1", "b"]))
    r["meter_id"] =~ /^(?:a\.1|b)$/
    """
    if len(values) == 1:
        return f"{column(name)} == {text(values[0])}"
    return f"{column(name)} =~ /^(?:{'|'.join(map(pattern, values))})$/"


def pattern(value: str) -> str:
    r"""A value within a pattern, standing for itself.

    >>> print(pattern("a/b (1)"))
    a\/b \(1\)
    """
    marked = _MEANT.sub(r"\\\1", value)
    return _UNPRINTED.sub(lambda found: f"\\x{ord(found[0]):02x}", marked)


def select(
    bucket: str,
    span: tuple[str, str],
    conditions: Sequence[str],
    *steps: str,
    keep: Sequence[str],
) -> str:
    """Rows in [start, stop) for which all conditions hold, after the steps, with some columns."""
    start, stop = span
    condition = " and ".join(conditions) or "true"
    columns = ", ".join(map(text, keep))
    parts = [
        f"from(bucket: {text(bucket)})",
        f"range(start: {start}, stop: {stop})",
        f"filter(fn: (r) => {condition})",
        *steps,
        f"keep(columns: [{columns}])",
    ]
    return " |> ".join(parts)

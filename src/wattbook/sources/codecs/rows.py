"""What every format answers with, and the names under which a row's fields may arrive."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from wattbook.core.errors import Problem, TooLargeError
from wattbook.core.frames import RAW_GRID, Contract
from wattbook.core.readings.checks import IntervalLabel

ALIASES: Final = {"device_id": "meter_id"}
GRID_ALIASES: Final = {"start_utc": "start", "timestamp": "start"}
OURS: Final = frozenset({"row", "reason", "detail", "raw", "explicit"})
"""Columns that wattbook itself adds; a sender's column of that name is ignored."""
RAW_LENGTH: Final = 2000
"""So much of a row that cannot be read is kept as evidence."""
SHOWN_LENGTH: Final = 80
STAMP: Final = "ISO 8601 with an offset, as 2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Guess:
    """One property of a file, what it was taken for, and how that was decided."""

    what: str
    value: str
    how: str
    """`given`, `detected` or `default`."""
    because: str | None = None

    def document(self) -> dict[str, str | None]:
        """The same, for JSON."""
        return {"what": self.what, "value": self.value, "how": self.how, "because": self.because}


@dataclass(frozen=True, slots=True)
class Decoded:
    """Rows as they were sent, and the columns of the sender that mean nothing here.

    Of a format that leaves room for guesses: how it was read, and which end of its interval a
    stamp names.
    """

    frame: pl.DataFrame
    ignored: tuple[str, ...] = ()
    guesses: tuple[Guess, ...] = ()
    label: IntervalLabel | None = None


def aliases(contract: Contract) -> dict[str, str]:
    return GRID_ALIASES if contract.name == RAW_GRID.name else ALIASES


def fields(contract: Contract) -> dict[str, pl.DataType | type[pl.DataType]]:
    """Types of all names under which a sender may fill the contract."""
    own = {name: dtype for name, dtype in contract.schema.items() if name not in OURS}
    return {**own, **{alias: contract.schema[name] for alias, name in aliases(contract).items()}}


def numbers(contract: Contract) -> frozenset[str]:
    return frozenset(name for name, dtype in fields(contract).items() if dtype != pl.String)


def ignored(names: Iterable[str], contract: Contract) -> tuple[str, ...]:
    """Names that are none of the contract's, each once."""
    known = fields(contract)
    return tuple(dict.fromkeys(name for name in names if name not in known))


def fold_aliases(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The same rows under the contract's own names; a name of its own goes before its alias."""
    for alias, name in aliases(contract).items():
        if alias not in frame.columns:
            continue
        if name not in frame.columns:
            frame = frame.rename({alias: name})
        else:
            either = pl.coalesce(name, alias).alias(name)
            frame = frame.with_columns(either).drop(alias)
    return frame


def refuse_more(rows: int, max_rows: int) -> None:
    """Stop where a body has more rows than are taken at once."""
    if rows > max_rows:
        detail = f"at most {max_rows} rows are taken at once; send the rest in further bodies"
        raise TooLargeError(f"too many rows: {detail}", [Problem("too_large", detail)])


def printable(text: str) -> str:
    """`text` with everything replaced that UTF-8 cannot carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def evidence(raw: bytes | str) -> str:
    """The beginning of a row as sent."""
    if isinstance(raw, bytes):
        raw = raw[: 4 * RAW_LENGTH].decode("utf-8", "replace")
    return printable(raw[:RAW_LENGTH].rstrip("\r\n"))

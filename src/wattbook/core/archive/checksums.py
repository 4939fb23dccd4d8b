"""Checksums of the rows of an archive, which are equal in every store."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattbook.core import frames
from wattbook.core.archive import tables
from wattbook.core.archive.tables import Table


def of_rows(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """SHA-256 over the rows of each owner and UTC month.

    Equal rows have equal sums, whichever store they come from and in whichever order: they are
    sorted by the key, and values are hashed, not how a store writes them down. Null is a value of
    its own, and 0 has no sign.

    Parameters
    ----------
    rows
        Rows of the contract of `table`; no key occurs twice.

    Returns
    -------
    pl.DataFrame
        `frames.CHECKSUMS`.
    """
    rest = [name for name in table.contract.key if name not in (table.owner, table.instant)]
    ordered = (
        frames.check(rows, table.contract)
        .sort(table.owner, table.instant, *rest)
        .with_columns(month=tables.month(pl.col(table.instant)))
    )
    groups = (
        ordered.with_row_index("begin")
        .group_by(owner=pl.col(table.owner), month=pl.col("month"))
        .agg(pl.col("begin").min().cast(pl.Int64), rows=pl.len().cast(pl.Int64))
        .sort("owner", "month")
    )
    sums = list(_digests(ordered.drop(table.owner, "month"), table, groups))
    made = groups.with_columns(sha256=pl.Series(sums, dtype=pl.String))
    return frames.check(made, frames.CHECKSUMS)


def _digests(ordered: pl.DataFrame, table: Table, groups: pl.DataFrame) -> Iterator[str]:
    """The sum of each group of neighbouring rows.

    What is hashed: the names of the columns and the owner; then row by row one number that
    tells which columns are null and one for each other column (a text's is its length); then the
    texts, column by column. Columns of `LATER` after the last that a group has are left out.
    """
    columns = tuple(table.contract.columns)
    later = sum(name in tables.LATER for name in columns)
    openings = [_opening(table.name, columns[: len(columns) - less]) for less in range(later + 1)]
    numbers = _numbers(ordered)
    width = numbers.shape[1]
    beyond = [numbers[:, 0] >> (width - 1 - less) != 0 for less in range(1, later + 1)]
    known = [np.append(0, np.cumsum(added)) for added in beyond]
    texts = [_joined(ordered[name]) for name, dtype in ordered.schema.items() if dtype == pl.String]
    for owner, begin, rows in groups.select("owner", "begin", "rows").iter_rows():
        end = begin + rows
        less = sum(bool(counts[begin] == counts[end]) for counts in known)
        digest = openings[less].copy()
        digest.update(f"\n{owner}\n{rows}\n".encode())
        digest.update(np.ascontiguousarray(numbers[begin:end, : width - less]).data)
        for text, begins in texts:
            digest.update(text[begins[begin] : begins[end]])
        yield digest.hexdigest()


def _opening(table: str, columns: Sequence[str]) -> "hashlib._Hash":
    return hashlib.sha256(f"{table}({','.join(columns)})".encode())


def _numbers(rows: pl.DataFrame) -> NDArray[np.int64]:
    """One line of 64-bit numbers, the lowest byte first, for each row."""
    known = np.zeros(rows.height, dtype=np.int64)
    columns = [known]
    for place, column in enumerate(rows):
        known |= column.is_not_null().to_numpy().astype(np.int64) << place
        columns.append(_whole(column))
    return np.column_stack(columns).astype("<i8", copy=False)


def _whole(column: pl.Series) -> NDArray[np.int64]:
    if column.dtype == pl.String:
        column = column.str.len_bytes()
    if column.dtype.is_float():
        signless = column.fill_null(0.0).to_numpy() + 0.0
        return signless.view(np.int64)
    return column.to_physical().cast(pl.Int64).fill_null(0).to_numpy()


def _joined(column: pl.Series) -> tuple[bytes, NDArray[np.int64]]:
    """All texts in one, and where each begins; last where it ends."""
    lengths = column.str.len_bytes().fill_null(0).cast(pl.Int64).to_numpy()
    text: str = column.str.join("").item() or ""
    return text.encode(), np.concatenate([[0], np.cumsum(lengths)])


def unlike(rows: pl.DataFrame, there: pl.DataFrame, table: Table) -> list[str]:
    """Owners whose checksum of some month is another one, or none, on the other side."""
    here, other = of_rows(rows, table), of_rows(there, table)
    both = [here.join(other, on=list(here.columns), how="anti")]
    both.append(other.join(here, on=list(here.columns), how="anti"))
    return pl.concat(both)["owner"].unique().sort().to_list()

"""A large batch, validated slice by slice, so that only a slice's working columns are in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.readings import merge, plausibility, validation
from wattbook.core.readings.rejects import Rejects
from wattbook.core.readings.validation import ValidatedBatch

SLICE_ROWS: Final = 100_000


@dataclass(frozen=True, slots=True)
class ValidatedSlice:
    """A batch or a slice of it: what is kept, with its `row`, and what is rejected and why."""

    kept: pl.DataFrame
    rejects: Rejects
    refused: pl.DataFrame
    warnings: tuple[str, ...] = ()
    """What looks wrong although it is kept, from `core.readings.plausibility`."""

    @classmethod
    def of(cls, sorted_: ValidatedBatch) -> "ValidatedSlice":
        """The same, in less memory."""
        return cls(
            sorted_.kept, Rejects.of(sorted_.rejects), sorted_.refused, tuple(sorted_.warnings)
        )


def cut(raw: pl.DataFrame, rows: int = SLICE_ROWS) -> Iterator[pl.DataFrame]:
    """The slices of raw rows, which are numbered before; one, without rows, of an empty batch."""
    numbered = raw if "row" in raw.columns else raw.with_row_index("row")
    if raw.height <= rows:
        yield numbered
    else:
        yield from numbered.iter_slices(rows)


def join(
    parts: Sequence[ValidatedSlice], raw: pl.DataFrame, contract: frames.Contract, *, atomic: bool
) -> ValidatedSlice:
    """The batch whose slices, in their order, are the parts.

    Of rows with one key in two slices the first is kept, as within a slice. With `atomic` one
    rejected row of any slice refuses all others.
    """
    if len(parts) > 1:
        parts = _without_repeats(parts, raw, contract)
    if atomic and any(part.rejects.height for part in parts):
        parts = [_refuse(part) for part in parts]
    if len(parts) == 1:
        return parts[0]
    return ValidatedSlice(
        _kept([part.kept for part in parts]),
        Rejects.joined(part.rejects for part in parts),
        pl.concat([part.refused for part in parts]).unique(
            frames.REFUSED.key, keep="first", maintain_order=True
        ),
        tuple(plausibility.first_of_each(each for part in parts for each in part.warnings)),
    )


def _kept(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    kept = pl.concat(parts, how="diagonal")
    if merge.EXPLICIT not in kept.columns:
        return kept
    return kept.with_columns(pl.col(merge.EXPLICIT).fill_null(0))


def _without_repeats(
    parts: Sequence[ValidatedSlice], raw: pl.DataFrame, contract: frames.Contract
) -> list[ValidatedSlice]:
    """The parts with those rows rejected whose key an earlier part has."""
    key = list(contract.key)
    every = pl.concat([part.kept.select("row", *key) for part in parts])
    _, again = validation.drop_duplicates(every, key, pl.struct(key[0], *key[2:]).hash())
    if again.is_empty():
        return list(parts)
    numbered = raw if "row" in raw.columns else raw.with_row_index("row")
    again = validation.with_evidence(again, numbered)
    return [_reject(part, again) for part in parts]


def _reject(part: ValidatedSlice, again: pl.DataFrame) -> ValidatedSlice:
    own = again.join(part.kept.select("row"), on="row", how="semi")
    if own.is_empty():
        return part
    rejects = pl.concat([part.rejects.frame(), own]).sort("row")
    kept = part.kept.join(own.select("row"), on="row", how="anti", maintain_order="left")
    return replace(part, kept=kept, rejects=Rejects.of(rejects))


def _refuse(part: ValidatedSlice) -> ValidatedSlice:
    return ValidatedSlice.of(
        validation.reject_all(
            ValidatedBatch(part.kept, part.rejects.frame(), part.refused, part.warnings)
        )
    )

"""A large batch, validated slice by slice, so that only a slice's working columns are in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.readings import merge, plausibility, validation
from wattbook.core.readings.rejects import Rejects
from wattbook.core.readings.repeats import MERGED, Distinct, distinct
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
    merged: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=MERGED))
    """Rows whose values are in another row that is kept."""

    @classmethod
    def of(cls, sorted_: ValidatedBatch) -> "ValidatedSlice":
        """The same, in less memory."""
        return cls(
            sorted_.kept,
            Rejects.of(sorted_.rejects),
            sorted_.refused,
            tuple(sorted_.warnings),
            sorted_.merged,
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

    Rows with one key in two slices are treated as within a slice, after those of each slice. With
    `atomic` one rejected row of any slice refuses all others.
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
        pl.concat([part.merged for part in parts]),
    )


def _kept(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    kept = pl.concat(parts, how="diagonal")
    if merge.EXPLICIT not in kept.columns:
        return kept
    return kept.with_columns(pl.col(merge.EXPLICIT).fill_null(0))


def _without_repeats(
    parts: Sequence[ValidatedSlice], raw: pl.DataFrame, contract: frames.Contract
) -> list[ValidatedSlice]:
    """The parts with one row for each key, as `core.readings.repeats.distinct` makes them."""
    key = list(contract.key)
    keys = pl.concat([part.kept.select(key) for part in parts])
    several = keys.filter(keys.is_duplicated()).unique()
    if several.is_empty():
        return list(parts)
    rows = _kept([part.kept.join(several, on=key, how="semi") for part in parts]).sort("row")
    table = merge.READINGS if contract is frames.READINGS else merge.GRID
    once = distinct(rows, key, pl.struct(key[0], *key[2:]).hash(), table)
    numbered = raw if "row" in raw.columns else raw.with_row_index("row")
    again = validation.with_evidence(once.again, numbered)
    return [_settled(part, rows, once, again, numbered) for part in parts]


def _settled(
    part: ValidatedSlice,
    rows: pl.DataFrame,
    once: Distinct,
    again: pl.DataFrame,
    raw: pl.DataFrame,
) -> ValidatedSlice:
    """A part after its rows were compared with those of the others."""
    own = part.kept.select("row").join(rows.select("row"), on="row", how="semi")
    if own.is_empty():
        return part
    left = once.rows.join(own, on="row", how="semi")
    kept = _kept([part.kept.join(own, on="row", how="anti"), left]).sort("row")
    merged = pl.concat([part.merged, once.merged.join(own, on="row", how="semi")])
    # A row that others of this part went into may itself have gone, or be a duplicate.
    onward = once.merged.select(into="row", onto="into")
    merged = merged.join(onward, on="into", how="left", maintain_order="left").select(
        "row", into=pl.coalesce("onto", "into")
    )
    lost = merged.join(again.select(into="row"), on="into", how="semi")
    verdicts = again.select("row", "reason", "detail")
    with_them = lost.join(verdicts, left_on="into", right_on="row").drop("into")
    rejects = [part.rejects.frame(), again.join(own, on="row", how="semi")]
    if with_them.height:
        rejects.append(validation.with_evidence(with_them, raw))
        merged = merged.join(lost, on="row", how="anti")
    return replace(
        part, kept=kept, rejects=Rejects.of(pl.concat(rejects).sort("row")), merged=merged
    )


def _refuse(part: ValidatedSlice) -> ValidatedSlice:
    return ValidatedSlice.of(
        validation.reject_all(
            ValidatedBatch(
                part.kept, part.rejects.frame(), part.refused, part.warnings, part.merged
            )
        )
    )

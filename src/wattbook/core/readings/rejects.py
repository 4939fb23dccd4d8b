"""Rejects of a batch in little memory: a body may be two million bad rows, all of them evidence."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from wattbook.core import frames

CHUNK_ROWS: Final = 50_000
"""Rows of a compressed chunk."""
MAX_PLAIN_ROWS: Final = 2_000
"""Fewer rows than these are not worth compressing."""


@dataclass(frozen=True, slots=True, eq=False)
class Rejects:
    """Rows of `frames.REJECTS` in their order; where they are many, in compressed chunks."""

    height: int
    reasons: dict[str, int]
    """How many rows were rejected for which reason, the most frequent first."""
    packed: tuple[pl.DataFrame | bytes, ...]

    @classmethod
    def of(cls, *parts: pl.DataFrame) -> "Rejects":
        """The rejects in frames, one after the other."""
        return cls.joined(_packed(part) for part in parts)

    @classmethod
    def joined(cls, parts: Iterable["Rejects"]) -> "Rejects":
        """Rejects, one after the other."""
        height, reasons = 0, Counter[str]()
        packed: list[pl.DataFrame | bytes] = []
        for part in parts:
            height += part.height
            reasons.update(part.reasons)
            packed += part.packed
        ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        return cls(height, dict(ordered), tuple(packed))

    def chunks(self) -> Iterator[pl.DataFrame]:
        """The rows in frames of a few megabytes, none of them empty."""
        for each in self.packed:
            yield each if isinstance(each, pl.DataFrame) else pl.read_ipc(each)

    def head(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        found, missing = [frames.REJECTS.empty()], rows
        for chunk in self.chunks():
            found.append(chunk.head(missing))
            missing -= found[-1].height
            if not missing:
                break
        return pl.concat(found)

    def frame(self) -> pl.DataFrame:
        """All rows at once."""
        return pl.concat([frames.REJECTS.empty(), *self.chunks()])


NONE: Final = Rejects(0, {}, ())


def _packed(rejects: pl.DataFrame) -> Rejects:
    if rejects.is_empty():
        return NONE
    reasons = dict(rejects["reason"].value_counts().iter_rows())
    if rejects.height <= MAX_PLAIN_ROWS:
        return Rejects(rejects.height, reasons, (rejects,))
    packed = [
        chunk.write_ipc(None, compression="lz4").getvalue()
        for chunk in rejects.iter_slices(CHUNK_ROWS)
    ]
    return Rejects(rejects.height, reasons, tuple(packed))

"""Whether midnight closes its date: 24:00, or 00:00 in line after 23:00 of the same date."""

from datetime import time, timedelta
from typing import Final

import polars as pl

from wattbook.sources.files.stamps import HOUR_24

MIDNIGHT: Final = r"[T ]0?0:00(?::00)?"
EVENING: Final = time(20)
"""The stamp before midnight is later than this, however long the intervals are."""
DAY: Final = timedelta(days=1)


def written_as_24(text: pl.Series) -> str | None:
    """Why stamps as 24:00 are ends: hours that are named by their beginning have a 00:00."""
    if text.str.contains(HOUR_24).any() and not text.str.contains(MIDNIGHT).any():
        return "there is a 24:00, and no 00:00"
    return None


def closes_date(walls: pl.DataFrame) -> str | None:
    """Why 00:00 is the end of its date: it stands beside the evening of that same date.

    None where a midnight stands beside the evening of the day before, or nothing shows. `walls`
    are `who` and `wall` in the order of the file.
    """
    wall = pl.col("wall")
    rows = walls.select("who", "wall").with_columns(
        before=wall.shift(1).over("who"), after=wall.shift(-1).over("who")
    )
    rows = rows.filter(wall.dt.time() == time(0), pl.struct("who", "wall").is_unique())
    if rows.is_empty():
        return None

    def evening(of: pl.Expr) -> pl.Expr:
        beside = [
            pl.when((pl.col(name).dt.date() == of) & (pl.col(name).dt.time() > EVENING)).then(name)
            for name in ("before", "after")
        ]
        return pl.coalesce(beside)

    rows = rows.select(own=evening(wall.dt.date()), former=evening((wall - DAY).dt.date()))
    own = rows["own"].drop_nulls()
    if not own.len() or rows["former"].drop_nulls().len():
        return None
    return f"00:00 is in line after {own[0]:%H:%M} of {own[0]:%Y-%m-%d}"

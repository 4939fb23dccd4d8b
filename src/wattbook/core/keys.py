"""Small whole numbers that stand for long ids within a store."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Keys:
    """Ids in the order of their numbers: the number of an id is its place."""

    name: str
    """Column of the ids."""
    number: str
    """Column of their numbers."""
    names: pl.Series
    places: dict[str, int]
    enum: pl.Enum

    @classmethod
    def of(cls, names: pl.Series, number: str) -> "Keys":
        """These ids, prepared for looking up; the name of the series is that of their column.

        Examples
        --------
        >>> keys = Keys.of(pl.Series("meter_id", ["m1", "m2"]), "meter_key")
        >>> keys.numbers(["m2", "m9"])
        [1]
        """
        places = {name: place for place, name in enumerate(names)}
        return cls(names.name, number, names, places, pl.Enum(names))

    def fresh(self, names: pl.Series) -> pl.DataFrame:
        """Ids that have no number yet, beside the numbers that they are to have."""
        fresh = [name for name in names.unique(maintain_order=True) if name not in self.places]
        series = pl.Series(self.name, fresh, dtype=pl.String)
        numbered = series.to_frame().with_row_index(self.number, offset=len(self.names))
        return numbered.with_columns(pl.col(self.number).cast(pl.Int32))

    def extended(self, fresh: pl.DataFrame) -> "Keys":
        """With the ids of `fresh` added."""
        return Keys.of(pl.concat([self.names, fresh[self.name]]), self.number)

    def numbers(self, names: list[str]) -> list[int]:
        """Numbers of those ids that have one."""
        return [self.places[name] for name in names if name in self.places]

    def named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the ids in place of their numbers."""
        ids = pl.lit(self.names).gather(pl.col(self.number))
        return frame.with_columns(ids.alias(self.name)).drop(self.number)

    def numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the numbers [int32] beside the ids; null where an id has none."""
        place = pl.col(self.name).cast(self.enum, strict=False).to_physical()
        return frame.with_columns(place.cast(pl.Int32).alias(self.number))

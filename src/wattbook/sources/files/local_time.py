"""Stamps from a clock on the wall, made UTC."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NoReturn

import polars as pl

from wattbook.core.errors import InputError, Problem
from wattbook.core.frames import UTC

ISO: Final = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
)
DAY_FIRST: Final = tuple(
    f"%d{mark}%m{mark}%Y %H:%M{seconds}" for mark in "/.-" for seconds in (":%S", "")
)
MONTH_FIRST: Final = (
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%m-%d-%Y %H:%M:%S",
    "%m-%d-%Y %H:%M",
)
OFFSET: Final = r":\d\d(?:[.,]\d+)?\s*(?:[Zz]|[+-]\d\d:?(?:\d\d)?)$"
HOUR_24: Final = r"([T ])24:00"
DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class LocalTime:
    """Turns the stamps of one file into instants, part by part.

    Where clocks go back, the first time that a meter shows a stamp is the earlier instant and any
    further time the later one. Only stamps from such hours are remembered.
    """

    timezone: str
    day_first: bool = False
    midnight_closes_day: bool = False
    label_span: timedelta | None = None
    _seen: set[tuple[Hashable, Hashable]] = field(default_factory=set)

    def to_utc(self, stamps: pl.Series, meters: pl.Series | None = None) -> pl.DataFrame:
        """`ts_utc` of each stamp and, where there is none, the `detail` that says why."""
        frame = pl.DataFrame({"text": stamps, "meter": meters if meters is not None else ""})
        offset = pl.lit(None, dtype=UTC)
        if isinstance(stamps.dtype, pl.Datetime):
            frame = frame.with_columns(wall=pl.col("text").dt.cast_time_unit("us"))
        else:
            frame = frame.with_columns(pl.col("text").str.strip_chars())
            begin = frame["text"].drop_nulls().head(1)
            if begin.str.contains(OFFSET).any():  # then most of them will have one
                frame = frame.with_columns(offset=_with_offset())
                rest = pl.when(pl.col("offset").is_null()).then("text")
                frame = frame.with_columns(wall=self._wall(frame.select(rest)["text"]))
                offset = pl.col("offset")
            else:
                frame = frame.with_columns(wall=self._wall(frame["text"]))
                if frame["wall"].null_count() > frame["text"].null_count():
                    offset = _with_offset()
        span = self.label_span or timedelta(0)
        wall = pl.col("wall")
        if self.midnight_closes_day:
            midnight = (wall.dt.hour() == 0) & (wall.dt.minute() == 0) & (wall.dt.second() == 0)
            wall = pl.when(midnight).then(wall + DAY).otherwise(wall)
        frame = frame.with_columns(wall=wall - span)
        frame = self._localize(frame).with_columns(pl.col("ts_utc") + span)
        return frame.select(pl.coalesce("ts_utc", offset), self._detail(offset))

    def _wall(self, text: pl.Series) -> pl.Series:
        """Date and time as the clock showed them; the form of the first rows is tried first."""
        own, other = (DAY_FIRST, MONTH_FIRST) if self.day_first else (MONTH_FIRST, DAY_FIRST)
        late = text.str.contains(HOUR_24)
        if late.any():
            text = text.str.replace(HOUR_24, "${1}00:00")
        read = _first_that_fits(text, ISO + own)
        if read.null_count() > text.null_count():
            turned = _first_that_fits(text, other)
            if turned.null_count() == text.null_count():
                _refuse_order(day_first=self.day_first)
        if late.any():
            read = pl.select(pl.when(late).then(read + DAY).otherwise(read)).to_series()
        return read.alias("wall")

    def _localize(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`ts_utc` of each `wall`, and whether that wall time was `skipped`."""
        once = pl.col("wall").dt.replace_time_zone(
            self.timezone, ambiguous="null", non_existent="null"
        )
        frame = frame.with_columns(
            ts_utc=once.dt.convert_time_zone("UTC"), skipped=pl.lit(value=False)
        )
        open_ = pl.col("ts_utc").is_null() & pl.col("wall").is_not_null()
        if not frame.select(open_.any()).item():
            return frame
        frame = frame.with_row_index("at")
        twice = frame.filter(open_)
        which = ["latest" if self._again(key) else "earliest" for key in _keys(twice)]
        twice = twice.with_columns(which=pl.Series(which, dtype=pl.String)).select(
            "at",
            found=pl.col("wall")
            .dt.replace_time_zone(self.timezone, ambiguous=pl.col("which"), non_existent="null")
            .dt.convert_time_zone("UTC"),
        )
        frame = frame.join(twice, on="at", how="left", maintain_order="left")
        return frame.with_columns(
            ts_utc=pl.coalesce("ts_utc", "found"), skipped=open_ & pl.col("found").is_null()
        )

    def _again(self, key: tuple[Hashable, Hashable]) -> bool:
        known = key in self._seen
        self._seen.add(key)
        return known

    def _detail(self, offset: pl.Expr) -> pl.Expr:
        shown = pl.col("text").cast(pl.String).fill_null("nothing")
        order = "day first" if self.day_first else "month first"
        return (
            pl.when(pl.coalesce("ts_utc", offset).is_not_null())
            .then(pl.lit(None, dtype=pl.String))
            .when("skipped")
            .then(pl.format("{} does not exist in " + self.timezone + ": clocks go forward", shown))
            .otherwise(pl.format("want a date and time (ISO, or " + order + "), have {}", shown))
            .alias("detail")
        )


def _first_that_fits(text: pl.Series, forms: Sequence[str]) -> pl.Series:
    """Date and time of each stamp by the first of the forms that fits it."""
    read = pl.Series([None] * text.len(), dtype=pl.Datetime("us"))
    for form in forms:
        if read.null_count() == text.null_count():
            break
        tried = text.str.to_datetime(form, time_unit="us", strict=False)
        if tried.null_count() < tried.len():
            read = pl.select(pl.coalesce(read, tried)).to_series()
    return read


def _refuse_order(*, day_first: bool) -> NoReturn:
    """Half of the dates would fit the wrong order too, and be believed."""
    seen, said = ("month", "day") if day_first else ("day", "month")
    detail = f"the dates have the {seen} first, but are read with the {said} first"
    raise InputError(detail, [Problem("bad_mapping", detail, field="day_first")])


def _with_offset() -> pl.Expr:
    """Instants of the stamps that carry an offset of their own."""
    text = pl.col("text")
    has = pl.when(text.str.contains(OFFSET)).then(text.str.replace(" ", "T", literal=True))
    forms = ("%+", "%Y-%m-%dT%H:%M%#z")
    return pl.coalesce(
        has.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False) for form in forms
    )


def _keys(frame: pl.DataFrame) -> list[tuple[Hashable, Hashable]]:
    return frame.select("meter", "wall").rows()

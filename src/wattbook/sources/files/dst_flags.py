"""Flags and abbreviations that tell apart the two passes of an hour that happens twice."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from wattbook.sources.codecs.rows import Guess
from wattbook.sources.files.dialect import ambiguous
from wattbook.sources.files.mapping import Sense

SUMMER: Final = ("S", "SUMMER", "DST", "DT", "D")
WINTER: Final = ("W", "WINTER", "STD", "ST")
YES: Final = ("Y", "YES", "TRUE", "T", "1", "J", "JA", "X", "*")
NO: Final = ("N", "NO", "FALSE", "F", "0", "NEI", "NEIN")
TWO: Final = 2
REPEATED: Final = ("*", "REPEATED", "X")
"""Only set on the second pass."""
YEARS: Final = range(1990, 2038)
NONE: Final = timedelta(0)
MS: Final = timedelta(milliseconds=1)


def passes(wall: pl.Expr, timezone: str) -> dict[str, pl.Expr]:
    """The earlier and the later instant of each wall time; null where it does not exist."""
    return {
        "early": wall.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null"),
        "late": wall.dt.replace_time_zone(timezone, ambiguous="latest", non_existent="null"),
    }


def changes(timezone: str) -> bool:
    """Whether the zone has had summer time in the years that readings are from."""
    zone = ZoneInfo(timezone)
    return any(
        datetime(year, 1, 1, tzinfo=zone).utcoffset()
        != datetime(year, 7, 1, tzinfo=zone).utcoffset()
        for year in YEARS
    )


def in_summer(frame: pl.DataFrame, column: str, timezone: str) -> pl.Series:
    """Whether clocks are ahead of the year's least offset."""
    at = pl.col(column)
    years = frame.select(at.dt.year().drop_nulls().unique()).to_series().to_list()
    zone = ZoneInfo(timezone)
    least: dict[int, int] = {
        year: min(
            int((datetime(year, month, 1, tzinfo=UTC).astimezone(zone).utcoffset() or NONE) / MS)
            for month in (1, 7)
        )
        for year in years
    }
    offset = at.dt.base_utc_offset() + at.dt.dst_offset()
    floor = at.dt.year().replace_strict(
        least,
        default=None,
        return_dtype=pl.Int64,
    )
    return frame.select(offset.dt.total_milliseconds() > floor).to_series()


def find_sense(
    frame: pl.DataFrame, timezone: str, column: str
) -> tuple[Sense | None, Guess | None]:
    """What the yes and no of `flag` mean, by hours that happen once, or by the order of passes.

    Raises
    ------
    InputError
        Nothing in the file tells, nor the name of the column.
    """
    flag = pl.col("flag").str.strip_chars().str.to_uppercase()
    frame = frame.with_columns(flag=flag, **passes(pl.col("wall"), timezone)).filter(
        pl.col("flag").is_in([*YES, *NO])
    )
    if frame.is_empty():
        return None, None
    frame = frame.with_columns(
        yes=pl.col("flag").is_in(YES),
        once=pl.col("early") == pl.col("late"),
        summer=in_summer(frame, "early", timezone),
    )
    once = frame.filter("once")
    summer, winter = once.filter("summer"), once.filter(~pl.col("summer"))
    if _mostly(summer):
        return Sense.SUMMER, Guess(
            "flag", "yes means summer time", "detected", f"column {column!r}"
        )
    if summer.height or _mostly(winter):
        return Sense.REPEATED, _repeated("detected", column)
    twice = frame.filter(~pl.col("once"))
    pairs = (
        twice.group_by("who", "wall", maintain_order=True)
        .agg("yes")
        .filter(pl.col("yes").list.len() == TWO, pl.col("yes").list.n_unique() == TWO)
    )
    if pairs.height:
        first = pairs["yes"].list.first().item(0)
        if first:
            return Sense.SUMMER, Guess("flag", "yes means summer time", "detected", "first pass")
        return Sense.REPEATED, _repeated("detected", column)
    plain = column.lower().replace("_", "").replace(" ", "")
    if "repeat" in plain or "dstflag" in plain or twice["flag"].is_in(["Y", "N"]).all():
        return Sense.REPEATED, _repeated("default", column)
    row = twice.row(0, named=True)
    early, late = (f"{row[name]:%Y-%m-%d %H:%M %Z}" for name in ("early", "late"))
    options = (f"--dst-flag {column}=summer", f"--dst-flag {column}=repeated")
    meant = (early, late) if row["yes"] else (late, early)
    shown = f"{row['wall']:%Y-%m-%d %H:%M} with flag {row['flag']}"
    raise ambiguous("flags", list(zip(options, meant, strict=True)), shown, "dst_flag")


def _mostly(rows: pl.DataFrame) -> bool:
    """Whether more of the rows have a yes than not."""
    return 2 * int(rows["yes"].sum()) > rows.height


def _repeated(how: str, column: str) -> Guess:
    return Guess("flag", "yes means a repeated hour", how, f"column {column!r}")


def resolve(frame: pl.DataFrame, timezone: str, sense: Sense | None) -> pl.DataFrame:
    """The frame with the instant `told` that `flag` names, and the `conflict` where there is none.

    Both are null where a row has no flag.
    """
    flag = pl.col("flag").str.strip_chars().str.to_uppercase()
    frame = frame.with_columns(**passes(pl.col("wall"), timezone))
    frame = frame.with_columns(
        word=pl.when(flag != "").then(flag),
        first=in_summer(frame, "early", timezone),
        second=in_summer(frame, "late", timezone),
        zone_first=pl.col("early").dt.strftime("%Z").str.to_uppercase(),
        zone_second=pl.col("late").dt.strftime("%Z").str.to_uppercase(),
        twice=pl.col("early") != pl.col("late"),
    )
    word, twice = pl.col("word"), pl.col("twice")
    yes, no = word.is_in(YES), word.is_in(NO)
    if sense is Sense.SUMMER:
        summer, winter = yes | word.is_in(SUMMER), no | word.is_in(WINTER)
        marked, unmarked = word.is_in(("*", "REPEATED")), pl.lit(value=False)
    else:
        summer, winter = word.is_in(SUMMER), word.is_in(WINTER)
        marked, unmarked = yes | word.is_in(REPEATED), no
    early = (
        (summer & pl.col("first"))
        | (winter & ~pl.col("first"))
        | unmarked
        | (word == pl.col("zone_first"))
    )
    late = (
        (summer & pl.col("second"))
        | (winter & ~pl.col("second"))
        | (marked & twice)
        | (word == pl.col("zone_second"))
    )
    told = pl.when(early).then("early").when(late).then("late")
    shown = pl.col("wall").dt.strftime("%Y-%m-%d %H:%M")
    conflict = (
        pl.when(marked)
        .then(pl.format("flag {} marks a repeated hour, but {} happens once", "flag", shown))
        .when(summer)
        .then(
            pl.format(
                "flag {} means summer time, but {} in " + timezone + " is standard time",
                "flag",
                shown,
            )
        )
        .when(winter)
        .then(
            pl.format(
                "flag {} means standard time, but {} in " + timezone + " is summer time (for a"
                " meter on standard time all year: --timezone Etc/GMT-1 or the like)",
                "flag",
                shown,
            )
        )
        .otherwise(
            pl.format(
                "flag {} is not the time of {} in " + timezone + " ({})",
                "flag",
                shown,
                pl.col("zone_first"),
            )
        )
    )
    known = word.is_not_null() & pl.col("early").is_not_null()
    return frame.with_columns(
        told=pl.when(known).then(told.dt.convert_time_zone("UTC")),
        conflict=pl.when(known & told.is_null()).then(conflict),
    ).drop("early", "late", "first", "second", "zone_first", "zone_second", "twice", "word")

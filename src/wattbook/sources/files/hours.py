"""Days with numbered hours or intervals: 1 to 24, to 25 where clocks go back, 1 to 96, 0 to 23.

On a day whose clocks change, the numbers are either positions (the n-th hour since midnight, 1 to
25 or 1 to 23) or names of hours on the clock (1 to 24, one of them twice or left out). Which of the
two shows in the numbers of that day, so a whole file is read before its first row is placed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from wattbook.core.errors import InputError, Problem
from wattbook.core.readings.checks import IntervalLabel
from wattbook.core.units import SECONDS_PER_HOUR
from wattbook.sources.codecs.rows import Guess
from wattbook.sources.files.dialect import ambiguous
from wattbook.sources.files.mapping import DateOrder
from wattbook.sources.files.stamps import DAY, wall

MIDNIGHT: Final = r"(?:[T ](?:0?0:00(?::00(?:\.0+)?)?|12:00(?::00)? AM))?"
DATE: Final = r"(\d[^ T:]*\d|\d{1,2} \pL{3,9} \d{2,4}|\pL{3} \d{1,2},? \d{4})"
NUMBER: Final = r"(?:[T ](?:HE|he|H|h)?\s?)(\d{1,3})"
NUMBERED: Final = rf"^{DATE}{MIDNIGHT}{NUMBER}(?: (\d{{1,2}}))?$"
WHOLE_HOUR: Final = rf"^{DATE}[T ](\d{{1,2}})(?::00){{1,2}}()$"
"""Hours on the clock; they are numbers where one of them is 25:00."""
HOURS: Final = 24
LENGTHS: Final = {
    hours * SECONDS_PER_HOUR // length: length
    for length in (SECONDS_PER_HOUR, 1800, 900, 600, 300)
    for hours in (HOURS - 1, HOURS, HOURS + 1)
}
"""Length of an interval by the number of the last of a day."""


def split(text: pl.Series, order: DateOrder | None, *, clock: bool = False) -> pl.DataFrame:
    """`date`, number `n` of the hour or interval and number `q` within it; null where none is."""
    groups = text.str.extract_groups(WHOLE_HOUR if clock else NUMBERED).struct.unnest()
    day, number, part = (groups[name] for name in groups.columns)
    return pl.DataFrame(
        {
            "date": wall(day, order).dt.date(),
            "n": number.cast(pl.Int64, strict=False),
            "q": part.cast(pl.Int64, strict=False),
        }
    )


@dataclass(frozen=True, slots=True)
class Numbering:
    """What the numbers of one file mean."""

    timezone: str
    base: int
    step_s: int
    part_s: int
    modes: pl.DataFrame
    """`mode` by `who` and `date`, of days whose clocks change."""
    guesses: tuple[Guess, ...]

    def place(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`wall` of each row that names an hour on the clock, `instant` of each position.

        `rows` are `who` and what `split` returns, in the order of the file.
        """
        index = pl.col("n") - self.base
        part = (pl.col("q").fill_null(1) - 1) * self.part_s
        rows = rows.join(self.modes, on=["who", "date"], how="left", maintain_order="left")
        rows = rows.with_columns(
            index=pl.when(index == pl.col("moved")).then(index - 1).otherwise(index)
        )
        rows = rows.with_columns(passed=pl.col("index") * self.step_s + part)
        midnight = pl.col("date").cast(pl.Datetime("us"))
        begin = pl.coalesce(
            (midnight + pl.duration(hours=later)).dt.replace_time_zone(
                self.timezone, ambiguous="earliest", non_existent="null"
            )
            for later in (0, 1)
        ).dt.convert_time_zone("UTC")
        fits = (index >= 0) & (pl.col("q").fill_null(1) >= 1)
        long = pl.col("seconds").fill_null(HOURS * SECONDS_PER_HOUR)
        at = pl.duration(seconds=pl.col("passed"))
        position = pl.col("position").fill_null(value=False)
        return rows.select(
            wall=pl.when(fits & ~position & (pl.col("passed") < HOURS * SECONDS_PER_HOUR)).then(
                midnight + at
            ),
            instant=pl.when(fits & position & (pl.col("passed") < long)).then(begin + at),
        )


def facts(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """`numbers` and the highest `q` by `who` and `date`, of all tables of a file."""
    found = [
        table.drop_nulls(["date", "n"])
        .group_by("who", "date")
        .agg(numbers=pl.col("n").unique(), q=pl.col("q").max())
        for table in tables
    ]
    return (
        pl.concat(found)
        .group_by("who", "date", maintain_order=True)
        .agg(numbers=pl.col("numbers").explode().unique(), q=pl.col("q").max())
    )


def numbering(
    known: pl.DataFrame,
    timezone: str,
    label: IntervalLabel | None,
    interval: timedelta | None = None,
    registered: timedelta | None = None,
) -> Numbering:
    """What the numbers mean, from the `facts` of a file.

    `interval` is the length that was declared, `registered` that of the meter.

    Raises
    ------
    InputError
        Numbers 1 to 23 alone, and nothing says which end of the hour they name; or the length of
        the intervals cannot be told.
    """
    every = known["numbers"].explode(empty_as_null=True)
    low, high = int(every.min() or 0), int(every.max() or 0)  # type: ignore[arg-type]
    step, part, length = _lengths(high, known["q"].max(), interval, registered)
    base, how = _base(low, high, label, step)
    unit = "hours" if step == SECONDS_PER_HOUR else "intervals"
    guesses = (
        Guess("interval", f"{part} s", *length),
        Guess(unit, f"numbered {base} to {high}, each by its {'end' if base else 'start'}", *how),
    )
    modes = _modes(known, timezone, base, step)
    return Numbering(timezone, base, step, part, modes, guesses)


def _lengths(
    high: int, parts: object, interval: timedelta | None, registered: timedelta | None
) -> tuple[int, int, tuple[str, str | None]]:
    """Seconds of what is numbered, of its parts, and how that was found."""
    if isinstance(parts, int):
        seconds = SECONDS_PER_HOUR // max(parts, 1)
        return SECONDS_PER_HOUR, seconds, ("detected", f"{parts} in an hour")
    if interval is not None:
        seconds = int(interval.total_seconds())
        return seconds, seconds, ("given", None)
    if high in LENGTHS:
        return LENGTHS[high], LENGTHS[high], ("detected", f"numbered to {high}")
    own = None if registered is None else int(registered.total_seconds())
    if high <= HOURS and own in (None, SECONDS_PER_HOUR):
        return SECONDS_PER_HOUR, SECONDS_PER_HOUR, ("default", f"numbered to {high}")
    if own is None:
        detail = f"intervals are numbered to {high}: say how long they are, as --interval 900"
        raise InputError(detail, [Problem("bad_mapping", detail, field="interval")])
    if high <= HOURS:
        ways = [(f"--interval {each}", f"one of {each} s") for each in (own, SECONDS_PER_HOUR)]
        raise ambiguous("numbered intervals", ways, f"interval {high}", "interval")
    return own, own, ("default", "as the meter registers")


def _base(
    low: int, high: int, label: IntervalLabel | None, step: int
) -> tuple[int, tuple[str, str | None]]:
    if low == 0:
        return 0, ("detected", "there is a 0")
    if high >= HOURS or step < SECONDS_PER_HOUR:
        return 1, ("detected", f"there is a {high}")
    if label is not None:
        return int(label is IntervalLabel.END), ("given", None)
    readings = [
        ("--interval-label start", f"the hour from {low}:00"),
        ("--interval-label end", f"the hour to {low}:00"),
    ]
    raise ambiguous("hours", readings, f"hour {low}", "interval_label")


def _modes(known: pl.DataFrame, timezone: str, base: int, step: int) -> pl.DataFrame:
    """How the numbers of days whose clocks change are meant."""
    zone = ZoneInfo(timezone)
    rows: list[tuple[str, date, bool, int | None, int]] = []
    for who, day, numbers in known.select("who", "date", "numbers").rows():
        seconds = _seconds(day, zone)
        if seconds == HOURS * SECONDS_PER_HOUR:
            continue
        index = {number - base for number in numbers}
        skipped = _skipped(day, zone)
        moved = None
        if step != SECONDS_PER_HOUR:
            position = True
        elif seconds > HOURS * SECONDS_PER_HOUR:
            position = max(index) >= HOURS
        else:
            position = max(index) < HOURS - 1 and {skipped, max(skipped - 1, 0)} <= index
            if not position and skipped > 0 and skipped in index and skipped - 1 not in index:
                moved = skipped
        rows.append((who, day, position, moved, seconds))
    schema = {
        "who": pl.String,
        "date": pl.Date,
        "position": pl.Boolean,
        "moved": pl.Int64,
        "seconds": pl.Int64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _seconds(day: date, zone: ZoneInfo) -> int:
    """Length of the civil day."""
    begin, end = (
        datetime(one.year, one.month, one.day, tzinfo=zone).timestamp() for one in (day, day + DAY)
    )
    return int(end - begin)


def _skipped(day: date, zone: ZoneInfo) -> int:
    """The hour on the clock that this day does not have; -1 where it has them all."""
    for hour in range(HOURS):
        at = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
        if datetime.fromtimestamp(at.timestamp(), zone).hour != hour:
            return hour
    return -1

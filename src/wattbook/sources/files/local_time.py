"""Stamps from a clock on the wall, made UTC."""

import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from typing import Final

import polars as pl

from wattbook.core.frames import UTC
from wattbook.core.readings.checks import IntervalLabel
from wattbook.sources.codecs.rows import Guess
from wattbook.sources.files import dst_flags, hours, midnight, stamps
from wattbook.sources.files.mapping import DateOrder, Sense
from wattbook.sources.files.stamps import DAY, WALL, WORDS

OFFSET: Final = r":\d\d(?:[.,]\d+)?\s*(?:[Zz]|[+-]\d\d:?(?:\d\d)?)$"
SAMPLE: Final = 1_000
MOST: Final = 0.9
EPOCH_S: Final = r"^1\d{9}(?:\.\d+)?$"
EPOCH_MS: Final = r"^1\d{12}$"
SERIAL: Final = r"^[345]\d{4}(?:[.,]\d+)?$"
HOUR_ENDING: Final = re.compile(r"(?i).*hour.?end|^he$|^hr.?end")
UNIVERSAL: Final = r"(\d)\s?(?:UTC|GMT)$"
NEVER: Final = timedelta(0)

Part = tuple[pl.Series, pl.Series | None, pl.Series | None]
"""Stamps, meters and flags of some rows."""


class Kind(Enum):
    """What the stamps of a file are."""

    CLOCK = auto()
    NUMBERED = auto()
    WHOLE_HOURS = auto()
    """`01:00` to `25:00`: numbers that look like a clock's."""
    EPOCH_S = auto()
    EPOCH_MS = auto()
    SERIAL = auto()


NUMERIC: Final = {
    Kind.EPOCH_S: (EPOCH_S, "seconds since 1970"),
    Kind.EPOCH_MS: (EPOCH_MS, "milliseconds since 1970"),
    Kind.SERIAL: (SERIAL, "days of a spreadsheet"),
}


@dataclass(slots=True)
class LocalTime:
    """Turns the stamps of one file into instants, part by part.

    Where clocks go back and no flag says more, the first time that a meter shows a stamp is the
    earlier instant and any further time the later one; the other way round in a file that runs
    backwards. Only stamps from such hours are remembered.

    After the first part, `guesses` say what the stamps were taken for, and `label` which end of an
    interval the instants are.
    """

    timezone: str | None
    date_order: DateOrder | None = None
    midnight_closes_day: bool = False
    label: IntervalLabel | None = None
    label_span: timedelta | None = None
    interval: timedelta | None = None
    flag_column: str = ""
    names: tuple[str, ...] = ()
    """Columns of the file that make the stamps: `HourEnding` says which end of an hour it names."""
    sense: Sense | None = None
    guesses: list[Guess] = field(default_factory=list)
    _kind: Kind | None = None
    _numbering: hours.Numbering | None = None
    _descending: bool = False
    _clock_at_end: bool = False
    _label_because: str | None = None
    _pairs: set[tuple[Hashable, Hashable]] = field(default_factory=set)
    _seen: set[tuple[Hashable, Hashable]] = field(default_factory=set)

    def to_utc(
        self,
        stamps: pl.Series,
        meters: pl.Series | None = None,
        flags: pl.Series | None = None,
        whole: Callable[[], Iterable[Part]] | None = None,
    ) -> pl.DataFrame:
        """`ts_utc` of each stamp and, where there is none, the `detail` that says why.

        `whole` gives all parts of the file again: what a stamp means on the day of a change of
        clocks can depend on rows that are yet to come. Without it, the first part counts as all.
        """
        self.prepare((stamps, meters, flags), whole)
        frame = self._frame((stamps, meters, flags))
        if self._kind in NUMERIC and not isinstance(stamps.dtype, pl.Datetime):
            frame = self._numeric(frame)
            if self._kind is not Kind.SERIAL:
                return frame.select(ts_utc="instant", detail=self._detail(pl.col("instant")))
        else:
            frame = self._placed(frame)
        span = self._span
        if self.midnight_closes_day:
            wall = pl.col("wall")
            closes = (wall.dt.hour() == 0) & (wall.dt.minute() == 0) & (wall.dt.second() == 0)
            frame = frame.with_columns(wall=pl.when(closes).then(wall + DAY).otherwise(wall))
        frame = self._localized(frame.with_columns(pl.col("wall") - span, named="wall"))
        end = _once(pl.col("named"), str(self.timezone))  # 03:00, though 02:00 does not exist
        late = pl.col("skipped") & end.is_not_null() & (span > NEVER)
        frame = frame.with_columns(
            ts_utc=pl.when(late).then(end).otherwise(pl.col("ts_utc") + span),
            skipped=pl.col("skipped") & ~late,
        )
        found = pl.coalesce("ts_utc", "instant")
        return frame.select(ts_utc=found, detail=self._detail(found))

    @property
    def _span(self) -> timedelta:
        if self.label is IntervalLabel.END and self.label_span and not self._clock_at_end:
            return self.label_span
        return NEVER

    def _frame(self, part: Part) -> pl.DataFrame:
        """Columns `text`, `who`, `flag`, `wall` and `instant`, the last two still empty."""
        sent, meters, flags = part
        frame = pl.DataFrame({"text": sent}).with_columns(
            who=pl.lit("") if meters is None else meters.cast(pl.String),
            flag=pl.lit(None, dtype=pl.String) if flags is None else flags.cast(pl.String),
            wall=pl.lit(None, dtype=WALL),
            instant=pl.lit(None, dtype=UTC),
        )
        if isinstance(sent.dtype, pl.Datetime):
            return frame.with_columns(wall=pl.col("text").dt.cast_time_unit("us"))
        return frame.with_columns(pl.col("text").cast(pl.String).str.strip_chars())

    def prepare(self, first: Part, whole: Callable[[], Iterable[Part]] | None = None) -> None:
        """Find out what the stamps are, by the first part, or by all where that is not enough."""
        if self._kind is None:
            self._prepare(first, whole or (lambda: [first]))

    @property
    def converts(self) -> bool:
        """Whether there is something to make UTC; else the stamps are texts with offsets."""
        return self.timezone is not None or self._kind in (Kind.EPOCH_S, Kind.EPOCH_MS)

    def _prepare(self, first: Part, whole: Callable[[], Iterable[Part]]) -> None:
        self._kind = Kind.CLOCK
        self.label_span = self.interval or self.label_span
        if self.timezone is None and not isinstance(first[0].dtype, pl.Datetime):
            self._find_numeric(_sample(first[0]))
            self._tell_label()
            return
        frame = self._frame(first)
        if isinstance(first[0].dtype, pl.Datetime):
            self._look_back(frame, whole)
            self._tell_label()
            return
        text = frame["text"].drop_nulls()
        cleaned = stamps.clean(text.head(SAMPLE))
        sample = cleaned.text
        self._find_numeric(sample)
        if self._kind in (Kind.EPOCH_S, Kind.EPOCH_MS):
            self._tell_label()
            return
        if self._kind is Kind.CLOCK:
            self.date_order, guess = stamps.find_order(cleaned.text, self.date_order, self.timezone)
            self.guesses += [guess] if guess is not None else []
            self._find_numbers(text, cleaned, whole)
        if cleaned.ranged and self._numbering is None:
            self.label = IntervalLabel.START
            self.guesses.append(Guess("label", "start", "detected", "stamps name both ends"))
        placed = self._placed(frame)
        self._find_closing_midnight(text, placed)
        if self._numbering is not None:
            self.label = IntervalLabel.START
        self._find_span(placed)
        self._find_convention(whole)
        self._look_back(placed, whole)
        if self._numbering is None and not cleaned.ranged:
            self._tell_label()
        self._find_sense(whole)

    def _find_numeric(self, sample: pl.Series) -> None:
        """Whether stamps are numbers: counted seconds, milliseconds or days."""
        for kind, (pattern, words) in NUMERIC.items():
            if sample.len() and _mostly(sample, pattern):
                self._kind = kind
                self.guesses.append(Guess("stamps", words, "detected", f"as in {sample[0]}"))

    def _find_closing_midnight(self, text: pl.Series, walls: pl.DataFrame) -> None:
        """Whether days are closed by their midnight, as 24:00 or as 00:00 of the same date.

        Such a stamp is an end: hours that begin do so from 00:00 to 23:00.
        """
        if self._kind is not Kind.CLOCK:
            return
        why = midnight.written_as_24(text)
        if why is None and not self.midnight_closes_day:
            why = midnight.closes_date(walls)
            if why is not None:
                self.midnight_closes_day = True
                self.guesses.append(Guess("midnight", "24:00 of its date", "detected", why))
        if why is not None and self.label is None:
            self.label = IntervalLabel.END
            self._label_because = why

    def _tell_label(self) -> None:
        if self._label_because is not None:
            self.guesses.append(Guess("label", "end", "detected", self._label_because))
            return
        how = "default" if self.label is None else "given"
        self.label = self.label or IntervalLabel.START
        self.guesses.append(Guess("label", str(self.label), how))

    def _find_numbers(
        self, text: pl.Series, cleaned: stamps.Cleaned, whole: Callable[[], Iterable[Part]]
    ) -> None:
        """Whether the hours are numbered, and what the numbers mean."""
        sample = cleaned.text
        if sample.len() and _mostly(sample, hours.NUMBERED):
            self._kind = Kind.NUMBERED
        elif text.str.contains("[T ]2[45]:00").any() and _mostly(sample, hours.WHOLE_HOUR):
            self._kind = Kind.WHOLE_HOURS
        else:
            return
        tables = []
        for part in whole():
            frame = self._frame(part)
            tables.append(self._numbers(frame).with_columns(frame["who"]))
        known = hours.facts(tables)
        if self._kind is Kind.WHOLE_HOURS:
            beyond = known["numbers"].explode(empty_as_null=True).max()
            if not isinstance(beyond, int) or beyond <= hours.HOURS:
                self._kind = Kind.CLOCK
                return
        label = IntervalLabel.START if cleaned.ranged else self.label
        assert self.timezone is not None
        self._numbering = hours.numbering(
            known, self.timezone, label or self._named_label(), self.interval, self.label_span
        )
        self.guesses += self._numbering.guesses

    def _placed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with `wall` or `instant` of each stamp, whatever its form."""
        if self._numbering is None:
            return self._walls(frame)
        numbers = self._numbers(frame).with_columns(frame["who"])
        marks = stamps.clean(frame["text"]).mark
        return frame.with_columns(self._numbering.place(numbers)).with_columns(
            flag=pl.coalesce("flag", pl.lit(marks))
        )

    def _numbers(self, frame: pl.DataFrame) -> pl.DataFrame:
        clock = self._kind is Kind.WHOLE_HOURS
        return hours.split(stamps.clean(frame["text"]).text, self.date_order, clock=clock)

    def _named_label(self) -> IntervalLabel | None:
        return IntervalLabel.END if any(map(HOUR_ENDING.match, self.names)) else None

    def _find_span(self, walls: pl.DataFrame) -> None:
        """The length of intervals that are named by their end, by the usual step of the stamps."""
        if self.label is not IntervalLabel.END or self.label_span is not None:
            return
        step = pl.col("wall").diff().over("who").abs()
        steps = walls.select(step.drop_nulls().mode()).to_series().sort()
        usual = steps.filter(steps > NEVER)
        if usual.len():
            self.label_span = usual[0]
            seconds = int(usual[0].total_seconds())
            self.guesses.append(Guess("interval", f"{seconds} s", "detected", "the usual step"))

    def _find_convention(self, whole: Callable[[], Iterable[Part]]) -> None:
        """Whether a stamp at the end is the clock's at that instant, where clocks go back.

        Of four quarters from 02:00 to 03:00 that happen twice, some write 02:15 to 03:00 and again
        02:15 to 03:00: the end that the interval would have had. Others write what the clock shows
        at the end, 02:15, 02:30, 02:45 and 02:00 again. What comes twice, 03:00 or 02:00, tells.
        """
        span = self._span
        if span == NEVER or not dst_flags.changes(str(self.timezone)):
            return
        kept: list[pl.DataFrame] = []
        for part in whole():
            frame = self._placed(self._frame(part)).select("who", "wall")
            own = self._twice(frame)
            start = self._twice(frame.with_columns(pl.col("wall") - span))
            kept.append(frame.with_columns(own=own, start=start).filter(own != start))
        twice = pl.concat(kept).group_by("who", "wall", "own").len().filter(pl.col("len") > 1)
        self._clock_at_end = twice.height > 0 and bool(twice["own"].all())
        if self._clock_at_end:
            why = f"{twice['wall'][0]:%Y-%m-%d %H:%M} comes twice"
            self.guesses.append(Guess("repeated hour", "clock at the end", "detected", why))

    def _look_back(self, walls: pl.DataFrame, whole: Callable[[], Iterable[Part]]) -> None:
        """Whether the file runs backwards; then which stamps of repeated hours come twice."""
        step = walls.select(pl.col("wall").diff().over("who").drop_nulls()).to_series()
        back, forth = int((step < NEVER).sum()), int((step > NEVER).sum())
        self._descending = back > 0 and back > MOST * (back + forth)
        if not self._descending:
            return
        self.guesses.append(Guess("order", "newest first", "detected"))
        keys: list[pl.DataFrame] = []
        for part in whole():
            frame = self._placed(self._frame(part))
            frame = frame.with_columns(pl.col("wall") - self._span)
            keys.append(frame.filter(self._twice(frame)).select("who", "wall"))
        counted = pl.concat(keys).group_by("who", "wall").len().filter(pl.col("len") > 1)
        self._pairs = set(counted.select("who", "wall").rows())

    def _twice(self, frame: pl.DataFrame) -> pl.Series:
        """Which wall times happen twice."""
        either = dst_flags.passes(pl.col("wall"), str(self.timezone))
        return frame.select((either["early"] != either["late"]).fill_null(value=False)).to_series()

    def _find_sense(self, whole: Callable[[], Iterable[Part]]) -> None:
        """What the yes and no of the flags mean."""
        if not self.flag_column:
            return
        if self.sense is not None:
            words = {Sense.SUMMER: "summer time", Sense.REPEATED: "a repeated hour"}
            self.guesses.append(Guess("flag", f"yes means {words[self.sense]}", "given"))
            return
        kept: list[pl.DataFrame] = []
        for part in whole():
            frame = self._placed(self._frame(part))
            frame = frame.with_columns(pl.col("wall") - self._span)
            frame = frame.select("who", "wall", "flag").drop_nulls(["wall", "flag"])
            twice = self._twice(frame)
            kept += [frame.filter(~twice).gather_every(max(frame.height // SAMPLE, 1))]
            kept += [frame.filter(twice)]
        self.sense, guess = dst_flags.find_sense(
            pl.concat(kept), str(self.timezone), self.flag_column
        )
        self.guesses += [guess] if guess is not None else []

    def _numeric(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Instants of counted seconds, wall times of counted days, to the second."""
        value = pl.col("text").str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        if self._kind is Kind.SERIAL:
            passed = pl.duration(seconds=(value * DAY.total_seconds()).round())
            return frame.with_columns(wall=pl.datetime(1899, 12, 30) + passed)
        scale = 1_000_000 if self._kind is Kind.EPOCH_S else 1_000
        since = (value * scale).round().cast(pl.Int64, strict=False)
        return frame.with_columns(instant=since.cast(UTC))

    def _walls(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with `wall` read, or the `instant` of stamps with an offset of their own."""
        if frame["wall"].null_count() < frame.height:
            return frame
        text = frame["text"]
        begin = text.drop_nulls().head(1)
        if begin.len() and begin.str.contains(OFFSET).item():  # then most of them will have one
            frame = frame.with_columns(instant=with_offset(pl.col("text")))
            text = frame.select(pl.when(pl.col("instant").is_null()).then("text")).to_series()
        frame = frame.with_columns(wall=stamps.wall(text, self.date_order))
        left = text.is_not_null() & frame["wall"].is_null()
        if not left.any():
            return frame
        rest = pl.select(pl.when(left).then(text)).to_series()
        fixed = pl.DataFrame({"text": rest}).select(with_offset(pl.col("text"))).to_series()
        if fixed.null_count() < fixed.len():
            frame = frame.with_columns(instant=pl.coalesce("instant", pl.lit(fixed)))
            rest = pl.select(pl.when(fixed.is_null()).then(rest)).to_series()
        cleaned = stamps.clean(rest)
        return frame.with_columns(
            wall=pl.coalesce("wall", stamps.wall(cleaned.text, self.date_order)),
            flag=pl.coalesce("flag", pl.lit(cleaned.mark)),
        )

    def _localized(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`ts_utc` of each `wall`, whether that wall time was `skipped`, `conflict` of its flag."""
        zone = str(self.timezone)
        if frame["flag"].null_count() < frame.height:
            frame = dst_flags.resolve(frame, zone, self.sense)
        else:
            frame = frame.with_columns(
                told=pl.lit(None, dtype=UTC), conflict=pl.lit(None, dtype=pl.String)
            )
        told = pl.coalesce("told", _once(pl.col("wall"), zone))
        frame = frame.with_columns(
            ts_utc=pl.when(pl.col("conflict").is_null()).then(told), skipped=pl.lit(value=False)
        )
        placed = pl.col("ts_utc").is_not_null() | pl.col("conflict").is_not_null()
        open_ = ~placed & pl.col("wall").is_not_null()
        if not frame.select(open_.any()).item():
            return frame
        frame = frame.with_row_index("at")
        twice = frame.filter(open_)
        which = ["latest" if self._later(key) else "earliest" for key in _keys(twice)]
        twice = twice.with_columns(which=pl.Series(which, dtype=pl.String)).select(
            "at",
            found=pl.col("wall")
            .dt.replace_time_zone(zone, ambiguous=pl.col("which"), non_existent="null")
            .dt.convert_time_zone("UTC"),
        )
        frame = frame.join(twice, on="at", how="left", maintain_order="left")
        return frame.with_columns(
            ts_utc=pl.coalesce("ts_utc", "found"), skipped=open_ & pl.col("found").is_null()
        )

    def _later(self, key: tuple[Hashable, Hashable]) -> bool:
        """Whether this is the second pass of the hour."""
        again = key in self._seen
        self._seen.add(key)
        return not again and key in self._pairs if self._descending else again

    def _detail(self, found: pl.Expr) -> pl.Expr:
        shown = pl.col("text").cast(pl.String).fill_null("nothing")
        order = WORDS[self.date_order or DateOrder.MDY]
        wanted = f"must be a date and time (ISO, or {order}), but is {{}}"
        if self._numbering is not None:
            wanted = "must be a date and the number of one of its hours or intervals, but is {}"
        fine = pl.lit(None, dtype=pl.String)
        if self._kind in (Kind.EPOCH_S, Kind.EPOCH_MS):
            wanted = f"must be {NUMERIC[self._kind][1]}, but is {{}}"
            no = pl.when(found.is_not_null()).then(fine)
            return no.otherwise(pl.format(wanted, shown)).alias("detail")
        return (
            pl.when(found.is_not_null())
            .then(fine)
            .when(pl.col("conflict").is_not_null())
            .then("conflict")
            .when("skipped")
            .then(pl.format(f"{{}} does not exist in {self.timezone}: clocks go forward", shown))
            .otherwise(pl.format(wanted, shown))
            .alias("detail")
        )


def _sample(text: pl.Series) -> pl.Series:
    return text.drop_nulls().head(SAMPLE).cast(pl.String).str.strip_chars()


def _mostly(text: pl.Series, pattern: str) -> bool:
    return int(text.str.contains(pattern).sum()) >= MOST * text.len()


def _once(wall: pl.Expr, timezone: str) -> pl.Expr:
    """The instant of each wall time that happens once."""
    local = wall.dt.replace_time_zone(timezone, ambiguous="null", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def with_offset(text: pl.Expr) -> pl.Expr:
    """Instants of the stamps that carry an offset of their own; null for the others."""
    text = text.str.replace(UNIVERSAL, "${1}Z")
    joined = text.str.replace(" ", "T", literal=True).str.replace(" ", "", literal=True)
    has = pl.when(text.str.contains(OFFSET)).then(joined)
    forms = ("%+", "%Y-%m-%dT%H:%M%#z")
    return pl.coalesce(
        has.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False) for form in forms
    )


def _keys(frame: pl.DataFrame) -> list[tuple[Hashable, Hashable]]:
    return frame.select("who", "wall").rows()

"""Dates and times as people write them, read into wall-clock times column by column."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from typing import Final

import polars as pl

from wattbook.core.errors import InputError, Problem
from wattbook.sources.codecs.rows import Guess
from wattbook.sources.files.dialect import ambiguous
from wattbook.sources.files.mapping import DateOrder

DAY: Final = timedelta(days=1)
WALL: Final = pl.Datetime("us")
MARKS: Final = "-/."
FIRST_YEAR: Final = 1000
"""`%Y` also fits one digit; no file means the year 26."""
JOINS: Final = (" ", "T", ", ")
CLOCKS: Final = (
    *("%H:%M:%S%.f", "%H:%M", "%I:%M:%S%.f %p", "%I:%M %p", "%I:%M:%S%.f%p", "%I:%M%p"),
    *("%H.%M", "%H%M"),
)
NAMED: Final = ("%d-%B-%Y", "%d %B %Y", "%d/%B/%Y", "%d-%B-%y", "%d %B %y", "%B %d, %Y", "%B %d %Y")
"""`%B` reads short names too."""
SHORT_DATE: Final = r"^(\d{1,2}[-/.]\d{1,2}[-/.]\d{2}(?:\d{2})?)(?:\D|$)"
HOUR_24: Final = r"([T ])24:00"
RANGE: Final = r"^(.*?\d.*?)\s+[-–—]\s+\d.*$"
HOURS_RANGE: Final = r"^(.+[T ]\d{1,2})[-–—]\d{1,2}$"
ABBREVIATION: Final = r"^(.*\d[X*]?(?: ?[AaPp][Mm])?)\s*\(?\b([A-Z]{3,5})\)?$"
REPEATED: Final = r"^(.*\d)\s?[X*]((?::\d\d)*)$"
SPOKEN: Final = r"(?i)\s?\b([ap])\.\s?m\b\.?"
FORMULA: Final = r'^="(.*)"$'
"""A text that a spreadsheet is to leave as it is."""
WEEKDAY: Final = (
    r"(?i)^(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
    r"|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|sonnabend|mo|di|mi|do|fr|sa|so)"
    r"\.?,?\s+"
)
CLOCK_WORD: Final = r"(?i)(\d)\s?(?:Uhr|hrs?|hours?)$"
LETTER_H: Final = r"(^|[T \-–—])(\d{1,2})\s?[hH](\d\d)?(?:m|min)?(\b|$)"
ALONE: Final = r"(\d):($|\D)"
HOUR_ALONE: Final = r"(^|[T ])(\d{1,2})\s?([AaPp])[Mm]\b"
MONTH_WORD: Final = r"(\d)\.?([- /])\s?(\pL{3,})\.?[- /](\d)"
MONTH_WORDS: Final = {
    "Jan": r"(?i)(?:janu?a?r?|jänner|janv(?:ier)?|ene(?:ro)?|genn?(?:aio)?)",
    "Feb": r"(?i)(?:feb(?:r|ruary?|ruar|rero|braio)?|févr?(?:ier)?|fevr?)",
    "Mar": r"(?i)(?:marc?h?|mär(?:z)?|mrz|maerz|mars|marzo|mrt|maart)",
    "Apr": r"(?i)(?:apr(?:il|ile)?|avr(?:il)?|abr(?:il)?)",
    "May": r"(?i)(?:may|mai|mayo|maggio|mag|mei|maj)",
    "Jun": r"(?i)(?:june?|juni|juin|junio|giugno|giu)",
    "Jul": r"(?i)(?:july?|juli|juill?(?:et)?|julio|luglio|lug)",
    "Aug": r"(?i)(?:aug(?:ust|ustus|usti)?|août|aout|ago(?:sto)?)",
    "Sep": r"(?i)(?:sept?(?:ember|embre|tiembre|iembre)?|set(?:tembre)?)",
    "Oct": r"(?i)(?:oct(?:ober|obre|ubre)?|okt(?:ober)?|ott(?:obre)?)",
    "Nov": r"(?i)(?:nov(?:ember|embre|iembre)?)",
    "Dec": r"(?i)(?:dec(?:ember)?|dez(?:ember)?|déc(?:embre)?|des(?:ember)?|dic(?:iembre|embre)?)",
}
"""Months in the languages of the files that people have, by their English short names."""
MONTH_FIRST_ZONES: Final = (
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"),
    *("America/Phoenix", "America/Detroit", "America/Boise", "America/Anchorage", "America/Adak"),
    *("America/Juneau", "America/Sitka", "America/Nome", "America/Menominee", "Pacific/Honolulu"),
    *("America/Indiana/", "America/Kentucky/", "America/North_Dakota/", "US/"),
)
"""Where the month is written first by custom."""
WORDS: Final = {
    DateOrder.DMY: "day first",
    DateOrder.MDY: "month first",
    DateOrder.YMD: "year first",
}
SAMPLE_DATES: Final = 2_000
MONTHS: Final = 12
SHORT_YEARS: Final = 100
FIRST_OF_1900S: Final = 69


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Stamps without what is not date or time, and the words that were beside them."""

    text: pl.Series
    mark: pl.Series
    ranged: bool


def clean(text: pl.Series) -> Cleaned:
    """The start of ranges; abbreviations of zones and the signs of repeated hours set aside.

    >>> clean(pl.Series(["2025-11-02 01:30 (EST)", "02.01.2026 00 - 01"])).text.to_list()
    ['2025-11-02 01:30', '02.01.2026 00']
    """
    column = pl.col("text")
    frame = pl.DataFrame({"text": text.cast(pl.String).str.replace_all("\u00a0|\u202f", " ")})
    frame = frame.select(column.str.strip_chars().str.replace_all(r"\s{2,}", " "))
    frame = frame.select(_clock(_month(column.str.replace(FORMULA, "${1}"))))
    ranged = frame.select(column.str.contains(f"{RANGE}|{HOURS_RANGE}").any()).item()
    if ranged:
        start = column.str.replace(RANGE, "${1}").str.replace(HOURS_RANGE, "${1}")
        frame = frame.with_columns(start)
    frame = frame.with_columns(mark=column.str.extract(ABBREVIATION, 2))
    frame = frame.with_columns(column.str.replace(ABBREVIATION, "${1}").str.strip_chars())
    repeated = column.str.contains(REPEATED)
    frame = frame.with_columns(
        column.str.replace(REPEATED, "${1}${2}"),
        mark=pl.when(repeated).then(pl.lit("*")).otherwise("mark"),
    )
    return Cleaned(frame["text"], frame["mark"], bool(ranged))


def _month(text: pl.Expr) -> pl.Expr:
    """Without the day of the week; months by the names that `%b` reads."""
    text = text.str.replace(WEEKDAY, "")
    word = text.str.extract(MONTH_WORD, 3)
    named = pl.coalesce(
        pl.when(word.str.contains(f"{pattern}$") & word.str.contains(f"^{pattern}")).then(
            pl.lit(name)
        )
        for name, pattern in MONTH_WORDS.items()
    )
    parts = [text.str.extract(rf"^(.*?){MONTH_WORD}", 1), text.str.extract(MONTH_WORD, 1)]
    rest = text.str.extract(rf"{MONTH_WORD}(.*)$", 5)
    last = text.str.extract(MONTH_WORD, 4)
    gap = pl.lit(" ")
    return pl.coalesce(pl.concat_str([*parts, gap, named, gap, last, rest]), text)


def _clock(text: pl.Expr) -> pl.Expr:
    """Hours with their minutes: `13h`, `13h30`, `1 PM` and `13:00 Uhr` as `13:00` and the like."""
    text = text.str.replace(SPOKEN, " ${1}m").str.replace(CLOCK_WORD, "${1}")
    text = text.str.replace_all(LETTER_H, "${1}${2}:${3}${4}").str.replace_all(ALONE, "${1}:00${2}")
    return text.str.replace(HOUR_ALONE, "${1}${2}:00 ${3}M")


def forms(order: DateOrder | None) -> Iterator[str]:
    """Forms of date and time; `order` is that of dates that do not begin with the whole year."""
    dates = [f"%Y{mark}%m{mark}%d" for mark in MARKS]
    short = {DateOrder.DMY: "%d{0}%m{0}{1}", DateOrder.MDY: "%m{0}%d{0}{1}"}
    if order is DateOrder.YMD:
        dates += [f"%y{mark}%m{mark}%d" for mark in MARKS]
    elif order is not None:
        dates += [short[order].format(mark, year) for year in ("%Y", "%y") for mark in MARKS]
    dates += [*NAMED, "%Y%m%d"]
    for day, join, clock in product(dates, JOINS, CLOCKS):
        yield day + join + clock
    yield from dates
    yield from ("%Y%m%d%H%M", "%Y%m%d%H%M%S")


def wall(text: pl.Series, order: DateOrder | None) -> pl.Series:
    """Date and time of each stamp as the clock showed them; null where no form fits.

    The form of the first stamp is tried first, on all; then that of the first which is left.
    """
    late = text.str.contains(HOUR_24)
    if late.any():
        text = text.str.replace(HOUR_24, "${1}00:00")
    read = pl.Series("wall", [None] * text.len(), dtype=WALL)
    tried: set[str] = set()
    for _ in range(len(CLOCKS) * len(JOINS)):
        left = text.filter(read.is_null() & text.is_not_null()).head(1)
        form = next(
            (
                one
                for one in forms(order)
                if _read(left, one).len() and _read(left, one).null_count() == 0
            ),
            None,
        )
        if form is None or form in tried:
            break
        tried.add(form)
        read = _filled(read, text, form)
    left = text.filter(read.is_null() & text.is_not_null()).head(SAMPLE_DATES)
    for form in forms(order) if left.len() else ():
        if form not in tried and _read(left, form).null_count() < left.len():
            read = _filled(read, text, form)
    if late.any():
        read = pl.select(pl.when(late).then(read + DAY).otherwise(read)).to_series()
    return read.alias("wall")


def _filled(read: pl.Series, text: pl.Series, form: str) -> pl.Series:
    if read.null_count() == read.len():
        return _read(text, form)
    rest = pl.select(pl.when(read.is_null()).then(text)).to_series()
    return pl.select(pl.coalesce(read, _read(rest, form))).to_series()


def _read(text: pl.Series, form: str) -> pl.Series:
    read = text.str.to_datetime(form, time_unit="us", strict=False)
    if "%Y" not in form:
        return read
    year = read.dt.year()
    if not (year < FIRST_YEAR).any():
        return read
    return pl.select(pl.when(year >= FIRST_YEAR).then(read)).to_series()


def find_order(
    text: pl.Series, declared: DateOrder | None, timezone: str | None
) -> tuple[DateOrder | None, Guess | None]:
    """In which order short dates stand, and why; None where the file has none.

    Raises
    ------
    InputError
        Every date can be read in two ways, or all of them contradict the declared order.
    """
    dates = text.str.extract(SHORT_DATE)
    distinct = dates.drop_nulls().unique(maintain_order=True)
    if not distinct.len():
        return declared, None
    days = {order: _days(distinct.to_list(), order) for order in DateOrder}
    wide = max(map(len, distinct.to_list())) > len("00-00-00")
    orders = [DateOrder.DMY, DateOrder.MDY] + ([] if wide else [DateOrder.YMD])
    fitting = [order for order in orders if None not in days[order]]
    if declared is not None:
        if fitting and declared not in fitting:
            _refuse_order(declared, fitting[0])
        return declared, Guess("dates", WORDS[declared], "given")
    if DateOrder.YMD in fitting and all(int(each[:2].strip(MARKS)) <= MONTHS for each in distinct):
        fitting.remove(DateOrder.YMD)  # 1/5/26: a year comes first only where no day can
    if len(fitting) == 1 or not fitting:
        order = fitting[0] if fitting else max(orders, key=lambda one: _known(days[one]))
        others = [one for one in orders if one is not order]
        proof = next(
            (
                sent
                for index, sent in enumerate(distinct)
                if all(days[one][index] is None for one in others)
            ),
            distinct[0],
        )
        return order, Guess("dates", WORDS[order], "detected", f"as in {proof}")
    return _by_custom(dates, distinct, fitting, days, timezone)


def _by_custom(
    dates: pl.Series,
    distinct: pl.Series,
    fitting: Sequence[DateOrder],
    days: dict[DateOrder, list[date | None]],
    timezone: str | None,
) -> tuple[DateOrder, Guess]:
    """The order of dates that fit several: by points, by days in a row, by the country."""
    if "." in distinct[0]:
        order = DateOrder.DMY
        return order, Guess("dates", WORDS[order], "detected", f"points, as in {distinct[0]}")
    if dates.drop_nulls().len() >= 2 * distinct.len():
        rows = [order for order in fitting if _in_a_row(days[order])]
        if len(rows) == 1:
            why = f"the days are in a row, as {distinct[0]} and {distinct[1]}"
            return rows[0], Guess("dates", WORDS[rows[0]], "detected", why)
    if timezone is not None and timezone.startswith(MONTH_FIRST_ZONES) and DateOrder.MDY in fitting:
        why = f"custom of {timezone}; --date-order says otherwise"
        return DateOrder.MDY, Guess("dates", WORDS[DateOrder.MDY], "default", why)
    row = int((dates == distinct[0]).arg_max() or 0)
    readings = [(f"--date-order {order}", f"{days[order][0]}") for order in fitting]
    raise ambiguous("dates", readings, f"{distinct[0]} (row {row})", "date_order")


def _days(texts: Sequence[str], order: DateOrder) -> list[date | None]:
    """Each text as a date in this order; None where there is no such day."""
    found: list[date | None] = []
    for text in texts:
        numbers = [int(part) for part in text.replace("/", "-").replace(".", "-").split("-")]
        year, month, day = (numbers[order.index(letter)] for letter in "ymd")
        try:
            found.append(date(_century(year), month, day))
        except ValueError:
            found.append(None)
    return found


def _century(year: int) -> int:
    """The year that two digits mean, as POSIX has it: 69 to 99 are of the last century."""
    if year >= SHORT_YEARS:
        return year
    return year + (2000 if year < FIRST_OF_1900S else 1900)


def _known(days: Sequence[date | None]) -> int:
    return sum(day is not None for day in days)


def _in_a_row(days: Sequence[date | None]) -> bool:
    known = {day for day in days if day is not None}
    return any(day + DAY in known for day in known)


def _refuse_order(declared: DateOrder, shown: DateOrder) -> None:
    """Half of the dates would fit the wrong order too, and be believed."""
    words = {order: text.replace(" ", " is ").split(" is ")[0] for order, text in WORDS.items()}
    detail = (
        f"the dates have the {words[shown]} first, but are read with the {words[declared]} first;"
        f" --date-order {shown} reads them"
    )
    raise InputError(detail, [Problem("bad_mapping", detail, field="date_order")])

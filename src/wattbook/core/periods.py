# ruff: noqa: PLC0415 -- dates and periods alone do not need Polars
"""Spans of time, buckets, and what a civil day is where a site stands."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from wattbook.core import manifest
from wattbook.core.errors import InvalidPeriodError, Problem
from wattbook.core.former_words import present
from wattbook.core.timezones import known_timezone
from wattbook.core.units import SECONDS_PER_HOUR, US_PER_SECOND

if TYPE_CHECKING:
    import polars as pl

QUARTER: Final = timedelta(minutes=15)
QUARTER_S: Final = 900
QUARTER_US: Final = QUARTER_S * US_PER_SECOND
DAY_US: Final = 86_400 * US_PER_SECOND
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
MAX_ROWS: Final = 400_000
"""So many buckets can be asked for at once: eleven years of quarter-hours."""


MAX_BUCKET: Final = timedelta(days=32)
"""No bucket is longer: a month has at most 31 days and some hours."""


class Grain(StrEnum):
    """Length of a bucket. Days, weeks (ISO) and months are civil time where the site stands."""

    QUARTER = "15min"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @classmethod
    def _missing_(cls, value: object) -> "Grain | None":
        now = present(value)
        return None if now == value else cls(now)

    @property
    def every(self) -> str:
        """The length in the words of Polars."""
        return {"15min": "15m", "hour": "1h", "day": "1d", "week": "1w", "month": "1mo"}[self]

    @property
    def civil(self) -> bool:
        """Whether the bucket depends on the time zone."""
        return self in (Grain.DAY, Grain.WEEK, Grain.MONTH)


@manifest.named("Period", "start end")
@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span of time, [start, end), in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse invalid spans.

        Raises
        ------
        InvalidPeriodError
            An end without offset or of another age, or one that is not after the start.
        """
        for name in ("start", "end"):
            instant: datetime = getattr(self, name)
            if instant.tzinfo is None:
                raise invalid(name, f"{name} needs an offset, as in 2026-01-01T00:00:00Z")
            if not FIRST_YEAR <= instant.year <= LAST_YEAR:
                raise invalid(name, f"{name} is not within {FIRST_YEAR} and {LAST_YEAR}")
            object.__setattr__(self, name, instant.astimezone(UTC))
        if self.end <= self.start:
            raise invalid("end", "end must be after start")


def invalid(field: str, detail: str) -> InvalidPeriodError:
    """Error that names the `field` of a period that is invalid."""
    return InvalidPeriodError(detail, [Problem("bad_period", detail, field=field)])


def zone(name: str) -> ZoneInfo:
    """The IANA time zone `name`.

    Raises
    ------
    InvalidPeriodError
        There is no such time zone.
    """
    if not known_timezone(name):
        raise invalid("timezone", f"{name!r} is not an IANA time zone")
    return ZoneInfo(name)


def bucket_start(start: "pl.Expr", grain: Grain, timezone: str = "UTC") -> "pl.Expr":
    """Start of the bucket in which each UTC instant lies, in UTC.

    Quarters and hours are UTC; days, ISO weeks and months begin at local midnight, so a day has
    92, 96 or 100 quarters (94 or 98 where daylight saving moves by half an hour).

    >>> import polars as pl
    >>> from datetime import datetime, UTC
    >>> at = pl.DataFrame({"t": [datetime(2026, 7, 1, 12, tzinfo=UTC)]})
    >>> at.select(bucket_start(pl.col("t"), Grain.DAY, "Asia/Kolkata")).item()
    datetime.datetime(2026, 6, 30, 18, 30, tzinfo=zoneinfo.ZoneInfo(key='UTC'))
    """
    if not grain.civil:
        return start.dt.truncate(grain.every)
    local = start.dt.convert_time_zone(timezone).dt.replace_time_zone(None)
    midnight = local.dt.truncate(grain.every)
    return midnight_utc(midnight, timezone)


def midnight_utc(midnight: "pl.Expr", timezone: str) -> "pl.Expr":
    """UTC instant at which a civil day begins; the first that exists where midnight does not."""
    import polars as pl

    exact = midnight.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    later = (midnight + timedelta(hours=1)).dt.replace_time_zone(
        timezone, ambiguous="earliest", non_existent="null"
    )
    return pl.coalesce(exact, later).dt.convert_time_zone("UTC")


def midnight(day: date, timezone: str) -> datetime:
    """UTC instant at which a civil day begins.

    >>> midnight(date(2026, 7, 1), "Asia/Kolkata").isoformat()
    '2026-06-30T18:30:00+00:00'
    """
    import polars as pl

    wall = pl.lit(day).cast(pl.Datetime("us"))
    at: datetime = pl.select(midnight_utc(wall, timezone)).item()
    return at.astimezone(UTC)


def floor(instant: datetime, grain: Grain, timezone: str = "UTC") -> datetime:
    """Start of the bucket in which `instant` lies.

    >>> floor(datetime(2026, 7, 1, 12, tzinfo=UTC), Grain.MONTH, "Asia/Kolkata").isoformat()
    '2026-06-30T18:30:00+00:00'
    """
    if not grain.civil:
        seconds = QUARTER_S if grain is Grain.QUARTER else SECONDS_PER_HOUR
        return instant - (instant - EPOCH) % timedelta(seconds=seconds)
    local = instant.astimezone(zone(timezone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if grain is Grain.WEEK:
        midnight -= timedelta(days=midnight.weekday())
    elif grain is Grain.MONTH:
        midnight = midnight.replace(day=1)
    return midnight.astimezone(UTC)


def ceil(instant: datetime, grain: Grain, timezone: str = "UTC") -> datetime:
    """Start of the first bucket that does not begin before `instant`.

    >>> ceil(datetime(2026, 7, 1, 12, tzinfo=UTC), Grain.MONTH).isoformat()
    '2026-08-01T00:00:00+00:00'
    """
    begin = floor(instant, grain, timezone)
    return instant if begin == instant else after(begin, grain, timezone)


def after(start: datetime, grain: Grain, timezone: str = "UTC") -> datetime:
    """Start of the bucket that follows the one beginning at `start`."""
    if not grain.civil:
        return start + (QUARTER if grain is Grain.QUARTER else timedelta(hours=1))
    within = {Grain.DAY: 36, Grain.WEEK: 7 * 24 + 12, Grain.MONTH: 31 * 24 + 12}[grain]
    return floor(start + timedelta(hours=within), grain, timezone)


def buckets(period: Period, grain: Grain, timezone: str = "UTC") -> "pl.DataFrame":
    """Every bucket that begins in the period or holds its start: `start_utc`, `end_utc`.

    Raises
    ------
    InvalidPeriodError
        More than `MAX_ROWS` buckets.
    """
    import polars as pl

    first = floor(period.start, grain, timezone)
    if (period.end - first) / QUARTER > MAX_ROWS * _quarters_at_least(grain):
        raise invalid("end", f"the period has more than {MAX_ROWS} buckets of a {grain}")
    if not grain.civil:
        starts = pl.datetime_range(
            first, period.end, grain.every, closed="left", time_unit="us", eager=True
        )
        frame = starts.alias("start_utc").to_frame()
        return frame.with_columns(end_utc=pl.col("start_utc").dt.offset_by(grain.every))
    local = zone(timezone)
    begin = first.astimezone(local).replace(tzinfo=None)
    begin = begin.replace(hour=0, minute=0)
    beyond = period.end.astimezone(local).replace(tzinfo=None) + timedelta(days=32)
    midnights = pl.datetime_range(begin, beyond, grain.every, time_unit="us", eager=True)
    local_starts = midnights.alias("start_utc").to_frame()
    spans = local_starts.select(midnight_utc(pl.col("start_utc"), timezone)).with_columns(
        end_utc=pl.col("start_utc").shift(-1)
    )
    return spans.filter(pl.col("start_utc") < period.end, pl.col("end_utc").is_not_null())


def parts_of(grain: Grain, buckets_: "pl.DataFrame") -> Grain:
    """The coarsest UTC grain of which the buckets are whole sums.

    Civil buckets are sums of hours, or of quarters where a day begins within an hour.
    """
    if not grain.civil:
        return grain
    return Grain.HOUR if buckets_["start_utc"].dt.minute().max() == 0 else Grain.QUARTER


def _quarters_at_least(grain: Grain) -> int:
    return {"15min": 1, "hour": 4, "day": 92, "week": 668, "month": 2684}[grain]


def microseconds(column: str) -> "pl.Expr":
    """Instants as whole microseconds since 1970."""
    import polars as pl

    return pl.col(column).to_physical()


def instant(microseconds_: "pl.Expr") -> "pl.Expr":
    """Whole microseconds since 1970 as UTC instants."""
    import polars as pl

    return microseconds_.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")

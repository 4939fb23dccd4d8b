"""The tariffs of a site over a period, month by month."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from wattbook.core import periods
from wattbook.core.billing import billed_demand, cycle
from wattbook.core.periods import QUARTER, Grain, Period
from wattbook.core.registry.tariff_holidays import days_off
from wattbook.core.registry.tariffs import FIRST_OF_MONTH, Holidays, Span, Tariff, timeline
from wattbook.ports.calendar import Calendar

TWO_MONTHS: Final = timedelta(days=62)
"""A billing month, wherever one of its days lies within it, and a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a site pays by, in the months around a period and in those that ratchets look at."""

    timezone: str
    months: pl.DataFrame
    """`first` and `following` day of each billing month, and its `start_utc` and `end_utc`."""
    since: date
    """First day of the first month that is billed."""
    spans: Sequence[Span]
    holidays: Holidays

    @property
    def period(self) -> Period:
        """All of the months."""
        return Period(self.months["start_utc"][0], self.months["end_utc"][-1])

    @property
    def billed(self) -> Period:
        """The months that are billed."""
        starts = self.months.filter(pl.col("first") >= self.since)["start_utc"]
        return Period(starts[0], self.months["end_utc"][-1])


async def terms_of(
    tariffs: Sequence[Tariff],
    timezone: str,
    whole: Period,
    *,
    billing_day: int = FIRST_OF_MONTH,
    standing: bool = True,
    calendar: Calendar,
) -> Terms:
    """What decides the bills of the months that a period touches; without `standing`, the energy.

    Demand alone is decided by months before, and not wanted where only energy is priced.
    """
    first = _billing_month(tariffs, _day(whole.start, timezone), billing_day)[0]
    end = _billing_month(tariffs, _day(whole.end - QUARTER, timezone), billing_day)[1]
    earliest = first
    if standing and (reached := billed_demand.reach(tariffs, first, end)) < first:
        earliest = min(first, _billing_month(tariffs, reached, billing_day)[0])
    spans = list(timeline(tariffs, earliest, end, billing_day))
    holidays = {}
    for tariff in (span.tariff for span in spans if span.tariff is not None):
        listed: frozenset[date] = frozenset()
        if tariff.calendar is not None:
            listed = await asyncio.to_thread(calendar.holidays, tariff.calendar, earliest, end)
        holidays[tariff.id] = days_off(tariff, listed)
    return Terms(
        timezone=timezone,
        months=_in_utc(cycle.months(spans), timezone),
        since=first,
        spans=spans,
        holidays=holidays,
    )


def _billing_month(tariffs: Sequence[Tariff], day: date, billing_day: int) -> tuple[date, date]:
    """The billing month in which a day lies."""
    around = timeline(tariffs, day - TWO_MONTHS, day + TWO_MONTHS, billing_day)
    return cycle.containing(list(around), day)


def _in_utc(months: Sequence[tuple[date, date]], timezone: str) -> pl.DataFrame:
    """Billing months with the instants at which they begin and end."""
    days = pl.DataFrame(months, schema={"first": pl.Date, "following": pl.Date}, orient="row")
    return days.with_columns(
        start_utc=periods.midnight_utc(pl.col("first").cast(pl.Datetime("us")), timezone),
        end_utc=periods.midnight_utc(pl.col("following").cast(pl.Datetime("us")), timezone),
    )


def asked_day(period: Period, timezone: str) -> int:
    """The billing day of a question from one day of a month to the same day of another.

    What is asked for is answered: from 18 March to 18 April is one bill, where the tariff names
    no day of its own.
    """
    first, end = _day(period.start, timezone), _day(period.end, timezone)
    midnights = periods.midnight(first, timezone), periods.midnight(end, timezone)
    if midnights != (period.start, period.end):
        return FIRST_OF_MONTH
    return cycle.asked(first, end) or FIRST_OF_MONTH


def _refuse_more_than_can_be_shown(buckets: int, spans: Sequence[Span], grain: Grain) -> None:
    most = max(len(span.tariff.components) if span.tariff else 1 for span in spans)
    if buckets * most > periods.MAX_ROWS:
        detail = f"{buckets} buckets of a {grain} with {most} components are more than"
        raise periods.invalid("end", f"{detail} {periods.MAX_ROWS} rows")


def _day(at: datetime, timezone: str) -> date:
    """The local day in which an instant lies."""
    return at.astimezone(periods.zone(timezone)).date()

"""Demand at the grid's own peaks: which instants they are, and what a site drew in them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import polars as pl

from wattbook.core.billing import shifted
from wattbook.core.components import STEP_MINUTES, CoincidentDemand
from wattbook.core.demand import At
from wattbook.core.lines import Line, Part
from wattbook.core.periods import QUARTER, zone
from wattbook.core.tariffs import Span, Tariff
from wattbook.core.units import QUARTERS_PER_HOUR
from wattbook.core.windows import MONTHS


def on_peaks(tariff: Tariff | None) -> list[CoincidentDemand]:
    """The components of a tariff that are charged on the demand at the grid's peaks."""
    if tariff is None:
        return []
    return [each for each in tariff.components if isinstance(each, CoincidentDemand)]


def needs_load(spans: Sequence[Span]) -> bool:
    """Whether the load of the zone decides which instants are peaks."""
    return any(not each.instants for span in spans for each in on_peaks(span.tariff))


def decisive(component: CoincidentDemand, first: date, end: date) -> tuple[date, date]:
    """The days among which the peaks lie that a billing month from `first` until `end` pays for.

    >>> four = CoincidentDemand(name="4CP", price_per_kw_month=1.0, months=(6, 7, 8, 9))
    >>> [str(day) for day in decisive(four, date(2026, 3, 1), date(2026, 4, 1))]
    ['2025-01-01', '2026-01-01']
    """
    if component.same_month:
        return first, end
    year = first.year if first.month >= component.year_begins else first.year - 1
    begins = date(year, component.year_begins, 1)
    return shifted(begins, -len(MONTHS)), begins


def peaks_of_load(load: pl.DataFrame, timezone: str) -> dict[date, datetime]:
    """The interval with the highest load of each civil month, where the load is known throughout.

    Parameters
    ----------
    load
        `start_utc`, `interval_s`, `load_mw` of one zone.
    """
    local = pl.col("start_utc").dt.convert_time_zone(timezone)
    month = local.dt.date().dt.truncate("1mo")
    begins = pl.col("month").cast(pl.Datetime("us")).dt.replace_time_zone(timezone)
    ends = pl.col("month").dt.offset_by("1mo").cast(pl.Datetime("us"))
    whole_s = (ends.dt.replace_time_zone(timezone) - begins).dt.total_seconds()
    found = (
        load.drop_nulls("load_mw")
        .with_columns(month=month)
        .sort("load_mw", "start_utc", descending=[True, False])
        .group_by("month", maintain_order=True)
        .agg(at=pl.col("start_utc").first(), known_s=pl.col("interval_s").sum())
        .filter(pl.col("known_s") >= whole_s)
    )
    return dict(found.select("month", "at").iter_rows())


def line(
    part: Part,
    component: CoincidentDemand,
    energy: pl.DataFrame,
    load_peaks: dict[date, datetime],
    timezone: str,
) -> Line:
    """The line of a part of a month; unknown where a peak, or what was drawn in it, is.

    Parameters
    ----------
    energy
        From `core.charges.quarters`, of all months from `core.peaks.reach` on.
    load_peaks
        From `peaks_of_load`.
    """
    first, end = decisive(component, part.month.first, part.month.following)
    instants = _instants(component, first, end, load_peaks, timezone)
    drawn = [_drawn(at, component, energy) for at in instants or ()]
    known = [each for each in drawn if each is not None]
    mean = sum(each.kw for each in known) / len(known) if known else None
    kw = mean if len(known) == len(drawn) else None
    amount = None if kw is None else kw * component.price_per_kw_month * part.share
    return part.line(
        component,
        quantity=kw,
        unit="kW",
        price=component.price_per_kw_month,
        share=part.share,
        amount=amount,
        stands=True,
        standing=amount,
        peaks=tuple(known),
    )


def _instants(
    component: CoincidentDemand,
    first: date,
    end: date,
    load_peaks: dict[date, datetime],
    timezone: str,
) -> list[datetime] | None:
    """The peaks that lie among the days; null where not all of them are known."""
    if component.instants:
        local = [(at, _day(at, timezone)) for at in component.instants]
        found = [at for at, day in local if first <= day < end and day.month in component.months]
        wanted = component.count or len(_months(component, first, end))
        return sorted(found) if len(found) == wanted else None
    months = _months(component, first, end)
    known = [load_peaks[month] for month in months if month in load_peaks]
    return known if months and len(known) == len(months) else None


def _months(component: CoincidentDemand, first: date, end: date) -> list[date]:
    """The civil months with days among those given whose peaks count."""
    at, found = first.replace(day=1), []
    while at < end:
        if at.month in component.months:
            found.append(at)
        at = shifted(at, 1)
    return found


def _drawn(at: datetime, component: CoincidentDemand, energy: pl.DataFrame) -> At | None:
    """The demand over the interval in which an instant lies; null where a part is not known."""
    count = component.interval_minutes // STEP_MINUTES
    length = timedelta(minutes=component.interval_minutes)
    start = at - timedelta(seconds=at.timestamp() % QUARTER.total_seconds())
    within = energy.filter(
        pl.col("start_utc").is_between(start, start + length, closed="left")
    ).drop_nulls("energy_kwh")
    if within.height < count:
        return None
    kw = float(within["energy_kwh"].sum()) * QUARTERS_PER_HOUR / count
    return At(kw, start, component.interval_minutes)


def _day(at: datetime, timezone: str) -> date:
    return at.astimezone(zone(timezone)).date()

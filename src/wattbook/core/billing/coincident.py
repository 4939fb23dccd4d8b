"""Demand at the grid's own peaks: which instants they are, and what a site drew in them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import polars as pl

from wattbook.core import frames
from wattbook.core.billing.bill_lines import Line, Part
from wattbook.core.billing.cycle import shifted
from wattbook.core.billing.demand import At
from wattbook.core.billing.demand_bounds import intervals_at_most
from wattbook.core.periods import QUARTER, zone
from wattbook.core.registry.components import STEP_MINUTES, CoincidentDemand
from wattbook.core.registry.tariffs import Span, Tariff
from wattbook.core.registry.windows import MONTHS
from wattbook.core.units import QUARTERS_PER_HOUR


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


class LoadPeaks(NamedTuple):
    """The load of a zone by its days: what decides which instants are peaks."""

    days: pl.DataFrame
    """`day`, `at` (start of the highest interval of the day, the first of several), `load_mw`."""
    months: frozenset[date]
    """First days of the civil months throughout which the load is known."""


def peaks_of_load(load: pl.DataFrame, timezone: str) -> LoadPeaks:
    """The interval with the highest load of each day, and the months known throughout.

    Parameters
    ----------
    load
        `start_utc`, `interval_s`, `load_mw` of one zone.
    """
    local = pl.col("start_utc").dt.convert_time_zone(timezone)
    rows = load.drop_nulls("load_mw").with_columns(day=local.dt.date())
    days = (
        rows.sort("load_mw", "start_utc", descending=[True, False])
        .group_by("day", maintain_order=True)
        .agg(at=pl.col("start_utc").first(), load_mw=pl.col("load_mw").first())
    )
    begins = pl.col("month").cast(pl.Datetime("us")).dt.replace_time_zone(timezone)
    ends = pl.col("month").dt.offset_by("1mo").cast(pl.Datetime("us"))
    whole_s = (ends.dt.replace_time_zone(timezone) - begins).dt.total_seconds()
    months = (
        rows.group_by(month=pl.col("day").dt.truncate("1mo"))
        .agg(known_s=pl.col("interval_s").sum())
        .filter(pl.col("known_s") >= whole_s)
    )
    return LoadPeaks(days, frozenset(months["month"]))


def line(
    part: Part,
    component: CoincidentDemand,
    energy: pl.DataFrame,
    load_peaks: LoadPeaks,
    timezone: str,
    not_measured: pl.DataFrame,
) -> Line:
    """The line of a part of a month; unknown where a peak, or what was drawn in it, is.

    Parameters
    ----------
    energy
        From `core.billing.charges.quarters`, of all months from
        `core.billing.billed_demand.reach` on.
    load_peaks
        From `peaks_of_load`.
    not_measured
        `core.billing.demand_bounds.UNMEASURED`.
    """
    first, end = decisive(component, part.month.first, part.month.following)
    instants = _instants(component, first, end, load_peaks, timezone)
    drawn = [_drawn(at, component, energy) for at in instants or ()]
    known = [each for each in drawn if each is not None]
    mean = sum(each.kw for each in known) / len(known) if known else None
    kw = mean if len(known) == len(drawn) else None
    amount = None if kw is None else kw * component.price_per_kw_month * part.share
    made = part.line(
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
    if kw is None:
        return made
    drawn_then = pl.DataFrame(
        {"start_utc": [each.at for each in known], "kw": [each.kw for each in known]},
        schema={"start_utc": frames.UTC, "kw": pl.Float64},
    )
    bounds = intervals_at_most(drawn_then, component.interval_minutes, not_measured)
    return made.with_bound(kw, bounds.select(pl.col("most_kw").mean()).item())


def _instants(
    component: CoincidentDemand,
    first: date,
    end: date,
    load_peaks: LoadPeaks,
    timezone: str,
) -> list[datetime] | None:
    """The peaks that lie among the days; null where not all of them are known."""
    months = _months(component, first, end)
    wanted = component.count or len(months) * component.per_month
    if component.instants:
        local = [(at, _day(at, timezone)) for at in component.instants]
        found = [at for at, day in local if first <= day < end and day.month in component.months]
    elif component.count is not None:
        found = _highest(load_peaks, months, component.count)
    else:
        found = [
            at for month in months for at in _highest(load_peaks, [month], component.per_month)
        ]
    return sorted(found) if months and len(found) == wanted else None


def _highest(load_peaks: LoadPeaks, months: Sequence[date], count: int) -> list[datetime]:
    """So many highest loads of all the months, each of another day; none where one is not known."""
    if not load_peaks.months.issuperset(months):
        return []
    inside = pl.col("day").dt.truncate("1mo").is_in(list(months))
    rows = load_peaks.days.filter(inside).sort("load_mw", "at", descending=[True, False])
    return rows["at"].head(count).to_list()


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

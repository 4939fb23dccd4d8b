"""Demand as tariffs measure it: the mean over an interval, within windows, the highest of days."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, TypeAlias

import polars as pl

from wattbook.core.billing import demand_bounds
from wattbook.core.frames import known_sum
from wattbook.core.periods import QUARTER
from wattbook.core.registry.components import ON_DEMAND, STEP_MINUTES, Demand, DemandSteps, OnDemand
from wattbook.core.registry.tariffs import Holidays, Span, Tariff
from wattbook.core.registry.windows import is_open, slot
from wattbook.core.units import QUARTERS_PER_HOUR

Key: TypeAlias = tuple[date, int, str]
"""A component of a part of a month: the month's first day, the span's number, the name."""


class At(NamedTuple):
    """A demand [kW], and the start of its interval."""

    kw: float
    at: datetime
    minutes: int = STEP_MINUTES


class Peak(NamedTuple):
    """The demand [kW] that a month was measured to have, and the intervals that it is of."""

    kw: float
    of: tuple[At, ...] = ()
    most_kw: float = math.inf
    """The most that it can have been, with what was not measured."""

    @property
    def at(self) -> datetime | None:
        """Start of the highest interval."""
        return self.of[0].at if self.of else None


Months: TypeAlias = tuple[int, ...]


class Measured(NamedTuple):
    """The peaks of a component by month: of all its days, and of the months a ratchet looks at."""

    peaks: dict[Key, Peak]
    for_ratchets: dict[tuple[Key, Months], Peak]


def on_demand(tariff: Tariff | None) -> list[OnDemand]:
    """The components of a tariff that are charged on the highest demand."""
    return [each for each in tariff.components if isinstance(each, ON_DEMAND)] if tariff else []


def highest(
    energy: pl.DataFrame, spans: Sequence[Span], holidays: Holidays, not_measured: pl.DataFrame
) -> Measured:
    """The highest demands of each component and month, where one is known within the windows.

    Parameters
    ----------
    energy
        From `core.billing.charges.quarters`; `energy_kwh` is null where nothing is known.
    not_measured
        `core.billing.demand_bounds.UNMEASURED`.
    """
    found = Measured({}, {})
    looked_at = _looked_at(spans)
    for index, span in enumerate(spans):
        if span.tariff is None:
            continue
        own = energy.filter(span=index)
        place = slot(span.tariff.weekend, holidays.get(span.tariff.id, frozenset()))
        for component in on_demand(span.tariff):
            rows = demand_bounds.intervals_at_most(
                intervals(own, component, place), component.interval_minutes, not_measured
            )
            for month, peak in _best(rows, component):
                found.peaks[month, index, component.name] = peak
            for months in looked_at[component.name]:
                counted = rows.filter(pl.col("day").dt.month().is_in(list(months)))
                for month, peak in _best(counted, component):
                    found.for_ratchets[(month, index, component.name), months] = peak
    return found


def _looked_at(spans: Sequence[Span]) -> Mapping[str, set[Months]]:
    """The months of the year that ratchets of each name look at, under whichever tariff."""
    found: dict[str, set[Months]] = defaultdict(set)
    for span in spans:
        for each in on_demand(span.tariff):
            if isinstance(each, Demand) and each.ratchet is not None:
                found[each.name].add(each.ratchet.peak_months)
    return found


def intervals(own: pl.DataFrame, component: Demand | DemandSteps, place: pl.Expr) -> pl.DataFrame:
    """`month`, `day`, `start_utc` and `kw` of each interval that lies within the windows.

    Time that is not covered adds nothing; `kw` is null where nothing of an interval is known.
    Intervals follow each other from the full hour of the local clock, unless they slide; none is
    of two billing months.
    """
    count = component.interval_minutes // STEP_MINUTES
    rows = own.with_columns(slot=place).with_columns(inside=is_open(component.windows))
    if component.sliding_minutes is None:
        joined = _side_by_side(rows, count)
    else:
        joined = _sliding(rows, count)
    return joined.filter("inside").select(
        "month", "day", "start_utc", kw=pl.col("kwh") * QUARTERS_PER_HOUR / count
    )


def _side_by_side(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """Intervals of so many quarter-hours, one after the other."""
    if count == 1:
        return rows.with_columns(kwh="energy_kwh")
    before = pl.col("quarter") % count
    return (
        rows.with_columns(start_utc=pl.col("start_utc") - before * QUARTER)
        .group_by("month", "day", "start_utc", maintain_order=True)
        .agg(kwh=known_sum("energy_kwh"), inside=pl.col("inside").all())
    )


def _sliding(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """The interval of so many quarter-hours that begins with each of them."""
    found = rows.select("month", "day", "start_utc", "inside", kwh="energy_kwh")
    for later in range(1, count):
        other = rows.select(
            start_utc=pl.col("start_utc") - later * QUARTER,
            other_kwh="energy_kwh",
            other_inside="inside",
            other_month="month",
        )
        same = (pl.col("other_month") == pl.col("month")).fill_null(value=True)
        found = (
            found.join(other, on="start_utc", how="left", maintain_order="left")
            .with_columns(
                kwh=pl.coalesce(pl.col("kwh") + pl.col("other_kwh"), "kwh", "other_kwh"),
                inside=pl.col("inside") & pl.col("other_inside").fill_null(value=True) & same,
            )
            .drop("other_kwh", "other_inside", "other_month")
        )
    return found


def _best(rows: pl.DataFrame, component: OnDemand) -> Iterator[tuple[date, Peak]]:
    """Of each month the mean of so many highest demands, each of another day."""
    count, minutes = component.peaks, component.interval_minutes
    bounds = _highest_days(rows, "most_kw", count).select("month", pl.col("most_kw").list.mean())
    best = _highest_days(rows, "kw", count).with_columns(mean_kw=pl.col("kw").list.mean())
    both = best.join(bounds, on="month", how="left", maintain_order="left")
    for month, kws, ats, mean_kw, most_kw in both.iter_rows():
        highest_of = tuple(At(kw, at, minutes) for kw, at in zip(kws, ats, strict=True))
        yield month, Peak(mean_kw if count > 1 else kws[0], highest_of, most_kw)


def _highest_days(rows: pl.DataFrame, column: str, count: int) -> pl.DataFrame:
    """The highest values of so many days of each month, with the starts of their intervals."""
    return (
        rows.drop_nulls(column)
        .sort(column, "start_utc", descending=[True, False])
        .unique(["month", "day"], keep="first", maintain_order=True)
        .group_by("month", maintain_order=True)
        .head(count)
        .group_by("month", maintain_order=True)
        .agg(column, "start_utc")
        .select("month", column, "start_utc")
    )

"""Sites that draw so much and pay by such tariffs, for the tests of what that costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from wattbook.core import bills, charges, cost, frames, peaks, periods
from wattbook.core.bills import Bill
from wattbook.core.lines import Line, Month
from wattbook.core.periods import Grain, Period
from wattbook.core.tariffs import Component, Holidays, Span, Tariff, timeline

ZONE = "Z"
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)

Draw = Callable[[datetime], float | None]
"""Energy [kWh] of the quarter-hour that begins then on the local clock; null where it is silent."""


def tariff(*components: Component, **fields) -> Tariff:
    """In force from 2026, in euro, unless `fields` say otherwise."""
    plain = {"id": "t", "site_id": "s", "valid_from": date(2026, 1, 1), "currency": "EUR"}
    return Tariff(components=components, **{**plain, **fields})


def prices(by_hour: Mapping[datetime, float], currency: str = "EUR") -> pl.DataFrame:
    """`core.cost.quarter_prices` of the zone, from prices by the hour."""
    quarters = {at + part * QUARTER: each for at, each in by_hour.items() for part in range(4)}
    return pl.DataFrame(
        {
            "zone": [ZONE] * len(quarters),
            "start_utc": list(quarters),
            "price_per_mwh": list(quarters.values()),
            "currency": [currency] * len(quarters),
        },
        schema={
            "zone": pl.String,
            "start_utc": frames.UTC,
            "price_per_mwh": pl.Float64,
            "currency": pl.String,
        },
    )


@dataclass(frozen=True)
class Paid:
    """What came of it."""

    timezone: str
    period: Period
    spans: Sequence[Span]
    energy: pl.DataFrame
    charged: pl.DataFrame
    bills: list[Bill]

    @property
    def bill(self) -> Bill:
        """The only one."""
        (bill,) = self.bills
        return bill

    def lines(self, *names: str) -> list[tuple[object, ...]]:
        """Columns of the lines of all bills."""
        return [
            tuple(getattr(line, name) for name in names)
            for bill in self.bills
            for line in bill.lines
        ]

    @property
    def amounts(self) -> dict[str, float | None]:
        """Of the only bill, by component and band."""
        return {
            line.component if line.band is None else f"{line.component}, {line.band}": line.amount
            for line in self.bill.lines
        }

    @property
    def line(self) -> Line:
        """The only line of the only bill."""
        (line,) = self.bill.lines
        return line

    def rows(
        self, grain: Grain, *, spread: bool = False, period: Period | None = None
    ) -> pl.DataFrame:
        """Cost by bucket and component."""
        buckets = periods.buckets(period or self.period, grain, self.timezone)
        due = cost.due(self.bills, self.timezone, grain, spread=spread)
        return cost.by_component(self.charged, due, buckets, self.spans, self.timezone)

    def totals(self, grain: Grain) -> tuple[pl.DataFrame, dict[str, object]]:
        """Cost by bucket, and of the whole."""
        buckets = periods.buckets(self.period, grain, self.timezone)
        settled = charges.settled(self.energy, self.charged, self.spans)
        due = cost.due(self.bills, self.timezone, grain, spread=False)
        return cost.totalled(settled, due, buckets, buckets.clear())


def paid(
    tariffs: Sequence[Tariff],
    draw: Draw | float,
    first: date = date(2026, 1, 1),
    end: date = date(2026, 2, 1),
    *,
    timezone: str = "UTC",
    grid: pl.DataFrame | None = None,
    holidays: Holidays | None = None,
) -> Paid:
    """What a site that draws `draw` in each quarter-hour pays for the months until `end`."""
    reached = peaks.reach(tariffs, first, end)
    span = Period(periods.midnight(reached, timezone), periods.midnight(end, timezone))
    months = periods.buckets(span, Grain.MONTH, timezone)
    spans = list(timeline(tariffs, reached, end))
    free = {each.id: frozenset(each.holidays) for each in tariffs} | dict(holidays or {})
    demand = _demand(draw, span, timezone)
    energy = charges.quarters(demand, timezone, spans)
    billed = energy.filter(pl.col("month") >= first)
    charged = charges.of_energy(billed, prices({}) if grid is None else grid, spans, free)
    made = bills.made(
        [_month(start, until, demand, timezone) for start, until in months.iter_rows()],
        energy,
        charged,
        spans,
        free,
        first,
    )
    period = Period(periods.midnight(first, timezone), span.end)
    return Paid(timezone, period, spans, billed, charged, made)


def _demand(draw: Draw | float, span: Period, timezone: str) -> pl.DataFrame:
    starts = periods.buckets(span, Grain.QUARTER)["start_utc"]
    local = [start.astimezone(periods.zone(timezone)) for start in starts]
    kwh = [draw(at.replace(tzinfo=None)) if callable(draw) else draw for at in local]
    frame = pl.DataFrame(
        {"start_utc": starts, "power_kw": [None if each is None else each * 4 for each in kwh]},
        schema={"start_utc": frames.UTC, "power_kw": pl.Float64},
    )
    return frame.drop_nulls()


def _month(start: datetime, end: datetime, demand: pl.DataFrame, timezone: str) -> Month:
    known = demand.filter(pl.col("start_utc").is_between(start, end, closed="left")).height
    first = start.astimezone(periods.zone(timezone)).date()
    return Month(first=first, start=start, end=end, coverage=known * QUARTER / (end - start))

"""Sites that draw so much and pay by such tariffs, for the tests of what that costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.billing import billed_demand, bills, charges, cost, cycle
from wattbook.core.billing import reactive as reactive_energy
from wattbook.core.billing.bill_lines import Line, Month
from wattbook.core.billing.bills import Bill
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.tariff_holidays import days_off
from wattbook.core.registry.tariffs import Component, Holidays, Span, Tariff, timeline

ZONE = "Z"
NO_LOAD = frames.GRID.empty().select("start_utc", "interval_s", "load_mw")
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)

Draw = Callable[[datetime], float | None]
"""Energy [kWh] of the quarter-hour that begins then on the local clock; null where it is silent."""


def tariff(*components: Component, **fields) -> Tariff:
    """In force from 2026, in euro, unless `fields` say otherwise."""
    plain = {"id": "t", "site_id": "s", "valid_from": date(2026, 1, 1), "currency": "EUR"}
    return Tariff(components=components, **{**plain, **fields})


def prices(by_hour: Mapping[datetime, float], currency: str = "EUR") -> pl.DataFrame:
    """`core.billing.cost.quarter_prices` of the zone, from prices by the hour."""
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
        due = cost.spread_standing_charges(self.bills, self.timezone, grain, spread=spread)
        return cost.by_component(self.charged, due, buckets, self.spans, self.timezone)

    def totals(self, grain: Grain) -> tuple[pl.DataFrame, dict[str, object]]:
        """Cost by bucket, and of the whole."""
        buckets = periods.buckets(self.period, grain, self.timezone)
        settled = charges.quarter_costs(self.energy, self.charged, self.spans)
        due = cost.spread_standing_charges(
            self.bills, self.timezone, grain, spread=False, buckets=buckets
        )
        return cost.total_costs(settled, due, buckets, buckets.clear())


def paid(
    tariffs: Sequence[Tariff],
    draw: Draw | float,
    first: date = date(2026, 1, 1),
    end: date = date(2026, 2, 1),
    *,
    timezone: str = "UTC",
    grid: pl.DataFrame | None = None,
    holidays: Holidays | None = None,
    given_back: Draw | None = None,
    load: pl.DataFrame | None = None,
    billing_day: int = 1,
    reactive: pl.DataFrame = reactive_energy.NONE,
) -> Paid:
    """What a site that draws `draw` in each quarter-hour pays for the months until `end`."""
    reached = min(
        first, _billing_start(tariffs, billed_demand.reach(tariffs, first, end), billing_day)
    )
    span = Period(periods.midnight(reached, timezone), periods.midnight(end, timezone))
    spans = list(timeline(tariffs, reached, end, billing_day))
    free = {each.id: days_off(each, ()) for each in tariffs} | dict(holidays or {})
    demand = _demand(draw, span, timezone)
    back = None if given_back is None else _demand(given_back, span, timezone)
    energy = charges.quarters(demand, timezone, spans, back)
    billed = energy.filter(pl.col("month") >= first)
    charged = charges.of_energy(billed, prices({}) if grid is None else grid, spans, free)
    made = bills.build_bills(
        [_month(*days, demand, timezone) for days in cycle.months(spans)],
        energy,
        charged,
        spans,
        free,
        first,
        load=NO_LOAD if load is None else load,
        timezone=timezone,
        reactive=reactive,
    )
    period = Period(periods.midnight(first, timezone), span.end)
    return Paid(timezone, period, spans, billed, charged, made)


def _billing_start(tariffs: Sequence[Tariff], day: date, billing_day: int) -> date:
    around = timeline(tariffs, day - timedelta(days=62), day + timedelta(days=62), billing_day)
    return cycle.containing(list(around), day)[0]


def _demand(draw: Draw | float, span: Period, timezone: str) -> pl.DataFrame:
    starts = periods.buckets(span, Grain.QUARTER)["start_utc"]
    local = [start.astimezone(periods.zone(timezone)) for start in starts]
    kwh = [draw(at.replace(tzinfo=None)) if callable(draw) else draw for at in local]
    frame = pl.DataFrame(
        {"start_utc": starts, "power_kw": [None if each is None else each * 4 for each in kwh]},
        schema={"start_utc": frames.UTC, "power_kw": pl.Float64},
    )
    return frame.drop_nulls()


def _month(first: date, following: date, demand: pl.DataFrame, timezone: str) -> Month:
    start, end = periods.midnight(first, timezone), periods.midnight(following, timezone)
    known = demand.filter(pl.col("start_utc").is_between(start, end, closed="left")).height
    coverage = known * QUARTER / (end - start)
    return Month(first=first, following=following, start=start, end=end, coverage=coverage)

"""The sections of a report that show what was drawn: key figures, load, hash rate."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import polars as pl

from wattbook.core.charts import bars, trend
from wattbook.core.charts.bars import Bar
from wattbook.core.charts.svg import HALF, WIDTH, Chart
from wattbook.core.charts.trend import Point
from wattbook.core.formatting import (
    BLANK,
    MINUS,
    NOTHING,
    Unit,
    money,
    number,
    unit_of,
)
from wattbook.core.periods import Grain, zone
from wattbook.core.reporting.report import Report
from wattbook.sinks.documents.blocks import Block, Figure, Side, Tile, Tiles
from wattbook.sinks.documents.wording import (
    clock_of,
    factor_said,
    interval,
    moment,
    power_said,
    share,
)

MIN_BARS: Final = 4
"""Fewer are a table, not a chart."""
J_PER_TH: Final = Unit("J/TH", 1, 1)

Draw = Callable[[float, str], Chart]
"""Draws a chart of a width, under a name."""


def figure(title: str, note: str, name: str, draw: Draw, caption: str = "") -> Figure:
    """A chart for paper and wide screens, and for narrow ones."""
    return Figure(title, note, draw(WIDTH, name), draw(HALF, f"{name}-n"), caption)


def half(title: str, note: str, name: str, draw: Draw, caption: str = "") -> Figure:
    """A chart that is as wide on every screen."""
    small = draw(HALF, name)
    return Figure(title, note, small, small, caption)


def key(report: Report) -> Sequence[Block]:
    """The figures that are looked for first, the most important first: eight of them."""
    total, scope = report.total, report.scope
    energy = unit_of("energy_kwh", [total["energy_kwh"]])
    emitted = unit_of("emitted_kg", [total["emitted_kg"]])
    peak_at = total["power_kw_max_at"]
    when = ""
    if peak_at:
        begin = moment(peak_at.astimezone(zone(scope.timezone)))
        when = f"{interval(total.get('peak_interval_s'))} from {begin}"
    tiles = [
        Tile("Energy", energy.say(total["energy_kwh"]), _estimated(total)),
        Tile("Electricity cost", _paid(report), _priced(report)),
        Tile("Emissions, location-based", emitted.say(total["emitted_kg"]), _intensity(report)),
        Tile("Peak demand", power_said(total["power_kw_max"]), _peak_note(report, when)),
        Tile("Mean power", power_said(total["power_kw_mean"]), _over_known_time(total)),
        Tile("Load factor", share(total["load_factor"]), _of_known_time(total)),
        _readings(report),
        _last(report),
    ]
    return [Tiles(tiles)]


def _last(report: Report) -> Tile:
    """Hash rate, or what a unit of energy cost, or how much of it is known."""
    total = report.total
    if total["hashrate_th_mean"] is not None:
        rate = unit_of("hashrate_th", [total["hashrate_th_mean"]])
        return Tile(
            "Mean hash rate",
            rate.say(total["hashrate_th_mean"]),
            _efficiency(total),
        )
    if report.costs.height == 1 and total["energy_kwh"]:
        currency, cost, priced = report.costs.row(0)
        energy_mwh = total["energy_kwh"] * priced / 1000
        price = number(cost / energy_mwh, 2).replace("-", MINUS) if energy_mwh else NOTHING
        return Tile("Mean price", f"{price}{BLANK}{currency}/MWh", "cost over energy with a price")
    return Tile("Energy known", share(total["coverage"]), "of the time of the revenue meters")


def _efficiency(total: dict[str, Any]) -> str:
    """Energy per hash, and for how much of the time it is known where that is not all."""
    said, part = J_PER_TH.say(total["efficiency_j_per_th"]), total["efficiency_time_share"]
    if part is None or part >= 1 - 10**-9:
        return said
    return f"{said}, for {share(part)} of the known time"


def _over_known_time(total: dict[str, Any]) -> str:
    return "" if total["power_kw_mean"] is None else "over the known time"


def _of_known_time(total: dict[str, Any]) -> str:
    """What the load factor is of, and for how much of the time where that is not all."""
    part = total["load_factor_time_share"]
    if total["energy_kwh"] is None:
        return ""
    if total["load_factor"] is None:
        return "not known: the revenue meters are not all known for long enough"
    if part is None or part >= 1 - 10**-9:
        return "mean power over peak demand"
    return f"mean power over peak demand, for {share(part)} of the time"


def _peak_note(report: Report, when: str) -> str:
    limit, peak = report.total.get("capacity_kw_at_peak"), report.total["power_kw_max"]
    if limit is None or peak is None:
        return when
    return f"{share(peak / limit)} of capacity; {when}"


def _readings(report: Report) -> Tile:
    came, coverage = report.quality.completeness, share(report.total["coverage"])
    known = f"energy known for {coverage} of the time"
    if came.share is None:
        return Tile("Readings", number(report.total["readings"]), f"sent on change; {known}")
    note = f"{number(came.expected - came.missing)} of {number(came.expected)}; {known}"
    return Tile("Readings received", share(came.share), note)


def _estimated(total: dict[str, Any]) -> str:
    known = total["estimated_share"]
    if known is None:
        return ""
    return "all of it measured" if known == 0 else f"{share(known)} estimated or substituted"


def _intensity(report: Report) -> str:
    total = report.total
    if total["emitted_kg"] is None:
        return "" if total["energy_kwh"] is None else "no factor is known"
    said = f"{number(total['intensity_g_per_kwh'], 1)}{BLANK}g/kWh"
    rungs = report.rungs.group_by("fallback", maintain_order=True).agg(pl.col("energy_share").sum())
    if rungs.height == 1:
        return f"{said}; {factor_said(rungs['fallback'][0])}"
    name, part = rungs.row(0)
    return f"{said}; {factor_said(name)} for {share(part)}"


def _paid(report: Report) -> str:
    said = [money([cost_], currency).say(cost_) for currency, cost_, _ in report.costs.iter_rows()]
    return " + ".join(said) or NOTHING


def _priced(report: Report) -> str:
    if report.costs.is_empty():
        return "" if report.total["energy_kwh"] is None else "no price is known"
    part = min(1, report.costs["cost_energy_share"].sum())
    if part < 1 - 10**-9:
        return f"incomplete: for {share(part)} of the energy"
    groups = report.payments.lines["group"].unique().to_list()
    names = {
        "export": "credit for export",
        "demand": "demand",
        "fixed": "fixed charges",
        "tax": "tax",
    }
    with_ = [names[name] for name in names if name in groups]
    return f"energy, {', '.join(with_)}" if with_ else "energy only"


def energy_bars(report: Report) -> Iterator[Block]:
    """Energy by step, where there are enough of them to see something."""
    steps, scope = report.steps, report.scope
    if steps.height < MIN_BARS or report.total["energy_kwh"] is None:
        return
    unit = unit_of("energy_kwh", steps["energy_kwh"])
    columns = ("start_utc", "end_utc", "energy_kwh", "received", "estimated_share")
    rows = [
        Bar(start, end, value, received, guessed or 0.0)
        for start, end, value, received, guessed in steps.select(columns).iter_rows()
    ]
    caption = ""
    if (steps["estimated_share"].fill_null(0) > 0).any():
        caption = "Hatched: estimated or substituted."
    yield figure(
        "Energy",
        f"{unit.name} by {report.grain}, {clock_of(scope.timezone)}",
        "energy",
        lambda width, name: bars.by_time(
            rows,
            scope.period,
            scope.timezone,
            report.grain,
            unit,
            of="Energy",
            name=name,
            width=width,
        ),
        caption,
    )


def hashing(report: Report) -> Iterator[Block]:
    """Hash rate and efficiency over time."""
    series, scope = report.series, report.scope
    if report.total["hashrate_th_mean"] is None:
        return
    unit = unit_of("hashrate_th", series["hashrate_th_mean"])
    rows = _by_day(series, scope.timezone) if len(series) > MAX_POINTS else series

    def points(column: str) -> list[Point]:
        return [Point(*row) for row in rows.select("start_utc", "end_utc", column).iter_rows()]

    grain = Grain.DAY if len(series) > MAX_POINTS else report.series_grain
    every = f"mean by {grain}, {clock_of(scope.timezone)}"

    def draw(column: str, unit: Unit, of: str) -> Draw:
        return lambda width, name: trend.trend(
            points(column),
            scope.period,
            scope.timezone,
            unit,
            kind="hash",
            of=of,
            name=name,
            width=width,
        )

    yield Side(
        [
            half(
                "Hash rate",
                f"{unit.name}, {every}",
                "hashrate",
                draw("hashrate_th_mean", unit, "Hash rate"),
            ),
            half(
                "Efficiency",
                f"J/TH, {every}",
                "efficiency",
                draw("efficiency_j_per_th", J_PER_TH, "Efficiency"),
            ),
        ]
    )


MAX_POINTS: Final = 24 * 14


def _by_day(series: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Means of days, for efficiency over the time in which both power and rate are known."""
    day_ = pl.col("start_utc").dt.convert_time_zone(timezone).dt.date()
    rate, joules = pl.col("hashrate_th_mean"), pl.col("efficiency_j_per_th")
    both = joules.is_not_null()
    spent = (joules * rate).filter(both).sum() / rate.filter(both).sum()
    return (
        series.group_by(day_.alias("day"), maintain_order=True)
        .agg(
            start_utc=pl.col("start_utc").first(),
            end_utc=pl.col("end_utc").last(),
            hashrate_th_mean=rate.mean(),
            efficiency_j_per_th=spent.fill_nan(None),
        )
        .drop("day")
    )

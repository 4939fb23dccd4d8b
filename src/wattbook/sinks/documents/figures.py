"""The sections of a report that show what was drawn, emitted and paid."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from wattbook.core.charts import bars, duration, heat
from wattbook.core.charts import load as loads
from wattbook.core.charts.bars import Bar
from wattbook.core.periods import Grain, zone
from wattbook.core.report import Report
from wattbook.core.text import (
    BLANK,
    NOTHING,
    THIN,
    Unit,
    clock,
    money,
    number,
    percent,
    rung,
    unit_of,
)
from wattbook.sinks.documents.blocks import (
    Block,
    Column,
    Figure,
    Paragraph,
    Table,
    Tile,
    Tiles,
)

BARS = 30
"""So many names have a bar of their own; the table lists all."""
LEAST_FOR_HEAT = 2
STRIP = "The strip below is dark where all readings are there, light where some are missing."


def key(report: Report) -> Sequence[Block]:
    """The figures that are looked for first."""
    total, scope = report.total, report.scope
    energy = unit_of("energy_kwh", [total["energy_kwh"]])
    emitted = unit_of("emitted_kg", [total["emitted_kg"]])
    peak_at = total["power_kw_max_at"]
    tiles = [
        Tile("Energy", energy.say(total["energy_kwh"]), _estimated(total)),
        Tile("Mean power", power_said(total["power_kw_mean"]), "over the covered time"),
        Tile(
            "Peak demand",
            power_said(total["power_kw_max"]),
            f"quarter-hour from {_local(peak_at, scope.timezone)}" if peak_at else "",
        ),
        Tile("Load factor", share(total["load_factor"]), "mean power over peak demand"),
        Tile("Coverage", share(total["coverage"]), f"{number(total['readings'])} readings"),
        Tile("Emissions, location-based", emitted.say(total["emitted_kg"]), _intensity(report)),
        Tile("Cost of energy", _paid(report), _priced(report)),
    ]
    if total["hashrate_th_mean"] is not None:
        rate = unit_of("hashrate_th", [total["hashrate_th_mean"]])
        joules = Unit("J/TH", 1, 2).say(total["efficiency_j_per_th"])
        tiles.append(Tile("Mean hash rate", rate.say(total["hashrate_th_mean"]), joules))
    return [Tiles(tiles)]


def load(report: Report) -> Sequence[Block]:
    """Power over time, over hours and days, and how long it was how high."""
    curves, scope = report.curves, report.scope
    if curves.duration.is_empty():
        return []
    unit = unit_of("power_kw", [*curves.load["power_kw"], report.total["power_kw_max"]])
    peak = (report.total["power_kw_max_at"], report.total["power_kw_max"])
    drawn = {
        Grain.QUARTER: "Mean power by quarter-hour.",
        Grain.HOUR: "Mean power by hour.",
        Grain.DAY: "Mean power by day, between the lowest and the highest hour of the day.",
    }[curves.load_grain]
    chart = loads.load(curves.load, scope.period, scope.timezone, unit, peak=peak)
    blocks: list[Block] = [
        Figure(
            chart, f"{drawn} The peak is the highest quarter-hour. {STRIP} Hatched: no readings."
        ),
        Figure(
            duration.duration(curves.duration, unit),
            "Load duration: the quarter-hour demand that was reached or exceeded, over the share of"
            " the known time.",
        ),
    ]
    if curves.heat["day"].n_unique() >= LEAST_FOR_HEAT:
        days = curves.heat["day"].unique().sort()
        column = "week" if days[1] - days[0] > timedelta(days=1) else "day"
        said = f"Mean power by hour of the day in {scope.timezone}; each column is a {column}."
        turns = curves.heat["turns"].max()
        note = (
            " Where clocks go back, the hour that strikes twice is drawn as two."
            if turns != 1
            else ""
        )
        blocks.append(Figure(heat.heat(curves.heat, unit), said + note))
    return blocks


def energy(report: Report) -> Sequence[Block]:
    """Energy by month, day or hour, and by meter or site."""
    blocks: list[Block] = []
    steps, scope = report.steps, report.scope
    unit = unit_of("energy_kwh", steps["energy_kwh"])
    if steps.height > 1 and report.total["energy_kwh"] is not None:
        chart = bars.by_time(
            [
                Bar(start, end, value, coverage)
                for start, end, value, coverage in steps.select(
                    "start_utc", "end_utc", "energy_kwh", "coverage"
                ).iter_rows()
            ],
            scope.period,
            scope.timezone,
            report.grain,
            unit,
            of="Energy",
            name="energy",
        )
        blocks.append(Figure(chart, f"Energy by {report.grain}. {STRIP}"))
    if report.total["energy_kwh"] is not None:
        blocks.append(_by_step(report, unit))
    blocks += _by_meter(report) if scope.kind == "site" else _by_site(report)
    return blocks


def emissions(report: Report) -> Sequence[Block]:
    """Emissions by month, and the factors behind them."""
    steps, scope, total = report.steps, report.scope, report.total
    if total["energy_kwh"] is None:
        return []
    if total["emitted_kg"] is None:
        return [Paragraph("No emission factor is known for this grid zone: emissions are unknown.")]
    blocks: list[Block] = [
        Paragraph(
            "Location-based: energy times the average intensity of the grid around the site in"
            " that hour, whoever’s contract paid for it."
        )
    ]
    unit = unit_of("emitted_kg", steps["emitted_kg"])
    if steps.height > 1:
        chart = bars.by_time(
            [
                Bar(start, end, value)
                for start, end, value in steps.select(
                    "start_utc", "end_utc", "emitted_kg"
                ).iter_rows()
            ],
            scope.period,
            scope.timezone,
            report.grain,
            unit,
            of="Emissions",
            name="emissions",
        )
        blocks.append(Figure(chart, f"Emissions by {report.grain}."))
    rows = [
        (
            rung(row["fallback"]),
            row["scope"] or NOTHING,
            row["source"] or "no factor is known",
            percent(row["energy_share"]),
            number(row["g_per_kwh"], 1),
        )
        for row in report.rungs.iter_rows(named=True)
    ]
    columns = [
        Column("Factor", right=False),
        Column("Scope", right=False),
        Column("Published as", right=False, wide=1),
        Column("Energy", "%"),
        Column("Mean", "g/kWh"),
    ]
    blocks.append(Table("Factors that were used, and for which share of the energy", columns, rows))
    return blocks


def cost(report: Report) -> Sequence[Block]:
    """Cost by month, in each currency."""
    if report.costs.is_empty():
        if report.total["energy_kwh"] is None:
            return []
        return [Paragraph("No price is known for this grid zone and period: the cost is unknown.")]
    blocks: list[Block] = []
    for currency, cost_, share_ in report.costs.iter_rows():
        unit = money([cost_], currency)
        mine = report.step_costs.filter(currency=currency)
        by_start = dict(mine.select("start_utc", "cost").iter_rows())
        said = f"Cost by {report.grain}, for {percent(share_)}{THIN}% of the energy."
        if report.steps.height > 1:
            chart = bars.by_time(
                [
                    Bar(start, end, by_start.get(start))
                    for start, end in report.steps.select("start_utc", "end_utc").iter_rows()
                ],
                report.scope.period,
                report.scope.timezone,
                report.grain,
                unit,
                of=f"Cost in {currency}",
                name=f"cost-{currency.lower()}",
            )
            blocks.append(Figure(chart, f"{said} In all {unit.say(cost_)}."))
        else:
            blocks.append(
                Paragraph(f"{unit.say(cost_)} for {percent(share_)}{THIN}% of the energy.")
            )
    return blocks


def power_said(value: object) -> str:
    """Power in the unit that suits it."""
    return unit_of("power_kw", [value]).say(value)


def share(value: object) -> str:
    """A share with its sign."""
    said = percent(value)
    return said if said == NOTHING else f"{said}{THIN}%"


def named(at: datetime, grain: Grain, timezone: str) -> str:
    """A step by its start, on the clock of the time zone."""
    local = at.astimezone(zone(timezone))
    if grain is Grain.MONTH:
        return f"{local:%B}{BLANK}{local:%Y}"
    return f"{local:%Y-%m-%d}" if grain is Grain.DAY else clock(local)


def _local(at: datetime, timezone: str) -> str:
    return clock(at.astimezone(zone(timezone)))


def _estimated(total: dict[str, Any]) -> str:
    known = total["estimated_share"]
    if known is None:
        return ""
    return "all of it measured" if known == 0 else f"{share(known)} estimated or substituted"


def _intensity(report: Report) -> str:
    total = report.total
    if total["emitted_kg"] is None:
        return "" if total["energy_kwh"] is None else "no factor is known"
    said = f"{number(total['intensity_g_per_kwh'], 1)}{THIN}g/kWh"
    rungs = report.rungs.group_by("fallback", maintain_order=True).agg(pl.col("energy_share").sum())
    if rungs.height == 1:
        return f"{said}, factor: {rung(rungs['fallback'][0])}"
    words = ", ".join(f"{rung(name)} {share(part)}" for name, part in rungs.iter_rows())
    return f"{said}, factor: {words}"


def _paid(report: Report) -> str:
    said = [money([cost_], currency).say(cost_) for currency, cost_, _ in report.costs.iter_rows()]
    return " + ".join(said) or NOTHING


def _priced(report: Report) -> str:
    if report.costs.is_empty():
        return "" if report.total["energy_kwh"] is None else "no price is known"
    return f"for {share(min(1, report.costs['cost_energy_share'].sum()))} of the energy"


def _by_step(report: Report, unit: Unit) -> Table:
    steps, scope, total = report.steps, report.scope, report.total
    power = unit_of("power_kw", [*steps["power_kw_max"], total["power_kw_max"]])
    emitted = unit_of("emitted_kg", [*steps["emitted_kg"], total["emitted_kg"]])
    units = [(currency, money([paid], currency)) for currency, paid, _ in report.costs.iter_rows()]
    costs = {(start, currency): paid for start, currency, paid in report.step_costs.iter_rows()}

    def cells(row: dict[str, Any], first: str, paid: Iterable[str]) -> list[str]:
        return [
            first,
            unit.write(row["energy_kwh"]),
            power.write(row["power_kw_mean"]),
            power.write(row["power_kw_max"]),
            percent(row["load_factor"]),
            percent(row["coverage"]),
            percent(row["estimated_share"]),
            emitted.write(row["emitted_kg"]),
            number(row["intensity_g_per_kwh"], 1),
            *paid,
        ]

    rows = [
        cells(
            row,
            named(row["start_utc"], report.grain, scope.timezone),
            (each.write(costs.get((row["start_utc"], name))) for name, each in units),
        )
        for row in steps.iter_rows(named=True)
    ]
    paid = dict(report.costs.select("currency", "cost").iter_rows())
    foot = cells(total, "All", (each.write(paid[name]) for name, each in units))
    columns = [
        Column(str(report.grain).capitalize(), right=False),
        Column("Energy", unit.name),
        Column("Mean", power.name),
        Column("Peak", power.name),
        Column("Load factor", "%"),
        Column("Coverage", "%"),
        Column("Estimated", "%"),
        Column("Emissions", emitted.name),
        Column("Intensity", "g/kWh"),
        *(Column("Cost", name) for name, _ in units),
    ]
    return Table(f"Figures by {report.grain} ({scope.timezone})", columns, rows, foot)


def _by_meter(report: Report) -> Iterator[Block]:
    meters = report.meters
    unit = unit_of("energy_kwh", meters["energy_kwh"])
    power = unit_of("power_kw", meters["power_kw_max"])
    if meters.height > 1:
        chart = bars.by_name(
            [
                (f"{meter} ({role})", value)
                for meter, role, value in meters.select("meter_id", "role", "energy_kwh")
                .head(BARS)
                .iter_rows()
            ],
            unit,
            of="Energy by meter",
            name="meters",
        )
        yield Figure(
            chart,
            "Energy by meter. The site’s energy is the sum of its main meters; sub and generation"
            " meters stand beside it and are not added.",
        )
    rows = [
        (
            row["meter_id"],
            row["role"],
            row["kind"],
            unit.write(row["energy_kwh"]),
            power.write(row["power_kw_max"]),
            percent(row["coverage"]),
        )
        for row in meters.iter_rows(named=True)
    ]
    columns = [
        Column("Meter", right=False, wide=1),
        Column("Role", right=False),
        Column("Kind", right=False),
        Column("Energy", unit.name),
        Column("Highest power", power.name),
        Column("Coverage", "%"),
    ]
    yield Table("Meters", columns, rows)


def _marked(name: str, *, simulated: bool) -> str:
    """A site's name, with what nobody may overlook unless it says so itself."""
    return f"{name} (simulated)" if simulated and "simulated" not in name.lower() else name


def _by_site(report: Report) -> Iterator[Block]:
    sites = report.sites.sort("energy_kwh", "site_id", descending=[True, False], nulls_last=True)
    unit = unit_of("energy_kwh", sites["energy_kwh"])
    power = unit_of("power_kw", sites["power_kw_max"])
    emitted = unit_of("emitted_kg", sites["emitted_kg"])
    whole = report.total["energy_kwh"]
    if sites.height > 1:
        shown = sites.head(BARS).select("name", "energy_kwh").rows()
        rest = sites.slice(BARS)
        if rest.height:
            shown.append((f"{rest.height} more", rest["energy_kwh"].sum()))
        chart = bars.by_name(shown, unit, of="Energy by site", name="sites")
        yield Figure(chart, "Energy by site: the sum of its main meters.")
    rows = [
        (
            row["site_id"],
            _marked(row["name"], simulated=row["simulated"]),
            unit.write(row["energy_kwh"]),
            percent(row["energy_kwh"] / whole if whole and row["energy_kwh"] is not None else None),
            power.write(row["power_kw_max"]),
            percent(row["coverage"]),
            emitted.write(row["emitted_kg"]),
            money([row["cost"]], str(row["currency"])).say(row["cost"]),
        )
        for row in sites.iter_rows(named=True)
    ]
    columns = [
        Column("Site", right=False),
        Column("Name", right=False, wide=1),
        Column("Energy", unit.name),
        Column("Share", "%"),
        Column("Peak", power.name),
        Column("Coverage", "%"),
        Column("Emissions", emitted.name),
        Column("Cost"),
    ]
    yield Table("Sites, the largest first", columns, rows)

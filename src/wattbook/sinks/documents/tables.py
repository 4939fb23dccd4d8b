"""The tables of a report: figures by step, meters, and sites side by side."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from wattbook.core.charts import multiples
from wattbook.core.formatting import BLANK, Unit, clock, money, number, percent, unit_of
from wattbook.core.periods import Grain, zone
from wattbook.core.reporting.report import Report
from wattbook.sinks.documents.blocks import Block, Column, Table
from wattbook.sinks.documents.places import largest_first
from wattbook.sinks.documents.sections import figure
from wattbook.sinks.documents.wording import clock_of

ROLES: Final = {"main": "revenue meter", "sub": "sub-meter", "generation": "generation meter",
         "export": "export meter"}  # fmt: skip
CENT: Final = 1 / 200
HOURS_PER_DAY: Final = 24
EMPTY: Final = frozenset({"–", ""})


def by_step(report: Report) -> Iterator[Block]:
    """The figures of each hour, day or month, and all of them together."""
    steps, scope, total = report.steps, report.scope, report.total
    if total["energy_kwh"] is None:
        return
    unit = unit_of("energy_kwh", steps["energy_kwh"])
    power = unit_of("power_kw", [*steps["power_kw_max"], total["power_kw_max"]])
    emitted = unit_of("emitted_kg", [*steps["emitted_kg"], total["emitted_kg"]])
    units = [(currency, money([paid], currency)) for currency, paid, _ in report.costs.iter_rows()]
    costs = {(start, currency): paid for start, currency, paid in report.step_costs.iter_rows()}
    came = report.quality.completeness

    def cells(row: dict[str, Any], first: str, paid: Iterable[str]) -> list[str]:
        return [
            first,
            unit.write(row["energy_kwh"]),
            power.write(row["power_kw_mean"]),
            power.write(row["power_kw_max"]),
            percent(row["load_factor"]),
            percent(row["coverage"]),
            percent(row["received"]),
            percent(row["estimated_share"]),
            emitted.write(row["emitted_kg"]),
            *paid,
        ]

    rows = [
        cells(
            row,
            named(row["start_utc"], row["end_utc"], report.grain, scope.timezone),
            (each.write(costs.get((row["start_utc"], name))) for name, each in units),
        )
        for row in steps.iter_rows(named=True)
    ]
    columns = [
        Column(str(report.grain).capitalize(), right=False),
        Column("Energy", unit.name),
        Column("Mean", power.name),
        Column("Peak", power.name),
        Column("Load factor", "%"),
        Column("Energy known", "% of time"),
        Column("Readings", "% of time"),
        Column("Estimated", "% of energy"),
        Column("Emissions", emitted.name),
        *(Column("Cost", name) for name, _ in units),
    ]
    whole = {**total, "received": 1 - came.silent_s / max(report.expected_s, 1.0)}
    paid = dict(report.costs.select("currency", "cost").iter_rows())
    foot = cells(whole, "All", (each.write(paid[name]) for name, each in units))
    caption = f"Figures by {report.grain}, {clock_of(scope.timezone)}"
    yield Table(caption, columns, rows, [*_standing(report, units, len(columns)), foot])


def _standing(report: Report, units: list[tuple[str, Unit]], width: int) -> list[list[str]]:
    """What is in the sum and in no row: demand and fixed charges, which are due by the month."""
    rest = {}
    for currency, _ in units:
        rows = report.step_costs.filter(currency=currency)["cost"].sum()
        whole = report.costs.filter(currency=currency)["cost"].sum()
        rest[currency] = float(whole) - float(rows)
    if all(abs(each) < CENT for each in rest.values()):
        return []
    blank = [""] * (width - len(units) - 1)
    return [["Due by the month", *blank, *(unit.write(rest[name]) for name, unit in units)]]


def named(start: datetime, end: datetime, grain: Grain, timezone: str) -> str:
    """A step by its start, on the clock of the time zone; a day of 23 or 25 hours says so."""
    local = start.astimezone(zone(timezone))
    if grain is Grain.MONTH:
        return f"{local:%B}{BLANK}{local:%Y}"
    if grain is not Grain.DAY:
        return clock(local)
    until = end.astimezone(zone(timezone))
    hours = (end - start) / timedelta(hours=1)
    odd = local.time() == until.time() == datetime.min.time() and hours != HOURS_PER_DAY
    return f"{local:%Y-%m-%d}{f'{BLANK}({hours:g}{BLANK}h)' if odd else ''}"


def meters(report: Report) -> Iterator[Block]:
    """Energy, highest power and readings of each meter of a site."""
    rows_, scope = report.meters, report.scope
    if scope.kind != "site":
        return
    unit = unit_of("energy_kwh", rows_["energy_kwh"])
    power = unit_of("power_kw", rows_["power_kw_max"])
    came = {row["meter_id"]: row for row in report.quality.completeness.meters.to_dicts()}
    rows = []
    for row in sorted(rows_.iter_rows(named=True), key=lambda row: list(ROLES).index(row["role"])):
        own = came.get(row["meter_id"])
        expected = f" of {number(own['expected'])}" if own and own["expected"] else ""
        readings = f"{number(own['readings'])}{expected}" if own else ""
        rows.append(
            (
                row["meter_id"],
                ROLES[row["role"]],
                row["kind"],
                unit.write(row["energy_kwh"]),
                power.write(row["power_kw_max"]),
                percent(row["coverage"]),
                readings,
            )
        )
    columns = [
        Column("Meter", right=False),
        Column("Role", right=False),
        Column("Kind", right=False),
        Column("Energy", unit.name),
        Column("Highest power", power.name),
        Column("Energy known", "% of time"),
        Column("Readings"),
    ]
    caption = "Meters"
    if rows_.height > 1:
        caption = "Meters; the energy of the site is that of its revenue meters"
    yield Table(caption, columns, rows)


def marked(name: str, *, simulated: bool) -> str:
    """A site's name, with `simulated` unless it says so itself."""
    return f"{name} (simulated)" if simulated and "simulated" not in name.lower() else name


def sites(report: Report) -> Iterator[Block]:
    """The sites of an operator or a zone, side by side."""
    if report.scope.kind == "site":
        return
    rows_ = largest_first(report)
    unit = unit_of("energy_kwh", rows_["energy_kwh"])
    power = unit_of("power_kw", rows_["power_kw_max"])
    emitted = unit_of("emitted_kg", rows_["emitted_kg"])
    if rows_.height > 1:
        yield _loads(report, rows_, power)
    whole = report.total["energy_kwh"]
    rows = [_site(row, whole, unit, power, emitted)
            for row in rows_.iter_rows(named=True)]  # fmt: skip
    currencies = rows_["currency"].drop_nulls().unique().to_list()
    one = currencies[0] if len(currencies) == 1 else ""
    columns = [
        Column("Site", right=False),
        Column("Energy", unit.name),
        Column("Share", "%"),
        Column("Mean", power.name),
        Column("Peak", power.name),
        Column("Known", "% of time"),
        Column("Efficiency", "J/TH"),
        Column("Emissions", emitted.name),
        Column("Intensity", "g/kWh"),
        Column("Cost", one),
        Column("Mean price", f"{one or 'money'}/MWh"),
    ]
    if one:
        for row, paid in zip(rows, rows_["cost"], strict=True):
            row[9] = money([paid], one).write(paid)
    used = [
        column for at, column in enumerate(columns) if any(row[at] not in EMPTY for row in rows)
    ]
    kept = [at for at, column in enumerate(columns) if column in used]
    cells = [[row[at] for at in kept] for row in rows]
    zones = {site.id: site.zone for site in report.scope.sites}
    if len(set(zones.values())) > 1:
        used.insert(1, Column("Grid zone", right=False))
        for row, site_id in zip(cells, rows_["site_id"], strict=True):
            row.insert(1, zones[site_id])
    yield Table("Sites, the largest first", used, cells)


def _site(
    row: dict[str, Any],
    whole: float | None,
    unit: Unit,
    power: Unit,
    emitted: Unit,
) -> list[str]:
    energy, peak, mean = row["energy_kwh"], row["power_kw_max"], row["power_kw_mean"]
    cost, currency = row["cost"], str(row["currency"])
    return [
        marked(row["name"], simulated=row["simulated"]),
        unit.write(energy),
        percent(energy / whole if whole and energy is not None else None),
        power.write(mean),
        power.write(peak),
        percent(row["coverage"]),
        number(row["efficiency_j_per_th"], 1),
        emitted.write(row["emitted_kg"]),
        number(row["intensity_g_per_kwh"], 0),
        money([cost], currency).say(cost),
        number(row["price_per_mwh"], 2),
    ]


def _loads(report: Report, rows: pl.DataFrame, power: Unit) -> Block:
    curves = report.site_loads
    shown = [
        multiples.Row(
            marked(row["name"], simulated=row["simulated"]),
            curves.filter(site_id=row["site_id"]),
            row["power_kw_max"],
        )
        for row in rows.head(MAX_MULTIPLES).iter_rows(named=True)
    ]
    note = "each from zero to its own peak, mean by " + str(report.curves.load_grain)
    if report.curves.load_grain is Grain.QUARTER:
        note = "each from zero to its own peak, mean by hour"
    return figure(
        "Load by site",
        f"{note}, {clock_of(report.scope.timezone)}",
        "sites-load",
        lambda width, name: multiples.multiples(
            shown, report.scope.period, report.scope.timezone, power, width=width, name=name
        ),
    )


MAX_MULTIPLES: Final = 12

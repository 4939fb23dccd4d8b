"""Where the sites of a report are, and which operator has how much of it."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from wattbook.core.charts import bars
from wattbook.core.charts import sitemap as maps
from wattbook.core.charts.svg import Chart
from wattbook.core.formatting import money, percent, unit_of
from wattbook.core.reporting.report import Report
from wattbook.sinks.documents.blocks import Block, Column, Side, Table
from wattbook.sinks.documents.sections import Draw, figure, half
from wattbook.sinks.documents.wording import count

MIN_PLACES: Final = 2
"""Of fewer a map shows nothing."""
MAX_BARS: Final = 14
"""So many sites have a bar, as high as the map beside them; the table lists all."""


def operators(report: Report) -> Iterator[Block]:
    """Operators side by side, where there are several."""
    rows = report.operators
    if rows.height < MIN_PLACES:
        return
    legal = {site.operator: site.legal_name for site in report.scope.sites if site.legal_name}
    energy = unit_of("energy_kwh", rows["energy_kwh"])
    power = unit_of("power_kw", rows["power_kw_max"])
    emitted = unit_of("emitted_kg", rows["emitted_kg"])
    whole = report.total["energy_kwh"]
    currencies = rows["currency"].drop_nulls().unique().to_list()
    one = currencies[0] if len(currencies) == 1 else ""
    paid = money(rows["cost"], one) if one else None
    cells = [
        [
            legal.get(row["operator"], row["operator"]),
            str(row["sites"]),
            energy.write(row["energy_kwh"]),
            percent(row["energy_kwh"] / whole if whole and row["energy_kwh"] is not None else None),
            power.write(row["power_kw_max"]),
            percent(row["coverage"]),
            emitted.write(row["emitted_kg"]),
            paid.write(row["cost"])
            if paid
            else money([row["cost"]], row["currency"] or "").say(row["cost"]),
            percent(row["cost_energy_share"]),
        ]
        for row in rows.iter_rows(named=True)
    ]
    priced = any(row["cost"] is not None for row in rows.iter_rows(named=True))
    yield Table(
        "Operators, the largest first",
        [
            Column("Operator", right=False),
            Column("Sites"),
            Column("Energy", energy.name),
            Column("Share", "%"),
            Column("Peak", power.name),
            Column("Energy known", "% of time"),
            Column("Emissions", emitted.name),
            *([Column("Cost", one), Column("With a price", "% of energy")] if priced else []),
        ],
        cells if priced else [row[:-2] for row in cells],
    )


def sites(report: Report) -> Iterator[Block]:
    """Where the sites are and how much each of them used: side by side, unless the map is wide."""
    if report.scope.kind == "site":
        return
    energies, shown = energy_by_site(report), _places(report)
    if len(shown) < MIN_PLACES:
        yield from (figure(*each) for each in energies)
        return
    rest = len(report.scope.sites) - len(shown)
    caption = f"{count(rest, 'site')} without registered coordinates: not drawn." if rest else ""

    def draw(width: float, name: str) -> Chart:
        return maps.sitemap(shown, width=width, name=name)

    drawn: Drawn = ("Where the sites are", "area of a dot: energy", "sites-map", draw, caption)
    if maps.is_wide(shown):
        yield from (figure(*each) for each in (drawn, *energies))
    else:
        yield Side([half(*each) for each in (drawn, *energies)])


Drawn = tuple[str, str, str, Draw, str]
"""Title, note, name, and how to draw a chart; its caption."""


def energy_by_site(report: Report) -> list[Drawn]:
    """A bar for each site, the largest first; of one site alone none."""
    rows = largest_first(report)
    if rows.height < MIN_PLACES:
        return []
    unit = unit_of("energy_kwh", rows["energy_kwh"])
    shown = rows.head(MAX_BARS).select("name", "energy_kwh").rows()
    rest = rows.height - len(shown)
    caption = f"The table has {count(rest, 'site')} more." if rest else ""

    def draw(width: float, name: str) -> Chart:
        return bars.by_name(shown, unit, of="Energy by site", name=name, width=width)

    return [("Energy by site", unit.name, "sites", draw, caption)]


def largest_first(report: Report) -> pl.DataFrame:
    """The sites by their energy; those without any last."""
    return report.sites.sort("energy_kwh", "site_id", descending=[True, False], nulls_last=True)


def _places(report: Report) -> list[maps.Place]:
    """Those sites whose coordinates are registered."""
    energies = dict(report.sites.select("site_id", "energy_kwh").iter_rows())
    return [
        maps.Place(site.name, site.latitude, site.longitude, energies.get(site.id))
        for site in report.scope.sites
        if site.latitude is not None and site.longitude is not None
    ]

"""Where the sites of a report are, and which operator has how much of it."""

from collections.abc import Iterator
from typing import Final

from wattbook.core.charts import sitemap as maps
from wattbook.core.formatting import money, percent, unit_of
from wattbook.core.reporting.report import Report
from wattbook.sinks.documents.blocks import Block, Column, Table
from wattbook.sinks.documents.sections import figure
from wattbook.sinks.documents.wording import count

MIN_PLACES: Final = 2
"""Of fewer a map shows nothing."""


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
            Column("Cost", one),
            Column("With a price", "% of energy"),
        ],
        cells,
    )


def sitemap(report: Report) -> Iterator[Block]:
    """A map of those sites whose coordinates are registered."""
    energies = dict(report.sites.select("site_id", "energy_kwh").iter_rows())
    shown = [
        maps.Place(site.name, site.latitude, site.longitude, energies.get(site.id))
        for site in report.scope.sites
        if site.latitude is not None and site.longitude is not None
    ]
    if len(shown) < MIN_PLACES:
        return
    rest = len(report.scope.sites) - len(shown)
    caption = f"{count(rest, 'site')} without registered coordinates: not drawn." if rest else ""
    yield figure(
        "Where the sites are",
        "area of a dot: energy",
        "sites-map",
        lambda width, name: maps.sitemap(shown, width=width, name=name),
        caption,
    )

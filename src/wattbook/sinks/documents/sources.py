"""The last sections of a report: emission factors, methods, sources, and what identifies it."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import polars as pl

from wattbook.core.carbon.location import NONE, REPORTED
from wattbook.core.formatting import BLANK, NOTHING, clock, number, percent
from wattbook.core.periods import zone
from wattbook.core.registry.entities import Site
from wattbook.core.reporting.report import VERSIONS, Report
from wattbook.sinks.documents.blocks import (
    Block,
    Code,
    Column,
    Listing,
    Note,
    Pairs,
    Paragraph,
    Table,
)
from wattbook.sinks.documents.wording import clock_of, count, factor_said

BOUNDARIES: Final = {"lifecycle": "life cycle", "direct": "direct (combustion)"}
YEAR: Final = re.compile(r"\b(?:19|20)\d\d\b")
VIA: Final = re.compile(r"\(from (\w+ [\d.]+)\)|; from (\w+ [\d.]+)\)")


TITLES: Final = {
    "rollup": "“From readings to energy”",
    "cost": "“From energy to cost”",
    "carbon": "“From energy to emissions”",
    "report": "“From readings to a report”",
}
"""What the page of each method is called."""


class How(NamedTuple):
    """How figures of one kind come about: what they are, the method, and the formula."""

    figures: str
    method: str
    formula: str


HOW: Final = {
    "energy": How(
        "Energy, mean power",
        "rollup",
        "Readings become segments of time, cut at quarter-hours of UTC. Energy = Σ of the"
        " quarter-hours of all revenue meters. Mean power = energy / known time of each meter,"
        " added up. Time of which nothing is known is a gap, never zero.",
    ),
    "demand": How(
        "Peak demand, load factor, duration",
        "report",
        "Demand = energy of a quarter-hour / 0.25 h, of all revenue meters together. Load factor ="
        " mean power / highest demand. A meter whose interval is longer than a quarter-hour has no"
        " quarter-hour peak: its demand is the mean of its interval.",
    ),
    "complete": How(
        "Readings, energy known",
        "report",
        "Readings received = 1 − missing / expected, where a meter is expected to send one reading"
        " in each of its intervals. Energy known = time of known energy / time of the period.",
    ),
    "hashing": How(
        "Hash rate, efficiency",
        "rollup",
        "Hash rate = mean over the time for which it is known. Efficiency [J/TH] = energy [J] /"
        " hashes [TH], of the time for which both are known.",
    ),
    "emissions": How(
        "Emissions, intensity",
        "carbon",
        "Emissions = Σ over hours of energy × intensity of the grid in that hour; intensity = Σ"
        " generation × factor / Σ generation, or a published average where the mix is not known.",
    ),
    "cost": How(
        "Cost",
        "cost",
        "Amount = quantity × price × share of the month. Energy at the price of its time, or by the"
        " tariff of the site; demand and fixed charges belong to whole months.",
    ),
}
"""By kind of figure."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """Sources in their order, and under which numbers each kind of figure names them."""

    sources: Sequence[str]
    energy: str
    emissions: str
    cost: str


@cache
def _publications() -> list[dict[str, str]]:
    """Who published which table, by how its name in the table of factors begins."""
    text = files("wattbook.core").joinpath("data/publications.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def published(source: str) -> str:
    """Publisher, year, title and address of a source of a factor; last, how it came here.

    >>> published("Ember: carbon intensity of electricity 2023 (from carbontracker 2.4.7)")
    ... # doctest: +ELLIPSIS
    'Ember (2023): Yearly Electricity Data, emissions intensity. https://ember-energy.org/…'
    """
    known = _publication(source)
    if known is None:
        return f"{source}."
    edition = _edition(known, source)
    who = f"{known['publisher']} ({edition})" if edition else known["publisher"]
    via = next((a or b for a, b in VIA.findall(source)), "")
    copied = f", as distributed with {via}" if via else ""
    return f"{who}: {known['work']}. {known['url']}{copied}."


def cited(source: str | None) -> str:
    """Publisher and edition of a source, for a table."""
    if source is None:
        return "no factor is known"
    known = _publication(source)
    if known is None:
        return source
    return ", ".join(filter(None, (known["publisher"], _edition(known, source))))


def _publication(source: str) -> dict[str, str] | None:
    return next((e for e in _publications() if source.startswith(e["source_begins"])), None)


def _edition(known: dict[str, str], source: str) -> str:
    years = YEAR.findall(source)
    return known["edition"] or (years[-1] if years else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def emissions(report: Report) -> Iterator[Block]:
    """The factors behind the emissions, and for which share of the energy."""
    total = report.total
    if total["energy_kwh"] is None:
        return
    if total["emitted_kg"] is None:
        yield Paragraph("No emission factor is known for this grid zone: emissions are unknown.")
        return
    yield Paragraph(
        "Location-based: energy times the average intensity of the grid at the site in that hour,"
        " regardless of supply contracts."
    )
    rows = [
        (
            _capital(factor_said(row["fallback"])),
            BOUNDARIES.get(row["scope"] or "", row["scope"] or NOTHING),
            cited(row["source"]),
            percent(row["energy_share"]),
            number(row["g_per_kwh"], 1),
        )
        for row in report.rungs.iter_rows(named=True)
    ]
    columns = [
        Column("Emission factor", right=False),
        Column("Boundary", right=False),
        Column("Published as", right=False, wide=1),
        Column("Share of energy", "%"),
        Column("Mean", "g/kWh"),
    ]
    yield Table("Emission factors", columns, rows)


def numbered(report: Report) -> Numbering:
    """The sources of a report, numbered."""
    scope = report.scope
    meters = count(len(scope.mains), "revenue meter")
    readings = count(report.total["readings"], "reading")
    sources = [f"{readings} of {meters} of {scope.entity}, as received and kept by wattbook."]
    zones = ", ".join(sorted({site.zone for site in scope.sites}))
    conditions = []
    if set(report.rungs["fallback"]) & {NONE, REPORTED}:
        sources.append(f"Generation or carbon intensity of {zones}, as ingested.")
        conditions.append(len(sources))
    factors = []
    known = report.factors.group_by("source", "licence", maintain_order=True).agg(
        pl.col("g_per_kwh"),
        pl.col("technology"),
        pl.col("zone"),
        pl.col("valid_from"),
    )
    for row in known.iter_rows(named=True):
        licence = row["licence"].rstrip(".")
        sources.append(f"{published(row['source'])} {_factors(row)} Licence: {licence}.")
        factors.append(len(sources))
    prices = []
    if report.costs.height:
        sources.append(_priced_by(scope.sites, zones))
        prices.append(len(sources))
    return Numbering(
        sources=sources,
        energy="[1]",
        emissions=_said([1, *conditions, *factors]),
        cost=_said([1, *prices]),
    )


def _factors(row: dict[str, Any]) -> str:
    """The factors that were taken from one source, each with its zone and its first day."""
    columns = ("technology", "zone", "valid_from", "g_per_kwh")
    said = [
        ("grid mix" if technology == "mix" else technology)
        + ("" if place == "*" else f" of {place} from {since}")
        + f" {number(value, 1)}"
        for technology, place, since, value in zip(*(row[name] for name in columns), strict=True)
    ]
    return f"Factor{'s' if len(said) > 1 else ''}: {', '.join(said)}{BLANK}g/kWh."


def _priced_by(sites: Sequence[Site], zones: str) -> str:
    """Where the prices of the sites come from."""
    billed = [site.id for site in sites if site.tariffs]
    if not billed:
        return f"Prices of {zones}, as ingested."
    said = f"Tariffs of {', '.join(billed)}, as registered, where indexed with prices of {zones}."
    return said if len(billed) == len(sites) else f"{said} Of the others: prices of {zones}."


def methods(report: Report, numbering: Numbering) -> Iterator[Block]:
    """How each figure comes about, and from what."""
    total = report.total
    told = [
        ("energy", numbering.energy),
        ("demand", numbering.energy),
        ("complete", numbering.energy),
    ]
    if total["hashrate_th_mean"] is not None:
        told.append(("hashing", numbering.energy))
    if total["emitted_kg"] is not None:
        told.append(("emissions", numbering.emissions))
    if report.costs.height:
        told.append(("cost", numbering.cost))
    rows = []
    for name, sources in told:
        figures, method, formula = HOW[name]
        rows.append((figures, formula, f"{method}{BLANK}{VERSIONS[method]}", sources))
    columns = [
        Column("Figures", right=False, wide=1),
        Column("Formula", right=False, wide=4),
        Column("Method", right=False),
        Column("Sources", right=False),
    ]
    pages = ", ".join(dict.fromkeys(TITLES[HOW[name].method] for name, _ in told))
    yield Table("Methods, and the version of each", columns, rows)
    yield Note(
        f"The documentation of wattbook{BLANK}{report.scope.version} describes the methods with"
        f" worked examples; its pages are: {pages}."
    )
    yield Listing(numbering.sources)


def identity(report: Report) -> Iterator[Block]:
    """What the report rests on in one number, and all that a program needs to make it again."""
    scope, found = report.scope, report.fingerprint
    ends = (scope.period.start, scope.period.end)
    here = zone(scope.timezone)
    civil = (
        f"Period in {clock_of(scope.timezone)}",
        " to ".join(clock(at.astimezone(here)) for at in ends),
    )
    yield Pairs(
        [
            ("Entity", scope.entity),
            *([] if scope.timezone == "UTC" else [civil]),
            ("Period in UTC", " to ".join(f"{at:%Y-%m-%d}{BLANK}{at:%H:%M:%S}Z" for at in ends)),
            ("Data as known at", _exact(scope.known_utc)),
            ("Set of emission factors", scope.factor_set),
            ("Made by", f"wattbook{BLANK}{scope.version}"),
        ]
    )
    yield Code(found.sha256)
    own = found.readings - found.others - found.around
    parts = [f"{count(own, 'reading')} of revenue meters in the period"]
    if found.others:
        parts.append(f"{number(found.others)} of other meters")
    if found.around:
        parts.append(f"{number(found.around)} just outside it that decide its first and last hour")
    yield Note(
        "The fingerprint is the SHA-256 of what the figures of the period rest on: the settings of"
        " the meters, tariffs, emission factors, conditions of the grid, and"
        f" {', '.join(parts)}. The same data give the same fingerprint; one changed digit gives"
        " another. The JSON of this report lists every part of it (fingerprint.manifest);"
        f" the page {TITLES['report']} says how to check it. The comparison with an earlier period,"
        " the findings and the forecast are not part of it."
    )
    if found.uncovered:
        yield Note(
            f"{count(found.uncovered, 'reading')} of the period are no longer kept: their sums"
            " are in the figures, but the fingerprint cannot cover them."
        )


def _exact(at: datetime) -> str:
    """To the last digit: a report is made again as of this instant."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _said(numbers: Sequence[int]) -> str:
    """Numbers of sources, neighbours as a range: [1], [3–5]."""
    runs: list[list[int]] = []
    for each in numbers:
        if runs and runs[-1][-1] == each - 1:
            runs[-1] = [runs[-1][0], each]
        else:
            runs.append([each])
    ranges = [[run] if run[1:] != [run[0] + 1] else [[each] for each in run] for run in runs]
    flat = [each for some in ranges for each in some]
    return ", ".join("[" + "–".join(map(str, run)) + "]" for run in flat)

"""The sections of a report that say how sure it is and what it rests on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import polars as pl

from wattbook.core.carbon import NONE, REPORTED
from wattbook.core.entities import Site
from wattbook.core.periods import zone
from wattbook.core.report import METHODS, VERSIONS, Report
from wattbook.core.text import BLANK, THIN, clock, lasting, number
from wattbook.sinks.documents.blocks import (
    Block,
    Code,
    Column,
    Listing,
    Pairs,
    Paragraph,
    Table,
)
from wattbook.sinks.documents.figures import share

SHOWN = 12
"""So many gaps, events and corrected meters are listed; the number of all is told."""


class How(NamedTuple):
    """How figures of one kind come about: what they are, the method's page, a sentence or two."""

    figures: str
    method: str
    told: str


HOW: Final = {
    "energy": How(
        "Energy, mean power, coverage, estimated share",
        "rollup",
        "Readings become segments of time, cut at quarter-hours of UTC; an amount is the sum of its"
        " quarter-hours. Time that no reading covers is a gap, never zero.",
    ),
    "demand": How(
        "Peak demand, load factor, load duration",
        "report",
        "Demand is the energy of a quarter-hour over a quarter of an hour, of all main meters"
        " together. The load factor is mean power over peak demand.",
    ),
    "hashing": How(
        "Hash rate, efficiency",
        "rollup",
        "Means over the time for which they are known; efficiency is the energy over the hashes of"
        " the time for which both are known.",
    ),
    "emissions": How(
        "Emissions, intensity",
        "carbon",
        "Energy of each hour times the intensity of the grid in that hour; where its mix is not"
        " known, a published average, named in the table of factors.",
    ),
    "cost": How(
        "Cost",
        "cost",
        "Energy at the price of its hour, or at the site’s tariff. Demand and fixed charges belong"
        " to whole months: a period that is not whole months is without them.",
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


def numbered(report: Report) -> Numbering:
    """The sources of a report, numbered."""
    scope = report.scope
    meters, readings = _count(len(scope.mains), "main meter"), number(report.total["readings"])
    sources = [
        f"{readings} readings of {meters} of {scope.entity}, as received and kept by wattbook."
    ]
    zones = ", ".join(sorted({site.zone for site in scope.sites}))
    conditions = []
    used = set(report.rungs["fallback"])
    if used & {NONE, REPORTED}:
        sources.append(f"Generation or carbon intensity of {zones}, as ingested.")
        conditions.append(len(sources))
    factors = []
    known = report.factors.group_by("source", "licence", maintain_order=True).agg(
        pl.col("g_per_kwh"),
        pl.col("technology"),
        pl.col("zone").first(),
        pl.col("valid_from").min(),
    )
    for row in known.iter_rows(named=True):
        figures = ", ".join(
            f"{technology} {number(value, 3)}"
            for technology, value in zip(row["technology"], row["g_per_kwh"], strict=True)
        )
        where = "" if row["zone"] == "*" else f" for {row['zone']} from {row['valid_from']}"
        sources.append(
            f"{row['source']}. Factor{where}: {figures}{THIN}g/kWh. Licence: {row['licence']}."
        )
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


def _priced_by(sites: Sequence[Site], zones: str) -> str:
    """Where the prices of the sites come from."""
    billed = [site.id for site in sites if site.tariffs]
    if not billed:
        return f"Prices of {zones}, as ingested."
    said = f"Tariffs of {', '.join(billed)}, as registered, where indexed with prices of {zones}."
    return said if len(billed) == len(sites) else f"{said} Of the others: prices of {zones}."


def quality(report: Report) -> Sequence[Block]:
    """Gaps, estimates, refused rows, corrections and what registers did."""
    total, found = report.total, report.quality
    gaps = found.gaps
    seconds = int(gaps["length_s"].sum())
    pairs = [
        ("Coverage", f"{share(total['coverage'])} of the time of all main meters"),
        ("Estimated or substituted", _estimated(total["estimated_share"])),
        (
            "Gaps of a quarter-hour or more",
            f"{number(gaps.height)}, together {lasting(seconds)}" if gaps.height else "none",
        ),
        ("Refused rows", _refused(found.rejects)),
        ("Corrected readings", _corrected(found.corrections)),
        ("Register events", number(found.events.height) if found.events.height else "none"),
    ]
    return [Pairs(pairs), *_tables(report)]


def methods(report: Report, numbering: Numbering) -> Sequence[Block]:
    """How each figure comes about, and from what."""
    total = report.total
    told = [("energy", numbering.energy), ("demand", numbering.energy)]
    if total["hashrate_th_mean"] is not None:
        told.append(("hashing", numbering.energy))
    if total["emitted_kg"] is not None:
        told.append(("emissions", numbering.emissions))
    if report.costs.height:
        told.append(("cost", numbering.cost))
    rows = []
    for name, sources in told:
        figures, method, how = HOW[name]
        page = f"{METHODS[method]}, version{BLANK}{VERSIONS[method]}"
        rows.append((figures, how, page, sources))
    columns = [
        Column("Figures", right=False, wide=2),
        Column("How", right=False, wide=5),
        Column("Method", right=False),
        Column("Sources", right=False),
    ]
    return [
        Table(f"Methods of wattbook {report.scope.version}", columns, rows),
        Listing(numbering.sources),
    ]


def fingerprint(report: Report) -> Sequence[Block]:
    """What the report rests on, in one number, and how to check it."""
    found = report.fingerprint
    blocks: list[Block] = [
        Code(found.sha256),
        Paragraph(
            "The SHA-256 of everything that the figures rest on: the settings of the meters,"
            " tariffs and emission factors, the conditions of the grid, and"
            f" {_count(found.readings, 'reading')}. The same readings and settings give the same"
            " fingerprint; one changed digit gives another. The JSON of this report lists what it"
            " is of (fingerprint.manifest); docs/methods/report.md tells how to check it."
        ),
    ]
    if found.uncovered:
        blocks.append(
            Paragraph(
                f"{_count(found.uncovered, 'reading')} of the period are no longer kept: their sums"
                " are in the figures, but the fingerprint cannot cover them."
            )
        )
    return blocks


def _tables(report: Report) -> Iterator[Block]:
    found, timezone = report.quality, report.scope.timezone
    if found.gaps.height:
        yield Table(
            _heading("Longest gaps", found.gaps.height, f"in {timezone}"),
            [
                Column("Meter", right=False, wide=1),
                Column("From", right=False),
                Column("To", right=False),
                Column("Length"),
            ],
            [
                (meter, _local(start, timezone), _local(end, timezone), lasting(seconds))
                for meter, start, end, seconds in found.gaps.head(SHOWN).iter_rows()
            ],
        )
    if found.rejects is not None and found.rejects.height:
        yield Table(
            "Refused rows, kept as evidence",
            [
                Column("Reason", right=False, wide=1),
                Column("Rows"),
                Column("The last one came at", right=False),
            ],
            [
                (reason, number(rows), _local(latest, timezone))
                for reason, rows, latest in found.rejects.iter_rows()
            ],
        )
    if found.corrections is not None and found.corrections.height:
        most = found.corrections.sort("rows", "meter_id", descending=[True, False])
        yield Table(
            _heading("Corrected readings", most.height, "by meter"),
            [
                Column("Meter", right=False, wide=1),
                Column("Corrections"),
                Column("The last one at", right=False),
            ],
            [
                (meter, number(rows), _local(latest, timezone))
                for meter, rows, latest in most.head(SHOWN).iter_rows()
            ],
        )
    if found.events.height:
        yield Table(
            _heading("What registers did other than count up", found.events.height, "in time"),
            [
                Column("Meter", right=False),
                Column("At", right=False),
                Column("Kind", right=False),
                Column("Readings", right=False, wide=1),
            ],
            [
                (row["meter_id"], _local(row["at_utc"], timezone), row["kind"], row["detail"])
                for row in found.events.sort("at_utc", "meter_id").head(SHOWN).iter_rows(named=True)
            ],
        )


def _estimated(part: float | None) -> str:
    return "none" if not part else f"{share(part)} of the energy"


def _heading(name: str, rows: int, order: str) -> str:
    return f"{name}: {SHOWN} of {number(rows)}, {order}" if rows > SHOWN else f"{name}, {order}"


def _refused(rejects: pl.DataFrame | None) -> str:
    if rejects is None:
        return "not kept by this store"
    return number(rejects["rows"].sum()) if rejects.height else "none"


def _corrected(corrections: pl.DataFrame | None) -> str:
    if corrections is None:
        return "not kept by this store"
    return number(corrections["rows"].sum()) if corrections.height else "none"


def _local(at: datetime, timezone: str) -> str:
    return clock(at.astimezone(zone(timezone)))


def _count(count: int, thing: str) -> str:
    return f"{number(count)} {thing}" if count == 1 else f"{number(count)} {thing}s"


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

"""From the figures of a report to the document that is read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from wattbook.core.periods import zone
from wattbook.core.report import Report
from wattbook.core.text import BLANK, THIN, clock, lasting, number, percent
from wattbook.sinks.documents import evidence, figures
from wattbook.sinks.documents.blocks import Document, Notice, Section

KINDS = {"site": "Site", "operator": "Operator", "zone": "Grid zone", "network": "Network"}
SHORT = 16
"""Letters of a fingerprint that are enough to tell two reports apart."""


def outline(report: Report) -> Document:
    """The report as it is read, section by section."""
    scope = report.scope
    numbering = evidence.numbered(report)
    sections = [
        Section("key-figures", "Key figures", figures.key(report)),
        Section("load", "Load", figures.load(report)),
        Section("energy", "Energy", figures.energy(report)),
        Section("emissions", "Emissions", figures.emissions(report)),
        Section("cost", "Cost", figures.cost(report)),
        Section("data-quality", "Completeness and data quality", evidence.quality(report)),
        Section("methods", "Methods and sources", evidence.methods(report, numbering)),
        Section("fingerprint", "Fingerprint", evidence.fingerprint(report)),
    ]
    return Document(
        title=scope.name,
        subtitle=f"Energy report, {_months(report)}",
        about=_about(report),
        notices=list(_notices(report)),
        sections=[section for section in sections if section.blocks],
        footer=f"{scope.entity} · {report.fingerprint.sha256[:SHORT]}",
        author=f"wattbook {scope.version}",
        keywords=("energy", scope.kind, scope.id),
    )


def _months(report: Report) -> str:
    """The period in words: its first and its last day."""
    scope = report.scope
    first = scope.period.start.astimezone(zone(scope.timezone))
    last = (scope.period.end - timedelta(microseconds=1)).astimezone(zone(scope.timezone))
    if first.date() == last.date():
        return _day(first)
    return f"{_day(first)} to {_day(last)}"


def _day(at: datetime) -> str:
    return f"{at.day}{BLANK}{at:%B}{BLANK}{at.year}"


def _about(report: Report) -> list[tuple[str, str]]:
    scope = report.scope
    local = zone(scope.timezone)
    ends = [at.astimezone(local) for at in (scope.period.start, scope.period.end)]
    sites = scope.sites
    where = sorted({site.zone for site in sites})
    who = sorted({site.operator for site in sites})
    about = [(KINDS[scope.kind], scope.id)]
    if scope.kind != "site":
        about.append(("Sites", number(len(sites))))
    if scope.kind != "operator":
        about.append(("Operator" if len(who) == 1 else "Operators", ", ".join(who)))
    if scope.kind != "zone":
        about.append(("Grid zone" if len(where) == 1 else "Grid zones", ", ".join(where)))
    if scope.capacity_kw is not None:
        about.append(("Capacity", figures.power_said(scope.capacity_kw)))
    about += [
        (f"Period in {scope.timezone}", " to ".join(map(clock, ends))),
        ("Period in UTC", " to ".join(map(_utc, (scope.period.start, scope.period.end)))),
        ("Data as known at", _exact(scope.known_utc)),
        ("Made by", f"wattbook{BLANK}{scope.version}"),
        ("Fingerprint", f"{report.fingerprint.sha256[:SHORT]}…"),
    ]
    return about


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d}{BLANK}{at:%H:%M:%S}Z"


def _exact(at: datetime) -> str:
    """To the last digit: a report is made again as of this instant."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _notices(report: Report) -> Iterator[Notice]:
    scope, coverage = report.scope, report.total["coverage"]
    if scope.simulated:
        every = len(scope.simulated) == len(scope.sites)
        which = "all sites" if len(scope.sites) > 1 else "this site"
        which = which if every else ", ".join(scope.simulated)
        yield Notice(f"Simulated data: the readings of {which} are made up.")
    if report.total["energy_kwh"] is None:
        yield Notice(
            "There are no readings in this period. What is not known is shown as a dash, never as"
            " zero."
        )
    elif coverage < 1:
        time = (1 - coverage) * len(scope.mains) * (scope.period.end - scope.period.start)
        lost = lasting(time.total_seconds())
        meters = "the meter" if len(scope.mains) == 1 else f"{len(scope.mains)} meters"
        yield Notice(
            f"Readings cover {percent(coverage)}{THIN}% of the time of {meters}; {lost} is"
            " missing. Energy, emissions and cost are those of the covered time: nothing is added"
            " for the rest."
        )

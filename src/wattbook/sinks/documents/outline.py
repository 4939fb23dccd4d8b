"""From the figures of a report to the document that is read."""

from wattbook.core.reporting.report import Report
from wattbook.sinks.documents import (
    costs,
    cover,
    evidence,
    notices,
    places,
    power,
    sections,
    sources,
    tables,
)
from wattbook.sinks.documents.blocks import Document, Section, Sentences
from wattbook.sinks.documents.wording import period_of

SHORT = 16
"""Letters of a fingerprint that are enough to tell two reports apart."""


def outline(report: Report) -> Document:
    """The report as it is read, section by section."""
    scope = report.scope
    numbering = sources.numbered(report)
    said = cover.findings(report)
    parts = [
        Section("summary", "Summary", [Sentences(said)] if said else []),
        Section("key-figures", "Key figures", sections.key(report)),
        Section("load", "Load", [*power.load(report), *sections.hashing(report)]),
        Section(
            "sites",
            "Sites",
            [*places.operators(report), *places.sites(report), *tables.sites(report)],
        ),
        Section("cost", "Cost", list(costs.cost(report))),
        Section("findings", "Findings", list(evidence.findings(report))),
        Section("forecast", "Forecast", list(evidence.forecast(report))),
        Section(
            "figures",
            "Figures in detail",
            [
                *sections.energy_bars(report),
                *tables.by_step(report),
                *tables.meters(report),
            ],
        ),
        Section("data-quality", "Completeness and data quality", list(evidence.quality(report))),
        Section("emissions", "Emissions", list(sources.emissions(report))),
        Section("methods", "Methods and sources", list(sources.methods(report, numbering))),
        Section("fingerprint", "Identification", list(sources.identity(report))),
    ]
    status = "final" if scope.final else "draft"
    return Document(
        title=cover.title(report),
        kind=f"Energy report, {status}",
        period=period_of(scope.period, scope.timezone),
        about=cover.about(report),
        notices=list(notices.notices(report)),
        sections=[part for part in parts if part.blocks],
        footer=f"{scope.entity} · {report.fingerprint.sha256[:SHORT]}",
        author=f"wattbook {scope.version}",
        keywords=("energy", scope.kind, scope.id),
    )

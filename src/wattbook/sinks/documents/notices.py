"""What stands in front of the figures of a report: what is incomplete, exceeded or simulated."""

from collections.abc import Iterator
from typing import Final

from wattbook.core.carbon.location import NONE, REPORTED
from wattbook.core.formatting import BLANK, THIN, number, percent, spoken
from wattbook.core.periods import zone
from wattbook.core.reporting.notices import OVERLAPPING_ROWS
from wattbook.core.reporting.report import Report
from wattbook.core.units import PERCENT, SECONDS_PER_HOUR
from wattbook.sinks.documents.blocks import Notice
from wattbook.sinks.documents.wording import (
    FULL,
    count,
    energy_said,
    limit_said,
    moment,
    money_said,
    power_said,
    sentence_list,
    share,
)

MAX_NAMES: Final = 8
"""So many components are named."""


def notices(report: Report) -> Iterator[Notice]:
    """What is incomplete, or not to be taken at its word."""
    yield from _simulated(report)
    if report.total["energy_kwh"] is None:
        yield Notice(
            "There are no readings in this period. What is not known is shown as a dash, never as"
            " zero."
        )
        return
    yield from _exceeded(report)
    yield from _uncovered(report)
    yield from _missing(report)
    yield from _unpriced(report)
    yield from _factors(report)
    for each in report.notices:
        if each.code == OVERLAPPING_ROWS:
            yield Notice(f"{each.detail[:1].upper()}{each.detail[1:]}.")


def _simulated(report: Report) -> Iterator[Notice]:
    scope = report.scope
    if scope.simulated:
        every = len(scope.simulated) == len(scope.sites)
        which = "all sites" if len(scope.sites) > 1 else "this site"
        names = [site.name for site in scope.sites if site.simulated]
        which = which if every else ", ".join(names)
        yield Notice(f"Simulated data: the readings of {which} are made up.")


def _exceeded(report: Report) -> Iterator[Notice]:
    """Sites whose demand was above what they can, or may, draw: how long, how much and when."""
    names = {site.id: site.name for site in report.scope.sites}
    for row in report.exceeded.iter_rows(named=True):
        name, limit, peak = row["limit"], row["limit_kw"], row["power_kw"]
        at = row["at_utc"].astimezone(zone(report.scope.timezone))
        over = number((peak / limit - 1) * PERCENT, 1)
        yield Notice(
            f"{name.capitalize()} exceeded: the demand of {names[row['site_id']]} was above its"
            f" {name} of {limit_said(limit)} for {spoken(row['hours'] * SECONDS_PER_HOUR)}; it"
            f" reached {power_said(peak)} ({over}{THIN}% above) on {moment(at)}."
        )


def _uncovered(report: Report) -> Iterator[Notice]:
    scope, coverage = report.scope, report.total["coverage"]
    if coverage >= FULL:
        return
    lost = spoken((1 - coverage) * max(report.expected_s, 1.0))
    came = report.quality.completeness
    rows = ""
    if came.missing and not came.silences["estimated_kwh"].sum():
        rows = f" ({number(came.missing)} of {number(came.expected)} readings)"
    verb = "is" if lost.startswith(f"1{BLANK}") and " and " not in lost else "are"
    meters = "the revenue meter"
    if len(scope.mains) > 1:
        meters = f"{len(scope.mains)} revenue meters"
    yield Notice(
        f"Energy is known for {percent(coverage)}{THIN}% of the time of {meters};"
        f" {lost}{rows} {verb} missing. Energy, emissions and cost are those of the known time:"
        " nothing is added for the rest."
    )


def _missing(report: Report) -> Iterator[Notice]:
    """Readings that did not come although the energy of their time is known."""
    came = report.quality.completeness
    energy = came.silences["estimated_kwh"].sum()
    if not energy:
        return
    known = came.silences.drop_nulls("estimated_kwh")
    longest = known.row(0, named=True)
    start = longest["start_utc"].astimezone(zone(report.scope.timezone))
    lost = spoken(int(known["length_s"].sum()))
    missing = f"{number(came.missing)} of {number(came.expected)} readings did not come."
    yield Notice(
        f"Missing readings: {missing if came.expected else f'none came for {lost}.'} The longest"
        f" span without readings lasted {spoken(longest['length_s'])} from {moment(start)}."
        f" Registers show that {energy_said(energy)} were used in"
        f" {'these spans' if known.height > 1 else 'this span'}; when exactly is estimated."
    )


def _unpriced(report: Report) -> Iterator[Notice]:
    for currency, cost, priced in report.costs.iter_rows():
        if priced < FULL and report.costs.height == 1:
            yield Notice(
                f"Incomplete cost: {money_said(cost, currency)} covers {share(priced)} of the"
                " energy; for the rest no price is known."
            )
    yield from _unbilled(report)
    if not report.payments.whole_months and report.costs.height:
        yield Notice(
            "Demand and fixed charges belong to whole months: this period is not whole months, so"
            " the cost is that of energy alone."
        )


def _unbilled(report: Report) -> Iterator[Notice]:
    """Components of which a part could not be billed for another reason than a price."""
    lines, missing = report.payments.lines, report.payments.missing
    lacking = lines.filter(lines["incomplete"] != "", ~lines["incomplete"].str.contains("no price"))
    names = lacking["component"].unique(maintain_order=True).to_list()
    if not names:
        return
    bills = missing["bill"].n_unique()
    where = f" in {count(bills, 'bill')}" if bills else ""
    more = [f"{len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
    yield Notice(
        f"Incomplete bill: {sentence_list([*names[:MAX_NAMES], *more])} could not be billed in"
        f" full{where}. The section Cost says why."
    )


def _factors(report: Report) -> Iterator[Notice]:
    rungs = report.rungs
    world = rungs.filter(rungs["fallback"].str.starts_with("world"))
    if part := world["energy_share"].sum():
        yield Notice(
            f"World average: for {share(part)} of the energy no emission factor of its grid zone"
            " or country is known, so the average of the world is used. Emissions may be wrong"
            " by a large factor."
        )
    if total := rungs.filter(rungs["fallback"] == "unknown")["energy_share"].sum():
        yield Notice(f"Emissions are unknown for {share(total)} of the energy: no factor is known.")
    known = rungs.filter(~rungs["fallback"].is_in([NONE, REPORTED, "unknown"]))
    hourly = [] if rungs.height == known.height else ["lifecycle"]
    boundaries = sorted({*known["scope"].drop_nulls(), *hourly})
    if len(boundaries) > 1:
        yield Notice(
            "Mixed boundaries: some emission factors count combustion only (direct), others the"
            " whole life cycle. Their sum is neither."
        )

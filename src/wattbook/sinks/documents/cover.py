"""The first page of a report: who files it, for where and when, what it found, what it lacks."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from wattbook.core.carbon.location import NONE, REPORTED
from wattbook.core.formatting import BLANK, MINUS, THIN, number, percent, spoken, unit_of
from wattbook.core.periods import QUARTER_S, zone
from wattbook.core.registry.entities import MeterRole, Site
from wattbook.core.reporting import limits
from wattbook.core.reporting.comparison import Comparison
from wattbook.core.reporting.notices import OVERLAPPING_ROWS
from wattbook.core.reporting.report import Report
from wattbook.core.units import PERCENT, SECONDS_PER_HOUR
from wattbook.sinks.documents.blocks import Notice
from wattbook.sinks.documents.wording import (
    count,
    day_of,
    energy_said,
    interval,
    moment,
    money_said,
    period_of,
    power_said,
    share,
    spans_months,
)

MAX_NAMES: Final = 8
"""So many sites are named on the first page."""
NOT_REGISTERED: Final = "not registered"
FULL: Final = 1 - 10**-9
COMPARABLE: Final = 99 / 100
"""With less known of either period, their mean power is compared, not their energy."""
NOTHING_CHANGED: Final = 5 / 1000
HOUR: Final = timedelta(hours=1)
HOURS_PER_DAY: Final = 24
IN_WHOLES: Final = 2 / 100
"""A change that is at least so large is said in whole percents."""


def title(report: Report) -> str:
    """The name of the site, the legal name of the operator, or the grid zone."""
    scope = report.scope
    if scope.kind == "operator":
        legal = [site.legal_name for site in scope.sites if site.legal_name]
        return legal[0] if legal else scope.name
    names = {"zone": f"Grid zone {scope.name}", "network": "All sites"}
    return names.get(scope.kind, scope.name)


def about(report: Report) -> list[tuple[str, str]]:
    """Who files the report, and for what; what is not registered says so."""
    scope = report.scope
    sites = scope.sites
    rows = [("Operator", _operators(sites))]
    rows.append(("Permit", _distinct(site.permit for site in sites)))
    rows.append(("Place", _place(sites)))
    if scope.kind != "site":
        shown = ", ".join(site.name for site in sites[:MAX_NAMES])
        more = f" and {len(sites) - MAX_NAMES} more" if len(sites) > MAX_NAMES else ""
        rows.append(("Sites", f"{shown}{more}"))
    if (capacity := _capacity(report)) is not None:
        rows.append(("Capacity", capacity))
    if scope.contracted_kw is not None:
        rows.append(("Contracted power", power_said(scope.contracted_kw)))
    days = _length(report)
    rows.append(("Period", f"{period_of(scope.period, scope.timezone)} ({days})"))
    rows.append(("Status", "final" if scope.final else "draft"))
    rows.append(("Data as of", day_of(scope.known_utc.astimezone(zone(scope.timezone)))))
    rows.append(("Contact", _distinct(site.contact for site in sites)))
    return rows


def _capacity(report: Report) -> str | None:
    """The capacity in force; where it changed in the period, each one with its beginning."""
    scope = report.scope
    found = limits.capacities(scope.sites, scope.period)
    if all(capacity is None for _, capacity in found):
        return None
    here = zone(scope.timezone)
    said = [NOT_REGISTERED if each is None else power_said(each) for _, each in found]
    since = [f", from {moment(during.start.astimezone(here))} {each}"
             for (during, _), each in zip(found[1:], said[1:], strict=True)]  # fmt: skip
    return f"{said[0]}{''.join(since)}"


def _operators(sites: Sequence[Site]) -> str:
    """The legal name of each operator; one that is not registered says so."""
    legal = {site.operator: site.legal_name for site in sites}
    legal |= {site.operator: site.legal_name for site in sites if site.legal_name}
    return _listed(
        [name or f"{slug} (legal name {NOT_REGISTERED})" for slug, name in legal.items()]
    )


def _distinct(texts: Iterable[str | None]) -> str:
    """Different texts; those that are not registered say so."""
    every = list(dict.fromkeys(texts))
    known = [text for text in every if text]
    if not known:
        return NOT_REGISTERED
    return _listed(known) + ("" if None not in every else f"; of other sites {NOT_REGISTERED}")


def _listed(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - MAX_NAMES} more" if len(texts) > MAX_NAMES else ""
    return f"{'; '.join(texts[:MAX_NAMES])}{more}"


def _place(sites: Sequence[Site]) -> str:
    zones = sorted({site.zone for site in sites})
    grid = f"grid zone{'s' if len(zones) > 1 else ''} {', '.join(zones)}"
    if len(sites) > 1:
        return grid
    (site,) = sites
    where = site.address
    if where is None and site.latitude is not None and site.longitude is not None:
        north, east = site.latitude, site.longitude
        where = f"{abs(north):.4f}°{THIN}{'NS'[north < 0]} {abs(east):.4f}°{THIN}{'EW'[east < 0]}"
    return f"{where}; {grid}" if where else f"address {NOT_REGISTERED}; {grid}"


def _length(report: Report) -> str:
    scope = report.scope
    here = zone(scope.timezone)
    first, end = (
        at.astimezone(here).replace(tzinfo=None) for at in (scope.period.start, scope.period.end)
    )
    spans, clock = end - first, scope.timezone.replace("_", " ")
    if spans % timedelta(days=1):
        return f"{spoken((scope.period.end - scope.period.start).total_seconds())}, {clock} time"
    hours = (scope.period.end - scope.period.start) / HOUR
    of = f" of {hours:g}{BLANK}hours" if spans.days == 1 and hours != HOURS_PER_DAY else ""
    return f"{count(spans.days, 'day')}{of}, {clock} time"


def findings(report: Report) -> list[str]:
    """Three to five sentences that say what the figures mean."""
    if report.total["energy_kwh"] is None:
        return []
    return [
        _energy(report),
        *_exported(report),
        *_peak(report),
        *_money(report),
        *_emitted(report),
        _known(report),
    ]


def _energy(report: Report) -> str:
    total = report.total
    used = f"{_whose(report)} used {energy_said(total['energy_kwh'])}"
    earlier = report.comparison
    if earlier is None:
        return f"{used}. No earlier period is known well enough to compare it with."
    name = earlier_name(earlier, report)
    whole = min(earlier.coverage, total["coverage"]) >= COMPARABLE
    now, then = (
        (total["energy_kwh"], earlier.energy_kwh)
        if whole
        else (total["power_kw_mean"], earlier.power_kw_mean)
    )
    changed = _changed(now, then)
    if whole:
        return f"{used}, {changed} in {name} ({energy_said(earlier.energy_kwh)})."
    return f"{used}; the mean power was {changed} in {name} ({power_said(then)})."


def _exported(report: Report) -> Iterator[str]:
    """What was given back, where export meters say it."""
    back = report.meters.filter(role=MeterRole.EXPORT)["energy_kwh"].drop_nulls()
    if back.len():
        yield f"It exported {energy_said(back.sum())} to the grid; that is not subtracted here."


def _whose(report: Report) -> str:
    """Who drew the energy."""
    name = title(report)
    return name if report.scope.kind != "zone" else f"The sites in g{name[1:]}"


def earlier_name(earlier: Comparison, report: Report) -> str:
    """What the earlier period is called: `May 2021`, `the 3 days before`."""
    scope = report.scope
    if earlier.yearly or spans_months(earlier.period, scope.timezone):
        return period_of(earlier.period, scope.timezone)
    days = round((scope.period.end - scope.period.start) / timedelta(days=1))
    return f"the {count(days, 'day') if days > 1 else 'day'} before"


def _changed(now: float, then: float) -> str:
    """`3 % less than`, `as much as`."""
    if not then:
        return "more than"
    part = now / then - 1
    if abs(part) < NOTHING_CHANGED:
        return "about as much as"
    digits = 0 if abs(part) >= IN_WHOLES else 1
    said = number(abs(part) * PERCENT, digits)
    return f"{said}{THIN}% {'more' if part > 0 else 'less'} than"


def _peak(report: Report) -> Iterator[str]:
    total, scope = report.total, report.scope
    if total["power_kw_max"] is None:
        return
    said = f"The highest demand was {power_said(total['power_kw_max'])}"
    if (limit := total.get("capacity_kw_at_peak")) is not None:
        part = total["power_kw_max"] / limit
        digits = 1 if part > 99 / 100 else 0
        said += f", {number(part * PERCENT, digits)}{THIN}% of the capacity of {power_said(limit)}"
    at = total["power_kw_max_at"].astimezone(zone(scope.timezone))
    length = total.get("peak_interval_s")
    if length is not None and length > QUARTER_S:
        yield (
            f"{said}, in the {interval(length)} from {moment(at)}: a meter has one value for"
            f" {spoken(length)}."
        )
        return
    yield f"{said}, on {moment(at)}."


def _money(report: Report) -> Iterator[str]:
    if report.costs.height != 1:
        return
    currency, cost, priced = report.costs.row(0)
    if priced < FULL:
        yield (
            f"The known part of the electricity cost is {money_said(cost, currency)}, for"
            f" {share(priced)} of the energy."
        )
        return
    per_mwh = cost / report.total["energy_kwh"] * 1000
    yield (
        f"Electricity cost {money_said(cost, currency)}, on average"
        f" {number(per_mwh, 2).replace('-', MINUS)}{BLANK}{currency}/MWh."
    )


def _emitted(report: Report) -> Iterator[str]:
    total = report.total
    if total["emitted_kg"] is None:
        return
    unit = unit_of("emitted_kg", [total["emitted_kg"]])
    yield (
        f"Location-based emissions were {unit.say(total['emitted_kg'])}, at"
        f" {number(total['intensity_g_per_kwh'], 0)}{BLANK}g/kWh on average."
    )


def _known(report: Report) -> str:
    total, came = report.total, report.quality.completeness
    known = total["coverage"]
    silent = came.silent_s / _seconds(report)
    if known >= FULL and not came.silences.height:
        if came.missing:
            return (
                f"Energy is known for all of the time; {number(came.missing)} of"
                f" {number(came.expected)} readings did not come."
            )
        return "Energy is known for all of the time, and no reading is missing."
    if known >= FULL:
        return (
            f"No readings came in {share(silent)} of the time; the meters’ registers tell the"
            " energy of it, but not its course."
        )
    return f"For {share(1 - known)} of the time the energy is not known; nothing is added for it."


def _seconds(report: Report) -> float:
    return max(report.expected_s, 1.0)


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
            f" {name} of {power_said(limit)} for {spoken(row['hours'] * SECONDS_PER_HOUR)}; it"
            f" reached {power_said(peak)} ({over}{THIN}% above) on {moment(at)}."
        )


def _uncovered(report: Report) -> Iterator[Notice]:
    scope, coverage = report.scope, report.total["coverage"]
    if coverage >= FULL:
        return
    lost = spoken((1 - coverage) * _seconds(report))
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
        f" span without any lasted {spoken(longest['length_s'])} from {moment(start)}. Registers"
        f" tell the energy of {'these spans' if known.height > 1 else 'this span'},"
        f" {energy_said(energy)}; when it was drawn is estimated."
    )


def _unpriced(report: Report) -> Iterator[Notice]:
    for currency, cost, priced in report.costs.iter_rows():
        if priced < FULL and report.costs.height == 1:
            yield Notice(
                f"Incomplete cost: {money_said(cost, currency)} covers {share(priced)} of the"
                " energy; for the rest no price is known."
            )
    lines = report.payments.lines.filter(report.payments.lines["incomplete"] != "")
    named: dict[str, list[str]] = {}
    for component, why in zip(lines["component"], lines["incomplete"], strict=True):
        if "no price" not in why and component not in named.setdefault(why, []):
            named[why].append(component)
    if any(named.values()):
        said = [f"{why} ({', '.join(who)})" for why, who in named.items() if who]
        yield Notice(f"Incomplete bill: {'; '.join(said)}.")
    if not report.payments.whole_months and report.costs.height:
        yield Notice(
            "Demand and fixed charges belong to whole months: this period is not whole months, so"
            " the cost is that of energy alone."
        )


def _factors(report: Report) -> Iterator[Notice]:
    rungs = report.rungs
    world = rungs.filter(rungs["fallback"].str.starts_with("world"))
    if part := world["energy_share"].sum():
        yield Notice(
            f"World average: for {share(part)} of the energy no emission factor of its grid zone"
            " or country is known, so the average of the world stands in. Emissions may be wrong"
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

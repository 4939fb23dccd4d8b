"""The first page of a report: who files it, for where and when, what it found, what it lacks."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from wattbook.core.formatting import BLANK, MINUS, THIN, number, spoken, unit_of
from wattbook.core.periods import QUARTER_S, zone
from wattbook.core.registry.entities import MeterRole, Site
from wattbook.core.reporting import limits
from wattbook.core.reporting.comparison import Comparison
from wattbook.core.reporting.report import Report
from wattbook.core.units import PERCENT
from wattbook.sinks.documents.wording import (
    FULL,
    clock_of,
    count,
    day_of,
    energy_said,
    interval,
    limit_said,
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
        return legal[0] if legal else f"Operator {scope.name}"
    names = {"zone": f"Grid zone {scope.name}", "network": "All sites"}
    return names.get(scope.kind, scope.name)


def about(report: Report) -> list[tuple[str, str]]:
    """Who files the report, and for what; what is not registered says so."""
    scope = report.scope
    sites = scope.sites
    several = len({site.operator for site in sites}) > 1
    rows = [("Operators" if several else "Operator", _operators(sites))]
    rows.append(("Permit", _distinct(site.permit for site in sites)))
    rows.append(("Place", _place(sites)))
    if scope.kind != "site":
        shown = ", ".join(site.name for site in sites[:MAX_NAMES])
        more = f" and {len(sites) - MAX_NAMES} more" if len(sites) > MAX_NAMES else ""
        rows.append(("Sites", f"{shown}{more}"))
    if (capacity := _capacity(report)) is not None:
        rows.append(("Capacity", capacity))
    if scope.contracted_kw is not None:
        rows.append(("Contracted power", limit_said(scope.contracted_kw)))
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
    said = [NOT_REGISTERED if each is None else limit_said(each) for _, each in found]
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
        where = f"{abs(north):.4f}°{THIN}{'NS'[north < 0]}, {abs(east):.4f}°{THIN}{'EW'[east < 0]}"
    return f"{where}; {grid}" if where else f"address {NOT_REGISTERED}; {grid}"


def _length(report: Report) -> str:
    scope = report.scope
    here = zone(scope.timezone)
    first, end = (
        at.astimezone(here).replace(tzinfo=None) for at in (scope.period.start, scope.period.end)
    )
    spans, clock = end - first, clock_of(scope.timezone)
    if spans % timedelta(days=1):
        return f"{spoken((scope.period.end - scope.period.start).total_seconds())}, {clock}"
    hours = (scope.period.end - scope.period.start) / HOUR
    of = f" of {hours:g}{BLANK}hours" if spans.days == 1 and hours != HOURS_PER_DAY else ""
    return f"{count(spans.days, 'day')}{of}, {clock}"


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
        said += f", {number(part * PERCENT, digits)}{THIN}% of the capacity of {limit_said(limit)}"
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
            f"No readings came for {share(silent)} of the time; registers show how much energy was"
            " used in it, but not when."
        )
    return f"For {share(1 - known)} of the time the energy is not known; nothing is added for it."


def _seconds(report: Report) -> float:
    return max(report.expected_s, 1.0)

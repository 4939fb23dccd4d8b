"""The sections of a report that say how sure it is: completeness, and what was found unusual."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wattbook.core.anomaly.finding import Finding
from wattbook.core.charts import ahead
from wattbook.core.formatting import THIN, lasting, money, number, spoken, unit_of
from wattbook.core.periods import Grain, zone
from wattbook.core.readings.checks import RejectReason
from wattbook.core.reporting.ahead import Ahead
from wattbook.core.reporting.report import Report
from wattbook.core.reporting.site_figures import capacity_at
from wattbook.core.units import SECONDS_PER_HOUR
from wattbook.sinks.documents.blocks import Block, Column, Note, Pairs, Sentences, Table
from wattbook.sinks.documents.sections import figure
from wattbook.sinks.documents.wording import (
    clock_of,
    count,
    day_of,
    energy_said,
    grouped,
    local,
    moment,
    period_of,
    share,
)

MAX_ROWS: Final = 12
MIN_ROWS: Final = 3
"""So many gaps, findings, events and corrected meters are listed; the number of all is said."""
LENGTH: Final = re.compile(r"\b(\d+)([dh])\b")
LENGTHS: Final = {"d": "day", "h": "hour"}
CATEGORIES: Final = {
    "meter_fault": "meter fault",
    "operational": "operation",
    "possible_misreport": "possible misreport",
}


def findings(report: Report) -> Iterator[Block]:
    """What the search for anomalies found, with what it may come to."""
    found = report.quality.findings
    if report.total["energy_kwh"] is None or not found:
        return
    shown = found[:MAX_ROWS]
    energies = [each.energy_at_stake_kwh for each in shown]
    unit, (currency, worths) = unit_of("energy_kwh", energies), _worths(shown, report)
    paid = money(worths, currency)
    columns = [
        Column("From", right=False),
        Column("Lasting", right=False),
        Column("Meter", right=False),
        Column("What was found", right=False, wide=1),
        Column("Kind", right=False),
        Column("Energy", unit.name),
    ]
    rows = [
        [*_about(each, report), unit.write(energy)]
        for each, energy in zip(shown, energies, strict=True)
    ]
    worth = any(each is not None for each in worths)
    if worth:
        columns.append(Column("Worth about", currency))
        rows = [[*row, paid.write(each)] for row, each in zip(rows, worths, strict=True)]
    many = len(found)
    named = f"{MAX_ROWS} of {number(many)} findings" if many > MAX_ROWS else count(many, "finding")
    order = ", the most energy first" if many > 1 else ""
    yield Table(f"{named}{order}; {clock_of(report.scope.timezone)}", columns, rows)
    yield Note(
        "Energy is what was measured less what was expected; a dash means that nothing could be"
        " expected."
        + (" Its worth is at the mean price of the period, for revenue meters." if worth else "")
    )


def forecast(report: Report) -> Iterator[Block]:
    """What is expected after the period, if a forecast of it is stored."""
    found, scope = report.ahead, report.scope
    if report.total["energy_kwh"] is None or found is None:
        return
    unit = unit_of("power_kw", [*found.rows["mean"], *found.rows["p90"]])
    highest = found.highest
    step = "quarter-hour" if found.grain is Grain.QUARTER else found.grain
    day = _local(highest["start_utc"], scope.timezone)
    at = day_of(day) if found.grain is Grain.DAY else moment(day)
    said = (
        f"{period_of(found.period, scope.timezone)}: {energy_said(found.energy_kwh)} are expected."
        f" The highest {step} is expected on {at}: {unit.say(highest['mean'])}"
    )
    if highest["p10"] is not None and highest["p90"] is not None:
        said += f" (P10 to P90: {unit.write(highest['p10'])} to {unit.say(highest['p90'])})"
    yield Sentences([f"{said}.", _basis(found, scope.timezone)])
    capacity = capacity_at(scope.sites, found.period.start)
    limit = None if capacity is None else ("capacity", capacity)
    yield figure(
        "Expected power",
        f"{unit.name}, mean by {step}, {clock_of(scope.timezone)}",
        "ahead",
        lambda width, name: ahead.ahead(
            found.rows, found.period, scope.timezone, unit, limit=limit, width=width, name=name
        ),
    )


def _basis(found: Ahead, timezone: str) -> str:
    made, known = (day_of(_local(at, timezone)) for at in (found.made_utc, found.origin_utc))
    said = f"Made on {made} from what was known until {known}; model: {found.model}"
    if not found.reason:
        return f"{said}."
    reason = LENGTH.sub(lambda length: count(int(length[1]), LENGTHS[length[2]]), found.reason)
    return f"{said}. Basis {found.basis}: {reason}."


def _local(at: object, timezone: str) -> datetime:
    assert isinstance(at, datetime)
    return at.astimezone(zone(timezone))


def _worths(findings: Sequence[Finding], report: Report) -> tuple[str, list[float | None]]:
    """Currency, and the energy of each finding at the mean price; null where none was bought."""
    price = _mean_price(report)
    if price is None:
        return "", [None] * len(findings)
    return price[0], [
        None
        if each.energy_at_stake_kwh is None or each.meter_id not in report.scope.mains
        else each.energy_at_stake_kwh * price[1]
        for each in findings
    ]


def _about(finding: Finding, report: Report) -> list[str]:
    """When, where and what it was."""
    state = "" if finding.review.state == "open" else f" ({finding.review.state})"
    return [
        _short(finding.start_utc, report.scope.timezone),
        lasting((finding.end_utc - finding.start_utc).total_seconds()),
        finding.meter_id,
        f"{finding.cause.replace(' %', f'{THIN}%')}{state}",
        CATEGORIES[finding.category],
    ]


def _short(at: datetime, timezone: str) -> str:
    return f"{at.astimezone(zone(timezone)):%Y-%m-%d %H:%M}"


def _mean_price(report: Report) -> tuple[str, float] | None:
    """Currency, and what a kilowatt-hour cost on average."""
    energy = report.total["energy_kwh"]
    if report.costs.height != 1 or not energy:
        return None
    currency, cost, part = report.costs.row(0)
    return (currency, cost / (energy * part)) if part else None


def quality(report: Report) -> Iterator[Block]:
    """Readings received, energy known, estimates, refused rows, corrections, registers."""
    total, found = report.total, report.quality
    came, gaps = found.completeness, found.gaps
    pairs = [
        ("Readings received", _received(report)),
        (
            "Time without readings",
            f"{spoken(came.silent_s)} in {count(came.silences.height, 'span')}"
            if came.silences.height
            else "none",
        ),
        ("Energy known", f"for {share(total['coverage'])} of the time of all revenue meters"),
        (
            "Time without energy",
            f"{spoken(int(gaps['length_s'].sum()))} in {count(gaps.height, 'span')} of a"
            f" quarter-hour or more"
            if gaps.height
            else "none of a quarter-hour or more",
        ),
        ("Estimated or substituted", _estimated(total["estimated_share"])),
        ("Refused rows", _refused(found.rejects)),
        ("Corrected readings", _corrected(found.corrections)),
        ("Register events", number(found.events.height) if found.events.height else "none"),
        ("Anomalies", _anomalies(found.findings)),
    ]
    if report.ahead is None:
        pairs.append(("Forecast", "none is stored for the time after this period"))
    yield Pairs(pairs)
    yield from _tables(report)


def _anomalies(findings: tuple[Finding, ...] | None) -> str:
    if findings is None:
        return "this period was not searched for anomalies"
    return count(len(findings), "finding") if findings else "searched for, none found"


def _received(report: Report) -> str:
    came = report.quality.completeness
    said = count(report.total["readings"], "reading")
    if came.share is None:
        return f"{said}; the meters send when their power changes"
    if not came.missing:
        return f"{said}, all that were expected"
    expected = f"{share(came.share)} of the {number(came.expected)} expected"
    return f"{said}, {expected}; {number(came.missing)} are missing"


def _tables(report: Report) -> Iterator[Block]:
    found, timezone = report.quality, report.scope.timezone
    silences, every = _worth_listing(found.completeness.silences), found.completeness.silences
    meter = Column("Meter", right=False)
    if silences.height:
        yield Table(
            _heading("Longest spans without readings", every.height, silences.height),
            [
                meter,
                Column("From", right=False),
                Column("To", right=False),
                Column("Length"),
                Column("Energy in it", right=False),
            ],
            [
                (
                    row["meter_id"],
                    local(row["start_utc"], timezone),
                    local(row["end_utc"], timezone),
                    lasting(row["length_s"]),
                    _energy_in(row),
                )
                for row in silences.iter_rows(named=True)
            ],
        )
    if found.gaps.height and not _within(found.gaps, every):
        yield Table(
            _heading("Longest spans without energy", found.gaps.height),
            [meter, Column("From", right=False), Column("To", right=False), Column("Length")],
            [
                (name, local(start, timezone), local(end, timezone), lasting(seconds))
                for name, start, end, seconds in found.gaps.head(MAX_ROWS).iter_rows()
            ],
        )
    if found.rejects is not None and found.rejects.height:
        yield Table(
            "Refused rows, kept as evidence",
            [Column("Reason", right=False), Column("Rows"), Column("Last received", right=False)],
            [
                (REASONS.get(reason, reason.replace("_", " ")), number(rows), local(at, timezone))
                for reason, rows, at in found.rejects.iter_rows()
            ],
        )
    yield from _changes(report)


def _changes(report: Report) -> Iterator[Block]:
    found, timezone = report.quality, report.scope.timezone
    if found.corrections is not None and found.corrections.height:
        most = found.corrections.sort("rows", "meter_id", descending=[True, False])
        yield Table(
            _heading("Corrected readings by meter", most.height),
            [Column("Meter", right=False), Column("Corrections"), Column("Last one", right=False)],
            [
                (meter, number(rows), local(latest, timezone))
                for meter, rows, latest in most.head(MAX_ROWS).iter_rows()
            ],
        )
    if found.events.height:
        yield Table(
            _heading("Register events", found.events.height),
            [
                Column("Meter", right=False),
                Column("At", right=False),
                Column("Kind", right=False),
                Column("Readings", right=False, wide=1),
            ],
            [
                (
                    row["meter_id"],
                    local(row["at_utc"], timezone),
                    row["kind"],
                    grouped(row["detail"]),
                )
                for row in found.events.sort("at_utc", "meter_id")
                .head(MAX_ROWS)
                .iter_rows(named=True)
            ],
        )


REASONS: Final = {
    RejectReason.NO_VALUE: "no value in the row",
    RejectReason.BAD_ROW: "row that cannot be read",
    RejectReason.NOT_A_NUMBER: "value that is not a number",
    RejectReason.NEGATIVE_ENERGY: "negative energy",
    RejectReason.ABOVE_CAPACITY: "above the capacity",
    RejectReason.IMPLAUSIBLE: "beyond what is plausible",
    RejectReason.UNKNOWN_METER: "meter that is not registered",
    RejectReason.UNKNOWN_SITE: "site that is not registered",
    RejectReason.BAD_TIMESTAMP: "time that cannot be read",
    RejectReason.DUPLICATE_IN_BATCH: "same meter and time twice in one delivery",
}
"""The commonest reasons in words; the others are read as they are."""


def _energy_in(span: dict[str, float | None]) -> str:
    """What a register knows of a span without readings."""
    if span["known_kwh"] is None:
        return "not known"
    guessed = ", distribution estimated" if span["estimated_kwh"] else ""
    return f"{energy_said(span['known_kwh'])}{guessed}"


def _within(gaps: pl.DataFrame, silences: pl.DataFrame) -> bool:
    """Whether the table of spans without readings lists each span without energy already.

    They differ a little: a reading holds for a while, and energy is known by quarter-hours.
    """
    pairs = gaps.join(silences.select("meter_id", *_ENDS), on="meter_id", suffix="_silent")
    inside = pairs.filter(
        pl.col("start_utc") >= pl.col("start_utc_silent") - NEAR,
        pl.col("end_utc") <= pl.col("end_utc_silent") + NEAR,
    )
    return inside.select("meter_id", *_ENDS).n_unique() == gaps.height


NEAR: Final = timedelta(hours=1)
_ENDS: Final = ("start_utc", "end_utc")


def _estimated(part: float | None) -> str:
    return "none" if not part else f"{share(part)} of the energy"


def _worth_listing(silences: pl.DataFrame) -> pl.DataFrame:
    """Spans of an hour or more; of shorter ones the longest few."""
    long = silences.filter(pl.col("length_s") >= SECONDS_PER_HOUR)
    return silences.head(max(min(long.height, MAX_ROWS), MIN_ROWS))


def _heading(name: str, rows: int, shown: int = MAX_ROWS) -> str:
    return f"{name}: {shown} of {number(rows)}" if rows > shown else name


def _refused(rejects: pl.DataFrame | None) -> str:
    if rejects is None:
        return "not kept by this store"
    return number(rejects["rows"].sum()) if rejects.height else "none"


def _corrected(corrections: pl.DataFrame | None) -> str:
    if corrections is None:
        return "not kept by this store"
    return number(corrections["rows"].sum()) if corrections.height else "none"

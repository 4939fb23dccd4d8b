"""Findings in a table; looking for new ones first, where that is asked for."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from wattbook.cli import door, jobs, show
from wattbook.cli.show import NOTHING, Column
from wattbook.cli.span import instant
from wattbook.core.anomaly.finding import Category, Finding, State
from wattbook.core.jobs import JobKind
from wattbook.core.text import unit_of
from wattbook.flows.forecast import failure
from wattbook.ports.anomalies import Wanted
from wattbook.wiring import Runtime

ID_SHOWN: Final = 8
"""Letters of an id that tell findings of one table apart."""


def run(
    site: str | None,
    meter: str | None,
    begin: str | None,
    end: str | None,
    category: str | None,
    state: str | None,
    limit: int,
    *,
    look: bool,
    as_json: bool,
) -> None:
    """List findings, the latest first."""
    wanted = Wanted(
        site_id=site,
        meter_id=meter,
        category=None if category is None else Category(category),
        state=None if state is None else State(state),
        since=None if begin is None else instant(begin, "UTC", "--from"),
        until=None if end is None else instant(end, "UTC", "--to"),
    )
    if look:
        _look(wanted)

    async def read(runtime: Runtime) -> tuple[Finding, ...]:
        if site is not None:
            await runtime.registry.site(site)  # says so where there is none
        return (await runtime.anomalies.findings(wanted, limit=limit)).findings

    found = door.run(read)
    if as_json:
        show.json([_document(each) for each in found])
    else:
        table(found, advice="" if look else "; --run detects new ones")


def table(found: tuple[Finding, ...], *, advice: str = "") -> None:
    """Print them, each with its cause; `advice` follows where there are none."""
    if not found:
        show.say(f"no findings{advice}")
        return
    unit = unit_of("energy_kwh", [abs(each.energy_at_stake_kwh or 0) for each in found])
    show.table(
        [
            Column(
                "start", [f"{each.start_utc:%Y-%m-%d %H:%M}" for each in found], "UTC", "", False
            ),
            Column(
                "end", [f"{each.end_utc:%Y-%m-%d %H:%M}" for each in found], "UTC", "", False, 3
            ),
            Column("meter", [each.meter_id for each in found], right=False),
            Column("rule", [each.rule for each in found], right=False),
            Column("category", [each.category for each in found], right=False, worth=4),
            Column("severity", [each.severity for each in found], right=False, worth=6),
            Column("score", [f"{each.score:.2f}" for each in found], worth=2),
            Column("at stake", [unit.write(each.energy_at_stake_kwh) for each in found], unit.name),
            Column("state", [each.judgement.state for each in found], right=False, worth=5),
            Column("id", [each.finding_id[:ID_SHOWN] for each in found], right=False, worth=1),
        ]
    )
    for each in found:
        note = each.judgement.note or NOTHING
        said = "" if each.judgement.state is State.OPEN else f" [{each.judgement.state}: {note}]"
        show.say(f"{_at(each.start_utc)} {each.meter_id}: {each.cause}{said}")


def _at(instant_: datetime) -> str:
    return f"{instant_:%Y-%m-%d %H:%M}"


def _look(wanted: Wanted) -> None:
    """Look for anomalies here and now."""
    told = {
        "site_id": wanted.site_id,
        "meter_id": wanted.meter_id,
        "start": wanted.since,
        "end": wanted.until,
    }
    job = jobs.run_here(
        JobKind.DETECT_ANOMALIES, {name: value for name, value in told.items() if value is not None}
    )
    if job["state"] != "succeeded":
        raise failure(job["job_id"], job["state"], job["error"])
    done = job["result"]
    first, last = (datetime.fromisoformat(done[name]) for name in ("start", "end"))
    by_rules = ""
    if done["without_model"]:
        by_rules = f" ({done['without_model']} by rules alone: too short a history for the model)"
    show.say(
        f"{done['meters']} meter(s) from {_at(first)} to {_at(last)} UTC{by_rules};"
        f" findings: {done['new']} new, {done['again']} found again, {done['gone']} gone",
        err=True,
    )


def _document(finding: Finding) -> dict[str, Any]:
    """A finding with the names of the API."""
    document = asdict(finding)
    judgement = document.pop("judgement")
    document["judgement"] = {name.removesuffix("_utc"): value for name, value in judgement.items()}
    return {name.removesuffix("_utc"): value for name, value in document.items()}

"""Findings in a table; looking for new ones first, where that is asked for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from wattbook.answers import anomalies as documents
from wattbook.cli import ask, jobs, local, show
from wattbook.cli.ask import Document
from wattbook.cli.show import NOTHING, Column
from wattbook.core import when
from wattbook.core.anomaly.finding import Category, State
from wattbook.core.formatting import unit_of
from wattbook.core.jobs import JobKind, error_of
from wattbook.ports.anomalies import FindingFilter
from wattbook.schemas.problems import failure_from
from wattbook.wiring.runtime import Runtime

ID_SHOWN: Final = 8
"""Letters of an id that tell findings of one table apart."""
MINUTE: Final = len("2026-01-01T00:00")


def run(
    site: str | None,
    meter: str | None,
    begin: str | None,
    end: str | None,
    category: str | None,
    state: str | None,
    limit: int,
    url: str | None,
    *,
    look: bool,
    as_json: bool,
) -> None:
    """List findings, the latest first."""
    since, until = ask.optional("--from", begin), ask.optional("--to", end)
    wanted = FindingFilter(
        site_id=site,
        meter_id=meter,
        category=None if category is None else Category(category),
        state=None if state is None else State(state),
        since=None if since is None else when.instant(since, "UTC"),
        until=None if until is None else when.instant(until, "UTC"),
    )
    if look:
        detect(wanted, url)
    if url is None:
        found = local.run(lambda runtime: _here(wanted, limit, runtime))
    else:
        if site is not None:
            ask.get(url, f"/sites/{ask.step(site)}")  # an error where there is no such site
        query = {
            "site_id": site,
            "meter_id": meter,
            "category": category,
            "state": state,
            "since": _instant(wanted.since),
            "until": _instant(wanted.until),
            "limit": limit,
        }
        found = ask.get(url, "/anomalies", query)
    if as_json:
        show.json(found)
    else:
        table(found["findings"], advice="" if look else "; --run detects new ones")


async def _here(wanted: FindingFilter, limit: int, runtime: Runtime) -> Document:
    if wanted.site_id is not None:
        await runtime.registry.site(wanted.site_id)  # an error where there is no such site
    return await documents.document(wanted, runtime, limit=limit)


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def table(found: Sequence[Document], *, advice: str = "") -> None:
    """Print them, each with its cause; `advice` follows where there are none."""
    if not found:
        show.say(f"no findings{advice}")
        return
    unit = unit_of("energy_kwh", [abs(each["energy_at_stake_kwh"] or 0) for each in found])
    show.table(
        [
            Column("start", [_at(each["start"]) for each in found], "UTC", "", False),
            Column("end", [_at(each["end"]) for each in found], "UTC", "", False, 3),
            Column("meter", [each["meter_id"] for each in found], right=False),
            Column("rule", [each["rule"] for each in found], right=False),
            Column("category", [each["category"] for each in found], right=False, worth=4),
            Column("severity", [each["severity"] for each in found], right=False, worth=6),
            Column("score", [f"{each['score']:.2f}" for each in found], worth=2),
            Column(
                "at stake", [unit.write(each["energy_at_stake_kwh"]) for each in found], unit.name
            ),
            Column("state", [each["review"]["state"] for each in found], right=False, worth=5),
            Column("id", [each["finding_id"][:ID_SHOWN] for each in found], right=False, worth=1),
        ]
    )
    for each in found:
        state, note = each["review"]["state"], each["review"]["note"] or NOTHING
        said = "" if state == State.OPEN else f" [{state}: {note}]"
        show.say(f"{_at(each['start'])} {each['meter_id']}: {each['cause']}{said}")


def _at(instant: str) -> str:
    return instant[:MINUTE].replace("T", " ")


def detect(wanted: FindingFilter, url: str | None) -> None:
    """Look for anomalies here and now, or have the service do so."""
    told = {
        "site_id": wanted.site_id,
        "meter_id": wanted.meter_id,
        "start": _instant(wanted.since),
        "end": _instant(wanted.until),
    }
    params = {name: value for name, value in told.items() if value is not None}
    job = jobs.run_to_end(JobKind.DETECT_ANOMALIES, params, url)
    if job["state"] != "succeeded":
        raise error_of(job["job_id"], job["state"], failure_from(job))
    done = job["result"]
    first, last = done["start"], done["end"]
    by_rules = ""
    if done["without_model"]:
        by_rules = f" ({done['without_model']} by rules alone: too short a history for the model)"
    show.say(
        f"{done['meters']} meter(s) from {_at(first)} to {_at(last)} UTC{by_rules};"
        f" findings: {done['new']} new, {done['again']} found again, {done['gone']} gone",
        err=True,
    )

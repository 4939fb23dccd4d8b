"""How the service fares, in tables."""

from datetime import date
from typing import Any

from wattbook.cli import ask, local, show
from wattbook.cli.show import NOTHING, Column, number
from wattbook.core import periods
from wattbook.flows import stats as flow
from wattbook.wiring.runtime import Runtime

Document = dict[str, Any]
BYTES_PER_MB = 1e6


def look(url: str | None, begin: str | None, end: str | None) -> Document:
    """The document of GET /api/v1/stats, made here or by a service."""
    start, stop = _day("from", begin), _day("to", end)
    if url is not None:
        found: Document = ask.get(url, "/stats", {"start": start, "end": stop})
        return found

    async def work(runtime: Runtime) -> Document:
        return await flow.look(
            flow.days(start, stop, runtime.clock.now()),
            stats=runtime.stats,
            stored=runtime.stored,
            rollups=runtime.rollups,
            jobs=runtime.jobs,
            anomalies=runtime.anomalies,
            clock=runtime.clock,
        )

    return local.run(work)


def _day(name: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise periods.invalid(name, f"--{name} {text}: must be a day, as 2026-01-01") from None


def tables(found: Document) -> None:
    """Print it."""
    show.say(f"{found['start']} to {found['end']} (UTC days, the last is out)")
    _ingestion(found["ingestion"])
    waiting = found["rollups"]["meters_waiting"]
    said = f"{number(waiting)} meters wait to be rolled up" if waiting else "up to date"
    show.say(f"rollups: {said}")
    _jobs(found["jobs"])
    events = found["anomalies"]["register_events"]
    if events:
        show.table(
            [
                Column("register events", [str(each["day"]) for each in events], right=False),
                Column("kind", [each["kind"] for each in events], right=False),
                Column("events", [number(each["events"]) for each in events]),
            ]
        )
    findings = found["anomalies"]["findings"]
    if findings:
        show.table(
            [
                Column("findings", [str(each["day"]) for each in findings], right=False),
                Column("category", [each["category"] for each in findings], right=False),
                Column("findings", [number(each["findings"]) for each in findings]),
            ]
        )
    for store in found["storage"]:
        show.say(f"{store['store']}: {number(store['bytes'] / BYTES_PER_MB, 1)} MB")
        kept = {name: rows for name, rows in store["rows"].items() if rows}
        if kept:
            show.table(
                [
                    Column("table", list(kept), right=False),
                    Column("rows, about", [number(rows) for rows in kept.values()]),
                ]
            )


def _ingestion(found: Document | None) -> None:
    if found is None:
        show.say("ingestion: the receipts are in InfluxDB, where they are not counted by day")
        return
    names = ("batches", "received", "accepted", "duplicates", "corrected", "rejected")
    days = found["days"]
    show.table(
        [
            Column("received", [str(day["day"]) for day in days], right=False, total="total"),
            *(
                Column(
                    name,
                    [number(day[name]) for day in days],
                    total=number(found["total"][name]),
                )
                for name in names
            ),
        ]
    )
    silence = found["silence_s"]
    ago = "nothing came in" if silence is None else f"the last batch came {number(silence)} s ago"
    show.say(f"{number(found['received_per_s'], 1)} rows/s over the days so far; {ago}")


def _jobs(found: Document) -> None:
    took = {each["kind"]: each for each in found["durations"]}
    states = found["states"]
    if not states:
        show.say("jobs: none")
        return

    def of(kind: str, name: str) -> str:
        return number(took[kind][name], 1) if kind in took else NOTHING

    show.table(
        [
            Column("jobs", [each["kind"] for each in states], right=False),
            *(
                Column(state, [number(each.get(state, 0)) for each in states])
                for state in ("queued", "running", "succeeded", "failed", "cancelled")
            ),
            *(
                Column(name, [of(each["kind"], column) for each in states], unit="s", worth=5)
                for name, column in (("median", "median_s"), ("95 %", "p95_s"), ("max", "max_s"))
            ),
        ]
    )

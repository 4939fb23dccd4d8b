"""Values of readings that corrections replaced, one to a line."""

from datetime import datetime
from typing import Final

from wattbook.answers import listing
from wattbook.answers.encode import Answer
from wattbook.cli import ask, show
from wattbook.cli.ask import Document, Question
from wattbook.cli.show import Column, number
from wattbook.core import when
from wattbook.core.registry.entities import READING_VALUES
from wattbook.wiring.runtime import Runtime

SECOND: Final = len("2026-01-01T00:00:00")
DIGITS: Final = 3


def run(
    meter_id: str,
    begin: str | None,
    end: str | None,
    limit: int,
    url: str | None,
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show the earlier values of a meter's readings."""
    form = ask.form(as_json=as_json, as_csv=as_csv)
    since, until = _instant("--from", begin), _instant("--to", end)

    async def here(runtime: Runtime) -> Answer:
        return await listing.revisions(
            meter_id=meter_id,
            period=listing.between(since, until),
            cursor=None,
            limit=limit,
            runtime=runtime,
        )

    query = {
        "meter_id": meter_id,
        "start": None if since is None else since.isoformat(),
        "end": None if until is None else until.isoformat(),
        "limit": limit,
    }
    Question(path="/readings/revisions", query=query, here=here).show(url, form, _table)


def _instant(option: str, text: str | None) -> datetime | None:
    asked = ask.optional(option, text)
    return None if asked is None else when.instant(asked, "UTC")


def _table(found: Document) -> None:
    rows = found["rows"]
    if not rows:
        show.say("no reading of this meter was corrected in this time")
        return
    given = [name for name in READING_VALUES if any(row[name] is not None for row in rows)]
    show.table(
        [
            Column("stamp", [_second(row["ts"]) for row in rows], "UTC", "", False),
            Column("revision", [number(row["revision"]) for row in rows]),
            *(Column(name, [number(row[name], DIGITS) for row in rows]) for name in given),
            Column("quality", [row["quality"] for row in rows], right=False, worth=5),
            Column("known", [_second(row["known"]) for row in rows], "UTC", "", False),
            Column("superseded", [_second(row["superseded"]) for row in rows], "UTC", "", False),
        ]
    )
    if found["cursor"] is not None:
        show.say("more follow: raise --limit, or narrow --from and --to", err=True)


def _second(instant: str) -> str:
    return instant[:SECOND].replace("T", " ")

"""Batches that came in, one to a line."""

from datetime import datetime

import orjson

from wattbook.cli import ask, local, show
from wattbook.cli.ask import Document
from wattbook.cli.show import Column, number
from wattbook.core import when
from wattbook.settings import Settings
from wattbook.wiring import reading

COUNTS = ("received", "accepted", "duplicates", "corrected", "rejected")
SECOND = len("2026-01-01T00:00:00")


def run(
    source: str | None,
    begin: str | None,
    end: str | None,
    limit: int,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    """Show the newest batches."""
    since, until = _instant("--from", begin), _instant("--to", end)

    if url is None:
        found = _here(source, since, until, limit)
    else:
        query = {
            "source": source,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
            "limit": limit,
        }
        found = ask.get(url, "/ingest/batches", query)
    if as_json:
        show.json(found)
    elif not found["batches"]:
        show.say("no batches")
    else:
        _table(found["batches"])


def _here(
    source: str | None, since: datetime | None, until: datetime | None, limit: int
) -> Document:
    from wattbook.answers import listing  # noqa: PLC0415 -- only for the stores here

    async def query(config: Settings) -> bytes:
        async with reading.open_archive(config) as archive:
            found = await listing.batches(
                source=source, since=since, until=until, cursor=None, limit=limit, archive=archive
            )
        return orjson.dumps(found, option=orjson.OPT_UTC_Z)

    document: Document = orjson.loads(local.read(query))
    return document


def _instant(option: str, text: str | None) -> datetime | None:
    asked = ask.optional(option, text)
    return None if asked is None else when.instant(asked, "UTC")


def _table(found: list[Document]) -> None:
    show.table(
        [
            Column("batch", [each["batch_id"] for each in found], right=False),
            Column("came in", [_second(each["received_utc"]) for each in found], "UTC", "", False),
            Column("source", [each["source"] for each in found], right=False, folds=True),
            *(Column(name, [number(each[name]) for each in found], "rows") for name in COUNTS),
        ]
    )


def _second(instant: str) -> str:
    return instant[:SECOND].replace("T", " ")

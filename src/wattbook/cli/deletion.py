"""Deleting sites and meters, here or at a service."""

from typing import Any, Final

from wattbook import __version__
from wattbook.cli import ask, local, show
from wattbook.cli.show import number
from wattbook.flows.deletion import Deleter, Request
from wattbook.schemas import tombstones as documents
from wattbook.wiring.runtime import Runtime

Document = dict[str, Any]

BY_HAND: Final = "cli"


def delete(
    site_id: str, meter_id: str | None, url: str | None, *, force: bool, reason: str | None
) -> None:
    """Delete a site, or a meter of it, and say what went."""
    stones = (
        _here(site_id, meter_id, force=force, reason=reason)
        if url is None
        else _there(url, site_id, meter_id, force=force, reason=reason)
    )
    for stone in stones:
        counts = ", ".join(
            f"{number(rows)} {name.replace('_', ' ')}"
            for name, rows in (stone["counts"] or {}).items()
            if rows
        )
        show.say(f"deleted {stone['kind']} {stone['owner']}" + (f": {counts}" if counts else ""))
        if stone["sha256"] is not None:
            show.say(f"checksum of its readings: {stone['sha256']}")


def _there(
    url: str, site_id: str, meter_id: str | None, *, force: bool, reason: str | None
) -> list[Document]:
    path = f"/sites/{ask.step(site_id)}"
    if meter_id is not None:
        path += f"/meters/{ask.step(meter_id)}"
    found: list[Document] = ask.delete(url, path, {"force": force, "reason": reason})
    return found


def _here(site_id: str, meter_id: str | None, *, force: bool, reason: str | None) -> list[Document]:
    request = Request(
        site_id=site_id,
        meter_id=meter_id,
        force=force,
        reason=reason,
        requested_by=BY_HAND,
        version=__version__,
    )

    async def work(runtime: Runtime) -> list[Document]:
        return documents.documents(await Deleter.of(runtime).delete(request))

    return local.run(work)

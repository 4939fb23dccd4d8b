"""Adding meters to a site, and changing those it has, here or at a service."""

from pathlib import Path

from wattbook.answers import sites as documents
from wattbook.cli import ask, json_input, local, show
from wattbook.cli.sites import Document, meter_table, warn
from wattbook.flows import sites as flow
from wattbook.wiring.runtime import Runtime


def put(site_id: str, file: Path, url: str | None, *, as_json: bool) -> None:
    """Add the meters of a file to a site, or change those with the same id; show all it has."""
    sent = json_input.read(file)
    parts = json_input.meters(sent)  # refused before anything is opened or sent

    async def here(runtime: Runtime) -> list[Document]:
        placed = await flow.put_parts(
            site_id,
            parts,
            registry=runtime.registry,
            readings=runtime.readings,
            rollups=runtime.rollups,
            now=runtime.clock.now(),
        )
        found: list[Document] = documents.site(placed.site)["meters"]
        return found

    if url is None:
        found = local.run(here)
    else:
        found = ask.send(url, "POST", f"/sites/{ask.step(site_id)}/meters", sent)
    if as_json:
        show.json(found)
    else:
        meter_table(found)
        warn(found)

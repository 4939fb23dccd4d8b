"""Which sites an entity id means."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from wattbook.core.errors import Problem, UnknownEntityError
from wattbook.core.grid import zones
from wattbook.core.meters import presence
from wattbook.core.registry.entities import ENTITY_KINDS, MeterRole, parse_entity
from wattbook.ports.registry import Registry

NETWORK: Final = "network"
"""All sites together."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entity, and `frames.METERS` of every meter that belongs to it."""

    kind: str
    id: str
    meters: pl.DataFrame

    @property
    def name(self) -> str:
        """`site:x`, `operator:x`, `zone:x`, or `network`."""
        return NETWORK if self.kind == NETWORK else f"{self.kind}:{self.id}"

    @property
    def mains(self) -> pl.DataFrame:
        """The meters whose sum is the entity's consumption, always or at some time."""
        return presence.with_role(self.meters, MeterRole.MAIN)

    @property
    def timezone(self) -> str:
        """That of a site; UTC for an operator, a zone or the network."""
        return str(self.meters["timezone"][0]) if self.kind == "site" else "UTC"


_COLUMN = {"site": "site_id", "operator": "operator", "zone": "zone"}


async def find(text: str, *, as_of: datetime | None = None, registry: Registry) -> Found:
    """The entity of `site:x`, `operator:x`, `zone:x`, or a bare `x` looked up in that order.

    `network` is all sites together, unless something is registered under that id.
    """
    kind, name = parse_entity(text)
    meters = await registry.meters(as_of)
    for each in ENTITY_KINDS if kind is None else (kind,):
        names = zones.spellings(name) if each == "zone" else [name]
        mine = meters.filter(pl.col(_COLUMN[each]).is_in(names))
        if mine.height:
            stored = mine[_COLUMN[each]]
            return Found(each, name if name in stored else zones.resolved(name), mine)
    if text == NETWORK:
        return Found(NETWORK, NETWORK, meters)
    what = kind or "site, operator or zone"
    detail = f"no {what} {name!r} is registered"
    raise UnknownEntityError(detail, [Problem("unknown_entity", detail, field="entity_id")])


async def full_name(text: str, *, registry: Registry) -> str:
    """`site:x` of `site:x`, or of a bare `x` that is one: as what was made of it is kept.

    With its kind it need not be registered any more: what was made of it is still there.
    """
    kind, name = parse_entity(text)
    if kind is not None:
        return f"{kind}:{name}"
    found = await find(text, registry=registry)
    return found.name

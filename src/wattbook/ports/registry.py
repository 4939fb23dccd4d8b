"""What knows the sites, their meters, supplies, fleets and tariffs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

import polars as pl

from wattbook.core.entities import FleetItem, Meter, Site, Supply
from wattbook.core.tariffs import Tariff

Part: TypeAlias = Meter | Supply | FleetItem | Tariff


@dataclass(frozen=True, slots=True)
class Page:
    """Some sites, and the cursor for those that follow; null at the end."""

    sites: tuple[Site, ...]
    cursor: str | None


class Registry(Protocol):
    """Knows the sites; a site is identified by its id."""

    async def add(self, site: Site) -> Site:
        """Register a site with everything on it; ConflictError if an id is taken."""
        ...

    async def site(self, site_id: str) -> Site:
        """One site with everything on it; UnknownEntityError if there is none."""
        ...

    async def sites(
        self,
        filters: Mapping[str, str] | None = None,
        *,
        after: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Sites in the order of their ids, filtered by operator, zone or status."""
        ...

    async def change(self, site_id: str, changes: Mapping[str, object], now: datetime) -> Site:
        """Change fields of a site (not its parts); returns it as it then is."""
        ...

    async def put_parts(
        self,
        site_id: str,
        parts: tuple[Part, ...],
        now: datetime,
        *,
        only: type[Part] | None = None,
    ) -> Site:
        """Add parts to a site, or replace those with the same id.

        Of the kind `only` the site then has no others.
        """
        ...

    async def holds(self) -> Mapping[str, str]:
        """Why nothing of a site may be removed, for each site of which that is so."""
        ...

    async def meters(self) -> pl.DataFrame:
        """`frames.METERS` of all sites, sorted by meter; cached until the registry changes."""
        ...

    async def tariffs(self, site_id: str) -> tuple[Tariff, ...]:
        """What a site pays by, in the order of time; cached until the registry changes."""
        ...

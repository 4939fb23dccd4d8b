"""What knows the sites, their meters, supplies, fleets and tariffs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

import polars as pl

from wattbook.core.registry.entities import FleetItem, Meter, Site, Supply
from wattbook.core.registry.tariffs import Tariff
from wattbook.core.retention.cutoffs import Tombstone

Part: TypeAlias = Meter | Supply | FleetItem | Tariff


@dataclass(frozen=True, slots=True)
class Page:
    """Some sites, and the cursor for those that follow; null at the end."""

    sites: tuple[Site, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What is to be changed of a site."""

    changes: Mapping[str, object] = field(default_factory=dict)
    """Fields of the site itself."""
    parts: tuple[Part, ...] = ()
    """Added, or put in the place of those with the same id."""
    only: type[Part] | None = None
    """Of this kind the site has no others afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A version of a meter or of a site's capacity, when it was recorded and when superseded."""

    kind: str
    """`meter` or `site`."""
    owner: str
    valid_from: datetime | None
    valid_to: datetime | None
    attributes: Mapping[str, object]
    recorded_utc: datetime
    superseded_utc: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What is to be deleted of a site, or a site itself."""

    meters: tuple[str, ...] | None = None
    """These meters; null: the site with everything on it."""
    tombstones: tuple[Tombstone, ...]
    """What stays to say that they were there."""


Plan: TypeAlias = Callable[[Site], Edit]
"""What is to be changed of a site as it is; whatever it raises leaves the site as it is."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A site before it was changed, and afterwards."""

    before: Site
    after: Site


class Registry(Protocol):
    """Knows the sites; a site is identified by its id."""

    async def add(self, site: Site, history: Sequence[Recorded] = ()) -> Site:
        """Register a site with everything on it; ConflictError if an id is taken.

        With the `history` that another registry has of it, `meters` answers as of any instant what
        it answers there; without, all counts as recorded when the site was created.
        """
        ...

    async def history(self, site_id: str) -> Sequence[Recorded]:
        """Every version of a site's meters and capacity, superseded ones too, as recorded."""
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

    async def edit(self, site_id: str, plan: Plan | Edit, now: datetime) -> Edited:
        """Change a site; `plan` sees it within the transaction that writes the change.

        No other change of any site comes between what `plan` sees and what is written, in this
        process or another.

        Raises
        ------
        ConflictError
            A meter's id is taken at another site.
        """
        ...

    async def remove(
        self, site_id: str, plan: Callable[[Site], Removal], now: datetime
    ) -> Sequence[Tombstone]:
        """Delete a site or meters of it; returns the tombstones.

        `plan` sees the site within the transaction that deletes and that writes the tombstones;
        whatever it raises leaves the site as it is. Versions go too: `as_of` no longer knows what
        was deleted. Until the tombstones say `removed_utc`, `add` and `edit` refuse the ids.
        """
        ...

    async def holds(self) -> Mapping[str, str]:
        """Why nothing of a site may be removed, for each site of which that is so."""
        ...

    async def meters(self, as_of: datetime | None = None) -> pl.DataFrame:
        """`frames.METERS` of all sites, sorted by meter; the same frame until something changes.

        A site is known from the instant at which registering it returned, in every process.

        Parameters
        ----------
        as_of
            What was said of the meters at that instant; what was first said of them, where that
            was later.
        """
        ...

    async def tariffs(self, site_id: str) -> tuple[Tariff, ...]:
        """What a site pays by, in the order of time; cached until the registry changes."""
        ...

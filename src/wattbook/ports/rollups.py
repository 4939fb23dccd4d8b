"""What keeps rollups and knows which of them are out of date."""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from wattbook.core.periods import Grain, Period
from wattbook.core.rollups import metrics


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to recompute the figures of some sites, while nobody else may."""

    epochs: Mapping[int, int] = field(default_factory=dict)
    """By what the store knows whether it was lost; empty where it cannot be."""


class Rollups(Protocol):
    """Rollups that can be read; one is identified by its meter, grain and start."""

    async def read(self, meter_ids: list[str], grain: Grain, period: Period) -> pl.DataFrame:
        """`frames.ROLLUPS` of one grain that start in the period, sorted by key."""
        ...

    async def demand(self, meter_ids: list[str], period: Period) -> pl.DataFrame:
        """`core.rollups.metrics.demand` of the quarters in the period."""
        return metrics.demand(await self.read(meter_ids, Grain.QUARTER, period))

    async def events(self, meter_ids: list[str], period: Period) -> pl.DataFrame:
        """`frames.EVENTS` of the meters in the period, sorted by key."""
        ...


class RollupStore(Rollups, Protocol):
    """Keeps rollups."""

    def turn(self, site_ids: Collection[str]) -> AbstractAsyncContextManager[Turn]:
        """Only one recomputation of a site at a time: no older figure replaces a newer one.

        Those of other sites go on beside it. Who has a turn asks for no second one.
        """
        ...

    async def latest_mark(self, meter_ids: list[str] | None = None) -> int:
        """A number that grows whenever one of these meters, or any, becomes dirty."""
        ...

    async def dirty(self, meter_ids: list[str] | None = None) -> pl.DataFrame:
        """`frames.DIRTY`, of these meters or of all, in any order."""
        ...

    async def mark(self, spans: pl.DataFrame, *, afresh: bool = False) -> None:
        """Mark `spans` (`meter_id`, `from_utc`, `to_utc`) as changed.

        `afresh` drops all rollups and events of these meters in the same transaction, where spans
        have `keep_utc` only those that do not begin before it.
        """
        ...

    async def write(
        self,
        rollups: pl.DataFrame,
        gone: pl.DataFrame,
        events: pl.DataFrame,
        spans: pl.DataFrame,
        dirty: pl.DataFrame,
        turn: Turn | None = None,
    ) -> None:
        """Replace rollups by key, drop the keys `gone`, replace events in `spans`, settle `dirty`.

        Exactly what was read as `dirty` is settled: what was marked since stays.

        Raises
        ------
        UnavailableError
            The turn was lost, and another has begun one of the same sites.
        """
        ...

    async def page(
        self,
        meter_ids: list[str],
        grain: Grain,
        period: Period,
        after: tuple[str, str] | None,
        limit: int,
    ) -> pl.DataFrame:
        """`frames.ROLLUPS` of the buckets that lie in the period or hold its start, by key.

        At most `limit` rows, whose key (meter, start) comes after `after`.
        """
        ...

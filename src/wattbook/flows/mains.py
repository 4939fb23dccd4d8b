"""The figures of main meters: of each of them for as long as it is one."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import MeterRole
from wattbook.core.rollups import aggregation, metrics
from wattbook.ports.rollups import Rollups

MAIN: Final = MeterRole.MAIN


class Mains:
    """The main meters of a frame, and what is read of them.

    Parameters
    ----------
    meters
        `frames.METERS` of any meters.
    role
        That of other meters, in place of main ones.
    """

    def __init__(self, meters: pl.DataFrame, role: MeterRole = MAIN) -> None:
        self.meters: Final = presence.with_role(meters, role)
        self.spans: Final = presence.spans(self.meters, role)
        self.ids: Final[list[str]] = self.meters["meter_id"].to_list()
        self._changing = presence.changing(self.meters, role)

    async def of(
        self, found: pl.DataFrame, figures: Rollups, grain: Grain, period: Period
    ) -> pl.DataFrame:
        """Rows of the main meters, of those that were `found` of a grain."""
        changing = self._changing["meter_id"]
        steady = found.filter(
            pl.col("meter_id").is_in(self.ids), ~pl.col("meter_id").is_in(changing.implode())
        )
        if changing.is_empty():
            return steady
        parts = await self._parts(figures, self._changing, grain, period)
        return pl.concat([steady, parts.select(steady.columns)]).sort("meter_id", "start_utc")

    async def read(
        self, figures: Rollups, grain: Grain, period: Period, ids: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Rows of the main meters, or of some of them."""
        wanted = self.ids if ids is None else list(ids)
        return await self._some(figures, wanted, grain, period)

    async def demand(
        self, figures: Rollups, period: Period, ids: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """`core.rollups.metrics.demand` of the main meters, or of some of them."""
        wanted = self.ids if ids is None else list(ids)
        changing = set(self._changing["meter_id"]) & set(wanted)
        if not changing:
            return await figures.demand(wanted, period)
        return metrics.demand(await self._some(figures, wanted, Grain.QUARTER, period))

    async def _some(
        self, figures: Rollups, wanted: list[str], grain: Grain, period: Period
    ) -> pl.DataFrame:
        found = await figures.read(wanted, grain, period)
        changing = self._changing.filter(pl.col("meter_id").is_in(wanted))
        if changing.is_empty():
            return found
        steady = found.filter(~pl.col("meter_id").is_in(changing["meter_id"].implode()))
        parts = await self._parts(figures, changing, grain, period)
        return pl.concat([steady, parts.select(found.columns)]).sort("meter_id", "start_utc")

    async def _parts(
        self, figures: Rollups, meters: pl.DataFrame, grain: Grain, period: Period
    ) -> pl.DataFrame:
        """Rows of meters that are main ones at times, from their quarter-hours at these times."""
        quarters = await figures.read(meters["meter_id"].to_list(), Grain.QUARTER, period)
        own = presence.within(quarters, self.spans)
        if grain is Grain.QUARTER or own.is_empty():
            return own
        stamps = own.group_by("meter_id").agg(pl.col("computed_utc", "revision").max())
        figures_ = own.select(aggregation.FIGURES)
        if grain in (Grain.WEEK, Grain.MONTH):
            figures_ = aggregation.coarsen(figures_, meters, Grain.DAY)
        return aggregation.coarsen(figures_, meters, grain).join(stamps, on="meter_id", how="left")

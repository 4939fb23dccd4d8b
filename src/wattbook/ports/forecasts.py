"""What keeps forecasts as they were made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import polars as pl

from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.task import QUANTILES, Basis, ModelName
from wattbook.core.periods import Grain, Period


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSpec:
    """Of what a forecast is, and how it was wished: runs of one such are one series."""

    entity_id: str | None
    """`site:x`, `operator:x`, `zone:x`, `network:x`; null for a series that a caller brought."""
    quantity: Quantity = Quantity.LOAD
    grain: Grain = Grain.HOUR
    model: ModelName = ModelName.AUTO
    quantiles: tuple[float, ...] = QUANTILES
    """Ascending."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A forecast that was made, and all that is needed to make it again and to judge it."""

    run_id: str
    asked: ForecastSpec
    meter_ids: tuple[str, ...] = ()
    """Whose sum was forecast; none where the caller brought the figures."""
    timezone: str
    unit: str
    basis: Basis
    reason: str | None
    model: ModelName
    parameters: Mapping[str, Any]
    leaderboard: Sequence[Mapping[str, Any]]
    coverage: Sequence[Mapping[str, Any]]
    trained: Period | None
    period: Period
    """From the origin until the end of the last step."""
    fingerprint: str
    """SHA-256 of the history and of what was asked."""
    version: str
    """Of wattbook."""
    known_utc: datetime
    """When it was made: nothing that came later is in it."""
    rows: pl.DataFrame = field(default_factory=pl.DataFrame, compare=False)
    """`start_utc`, `mean`, and a column for each quantile; empty in lists."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs without their rows, newest first, and the cursor for those that follow."""

    runs: tuple[Run, ...]
    cursor: str | None


class Forecasts(Protocol):
    """Keeps forecasts; a run is identified by its id, and never changed."""

    async def keep(self, run: Run) -> None:
        """Keep a run, on disk before this returns; replaces its namesake."""
        ...

    async def run(self, run_id: str) -> Run:
        """One run with its rows; UnknownEntityError if there is none."""
        ...

    async def latest(self, asked: ForecastSpec, *, as_of: datetime | None = None) -> Run | None:
        """The newest run of a series, or the newest that was known then; null if there is none."""
        ...

    async def runs(
        self,
        *,
        entity_id: str | None = None,
        quantity: Quantity | None = None,
        model: ModelName | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> RunPage:
        """Runs by the time at which they were made, newest first."""
        ...

    async def series(self, since: datetime) -> tuple[ForecastSpec, ...]:
        """What was asked of entities since then, each once."""
        ...

    async def keep_input(self, content: bytes, now: datetime) -> str:
        """Keep what a caller brought, and name it by its SHA-256; its age begins anew."""
        ...

    async def input(self, sha256: str) -> bytes:
        """What a caller brought; UnknownEntityError if it is not there."""
        ...

"""A meter's hours on a grid without holes: what is not known is NaN."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from wattbook.core import frames, periods
from wattbook.core.forecast.series import Bools, Floats, Ints
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import MeterKind, MeterRole
from wattbook.core.rollups import hashing
from wattbook.core.units import SECONDS_PER_HOUR, US_PER_HOUR

PRICES: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "start_utc": frames.UTC,
    "price_per_mwh": pl.Float64,
}
PARTS: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "start_utc": frames.UTC,
    "energy_kwh": pl.Float64,
    "behind": pl.Int64,
}
FLEET: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "valid_from_utc": frames.UTC,
    "valid_to_utc": frames.UTC,
    "count": pl.Int64,
    "hashrate_th": pl.Float64,
    "power_w": pl.Float64,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeterInputs:
    """A meter, and all that is known of it and around it."""

    meter_id: str
    site_id: str
    kind: MeterKind
    role: MeterRole
    timezone: str
    expected_interval_s: int
    capacity_kw: float | None
    """Most that the site can draw."""
    hours: pl.DataFrame
    """`frames.ROLLUPS` by the hour, of the history and the span."""
    quarters: pl.DataFrame
    """The same by the quarter-hour."""
    events: pl.DataFrame = field(default_factory=frames.EVENTS.empty)
    prices: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PRICES))
    fleet: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FLEET))
    """The machines of the site."""
    parts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PARTS))
    """What the meters behind it counted together, of the hours that all of them know in full; equal
    numbers of `behind` are of the same meters."""
    valid_from_utc: datetime | None = None
    """Since when the meter is there, without a break; null: always."""
    valid_to_utc: datetime | None = None
    """Until when; null while it goes on."""
    machines_j_per_th: tuple[float, float] | None = None
    """The best and the worst efficiency of any machine there is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hours:
    """The hours from a meter's first reading until the end of the span."""

    start_utc: pl.Series
    judged: int
    """Where the span begins; what lies before is history."""
    local_hour: Ints
    """Whole hours on the wall clock where the site stands."""
    known: Bools
    """Whether there is a row at all."""
    power_kw: Floats
    power_kw_min: Floats
    power_kw_max: Floats
    coverage: Floats
    """0 where nothing is known."""
    heard: Floats
    """Readings over those that were expected."""
    hashrate_th: Floats
    efficiency_j_per_th: Floats
    hashed_share: Floats
    """Share of the hour for which energy and hash rate are both known."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.start_utc)

    @property
    def energy_kwh(self) -> Floats:
        """Energy [kWh] of the covered time."""
        return self.power_kw * self.coverage

    def at(self, place: int) -> datetime:
        """The start of an hour; the end of the last one where `place` is beyond."""
        if place < len(self):
            start: datetime = self.start_utc[place]
            return start
        return periods.after(self.start_utc[-1], Grain.HOUR)

    def in_history(self) -> Bools:
        """Which hours lie before the span."""
        before: Bools = np.arange(len(self)) < self.judged
        return before


def hours(watched: MeterInputs, span: Period) -> Hours | None:
    """The hours of a meter until the end of the span; null where none is known before it.

    Of the time at which it is not there nothing is expected.
    """
    end = min(span.end, watched.valid_to_utc or span.end)
    own = pl.col("start_utc") < end
    if watched.valid_from_utc is not None:
        own &= pl.col("start_utc") >= watched.valid_from_utc
    rows = watched.hours.filter(own).sort("start_utc")
    if rows.is_empty() or end <= span.start:
        return None
    grid = periods.buckets(Period(rows["start_utc"][0], end), Grain.HOUR).select("start_utc")
    joined = grid.join(rows, on="start_utc", how="left", maintain_order="left")

    def column(name: str) -> Floats:
        found: Floats = joined[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return found

    wall = joined["start_utc"].dt.convert_time_zone(watched.timezone).dt.replace_time_zone(None)
    usual = SECONDS_PER_HOUR // watched.expected_interval_s
    # What was expected then: the interval may have been another one.
    expected = joined["expected"].cast(pl.Float64).fill_null(usual).to_numpy()
    readings = np.nan_to_num(column("readings"))
    return Hours(
        start_utc=joined["start_utc"],
        judged=int((joined["start_utc"] < span.start).sum()),
        local_hour=wall.to_physical().to_numpy() // US_PER_HOUR,
        known=joined["readings"].is_not_null().to_numpy(),
        power_kw=column("power_kw_mean"),
        power_kw_min=column("power_kw_min"),
        power_kw_max=column("power_kw_max"),
        coverage=np.nan_to_num(column("coverage")),
        heard=np.divide(readings, expected, out=np.ones(len(readings)), where=expected > 0),
        hashrate_th=column("hashrate_th_mean"),
        efficiency_j_per_th=column("efficiency_j_per_th"),
        hashed_share=_hashed_share(joined),
    )


def _hashed_share(joined: pl.DataFrame) -> Floats:
    known = pl.col("readings").is_not_null()
    share = pl.when(known).then(hashing.known_s("hashrate_th") / SECONDS_PER_HOUR).fill_null(0.0)
    found: Floats = joined.select(share).to_series().to_numpy()
    return found


def on_grid(hours_: Hours, rows: pl.DataFrame, column: str) -> Floats:
    """A column of other rows, at the hours of the grid; NaN where there is none."""
    wanted = hours_.start_utc.alias("start_utc").to_frame()
    joined = wanted.join(
        rows.select("start_utc", column).unique("start_utc", keep="last"),
        on="start_utc",
        how="left",
        maintain_order="left",
    )
    found: Floats = joined[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return found


def runs(mask: Bools, bridge: int = 0) -> list[tuple[int, int]]:
    """Where a mask is true, as half-open spans; those with at most `bridge` steps between are one.

    >>> runs(np.array([False, True, True, False, True]))
    [(1, 3), (4, 5)]
    >>> runs(np.array([False, True, True, False, True]), bridge=1)
    [(1, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    found: list[tuple[int, int]] = []
    for begin, end in edges.reshape(-1, 2).tolist():
        if found and begin - found[-1][1] <= bridge:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def mask_of(spans: list[tuple[int, int]], count: int) -> Bools:
    """The mask that has these spans."""
    mask = np.zeros(count, dtype=np.bool_)
    for begin, end in spans:
        mask[begin:end] = True
    return mask


def middle(values: Floats) -> float:
    """The median of what is known; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


NORMAL: Final = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""


def spread(values: Floats) -> float:
    """A standard deviation that a few strays do not move."""
    return NORMAL * middle(np.abs(values - middle(values)))


def middles(table: Floats) -> tuple[Floats, Ints]:
    """The median of what is known in each column of a table, NaN where nothing is; and how much."""
    ordered = np.sort(table, axis=0)
    known = np.isfinite(table).sum(axis=0)
    at = np.arange(table.shape[1])
    low, high = np.maximum(known - 1, 0) // 2, known // 2
    both = (ordered[low, at] + ordered[np.minimum(high, len(table) - 1), at]) / 2
    return np.where(known > 0, both, np.nan), known

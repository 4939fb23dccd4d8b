"""Looking again at what one meter said: judging it by today's rules, and rolling it up anew."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from wattbook.core import frames
from wattbook.core.errors import Problem, UnknownEntityError
from wattbook.core.periods import Grain, Period
from wattbook.core.readings import validation
from wattbook.core.retention import cutoffs
from wattbook.flows import rollup
from wattbook.ports.clock import Clock
from wattbook.ports.readings import ReadingStore
from wattbook.ports.registry import Registry
from wattbook.ports.rollups import RollupStore

COMPARED: Final = ("energy_kwh", "power_kw_max", "hashrate_th_mean", "coverage", "quality")


@dataclass(frozen=True, slots=True)
class DeviceResult:
    """What a second look found."""

    readings: int
    refused_today: dict[str, int]
    """Readings that would be refused now, by reason: they stay, and count as before."""
    changed: pl.DataFrame
    """Days whose figures differ: `start_utc`, and each figure before and after."""


async def look_again(
    meter_id: str,
    period: Period,
    *,
    registry: Registry,
    readings: ReadingStore,
    rollups: RollupStore,
    clock: Clock,
    progress: Callable[[int, int], None] | None = None,
) -> DeviceResult:
    """Judge and roll up one meter's readings of a period again; what came of it."""
    meters = (await registry.meters()).filter(meter_id=meter_id)
    if meters.is_empty():
        detail = f"no meter is registered as {meter_id!r}"
        raise UnknownEntityError(detail, [Problem("unknown_meter", detail, field="meter_id")])
    if meters.filter(pl.col("readings_from_utc") > period.start).height:
        raise cutoffs.removed(
            "start",
            f"readings of {meter_id} before {meters['readings_from_utc'][0]:%FT%TZ} were removed"
            " and cannot be validated again: begin there",
        )
    ports: dict[str, Any] = {
        "registry": registry,
        "readings": readings,
        "rollups": rollups,
        "clock": clock,
    }
    await rollup.catch_up([meter_id], **ports)
    known = await readings.read([meter_id], period)
    before = await rollups.read([meter_id], Grain.DAY, period)

    judged = validation.validate(_as_sent(known), meters=meters, now=clock.now())
    reasons = judged.rejects["reason"].value_counts().sort("reason")
    span = known.group_by("meter_id").agg(
        from_utc=pl.col("ts_utc").min(), to_utc=pl.col("ts_utc").max()
    )

    await rollups.mark(span)
    await rollup.catch_up([meter_id], **ports, progress=progress)
    after = await rollups.read([meter_id], Grain.DAY, period)
    return DeviceResult(known.height, dict(reasons.iter_rows()), _difference(before, after))


def _as_sent(known: pl.DataFrame) -> pl.DataFrame:
    """Readings as if they came in now."""
    raw = known.with_row_index("row").with_columns(
        timestamp=pl.col("ts_utc").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    )
    nothing = [
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in frames.RAW_READINGS.schema.items()
        if name not in raw.columns
    ]
    return frames.check(raw.with_columns(nothing), frames.RAW_READINGS)


def _difference(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    key = list(frames.ROLLUPS.key)
    both = before.select(*key, *COMPARED).join(
        after.select(*key, *COMPARED), on=key, how="full", coalesce=True, suffix="_after"
    )
    differs = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(f"{name}_after")) for name in COMPARED
    )
    rows = both.filter(differs).sort(key).select("start_utc", *COMPARED, pl.col("^.*_after$"))
    return rows.rename({name: f"{name}_before" for name in COMPARED})

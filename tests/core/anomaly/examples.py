"""A meter to be watched, from the power of its hours or quarter-hours."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from wattbook.core.anomaly import rule_engine
from wattbook.core.anomaly.finding import Candidate
from wattbook.core.anomaly.hours import MeterInputs
from wattbook.core.frames import UTC as STAMP
from wattbook.core.frames import known_sum
from wattbook.core.periods import Period
from wattbook.core.registry.entities import MeterKind, MeterRole

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
T = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday."""
READ = ("start_utc", "power_kw_mean", "power_kw_min", "power_kw_max", "readings")


def rows(
    kw: np.ndarray, start: datetime, every: timedelta, coverage: np.ndarray, rate: np.ndarray
) -> pl.DataFrame:
    """What rollups say of it; a power of NaN is no row."""
    whole = every / timedelta(seconds=1)
    hashed = pl.col("hashrate_th_mean").is_not_null()
    table = pl.DataFrame(
        {
            "start_utc": [start + at * every for at in range(len(kw))],
            "power_kw_mean": kw,
            "expected": pl.Series([None] * len(kw), dtype=pl.Int64),  # as the interval says
            "hashrate_th_mean": rate,
            "coverage": coverage,
        }
    ).cast({"start_utc": STAMP})
    kw_ = pl.col("power_kw_mean")
    return table.fill_nan(None).drop_nulls("power_kw_mean").with_columns(
        meter_id=pl.lit("m"),
        energy_kwh=kw_ * pl.col("coverage") * whole / 3600,
        power_kw_min=kw_,
        power_kw_max=kw_,
        efficiency_j_per_th=pl.when(pl.col("hashrate_th_mean") > 0).then(
            kw_ * 1000 / pl.col("hashrate_th_mean")
        ),
        covered_s=pl.col("coverage") * whole,
        hashrate_s=pl.when(hashed).then(pl.col("coverage") * whole).otherwise(0.0),
        hashrate_kwh=pl.when(hashed).then(kw_ * pl.col("coverage") * whole / 3600),
        readings=pl.lit(1, dtype=pl.Int64),
    )  # fmt: skip


def watched(
    kw: np.ndarray,
    *,
    start: datetime = T,
    timezone: str = "UTC",
    coverage: np.ndarray | None = None,
    rate: np.ndarray | None = None,
) -> MeterInputs:
    """A meter that tells the energy of each hour."""
    share = np.ones(len(kw)) if coverage is None else coverage
    hashed = np.full(len(kw), np.nan) if rate is None else rate
    hours = rows(kw, start, HOUR, share, hashed)
    return MeterInputs(
        meter_id="m",
        site_id="s",
        kind=MeterKind.INTERVAL,
        role=MeterRole.MAIN,
        timezone=timezone,
        expected_interval_s=3600,
        capacity_kw=None,
        hours=hours,
        quarters=hours.clear().select(READ),
        machines_j_per_th=(15.0, 100.0),
    )


def quarters(kw: np.ndarray, *, start: datetime = T) -> MeterInputs:
    """A meter that tells the power of each quarter-hour."""
    whole = np.ones(len(kw))
    fine = rows(kw, start, HOUR / 4, whole, whole * np.nan)
    hours = (
        fine.group_by("meter_id", pl.col("start_utc").dt.truncate("1h"))
        .agg(
            pl.col("power_kw_mean", "coverage", "efficiency_j_per_th", "hashrate_th_mean").mean(),
            pl.col("power_kw_min").min(),
            pl.col("power_kw_max").max(),
            pl.col("energy_kwh", "covered_s", "readings", "hashrate_s").sum(),
            hashrate_kwh=known_sum("hashrate_kwh"),
            expected=pl.lit(None, dtype=pl.Int64),  # as many as the meter's interval says
        )
        .sort("start_utc")
    )
    return MeterInputs(
        meter_id="m",
        site_id="s",
        kind=MeterKind.INTERVAL,
        role=MeterRole.MAIN,
        timezone="UTC",
        expected_interval_s=900,
        capacity_kw=None,
        hours=hours,
        quarters=fine.select(READ),
    )


def found(meter: MeterInputs, span_at: datetime, days: int = 7) -> tuple[Candidate, ...]:
    """What the rules notice in the days from an instant on."""
    ruled = rule_engine.apply_rules(meter, Period(span_at, span_at + days * DAY), 1.0)
    assert ruled is not None
    return ruled.noticed

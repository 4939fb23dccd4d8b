"""Simulated mining telemetry: nameplates, weather and real prices in, raw rows out.

Everything is a function of its arguments; the same seed gives the same frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattbook.core.frames import READING_VALUES, UTC
from wattbook.core.units import SECONDS_PER_HOUR, W_PER_KW

RAW: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "meter_id": pl.String,
    "timestamp": UTC,
    **dict.fromkeys(READING_VALUES, pl.Float64),
    "quality": pl.String,
}
UTILISATION: Final = 0.97
"""Share of the nameplate that runs on an ordinary day."""
WARM_C: Final = 25.0
DERATING_PER_K: Final = 0.0015
"""Share of the hash rate that is lost for each kelvin above `WARM_C`."""
LINE_LOSS: Final = 0.004
"""Share of the main meter's energy that no hall sees."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Racks:
    """So many machines of one nameplate, running from `since`."""

    count: int
    hashrate_th: float
    power_w: float
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """Above `usd_per_mwh` at `hub`, draw only the share `down_to`."""

    hub: str
    usd_per_mwh: float
    down_to: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """Mean temperature [°C], half the daily range [K], and the warmest hour (UTC)."""

    mean_c: float
    swing_k: float
    warmest_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a site runs over `[start, end)`."""

    start: datetime
    end: datetime
    interval_s: int
    capacity_kw: float
    racks: Sequence[Racks]
    climate: Climate
    strike: Strike | None = None


def operate(plan: Plan, prices: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """`timestamp`, `power_kw`, `hashrate_th`, `temperature_c` of the whole site, by interval."""
    rng = np.random.default_rng(seed)
    every = timedelta(seconds=plan.interval_s)
    stamps = pl.datetime_range(plan.start, plan.end, every, closed="left", eager=True)
    hours = _hours(len(stamps), plan.interval_s)
    rated_kw, rated_th = nameplate(stamps, plan.racks)

    celsius = _temperature(hours, plan.start.hour, plan.climate, rng)
    running = UTILISATION + _wander(hours, 12.0, 0.008, rng) + rng.normal(0, 0.002, len(hours))
    down_to = 1.0 if plan.strike is None else plan.strike.down_to
    share = np.where(curtailed(stamps, prices, plan.strike), down_to, 1.0)
    power_kw = np.clip(rated_kw * running * share, 0.0, plan.capacity_kw)

    derating = 1 - DERATING_PER_K * np.maximum(celsius - WARM_C, 0.0)
    noise = rng.normal(1.0, 0.004, len(hours))
    hashrate_th = power_kw * rated_th / rated_kw * derating * noise
    return pl.DataFrame(
        {
            "timestamp": stamps,
            "power_kw": power_kw.round(2),
            "hashrate_th": hashrate_th.round(0),
            "temperature_c": celsius.round(1),
        }
    )


def nameplate(stamps: pl.Series, racks: Sequence[Racks]) -> tuple[Values, Values]:
    """Rated power [kW] and hash rate [TH/s] of all that is installed at each stamp."""
    count = np.stack([(stamps >= item.since).to_numpy() * item.count for item in racks])
    power_kw = np.array([item.power_w / W_PER_KW for item in racks])
    hashrate_th = np.array([item.hashrate_th for item in racks])
    return power_kw @ count, hashrate_th @ count


def curtailed(stamps: pl.Series, prices: pl.DataFrame, strike: Strike | None) -> NDArray[np.bool_]:
    """Whether the price of the hour is above the strike; an unknown price curtails nothing."""
    if strike is None:
        return np.zeros(len(stamps), dtype=np.bool_)
    above = pl.col(f"{strike.hub}_usd_mwh") > strike.usd_per_mwh
    answer = (
        pl.DataFrame({"interval_start_utc": stamps.dt.truncate("1h")})
        .join(prices, on="interval_start_utc", how="left", maintain_order="left")
        .select(above.fill_null(value=False).alias("above"))
    )
    return answer["above"].to_numpy()


def power_meter(run: pl.DataFrame, meter_id: str) -> pl.DataFrame:
    """Rows of a meter that samples kW."""
    return _rows(run, meter_id)


def interval_meter(run: pl.DataFrame, meter_id: str, interval_s: int) -> pl.DataFrame:
    """Rows of a meter that tells the kWh of each interval."""
    energy_kwh = pl.col("power_kw") * (interval_s / SECONDS_PER_HOUR)
    return _rows(run.select(pl.exclude("power_kw"), energy_kwh=energy_kwh.round(2)), meter_id)


def register_meter(
    run: pl.DataFrame, meter_id: str, interval_s: int, *, first_kwh: float, size_kwh: float
) -> pl.DataFrame:
    """Rows of a meter that counts kWh from `first_kwh` and starts again at `size_kwh`."""
    energy_kwh = pl.col("power_kw") * (interval_s / SECONDS_PER_HOUR)
    before_kwh = energy_kwh.cum_sum().shift(1, fill_value=0.0)
    register_kwh = ((first_kwh + before_kwh).round(1) % size_kwh).round(1)
    return _rows(run.select(pl.exclude("power_kw"), register_kwh=register_kwh), meter_id)


def halls(
    run: pl.DataFrame, shares: dict[str, float], interval_s: int, *, seed: int
) -> pl.DataFrame:
    """Interval rows of the sub-meters behind the main one: together its energy less the losses."""
    rng = np.random.default_rng(seed)
    hours = _hours(run.height, interval_s)
    total_kwh = run["power_kw"].to_numpy() * (interval_s / SECONDS_PER_HOUR) * (1 - LINE_LOSS)
    weights = np.stack([s * (1 + _wander(hours, 24.0, 0.01, rng)) for s in shares.values()])
    errors = rng.normal(1.0, 0.0005, weights.shape)
    parts_kwh = total_kwh * weights / weights.sum(axis=0) * errors
    return pl.concat(
        _rows(run.select("timestamp", energy_kwh=pl.Series(part_kwh.round(2))), meter_id)
        for meter_id, part_kwh in zip(shares, parts_kwh, strict=True)
    )


def stuck(rows: pl.DataFrame, column: str, start: datetime, hours: float) -> pl.DataFrame:
    """`rows` in which `column` keeps the value of `start` for so many hours."""
    held = pl.col("timestamp").is_between(start, start + timedelta(hours=hours), closed="left")
    kept = pl.col(column).filter(pl.col("timestamp") == start).first()
    return rows.with_columns(pl.when(held).then(kept).otherwise(column).alias(column))


def silent(
    rows: pl.DataFrame, start: datetime, hours: float, *, lost_share: float, seed: int
) -> pl.DataFrame:
    """`rows` without those of a broken link, and without scattered others."""
    lost = np.random.default_rng(seed).random(rows.height) < lost_share
    cut = pl.col("timestamp").is_between(start, start + timedelta(hours=hours), closed="left")
    return rows.filter(~pl.Series(lost) & ~cut)


def _rows(run: pl.DataFrame, meter_id: str) -> pl.DataFrame:
    """`run` with every column of a raw row, null where the meter does not tell it."""
    return run.with_columns(meter_id=pl.lit(meter_id)).select(
        pl.col(name) if name in {*run.columns, "meter_id"} else pl.lit(None, dtype).alias(name)
        for name, dtype in RAW.items()
    )


def _hours(count: int, interval_s: int) -> Values:
    return np.arange(count, dtype=np.float64) * interval_s / SECONDS_PER_HOUR


def _temperature(
    hours: Values, first_hour: int, climate: Climate, rng: np.random.Generator
) -> Values:
    day = np.cos((hours + first_hour - climate.warmest_hour) * (2 * np.pi / 24))
    return climate.mean_c + climate.swing_k * day + _wander(hours, 36.0, 2.0, rng)


def _wander(hours: Values, every_h: float, size: float, rng: np.random.Generator) -> Values:
    """Slow noise, straight between random knots, bounded by three times `size`."""
    knots = np.arange(0.0, hours[-1] + 2 * every_h, every_h)
    return np.interp(hours, knots, np.clip(rng.normal(0, size, len(knots)), -3 * size, 3 * size))

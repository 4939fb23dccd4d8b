"""Whether readings have the magnitude that their units say: watts sent as kilowatts show here."""

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from wattbook.core.units import SECONDS_PER_HOUR, W_PER_KW

MAX_TIMES_CAPACITY: Final = 10
"""A site does not draw so many times its capacity; a wrong unit is a thousand times off."""
MAX_METER_KW: Final = 2_000_000
"""No single meter of a load has so much; the largest connections have half of it."""
MIN_J_PER_TH: Final = 2
MAX_J_PER_TH: Final = 2_000
"""Between the best chips to come and the first ASICs of 2013."""


@dataclass(slots=True)
class Doubts:
    """Collects the extremes of a file, part by part, and compares them with what is registered."""

    found: list[str] = field(default_factory=list)
    _parts: list[pl.DataFrame] = field(default_factory=list)

    def add(self, raw: pl.DataFrame) -> None:
        """Take the extremes of some rows (`frames.RAW_READINGS`)."""
        who = pl.col("meter_id" if "meter_id" in raw.columns else "site_id")
        if who.meta.output_name() not in raw.columns:
            return
        blank = pl.lit(None, dtype=pl.Float64)
        power, energy, rate = (
            pl.col(name) if name in raw.columns else blank.alias(name)
            for name in ("power_kw", "energy_kwh", "hashrate_th")
        )
        efficiency = pl.when(rate > 0).then(power * W_PER_KW / rate)
        self._parts.append(
            raw.group_by(who.alias("who")).agg(
                power_kw=power.max(), energy_kwh=energy.max(), j_per_th=efficiency.median()
            )
        )

    @property
    def meters(self) -> list[str]:
        """Who has been seen."""
        return pl.concat(self._parts)["who"].unique().drop_nulls().to_list() if self._parts else []

    def compare(self, meters: pl.DataFrame) -> None:
        """Find what cannot be meant, for the registered `meters`."""
        if not self._parts:
            return
        most = (
            pl.concat(self._parts)
            .group_by("who", maintain_order=True)
            .agg(pl.col("power_kw", "energy_kwh").max(), pl.col("j_per_th").median())
        )
        named = meters.select("expected_interval_s", "capacity_kw", who="meter_id").unique("who")
        for row in most.join(named, on="who", how="inner", maintain_order="left").rows(named=True):
            self.found += _doubts(row)


def _doubts(row: dict[str, object]) -> list[str]:
    who, capacity = str(row["who"]), row["capacity_kw"]
    said = []
    hours = float(str(row["expected_interval_s"])) / SECONDS_PER_HOUR
    for column, small, times in (("power_kw", "W", 1), ("energy_kwh", "Wh", hours)):
        value = row[column]
        if not isinstance(value, float) or not times:
            continue
        power = value / times
        if isinstance(capacity, float) and power > MAX_TIMES_CAPACITY * capacity:
            compared = f"{power / capacity:.0f} times the capacity of its site"
        elif capacity is None and power > MAX_METER_KW:
            compared = "more than any meter of a load has"
        else:
            continue
        said.append(
            f"{column} of {who} is up to {value:g}, {compared}; if the file has {small}:"
            f" --unit {column}={small}"
        )
    efficiency = row["j_per_th"]
    if isinstance(efficiency, float) and not MIN_J_PER_TH <= efficiency <= MAX_J_PER_TH:
        unit = "PH/s" if efficiency > MAX_J_PER_TH else "GH/s"
        said.append(
            f"{who} has {efficiency:.4g} J/TH; if the file has {unit}: --unit hashrate_th={unit}"
        )
    return said

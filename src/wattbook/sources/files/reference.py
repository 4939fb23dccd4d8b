"""The tables that ship with wattbook: emission factors and mining machines."""

from importlib.resources import files
from typing import Final

import polars as pl

from wattbook.core import frames

ASIC_MODELS: Final = {
    "manufacturer": pl.String,
    "model": pl.String,
    "hashrate_th": pl.Float64,
    "power_w": pl.Float64,
    "efficiency_j_per_th": pl.Float64,
    "released": pl.String,
    "source": pl.String,
    "licence": pl.String,
}


def factors() -> pl.DataFrame:
    """Emission factors of all sets: `frames.FACTORS`, sorted by its key."""
    text = _packaged("factors.csv")
    table = pl.read_csv(text, schema_overrides=dict(frames.FACTORS.schema))
    return frames.check(table, frames.FACTORS).sort(frames.FACTORS.key)


def asic_models() -> pl.DataFrame:
    """Nameplates of mining machines: hash rate [TH/s] and power [W], with their source."""
    table = pl.read_csv(_packaged("asic_models.csv"), schema_overrides=ASIC_MODELS)
    return table.select(*ASIC_MODELS).sort("manufacturer", "model", "hashrate_th")


def _packaged(name: str) -> bytes:
    return files("wattbook.core").joinpath("data", name).read_bytes()

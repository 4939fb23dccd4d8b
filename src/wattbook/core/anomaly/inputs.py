"""One number for all that the findings of a meter rest on."""

import hashlib
from typing import Final

import polars as pl

from wattbook.core import frames, manifest
from wattbook.core.anomaly.hours import MeterInputs
from wattbook.core.archive import fingerprint
from wattbook.core.archive.tables import Table
from wattbook.core.frames import Contract
from wattbook.core.periods import Period

FINGERPRINTED: Final = (
    "meter_id",
    "start_utc",
    "energy_kwh",
    "power_kw_min",
    "power_kw_max",
    "hashrate_th_mean",
    "hashrate_kwh",
    "hashrate_s",
    "readings",
    "covered_s",
)
ROLLUPS: Final = Table(
    "rollups",
    Contract(
        "rollups",
        "figures that findings rest on",
        ("meter_id", "start_utc"),
        {name: frames.ROLLUPS.columns[name] for name in FINGERPRINTED},
    ),
    "meter_id",
    "start_utc",
)


def fingerprint_of(watched: MeterInputs, span: Period, per_month: float, seed: int) -> str:
    """SHA-256 of the hours of a meter, of its machines and prices, and of what was asked."""
    settings = [
        manifest.line("span", span),
        f"budget {per_month!r}",
        f"seed {seed}",
        f"capacity {watched.capacity_kw!r}",
        f"timezone {watched.timezone}",
        *fingerprint.rows_settled("machine", watched.fleet),
        *fingerprint.rows_settled("event", watched.events.select("at_utc", "kind")),
        f"prices {_sum(watched.prices)}",
        f"parts {_sum(_parts(watched.parts))}",
    ]
    if watched.valid_from_utc is not None or watched.valid_to_utc is not None:
        settings.append(f"there {watched.valid_from_utc} {watched.valid_to_utc}")
    return fingerprint.fingerprint_of(
        settings, [fingerprint.checksums_of(watched.hours, ROLLUPS)]
    ).sha256


def _parts(rows: pl.DataFrame) -> pl.DataFrame:
    """Without the number of the set of meters where there is but one."""
    return rows.drop("behind") if rows["behind"].n_unique() <= 1 else rows


def _sum(rows: pl.DataFrame) -> str:
    return hashlib.sha256(rows.write_csv().encode()).hexdigest()

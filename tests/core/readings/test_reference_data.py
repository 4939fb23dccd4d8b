"""Figures of wattbook beside those that others published from the same data."""

from pathlib import Path

import polars as pl
import pytest

from wattbook import samples
from wattbook.core import frames
from wattbook.core.carbon import factors, location
from wattbook.core.readings import validation
from wattbook.core.rollups import aggregation
from wattbook.samples.sites import sites
from wattbook.sources.files import reference

REFERENCE = Path(__file__).parents[3].parent / "shared" / "data" / "reference"
MIXES = REFERENCE / "us_ba_fuelmix_2022"
HOURS_2022 = 8_760


@pytest.mark.skipif(not MIXES.is_dir(), reason=f"{MIXES} is not on this machine; not ours to ship")
@pytest.mark.parametrize(("zone", "hours_without_data"), [("CISO", 3), ("MISO", 3), ("BPAT", 0)])
def test_hourly_intensity_is_the_published_one_and_missing_hours_are_unknown(
    zone: str, hours_without_data: int
) -> None:
    source = pl.read_csv(MIXES / f"{zone}_hourly_2022.csv.gz", try_parse_dates=False)
    raw = source.select(
        zone=pl.lit(zone),
        # stamps name the end of the hour
        start=pl.col("interval_end_utc").str.to_datetime("%+", time_unit="us", time_zone="UTC")
        - pl.duration(hours=1),
        **{f"gen_{name.removesuffix('_mw')}_mw": name for name in source.columns if "_mw" in name},
    )
    kept = validation.validate_grid(
        raw, now=pl.select(pl.datetime(2026, 1, 1, time_zone="UTC")).item()
    )
    conditions = frames.check(kept.kept, frames.GRID)

    technologies = factors.of_technologies(reference.factors(), "ipcc2014")
    found = location.mix_intensity(conditions, technologies)

    published = raw.select(start_utc="start", published=source["ipcc_lifecycle_gco2_kwh"])
    both = published.join(found, on="start_utc", how="left")
    assert source.height == HOURS_2022
    assert both["published"].null_count() == hours_without_data
    assert both.filter(pl.col("published").is_null() != pl.col("g_per_kwh").is_null()).is_empty()
    assert both.select((pl.col("published") - pl.col("g_per_kwh")).abs().max()).item() <= 1e-6


def test_the_plant_s_units_less_its_auxiliaries_are_its_net_power_in_every_quarter() -> None:
    (site,) = (site for site in sites() if site["id"] == "cogen-plant")
    meters = pl.DataFrame(
        [
            dict.fromkeys(frames.METERS.columns)
            | {key: value for key, value in meter.items() if key != "id"}
            | {name: site[name] for name in ("operator", "zone", "timezone", "capacity_kw")}
            | {"meter_id": meter["id"], "site_id": site["id"], "max_hold_s": 2700}
            for meter in site["meters"]
        ],
        schema=frames.METERS.schema,
    )
    raw = dict(samples.telemetry())["cogen-plant"]
    now = pl.select(pl.datetime(2026, 1, 1, time_zone="UTC")).item()

    sorted_ = validation.validate(raw, meters=meters, now=now)
    quarters = aggregation.quarters(sorted_.kept.drop("row"), meters)

    mean_mw = (
        quarters.with_columns(
            unit=pl.col("meter_id").str.split(".").list.last(), mw=pl.col("power_kw_mean") / 1000
        )
        .pivot("unit", index="start_utc", values="mw")
        .drop_nulls()
    )
    made = pl.sum_horizontal("gt1", "gt2", "gt3", "st") - pl.col("aux") - pl.col("net")
    assert mean_mw.height > 17_000
    assert mean_mw.select(made.abs().max()).item() < 2.0001e-4
    assert set(sorted_.rejects["reason"]) == {"duplicate_in_batch"}  # an hour told twice

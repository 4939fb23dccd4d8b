"""The comparison on docs/methods/carbon.md, made again where the published files are."""

import re
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from wattbook.core import frames
from wattbook.core.carbon import factors, location
from wattbook.sources.files import reference

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "methods" / "carbon.md").read_text(encoding="utf-8")
DATA = ROOT.parent / "shared" / "data" / "reference" / "us_ba_fuelmix_2022"
ROW = re.compile(r"^\| ([A-Z]{4}) \| (\d+) \| (\S+) g/kWh \| (\d+) \|$", re.MULTILINE)
KIND = re.compile(r"^\| (\w+) \| (\d+) \| (?:IPCC|the same|dedicated|UK)", re.MULTILINE)
PUBLISHED = "ipcc_lifecycle_gco2_kwh"
HOUR = timedelta(hours=1)


def conditions(published: pl.DataFrame, zone: str) -> pl.DataFrame:
    """`frames.GRID` of a file that stamps the end of the hour."""
    known = {
        name: pl.col(name.removeprefix("gen_")).cast(pl.Float64)
        for name in frames.GRID_GENERATION
        if name.removeprefix("gen_") in published.columns
    }
    rows = published.select(
        zone=pl.lit(zone),
        start_utc=pl.col("interval_end_utc").str.to_datetime(time_unit="us", time_zone="UTC")
        - HOUR,
        interval_s=pl.lit(3600, dtype=pl.Int64),
        **known,
    )
    return pl.concat([frames.GRID.empty(), rows], how="diagonal")


@pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not beside this checkout")
@pytest.mark.parametrize(("zone", "hours", "most", "unknown"), ROW.findall(PAGE))
def test_the_mix_gives_the_published_intensity(
    zone: str, hours: str, most: str, unknown: str
) -> None:
    published = pl.read_csv(DATA / f"{zone}_hourly_2022.csv.gz", null_values=["", "NaN"])
    grid = conditions(published, zone)
    table = factors.of_technologies(reference.factors(), factors.DEFAULT_SET)

    found = grid.select("start_utc").join(
        location.mix_intensity(grid, table), on="start_utc", how="left", maintain_order="left"
    )

    both = pl.DataFrame({"ours": found["g_per_kwh"], "theirs": published[PUBLISHED]})
    assert both["ours"].is_null().equals(both["theirs"].is_null())
    assert both["ours"].null_count() == int(unknown)
    assert both.drop_nulls().height == int(hours)
    # 5e-7 is half of the last decimal; a hair more for the arithmetic.
    apart = both.drop_nulls().select((pl.col("ours") - pl.col("theirs")).abs().max()).item()
    assert apart <= float(most) * 1.000001


def test_the_table_of_factors_is_that_of_the_code() -> None:
    table = factors.of_technologies(reference.factors(), factors.DEFAULT_SET)
    listed = {name: float(value) for name, value in KIND.findall(PAGE)}
    assert listed == dict(table.select("technology", "g_per_kwh").iter_rows())


def test_three_authorities_are_compared() -> None:
    assert [zone for zone, *_ in ROW.findall(PAGE)] == ["CISO", "MISO", "BPAT"]

"""A site has the hash rate of its halls where its utility meter has none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from wattbook.core import frames
from wattbook.core.rollups import hashing, lending

T = datetime(2026, 6, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def meters(*roles: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"meter_id": name, "site_id": "s", "role": role} for name, role in roles],
        schema={"meter_id": pl.String, "site_id": pl.String, "role": pl.String},
    )


def quarter(meter: str, at: int, kwh: float | None, rate: float | None, seconds: float = 900):
    """One rollup; a rate that is known for `seconds` of it."""
    return {
        "meter_id": meter,
        "start_utc": T + at * QUARTER,
        "energy_kwh": kwh,
        "covered_s": 900.0 if kwh is not None else 0.0,
        "hashrate_th_mean": rate,
        "hashrate_kwh": None if rate is None or kwh is None else kwh * seconds / 900,
        "hashrate_s": None if rate is None else seconds,
    }


def rollups(*rows: dict[str, object]) -> pl.DataFrame:
    schema: dict[str, Any] = {
        "meter_id": pl.String,
        "start_utc": frames.UTC,
        **dict.fromkeys(
            ("energy_kwh", "covered_s", "hashrate_th_mean", "hashrate_kwh", "hashrate_s"),
            pl.Float64,
        ),
    }
    return pl.DataFrame(list(rows), schema=schema)


def site(rows: pl.DataFrame, who: pl.DataFrame) -> dict[str, float | None]:
    """Mean rate and efficiency of the site over the quarter-hours of the main meter."""
    mains = rows.filter(pl.col("meter_id").is_in(who.filter(role="main")["meter_id"].implode()))
    found = lending.lent(rows, who, mains["start_utc"].unique().sort())
    whole = lending.borrowed(mains, found)
    return whole.select(
        rate=(hashing.hashes_th().sum() / hashing.known_s("hashrate_th").sum()),
        j_per_th=hashing.efficiency(),
        share=hashing.efficiency_time_share(),
    ).row(0, named=True)


def test_a_hall_gives_its_hash_rate_to_the_site():
    # 25 kWh in a quarter-hour is 100 kW; 100 000 J/s over 4 000 TH/s is 25 J/TH.
    rows = rollups(quarter("main", 0, 25, None), quarter("hall", 0, None, 4000))

    assert site(rows, meters(("main", "main"), ("hall", "sub"))) == {
        "rate": 4000.0, "j_per_th": 25.0, "share": 1.0,
    }  # fmt: skip


def test_halls_add_up():
    rows = rollups(
        quarter("main", 0, 25, None), quarter("a", 0, None, 3000), quarter("b", 0, None, 1000)
    )

    found = site(rows, meters(("main", "main"), ("a", "sub"), ("b", "sub")))

    assert (found["rate"], found["j_per_th"]) == (4000.0, 25.0)


def test_nothing_counts_twice_where_the_main_meter_has_a_hash_rate():
    rows = rollups(quarter("main", 0, 25, 4000), quarter("hall", 0, None, 4000))

    found = site(rows, meters(("main", "main"), ("hall", "sub")))

    assert (found["rate"], found["j_per_th"]) == (4000.0, 25.0)


def test_the_efficiency_covers_the_time_in_which_a_hall_reports():
    # The hall reports in the first of two quarter-hours: 25 kWh over 900 s × 4 000 TH/s; the 50 kWh
    # of the second do not enter.
    rows = rollups(
        quarter("main", 0, 25, None), quarter("main", 1, 50, None), quarter("hall", 0, None, 4000)
    )

    assert site(rows, meters(("main", "main"), ("hall", "sub"))) == {
        "rate": 4000.0, "j_per_th": 25.0, "share": 0.5,
    }  # fmt: skip


def test_half_a_quarter_hour_takes_half_of_its_energy():
    # 450 s × 4 000 TH/s = 1.8 million TH; 12.5 kWh = 45 MJ: 25 J/TH.
    rows = rollups(quarter("main", 0, 25, None), quarter("hall", 0, None, 4000, seconds=450))

    assert site(rows, meters(("main", "main"), ("hall", "sub")))["j_per_th"] == pytest.approx(25)


def test_a_site_without_sub_meters_lends_nothing():
    who = meters(("main", "main"))

    assert lending.lenders(who, ["main"]).is_empty()
    assert site(rollups(quarter("main", 0, 25, None)), who)["j_per_th"] is None

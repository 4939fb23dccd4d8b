"""What a receipt warns of."""

from datetime import UTC, datetime

import polars as pl

from wattbook.core import frames
from wattbook.core.plausibility import warnings

T = datetime(2026, 1, 1, tzinfo=UTC)


def meters(**about: object) -> pl.DataFrame:
    plain = {"meter_id": "a.main", "site_id": "a", "kind": "power", "expected_interval_s": 900}
    return pl.DataFrame([plain | about], schema=frames.METERS.schema)


def kept(**values: float) -> pl.DataFrame:
    row = dict.fromkeys(frames.READINGS.columns) | {"meter_id": "a.main", "ts_utc": T} | values
    return pl.DataFrame([row], schema=frames.READINGS.schema)


def test_watts_for_kilowatts_are_warned_of_where_there_is_no_capacity() -> None:
    (said,) = warnings(kept(power_kw=4_200_000.0), meters())

    assert said.startswith("a.main: up to 4,200,000 kW, and the site has no capacity_kw")
    assert warnings(kept(power_kw=4_200_000.0), meters(capacity_kw=5_000_000.0)) == ()
    assert warnings(kept(power_kw=900_000.0), meters()) == ()


def test_watt_hours_for_kilowatt_hours_too() -> None:
    # 300 000 kWh in a quarter of an hour are 1.2 GW
    assert len(warnings(kept(energy_kwh=300_000.0), meters(kind="interval"))) == 1
    assert warnings(kept(energy_kwh=200_000.0), meters(kind="interval")) == ()


def test_a_hash_rate_in_another_unit_shows_in_the_joules_of_a_terahash() -> None:
    # 3 500 W for 140 TH/s are 25 J/TH; told in PH/s, 0.14, they are 25 000
    (said,) = warnings(kept(power_kw=3.5, hashrate_th=0.14), meters(capacity_kw=10.0))

    assert said.startswith("a.main: 25,000 J/TH")
    assert warnings(kept(power_kw=3.5, hashrate_th=140.0), meters(capacity_kw=10.0)) == ()
    assert len(warnings(kept(power_kw=3.5, hashrate_th=140_000.0), meters())) == 1


def test_nothing_kept_is_nothing_to_warn_of() -> None:
    assert warnings(frames.READINGS.empty(), meters()) == ()

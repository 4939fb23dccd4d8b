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


def two(role: str = "main", **about: object) -> pl.DataFrame:
    """Two meters of a site of 5 MW."""
    plain = {"site_id": "a", "kind": "power", "expected_interval_s": 900, "capacity_kw": 5_000.0}
    rows = [
        plain | {"meter_id": "a.main", "role": "main"} | about,
        plain | {"meter_id": "a.two", "role": role} | about,
    ]
    return pl.DataFrame(rows, schema=frames.METERS.schema)


def both(other: datetime = T, **values: float) -> pl.DataFrame:
    """A reading of each of the two."""
    second = kept(**values).with_columns(meter_id=pl.lit("a.two"), ts_utc=pl.lit(other))
    return pl.concat(
        [kept(**values), second.select(kept().columns).cast(pl.Schema(frames.READINGS.schema))]
    )


def test_main_meters_that_are_together_above_the_capacity_are_told_at_once() -> None:
    # 2 × 3,000 kW are 6,000 of 5,000, while each alone is below
    (said,) = warnings(both(power_kw=3_000.0), two())

    assert said.startswith(
        "site a: its main meters a.main, a.two together have 6,000 kW at 2026-01-01T00:00:00Z,"
        " above the capacity_kw of 5,000"
    )
    assert "role 'sub'" in said
    assert warnings(both(power_kw=2_500.0), two()) == ()  # 5,000: as much as it has
    assert warnings(both(power_kw=3_000.0), two("sub")) == ()
    assert warnings(both(datetime(2026, 1, 1, 1, tzinfo=UTC), power_kw=3_000.0), two()) == ()
    assert warnings(both(power_kw=3_000.0), two(capacity_kw=None)) == ()


def test_energies_of_an_interval_are_added_up_as_powers() -> None:
    # 2 × 700 kWh in a quarter of an hour are 5,600 kW
    (said,) = warnings(both(energy_kwh=700.0), two(kind="interval"))

    assert "together have 5,600 kW" in said
    # 2 × 61,000 kWh in a day of 25 hours are 4,880 kW: it may have been that day
    daily = two(kind="interval", expected_interval_s=86_400, expected_interval="day")
    assert warnings(both(energy_kwh=61_000.0), daily) == ()


def test_meters_that_follow_each_other_are_not_added_up() -> None:
    swap = datetime(2026, 1, 1, tzinfo=UTC)
    meters_ = two().with_columns(
        valid_to_utc=pl.when(meter_id="a.main").then(pl.lit(swap)),
        valid_from_utc=pl.when(meter_id="a.two").then(pl.lit(swap)),
    )

    assert warnings(both(power_kw=3_000.0), meters_.cast(pl.Schema(frames.METERS.schema))) == ()

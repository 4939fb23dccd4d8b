"""A unit that is a thousand times off shows beside the capacity, and in J/TH."""

import polars as pl

from wattbook.core.unit_doubts import Doubts

METERS = pl.DataFrame(
    {
        "meter_id": ["a", "b", "q"],
        "expected_interval_s": [3600, 3600, 900],
        "capacity_kw": [5000.0, None, 5000.0],
    }
)


def doubts(**columns):
    found = Doubts()
    found.add(pl.DataFrame(columns))
    found.compare(METERS)
    return found.found


def test_watts_as_kilowatts_are_a_thousand_times_the_capacity():
    (said,) = doubts(meter_id=["a", "a"], power_kw=[1.0, 4_200_000.0])
    assert said == (
        "power_kw of a is up to 4.2e+06, 840 times the capacity of its site; if the file has W:"
        " --unit power_kw=W"
    )


def test_energy_is_compared_by_the_length_of_its_interval():
    # 15,000 kWh in a quarter-hour is 60,000 kW, twelve times 5,000; in an hour it is three times.
    assert doubts(meter_id=["a"], energy_kwh=[15_000.0]) == []
    (said,) = doubts(meter_id=["q"], energy_kwh=[15_000.0])
    assert "12 times the capacity of its site; if the file has Wh: --unit energy_kwh=Wh" in said


def test_a_peak_above_the_capacity_is_no_doubt_about_units():
    assert doubts(meter_id=["a"], power_kw=[9_000.0]) == []


def test_without_a_capacity_only_what_no_meter_has_is_doubted():
    assert doubts(meter_id=["b"], power_kw=[900_000.0]) == []
    (said,) = doubts(meter_id=["b"], power_kw=[4_200_000.0])
    assert "more than any meter of a load has" in said


def test_a_hash_rate_in_another_unit_shows_in_joules_per_terahash():
    # 3,425 kW over 134.6 of the column is 25,446 J/TH; over 134,600 TH/s it is 25.4.
    (said,) = doubts(meter_id=["a"], power_kw=[3425.0], hashrate_th=[134.6])
    assert said == "a has 2.545e+04 J/TH; if the file has PH/s: --unit hashrate_th=PH/s"
    assert doubts(meter_id=["a"], power_kw=[3425.0], hashrate_th=[134_600.0]) == []
    (low,) = doubts(meter_id=["a"], power_kw=[3425.0], hashrate_th=[134_600_000.0])
    assert "if the file has GH/s" in low

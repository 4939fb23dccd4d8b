"""A setting that nobody makes leaves the fingerprint as it was before there was such a setting."""

import polars as pl

from wattbook.core.archive.fingerprint import meters_settled

METERS = pl.DataFrame(
    {
        "meter_id": ["m"],
        "flow": ["consumption"],
        "register_resolution_kwh": [None],
        "capacity_kw": [100.0],
        "plausible_kw": [None],
    },
    schema_overrides={"register_resolution_kwh": pl.Float64, "plausible_kw": pl.Float64},
)


def test_settings_that_came_later_are_named_where_somebody_made_them() -> None:
    net = METERS.with_columns(flow=pl.lit("net"), plausible_kw=pl.lit(300.0))

    assert meters_settled(METERS) == ["meter meter_id='m' capacity_kw=100.0"]
    assert meters_settled(net) == [
        "meter meter_id='m' flow='net' capacity_kw=100.0 plausible_kw=300.0"
    ]

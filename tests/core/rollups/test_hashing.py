"""Energy over hashes: numerator and denominator cover the same time, at every grain."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.core import frames, periods
from wattbook.core.forecast import history
from wattbook.core.meters import presence
from wattbook.core.periods import Grain, Period
from wattbook.core.ratios import known_share, ratio
from wattbook.core.rollups import aggregation, hashing, metrics

T = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
MINUTE = timedelta(minutes=1)
Row = tuple[int, float, float | None]
DAY = Period(T, T + timedelta(days=1))


def meters(*ids: str) -> pl.DataFrame:
    plain = {
        "site_id": "s",
        "operator": "alder",
        "zone": "XX",
        "timezone": "UTC",
        "kind": "power",
        "role": "main",
        "expected_interval_s": 300,
        "max_hold_s": 900,
    }
    return pl.DataFrame([plain | {"meter_id": name} for name in ids], schema=frames.METERS.schema)


def readings(rows: Sequence[Row], meter_id: str = "m", **more: object) -> pl.DataFrame:
    """Power [kW] and hash rate [TH/s] so many minutes after `T`."""
    same = {"quality": "measured", "known_utc": T, "revision": 0, "meter_id": meter_id} | more
    return pl.DataFrame(
        [
            same | {"ts_utc": T + at * MINUTE, "power_kw": kw, "hashrate_th": rate}
            for at, kw, rate in rows
        ],
        schema=frames.READINGS.schema,
    )


def rolled(*parts: pl.DataFrame, about: pl.DataFrame) -> pl.DataFrame:
    quarters = aggregation.quarters(pl.concat(parts), about)
    return aggregation.with_revisions(aggregation.every_grain(quarters, about), T)


def of_day(rows: pl.DataFrame, grain: Grain, meter_count: int = 1) -> dict[str, object]:
    own = rows.filter(grain=str(grain))
    named = own["meter_id"].unique().to_list()
    silent = [f"silent-{at}" for at in range(meter_count - len(named))]
    spans = presence.spans(meters(*named, *silent))  # all of them are there all the time
    summed = metrics.total(own, periods.buckets(DAY, grain), spans)
    return metrics.whole(summed, own, DAY, spans)


def test_machines_whose_rate_is_unknown_while_they_stand_still_do_not_improve_the_efficiency() -> (
    None
):
    # Until 12:30 3,000 kW at 100,000 TH/s are 30 J/TH; then 300 kW, and no rate is sent.
    told: list[Row] = [(q * 15, 3000.0, 100_000.0) for q in range(50)]
    silent: list[Row] = [(q * 15, 300.0, None) for q in range(50, 96)]
    rows = rolled(readings(told + silent), about=meters("m"))

    for grain in (Grain.QUARTER, Grain.HOUR, Grain.DAY):
        whole = of_day(rows, grain)
        assert whole["efficiency_j_per_th"] == pytest.approx(30.0)
        assert whole["efficiency_time_share"] == pytest.approx(50 / 96)
    noon = rows.filter(grain="hour", start_utc=T + timedelta(hours=12)).row(0, named=True)
    assert noon["efficiency_j_per_th"] == pytest.approx(30.0)
    assert (noon["hashrate_s"], noon["hashrate_kwh"]) == (1800.0, 1500.0)  # half an hour of it
    assert noon["efficiency_time_share"] == 0.5


def test_a_rate_that_stops_within_a_quarter_counts_for_the_minutes_for_which_it_is_known() -> None:
    # 5 of 15 minutes: 3,000 kW and 100,000 TH/s. Then 300 kW: 250 kWh over 3e7 TH are 30 J/TH.
    rows = rolled(
        readings([(0, 3000.0, 100_000.0), (5, 300.0, None), (15, 0.0, None)]), about=meters("m")
    )

    first = rows.filter(grain="15min").row(0, named=True)
    assert first["efficiency_j_per_th"] == pytest.approx(30.0)
    assert (first["hashrate_s"], first["hashrate_kwh"]) == (300.0, 250.0)
    assert first["hashrate_th_mean"] == pytest.approx(100_000.0)


def test_means_of_a_day_weigh_by_the_time_for_which_the_figure_itself_is_known() -> None:
    # 100 TH/s and 10 °C for 5 minutes, then 10 minutes of neither; 400 TH/s and 40 °C for 15.
    rows = [
        readings([(0, 30.0, 100.0)], temperature_c=10.0),
        readings([(5, 30.0, None)]),
        readings([(15, 30.0, 400.0)], temperature_c=40.0),
        readings([(30, 30.0, None)]),
    ]
    day = rolled(*rows, about=meters("m")).filter(grain="day").row(0, named=True)

    assert day["hashrate_th_mean"] == pytest.approx(325.0)  # (5 × 100 + 15 × 400) / 20
    assert day["temperature_c_mean"] == pytest.approx(32.5)  # (5 × 10 + 15 × 40) / 20
    assert (day["hashrate_s"], day["temperature_s"]) == (1200.0, 1200.0)


def test_of_several_meters_each_counts_for_the_time_for_which_its_rate_is_known() -> None:
    # a: 12 h of 3,000 kW at 100,000 TH/s; then fans. b: all day 1,000 kW at 40,000 TH/s.
    # Energy while the rate is known: 36,000 + 24,000 kWh; hashes 4.32e9 + 3.456e9 TH.
    a = [(q * 15, 3000.0, 100_000.0) if q < 48 else (q * 15, 300.0, None) for q in range(96)]
    b = [(q * 15, 1000.0, 40_000.0) for q in range(96)]
    rows = rolled(readings(a, "a"), readings(b, "b"), about=meters("a", "b"))

    right = 60_000 * 3_600_000 / (4.32e9 + 3.456e9)  # 27.78 J/TH
    for grain in (Grain.QUARTER, Grain.HOUR, Grain.DAY):
        whole = of_day(rows, grain, 2)
        assert whole["efficiency_j_per_th"] == pytest.approx(right)
        assert whole["efficiency_time_share"] == pytest.approx(0.75)
    assert history.hashed(rows.filter(grain="hour")) == pytest.approx(right)


def test_a_meter_that_never_hashes_is_no_part_of_the_efficiency() -> None:
    cooling = readings([(q * 15, 500.0, None) for q in range(96)], "b")
    halls = readings([(q * 15, 3000.0, 100_000.0) for q in range(96)], "a")
    rows = rolled(halls, cooling, about=meters("a", "b"))

    assert of_day(rows, Grain.HOUR, 2)["efficiency_j_per_th"] == pytest.approx(30.0)


def test_rows_of_an_older_version_answer_by_their_covered_time_and_say_no_share() -> None:
    new = rolled(readings([(0, 3000.0, 100_000.0), (15, 0.0, None)]), about=meters("m"))
    old = aggregation.with_ratios(
        new.with_columns(
            pl.lit(None, pl.Float64).alias(name)
            for name in ("hashrate_kwh", "hashrate_s", "temperature_s")
        )
    )

    quarter = old.filter(grain="15min").row(0, named=True)
    assert quarter["efficiency_j_per_th"] == pytest.approx(30.0)
    assert quarter["efficiency_time_share"] is None
    day = aggregation.coarsen(old.filter(grain="15min"), meters("m"), Grain.DAY).row(0, named=True)
    # 750 kWh of half an hour that is covered, at 100,000 TH/s for all of it.
    assert day["efficiency_j_per_th"] == pytest.approx(15.0)
    assert (day["hashrate_s"], day["efficiency_time_share"]) == (None, None)
    assert of_day(old, Grain.HOUR)["efficiency_time_share"] is None


known = st.one_of(st.none(), st.integers(1, 1_000_000).map(float))


@given(st.lists(st.tuples(st.integers(0, 5000).map(float), known), min_size=1, max_size=96))
def test_the_efficiency_lies_between_the_best_and_the_worst_time_for_which_both_are_known(
    rows: list[tuple[float, float | None]],
) -> None:
    told = [(at * 15, kw, rate) for at, (kw, rate) in enumerate(rows)]
    found = of_day(rolled(readings(told), about=meters("m")), Grain.HOUR)["efficiency_j_per_th"]

    single = [kw * 1000 / rate for kw, rate in rows if rate is not None]
    if not single:
        assert found is None
    else:
        assert isinstance(found, float)
        assert min(single) * 0.999 <= found <= max(single) * 1.001


def test_a_ratio_leaves_out_rows_in_which_one_side_is_unknown() -> None:
    rows = pl.DataFrame({"part": [1.0, 5.0, None, 3.0], "whole": [2.0, None, 7.0, 2.0]})

    assert rows.select(ratio(pl.col("part"), pl.col("whole"))).item() == 1.0  # (1 + 3) / (2 + 2)
    assert rows.slice(1, 2).select(ratio(pl.col("part"), pl.col("whole"))).item() is None


def test_the_share_that_is_known_is_one_of_weights() -> None:
    rows = pl.DataFrame({"w": [1.0, 2.0, 1.0], "a": [1.0, None, 1.0], "b": [1.0, 1.0, None]})

    assert rows.select(known_share(pl.col("w"), pl.col("a"))).item() == 0.5
    assert rows.select(known_share(pl.col("w"), pl.col("a"), pl.col("b"))).item() == 0.25
    assert rows.head(0).select(known_share(pl.col("w"), pl.col("a"))).item() is None


def test_the_column_of_the_known_time_is_named_by_its_quantity() -> None:
    for quantity in ("hashrate_th", "temperature_c"):
        assert hashing.known_column(quantity) in frames.ROLLUPS.columns

"""The sample sites: what is simulated does what it says, what is real is left as it is."""

from datetime import UTC, datetime, timedelta
from importlib import resources

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook import samples
from wattbook.samples import load, simulate
from wattbook.samples.sites import SiteBody, asic_models

MINES = ("pecos-1", "odessa-2", "permian-3", "kanto-4")


@pytest.fixture(scope="module")
def rows() -> dict[str, pl.DataFrame]:
    return dict(samples.telemetry())


@pytest.fixture(scope="module")
def sites() -> dict[str, SiteBody]:
    return {site["id"]: site for site in samples.sites()}


def of(rows: dict[str, pl.DataFrame], meter_id: str) -> pl.DataFrame:
    return rows[meter_id.partition(".")[0]].filter(meter_id=meter_id)


def west_above(usd_per_mwh: float) -> list[datetime]:
    above = load.day_ahead().filter(pl.col("hb_west_usd_mwh") > usd_per_mwh)
    return above["interval_start_utc"].to_list()


def dear(rows: pl.DataFrame, usd_per_mwh: float) -> pl.Series:
    return rows["timestamp"].dt.truncate("1h").is_in(west_above(usd_per_mwh))


def test_the_same_seed_gives_the_same_frames_and_another_seed_does_not() -> None:
    once, again, other = (dict(load.telemetry(seed)) for seed in (7, 7, 8))

    for label in once:
        assert_frame_equal(once[label], again[label])
    assert not once["pecos-1"].equals(other["pecos-1"])


def test_every_frame_is_of_raw_rows_of_registered_meters(
    rows: dict[str, pl.DataFrame], sites: dict[str, SiteBody]
) -> None:
    assert list(rows) == [*MINES, "cogen-plant"]
    for label, frame in rows.items():
        assert frame.schema == pl.Schema(simulate.RAW)
        assert set(frame["meter_id"]) == {meter["id"] for meter in sites[label]["meters"]}


@pytest.mark.parametrize("site_id", MINES)
def test_a_simulated_site_says_so(sites: dict[str, SiteBody], site_id: str) -> None:
    assert sites[site_id]["simulated"]
    assert "simulated" in sites[site_id]["name"]


@pytest.mark.parametrize("site_id", [*MINES, "cogen-plant"])
def test_nothing_is_negative_or_above_capacity(
    rows: dict[str, pl.DataFrame], sites: dict[str, SiteBody], site_id: str
) -> None:
    capacity_kw = sites[site_id]["capacity_kw"]
    frame = rows[site_id]

    measured = pl.col("power_kw", "energy_kwh", "register_kwh", "hashrate_th")
    assert frame.select(pl.all_horizontal((measured >= 0).all())).item()
    assert frame.select((pl.col("power_kw") <= capacity_kw).all()).item()
    assert frame.select((pl.col("energy_kwh") <= capacity_kw / 4).all()).item()


@pytest.mark.parametrize("site_id", MINES)
def test_the_simulation_covers_may_to_july(rows: dict[str, pl.DataFrame], site_id: str) -> None:
    stamps = rows[site_id]["timestamp"]

    assert stamps.min() == load.START
    assert stamps.is_between(load.START, load.END, closed="left").all()
    assert (stamps >= load.END - timedelta(hours=1)).any()


def test_pecos_curtails_to_a_twentieth_exactly_where_the_price_is_above_95(
    rows: dict[str, pl.DataFrame], sites: dict[str, SiteBody]
) -> None:
    main = rows["pecos-1"]
    racks = load.racks(sites["pecos-1"])
    rated_kw, _ = simulate.nameplate(main["timestamp"], racks)

    low = pl.Series(main["power_kw"].to_numpy() < 0.06 * rated_kw)

    assert low.sum() == 58 * 12  # 58 dear hours of twelve samples
    assert low.equals(dear(main, 95.0))


def test_pecos_steps_up_when_racks_are_added(rows: dict[str, pl.DataFrame]) -> None:
    main = rows["pecos-1"].filter(~dear(rows["pecos-1"], 95.0))
    new = datetime(2021, 6, 15, tzinfo=UTC)

    before = main.filter(pl.col("timestamp") < new)["power_kw"].to_numpy().mean()
    after = main.filter(pl.col("timestamp") >= new)["power_kw"].to_numpy().mean()

    # 6,300 x 3.05 kW = 19,215 kW; 1,600 x 3.01 kW more make 24,031 kW: a quarter more
    assert after / before == pytest.approx(24_031 / 19_215, rel=0.01)


def test_permian_sheds_load_on_four_days_exactly_where_the_price_is_above_250(
    rows: dict[str, pl.DataFrame],
) -> None:
    main = rows["permian-3"]
    low = main["energy_kwh"] < 0.35 * 9_931.6  # a quarter of 21,000 + 18,726.4 kW

    assert low.equals(dear(main, 250.0))
    days = main.filter(low)["timestamp"].dt.convert_time_zone("America/Chicago").dt.date()
    assert days.n_unique() == 4


def test_the_meter_at_permian_sticks_once_for_thirty_hours_while_the_hash_rate_moves(
    rows: dict[str, pl.DataFrame],
) -> None:
    main = rows["permian-3"].with_columns(run=pl.col("energy_kwh").rle_id())
    runs = main.group_by("run").agg(pl.len(), pl.col("hashrate_th").n_unique())
    longest = runs.sort("len", descending=True)

    assert longest["len"][0] == 120  # 30 h of quarters
    assert longest["len"][1] < 4
    assert longest["hashrate_th"][0] > 60


def test_the_register_at_odessa_rolls_over_and_its_halls_add_up_to_it(
    rows: dict[str, pl.DataFrame],
) -> None:
    main = of(rows, "odessa-2.main")
    first, last = main["timestamp"][0], main["timestamp"][-1]
    step = main["register_kwh"].diff().drop_nulls()
    used_kwh = main["register_kwh"][-1] - main["register_kwh"][0] + 3 * 10_000_000

    assert (main["register_kwh"] < 10_000_000).all()
    assert (step < 0).sum() == 3
    between = pl.col("timestamp").is_between(first, last, closed="left")
    halls_kwh = rows["odessa-2"].filter(between)["energy_kwh"].sum()
    assert halls_kwh == pytest.approx(used_kwh, rel=0.01)


def test_the_halls_add_up_in_every_quarter_that_both_know(rows: dict[str, pl.DataFrame]) -> None:
    main = of(rows, "odessa-2.main").with_columns(
        used=pl.col("register_kwh").diff().shift(-1) % 10_000_000,
        quarter=pl.col("timestamp").diff().shift(-1) == timedelta(minutes=15),
    )
    halls = rows["odessa-2"].group_by("timestamp").agg(halls=pl.col("energy_kwh").sum())
    both = main.filter("quarter").join(halls, on="timestamp")

    assert both.height > 8_600
    assert (both["halls"] / both["used"]).is_between(0.99, 1.0).all()


def test_the_link_at_odessa_fails_for_nine_hours_and_loses_scattered_rows(
    rows: dict[str, pl.DataFrame],
) -> None:
    gaps = of(rows, "odessa-2.main")["timestamp"].diff().drop_nulls()

    assert (gaps >= timedelta(hours=9, minutes=15)).sum() == 1
    assert (gaps > timedelta(minutes=15)).sum() > 20


@pytest.mark.parametrize("site_id", ["pecos-1", "kanto-4"])
def test_the_hash_rate_follows_the_power_through_the_nameplate(
    rows: dict[str, pl.DataFrame], sites: dict[str, SiteBody], site_id: str
) -> None:
    main = rows[site_id].filter(pl.col("timestamp") < datetime(2021, 6, 15, tzinfo=UTC))
    first = sites[site_id]["fleet"][0]
    joules_per_th = main["power_kw"] * 1000 / main["hashrate_th"]

    plate = first["power_w"] / first["hashrate_th"]
    assert (joules_per_th / plate).is_between(0.97, 1.05).all()


def test_nameplates_are_consistent() -> None:
    models = asic_models()
    ratio = models["power_w"] / models["hashrate_th"]

    assert ((ratio - models["efficiency_j_per_th"]).abs() < 0.006).all()
    assert models.select("source", "licence").null_count().row(0) == (0, 0)


def test_the_plant_s_units_less_its_auxiliaries_are_its_net_output_on_every_row() -> None:
    source = load.cogen_source()
    off = source.select(
        pl.sum_horizontal(pl.selectors.matches("^(gt_.|st)_power_mw$"))
        - pl.col("aux_power_mw")
        - pl.col("target_net_power_mw")
    ).to_series()

    assert source.height == 17_640
    assert (off.abs() < 2.0001e-4).all()


def test_the_plant_s_rows_keep_their_order_and_their_wrong_stamps(
    rows: dict[str, pl.DataFrame],
) -> None:
    net = of(rows, "cogen-plant.net")
    step = net["timestamp"].diff()

    assert net["timestamp"].null_count() == 0
    assert (step < timedelta(0)).sum() == 8
    assert net.height - net["timestamp"].n_unique() == 8
    # 2021-05-01T06:00 in Chicago is 11:00 UTC; 260.2088 MW; 72.8338 °F
    assert net["timestamp"][0] == datetime(2021, 5, 1, 11, tzinfo=UTC)
    assert net["power_kw"][0] == 260.2088 * 1000
    assert net["temperature_c"][0] == pytest.approx(22.6854, abs=1e-4)


def test_a_time_that_never_was_is_left_null_and_one_that_was_twice_is_its_first() -> None:
    odd = load.cogen_source().head(2)
    stamps = pl.Series("timestamp_local", ["2021-03-14T02:30:00", "2021-11-07T01:30:00"])

    net = load.cogen(odd.with_columns(stamps)).filter(meter_id="cogen-plant.net")

    assert net["timestamp"].to_list() == [None, datetime(2021, 11, 7, 6, 30, tzinfo=UTC)]


def test_prices_are_the_hub_average_of_every_hour() -> None:
    prices = samples.prices()

    assert prices.columns == ["zone", "start", "price_per_mwh", "currency", "interval_s"]
    assert prices.height == 8_754
    assert prices["start"].diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]
    assert prices["price_per_mwh"][0] == 18.26
    assert np.isfinite(prices["price_per_mwh"].to_numpy()).all()


def test_the_shipped_data_are_small() -> None:
    files = list(resources.files("wattbook.samples").joinpath("data").iterdir())
    sizes = [len(file.read_bytes()) for file in files]

    assert sum(sizes) < 4_000_000
    assert max(sizes) < 1_500_000

"""The sample telemetry and prices, as frames that ingestion takes."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from typing import Final

import polars as pl

from wattbook.core.units import KW_PER_MW, SECONDS_PER_HOUR, to_base
from wattbook.samples import simulate
from wattbook.samples.simulate import Climate, Plan, Racks, Strike
from wattbook.samples.sites import ERCOT, QUARTER_S, SiteBody, sites

SEED: Final = 2021
START: Final = datetime(2021, 5, 1, tzinfo=UTC)
END: Final = datetime(2021, 8, 1, tzinfo=UTC)
WEST_TEXAS: Final = Climate(mean_c=27.0, swing_k=7.5, warmest_hour=21.5)
KANTO: Final = Climate(mean_c=23.0, swing_k=4.0, warmest_hour=5.0)

PECOS_STRIKE: Final = Strike(hub="hb_west", usd_per_mwh=95.0, down_to=0.05)
PERMIAN_STRIKE: Final = Strike(hub="hb_west", usd_per_mwh=250.0, down_to=0.30)
ODESSA_FIRST_KWH: Final = 7_412_638.4
OUTAGE: Final = (datetime(2021, 6, 22, 3, tzinfo=UTC), 9.0)
"""Start and hours for which Odessa's main meter cannot be reached."""
STUCK: Final = (datetime(2021, 7, 7, 5, tzinfo=UTC), 30.0)
"""Start and hours for which Permian's meter repeats itself."""

COGEN_METERS: Final = {
    "cogen-plant.gt1": "gt_1_power_mw",
    "cogen-plant.gt2": "gt_2_power_mw",
    "cogen-plant.gt3": "gt_3_power_mw",
    "cogen-plant.st": "st_power_mw",
    "cogen-plant.net": "target_net_power_mw",
    "cogen-plant.aux": "aux_power_mw",
}


def telemetry(seed: int = SEED) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each site's id with its raw rows: those of the mines simulated, those of the plant real."""
    market = day_ahead()
    by_id = {site["id"]: site for site in sites()}
    yield "pecos-1", pecos(by_id["pecos-1"], market, seed)
    yield "odessa-2", odessa(by_id["odessa-2"], market, seed + 1)
    yield "permian-3", permian(by_id["permian-3"], market, seed + 2)
    yield "kanto-4", kanto(by_id["kanto-4"], market, seed + 3)
    yield "cogen-plant", cogen(cogen_source())


def prices() -> pl.DataFrame:
    """Day-ahead prices of 2021 as grid rows: the mean of ERCOT's hubs, for the whole zone."""
    return day_ahead().select(
        zone=pl.lit(ERCOT),
        start="interval_start_utc",
        price_per_mwh="hb_hubavg_usd_mwh",
        currency=pl.lit("USD"),
        interval_s=pl.lit(SECONDS_PER_HOUR, pl.Int64),
    )


def day_ahead() -> pl.DataFrame:
    """ERCOT's day-ahead prices [USD/MWh] by hour, hub and load zone."""
    return _shipped("ercot_day_ahead_2021.parquet")


def cogen_source() -> pl.DataFrame:
    """The plant's rows as the source has them: local time, MW, °F, and in that order."""
    return _shipped("cogen_plant_2021.parquet")


def pecos(site: SiteBody, market: pl.DataFrame, seed: int) -> pl.DataFrame:
    """A power meter; the site curtails by price and grows in June."""
    run = simulate.operate(_plan(site, WEST_TEXAS, PECOS_STRIKE), market, seed=seed)
    return simulate.power_meter(run, "pecos-1.main")


def odessa(site: SiteBody, market: pl.DataFrame, seed: int) -> pl.DataFrame:
    """A register that rolls over and falls silent, and two halls behind it that do not."""
    run = simulate.operate(_plan(site, WEST_TEXAS), market, seed=seed)
    size_kwh = site["meters"][0]["register_size_kwh"]
    main = simulate.register_meter(
        run, "odessa-2.main", QUARTER_S, first_kwh=ODESSA_FIRST_KWH, size_kwh=size_kwh
    )
    rated_w = [item["count"] * item["power_w"] for item in site["fleet"]]
    shares = dict(zip(("odessa-2.hall-a", "odessa-2.hall-b"), rated_w, strict=True))
    halls = simulate.halls(run, shares, QUARTER_S, seed=seed)
    return pl.concat([simulate.silent(main, *OUTAGE, lost_share=0.005, seed=seed), halls])


def permian(site: SiteBody, market: pl.DataFrame, seed: int) -> pl.DataFrame:
    """An interval meter that sticks once; the site sheds load on four evenings."""
    run = simulate.operate(_plan(site, WEST_TEXAS, PERMIAN_STRIKE), market, seed=seed)
    rows = simulate.interval_meter(run, "permian-3.main", QUARTER_S)
    return simulate.stuck(rows, "energy_kwh", *STUCK)


def kanto(site: SiteBody, market: pl.DataFrame, seed: int) -> pl.DataFrame:
    """A power meter of a steady site."""
    run = simulate.operate(_plan(site, KANTO), market, seed=seed)
    return simulate.power_meter(run, "kanto-4.main")


def cogen(source: pl.DataFrame) -> pl.DataFrame:
    """The plant's raw rows: UTC, kW and °C.

    An hour that happened twice is read as its first; a time that never was stays null, so that
    ingestion refuses the row where everybody can see it.
    """
    local = pl.col("timestamp_local").str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us")
    central = local.dt.replace_time_zone(
        "America/Chicago", ambiguous="earliest", non_existent="null"
    )
    wide = source.select(
        timestamp=central.dt.convert_time_zone("UTC"),
        temperature_c=pl.col("ambient_temperature_f"),
        **{meter: pl.col(column) * KW_PER_MW for meter, column in COGEN_METERS.items()},
    ).with_columns(to_base("temperature_c", "F"))
    long = wide.unpivot(
        index=["timestamp", "temperature_c"], variable_name="meter_id", value_name="power_kw"
    )
    return long.select(
        pl.col(name) if name in long.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in simulate.RAW.items()
    )


def racks(site: SiteBody) -> list[Racks]:
    """The machines of a site."""
    return [
        Racks(
            count=item["count"],
            hashrate_th=item["hashrate_th"],
            power_w=item["power_w"],
            since=datetime.fromisoformat(item["valid_from"]),
        )
        for item in site["fleet"]
    ]


def _plan(site: SiteBody, climate: Climate, strike: Strike | None = None) -> Plan:
    main = next(meter for meter in site["meters"] if meter["role"] == "main")
    return Plan(
        start=START,
        end=END,
        interval_s=main["expected_interval_s"],
        capacity_kw=site["capacity_kw"],
        racks=racks(site),
        climate=climate,
        strike=strike,
    )


def _shipped(name: str) -> pl.DataFrame:
    file = resources.files("wattbook.samples").joinpath("data", name)
    return pl.read_parquet(io.BytesIO(file.read_bytes()))

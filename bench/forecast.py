"""Forecasts of real series beside naive ones, Prophet, MSTL with ETS, and the grid's own."""

import argparse
import asyncio
import logging
import os
import resource
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # every peer on one core

import numpy as np
import polars as pl

from wattbook.core.forecast import naive, scores, series
from wattbook.core.forecast.task import Donor, ForecastTask
from wattbook.core.periods import Grain
from wattbook.models.auto import forecast
from wattbook.models.process_pool import Pool

DATA = Path("../shared/data/reference")
YEARS = timedelta(days=3 * 365)
MONTH = timedelta(days=30)
HOURS = (24, 168, 720)
YOUNG_DAYS = (3, 10, 25)
PEER_DAYS = 180
"""MSTL is given so much of the end of the history: more makes it slower, not better."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A series until an origin, and what came of it."""

    group: str
    name: str
    history: pl.DataFrame
    actual: np.ndarray
    own: np.ndarray
    ask: ForecastTask


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true", help="few series and origins, under 3 min")
    asked.add_argument("--every", type=int, default=3, help="every so-manieth series, by name")
    asked.add_argument("--origins", type=int, default=4, help="origins of each series")
    asked.add_argument("--peers", type=int, default=4, help="peers run on every so-manieth case")
    asked.add_argument("--only", help="one group: eia, pjm, vic, servers, sites, young, bitcoin")
    asked.add_argument("--data", type=Path, default=DATA)
    args = asked.parse_args()
    if args.quick:
        args.every, args.origins, args.peers = 7, 2, 5
    warnings.filterwarnings("ignore")
    pl.Config.set_tbl_rows(60)
    pl.Config.set_tbl_cols(12)
    pl.Config.set_tbl_width_chars(120)
    pl.Config.set_tbl_hide_dataframe_shape(True)
    logging.disable(logging.INFO)
    if not args.data.is_dir():
        print(f"no reference data at {args.data}: skipped")
        return
    print(f"{os.cpu_count()} cores; every {args.every}. series, {args.origins} origins each")
    loaders = {"eia": eia, "pjm": pjm, "vic": victoria, "servers": servers}
    hourly = [
        case
        for name, load in loaders.items()
        if args.only in (None, name)
        for case in load(args.data, args.every, args.origins)
    ]
    if hourly:
        run(hourly, args.peers, "week")
    if args.only in (None, "sites"):
        asyncio.run(sites(list(eia(args.data, 1, 4))[: 10 if args.quick else 100]))
    if args.only == "young" or (args.only is None and not args.quick):
        young(list(eia(args.data, args.every, args.origins)))
    if args.only in (None, "bitcoin"):
        run(list(bitcoin(args.data, 84 if not args.quick else 12)), 6, "drift")


def run(cases: list[Case], peers: int, bar: str) -> None:
    """Every case with wattbook and the bar; every `peers`-th with the slow peers as well."""
    rows, held = [], []
    begin = time.perf_counter()
    for number, case in enumerate(cases):
        unit = known(case)
        steps = 30 if case.ask.grain is Grain.DAY else 720
        taken = cpu_s()
        outlook = forecast(case.history, case.ask)
        seconds = cpu_s() - taken
        points = {"wattbook": outlook.rows["mean"].to_numpy(), bar: naive_of(unit, bar)}
        if np.isfinite(case.own).any():
            points["own"] = case.own
        spent = {"wattbook": seconds}
        if number % peers == 0:
            for name, peer in (("prophet", prophet), ("mstl+ets", mstl)):
                taken = cpu_s()
                points[name] = peer(case, unit, steps)
                spent[name] = cpu_s() - taken
        scale = scores.scale(unit)
        for name, point in points.items():
            rows.append(
                {
                    "group": case.group,
                    "model": name,
                    "case": number,
                    "seconds": spent.get(name),
                    **score(case, point, scale),
                }
            )
        held.append({"group": case.group, "case": number, **inside(case, outlook.rows)})
        print(
            f"\r{number + 1}/{len(cases)} {case.group} {case.name} "
            f"{time.perf_counter() - begin:.0f} s   ",
            end="",
            flush=True,
        )
    print()
    report(pl.DataFrame(rows), pl.DataFrame(held), bar)


def cpu_s() -> float:
    """Seconds of CPU so far, those of ended children too: Prophet fits in one."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)


async def sites(cases: list[Case]) -> None:
    """Whole forecasts of many sites, as the service makes them: in as many processes as cores."""
    pool = Pool(os.cpu_count() or 1)
    done = 0

    async def one(case: Case) -> None:
        nonlocal done
        await pool.forecast(case.history, case.ask)
        done += 1
        print(f"\r{done}/{len(cases)} sites", end="", flush=True)

    begin = time.perf_counter()
    try:
        await asyncio.gather(*map(one, cases))
    finally:
        await pool.close()
    took = time.perf_counter() - begin
    print(
        f"\r{len(cases)} sites, 30 days of hours from 3 years: {took:.0f} s (asked: 180 s of 100)"
    )


def young(cases: list[Case]) -> None:
    """Every third case as if it were so many days old, learning from the others of its origin."""
    rows = []
    for number, case in enumerate(cases[::3]):
        at = case.history["start_utc"][-1]
        donors = [
            Donor(history=each.history.tail(500 * 24), timezone=each.ask.timezone)
            for each in cases
            if each.name != case.name and each.history["start_utc"][-1] == at
        ]
        scale = scores.scale(known(case))
        for days in YOUNG_DAYS:
            short = replace(case, history=case.history.tail(days * 24))
            taken = cpu_s()
            outlook = forecast(short.history, case.ask, donors=donors)
            spent = cpu_s() - taken
            unit = known(short)
            bar = naive_of(unit, "week" if days >= 7 else "day")
            points = {"wattbook": outlook.rows["mean"].to_numpy(), "naive": bar}
            points["prophet"] = prophet(case, unit, 720)
            for name, point in points.items():
                cpu = spent if name == "wattbook" else None
                held = inside(case, outlook.rows) if name == "wattbook" else {}
                rows.append(
                    {"days": days, "model": name, "seconds": cpu}
                    | score(case, point, scale)
                    | {f"held_{cut}": held.get(f"held_{cut}") for cut in HOURS}
                )
        print(f"\r{number + 1}/{len(cases[::3])} young", end="", flush=True)
    print("\nyoung sites, by how many days are known of them:")
    figures = pl.DataFrame(rows, infer_schema_length=None)
    means = [pl.col(name).mean().round(3) for name in figures.columns[2:]]
    print(figures.group_by("days", "model").agg(pl.len(), *means).sort("days", "model"))


def score(case: Case, point: np.ndarray, scale: float | None) -> dict[str, float | None]:
    off = np.abs(case.actual - point)
    cuts = (7, 30) if case.ask.grain is Grain.DAY else HOURS
    return {
        f"mase_{cut}": float(np.nanmean(off[:cut])) / scale
        if scale and np.isfinite(off[:cut]).any()
        else None
        for cut in cuts
    }


def inside(case: Case, rows: pl.DataFrame) -> dict[str, float | None]:
    low, high = rows["p10"].to_numpy(), rows["p90"].to_numpy()
    cuts = (0, 7, 30) if case.ask.grain is Grain.DAY else (0, *HOURS)
    return {
        f"held_{end}": scores.coverage(case.actual[a:end], low[a:end], high[a:end])
        for a, end in pairwise(cuts)
    }


def report(rows: pl.DataFrame, held: pl.DataFrame, bar: str) -> None:
    """Means over the cases that every model in the comparison was run on."""
    mases = [name for name in rows.columns if name.startswith("mase_")]
    means = [pl.col(name).mean().round(3) for name in mases]
    print(f"all cases, wattbook beside the naive one ({bar}):")
    both = rows.filter(pl.col("model").is_in(["wattbook", bar]))
    print(both.group_by("group", "model").agg(pl.len(), *means).sort("group", "model"))
    slow = rows.filter(model="prophet")["case"]
    print("the cases on which every peer was run:")
    beside = rows.filter(pl.col("case").is_in(slow.implode()), pl.col("model") != "own")
    cpu = pl.col("seconds").mean().round(2)
    print(beside.group_by("model").agg(pl.len(), *means, cpu).sort("model"))
    own = rows.filter(pl.col("model") == "own", pl.col(mases[0]).is_not_null())["case"]
    if len(own):
        print("the first day, beside the authority's own forecast (mean and median):")
        first = rows.filter(
            pl.col("case").is_in(own.implode()), pl.col("model").is_in(["wattbook", bar, "own"])
        )
        middle = pl.col(mases[0]).median().round(3).alias("median")
        print(first.group_by("model").agg(pl.len(), means[0], middle).sort("model"))
    print("share of hours between P10 and P90, by lead:")
    parts = [name for name in held.columns if name.startswith("held_")]
    shares = [pl.col(name).mean().round(3) for name in parts]
    print(held.group_by("group").agg(pl.len(), *shares).sort("group"))
    print(held.select(pl.lit("pooled").alias("group"), pl.len(), *shares))


def known(case: Case) -> series.Series:
    return series.series(case.history, case.ask)


def naive_of(unit: series.Series, kind: str) -> np.ndarray:
    at = np.array([unit.origin])
    if kind == "day":
        return naive.seasonal(unit, at, unit.horizon, naive.DAY)[0]
    if kind == "drift":
        return naive.drift(unit, at, unit.horizon)[0]
    return naive.seasonal(unit, at, unit.horizon, naive.WEEK)[0]


def prophet(_case: Case, unit: series.Series, steps: int) -> np.ndarray:
    from wattbook.models.prophet import predicted  # noqa: PLC0415 -- slow

    return predicted(unit, unit.origin)[:steps]


def mstl(case: Case, unit: series.Series, steps: int) -> np.ndarray:
    from statsforecast.models import MSTL, AutoETS  # noqa: PLC0415 -- slow

    day = case.ask.grain is Grain.DAY
    values = unit.values[-PEER_DAYS * unit.per_day :] if not day else unit.values[-730:]
    complete = pl.Series(values).fill_nan(None).interpolate().forward_fill().backward_fill()
    if day:
        return AutoETS(model="ZZN").forecast(complete.to_numpy(), steps)["mean"]
    model = MSTL([24, 168], trend_forecaster=AutoETS(model="ZZN"))
    return model.forecast(complete.to_numpy(), steps)["mean"]


def hourly_cases(
    group: str, name: str, rows: pl.DataFrame, ask: ForecastTask, origins: int
) -> Iterator[Case]:
    """Origins at local midnight, evenly over the last year of the series, on other weekdays."""
    last = rows["start_utc"][-1] - MONTH
    for number in range(origins):
        at = last - timedelta(days=number * (364 // origins + 1) + 5)
        local = at.astimezone(series.periods.zone(ask.timezone))
        at = local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
        history = rows.filter(pl.col("start_utc") < at, pl.col("start_utc") >= at - YEARS)
        if history["value"].is_not_null().sum() < 60 * 24:
            continue
        grid = pl.datetime_range(at, at + MONTH, "1h", closed="left", time_unit="us", eager=True)
        truth = grid.alias("start_utc").to_frame().join(rows, on="start_utc", how="left")
        own = truth["own"] if "own" in truth.columns else pl.repeat(None, 720, eager=True)
        yield Case(
            group=group,
            name=name,
            history=history.select("start_utc", "value"),
            actual=truth["value"].cast(float).fill_null(np.nan).to_numpy(),
            own=own.cast(float).fill_null(np.nan).to_numpy(),
            ask=ask,
        )


def hourly_ask(timezone: str, country: str | None) -> ForecastTask:
    return ForecastTask(horizon=MONTH, grain=Grain.HOUR, timezone=timezone, country=country)


Named = Iterator[tuple[str, pl.DataFrame, ForecastTask]]


def eia(data: Path, every: int, origins: int) -> Iterator[Case]:
    for name, rows, ask in list(eia_series(data))[::every]:
        yield from hourly_cases("eia", name, rows, ask, origins)


def eia_series(data: Path) -> Named:
    path = data / "eia930_demand_2015_2019" / "eia930_dev_28ba.parquet"
    if not path.exists():
        print(f"{path}: absent, skipped")
        return
    hours = pl.read_parquet(path).select(
        pl.col("ba").cast(pl.String),
        start_utc=pl.col("interval_end_utc") - timedelta(hours=1),
        value=pl.col("cleaned_mw").cast(float),
        own=pl.col("forecast_mw").cast(float),
    )
    for name in sorted(hours["ba"].unique()):
        rows = hours.filter(ba=name).sort("start_utc")
        yield name, rows, hourly_ask("America/Chicago", "US")


def pjm(data: Path, every: int, origins: int) -> Iterator[Case]:
    for name, rows, ask in list(pjm_series(data))[::every]:
        yield from hourly_cases("pjm", name, rows, ask, origins)


def pjm_series(data: Path) -> Named:
    path = data / "pjm_hourly_1998_2018" / "pjm_hourly_all_zones.parquet"
    if not path.exists():
        print(f"{path}: absent, skipped")
        return
    zone = "America/New_York"
    ended = pl.col("datetime_local_hour_ending") - timedelta(hours=1)
    hours = pl.read_parquet(path).select(
        pl.col("zone").cast(pl.String),
        start_utc=ended.dt.replace_time_zone(
            zone, ambiguous="earliest", non_existent="null"
        ).dt.convert_time_zone("UTC"),
        value=pl.col("mw").cast(float),
    )
    hours = hours.drop_nulls().group_by("zone", "start_utc").agg(pl.col("value").mean())
    for name in sorted(hours["zone"].unique()):
        yield name, hours.filter(zone=name).sort("start_utc"), hourly_ask(zone, "US")


def victoria(data: Path, _every: int, origins: int) -> Iterator[Case]:
    for name, rows, ask in victoria_series(data):
        yield from hourly_cases("vic", name, rows, ask, origins)


def victoria_series(data: Path) -> Named:
    path = data / "vic_electricity_2012_2014" / "vic_electricity.csv.gz"
    if not path.exists():
        print(f"{path}: absent, skipped")
        return
    rows = (
        pl.read_csv(path)
        .select(
            start_utc=pl.col("Time").str.to_datetime(time_unit="us", time_zone="UTC"),
            value=pl.col("Demand"),
        )
        .group_by(pl.col("start_utc").dt.truncate("1h"))
        .agg(pl.col("value").mean())
        .sort("start_utc")
    )
    yield "VIC", rows, hourly_ask("Australia/Melbourne", "AU-VIC")


def servers(data: Path, _every: int, origins: int) -> Iterator[Case]:
    for name, rows, ask in server_series(data):
        yield from hourly_cases("servers", name, rows, ask, origins)


def server_series(data: Path) -> Named:
    folder = data / "biohpc_servers_2022_2025"
    if not folder.is_dir():
        print(f"{folder}: absent, skipped")
    for path in sorted(folder.glob("*.csv.gz")):
        zone = "America/New_York"
        local = pl.col("timestamp_local").str.to_datetime(time_unit="us")
        rows = (
            pl.read_csv(path)
            .select(
                start_utc=local.dt.replace_time_zone(
                    zone, ambiguous="earliest", non_existent="null"
                ).dt.convert_time_zone("UTC"),
                value=pl.col("power_w_avg"),
            )
            .drop_nulls("start_utc")
            .group_by(pl.col("start_utc").dt.truncate("1h"))
            .agg(pl.col("value").mean())
            .sort("start_utc")
        )
        yield path.name.removesuffix(".csv.gz"), rows, hourly_ask(zone, "US")


def bitcoin(data: Path, origins: int) -> Iterator[Case]:
    """The hash rate by day, from the first of so many months of 2016 to 2022."""
    path = data / "bitcoin_network" / "hashrate_daily_2009_202209.csv.gz"
    if not path.exists():
        print(f"{path}: absent, skipped")
        return
    rows = pl.read_csv(path).select(
        start_utc=pl.col("date").str.to_datetime(time_unit="us", time_zone="UTC"),
        value=pl.col("hashrate_ths"),
    )
    ask = ForecastTask(horizon=MONTH, grain=Grain.DAY, timezone="UTC")
    months = [
        datetime(year, month, 1, tzinfo=UTC) for year in range(2016, 2023) for month in range(1, 13)
    ]
    for at in months[:: max(len(months) // origins, 1)]:
        truth = rows.filter(pl.col("start_utc") >= at, pl.col("start_utc") < at + MONTH)
        if truth.height < 30:
            continue
        yield Case(
            group="bitcoin",
            name=f"{at:%Y-%m}",
            history=rows.filter(pl.col("start_utc") < at, pl.col("start_utc") >= at - YEARS),
            actual=truth["value"].to_numpy(),
            own=np.full(30, np.nan),
            ask=ask,
        )


if __name__ == "__main__":
    main()

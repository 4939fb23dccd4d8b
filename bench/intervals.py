"""How often the 80 % interval of a forecast holds, and how much lies below and above it."""

import argparse
import os
import time
import warnings
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl
from forecast import (
    DATA,
    HOURS,
    Case,
    bitcoin,
    eia_series,
    hourly_ask,
    hourly_cases,
    pjm_series,
    server_series,
    victoria_series,
)

from wattbook.core.periods import Grain
from wattbook.models.auto import forecast

REPORTED: Final = {
    "eia": ("CPLE", "DUK", "GCPD", "JEA", "PACE", "PNM", "SCL", "SRP", "TEPC"),
    "pjm": ("COMED", "DUQ", "FE", "PJMW"),
    "ercot": ("coast", "fwest", "ncent", "scent"),
    "ontario": ("ON",),
    "servers": ("cbsugpu07",),
    "meters": ("uk-electricity-hdd-only-hourly-sample-0",),
    "bitcoin": ("2019", "2020", "2021", "2022"),
}
"""The published figures are measured on these. No method or constant may be chosen on them."""
CHOSEN_ON: Final = {
    "eia": (
        *("AVA", "CISO", "CPLW", "DOPD", "FMPP", "FPL", "HST", "IID", "LDWP", "LGEE"),
        *("PGE", "PJM", "PSEI", "SCEG", "SOCO", "SPA", "SWPP", "TAL", "TVA"),
    ),
    "pjm": ("AEP", "DAYTON", "DEOK", "DOM", "EKPC", "PJME"),
    "ercot": ("east", "north", "south", "west"),
    "vic": ("VIC",),
    "servers": ("cbsugpu05", "cbsugpu09"),
    "meters": ("uk-electricity-hdd-only-hourly-sample-1", "uk-gas-hdd-only-hourly-sample-0"),
    "steel": ("steel",),
    "bitcoin": ("2016", "2017", "2018"),
}
"""Methods and constants are chosen on these; none of them is among the reported ones."""
MONTHS_OF_BITCOIN: Final = 84


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true", help="one origin of each series")
    asked.add_argument("--origins", type=int, default=6, help="origins of each series")
    asked.add_argument("--chosen-on", action="store_true", help="the series methods are chosen on")
    asked.add_argument("--only", help=f"one group: {', '.join(REPORTED)}")
    asked.add_argument("--data", type=Path, default=DATA)
    args = asked.parse_args()
    warnings.filterwarnings("ignore")
    if not args.data.is_dir():
        print(f"no reference data at {args.data}: skipped")
        return
    names = CHOSEN_ON if args.chosen_on else REPORTED
    names = {group: each for group, each in names.items() if args.only in (None, group)}
    origins = 1 if args.quick else args.origins
    begin, rows = time.perf_counter(), []
    for number, case in enumerate(cases(args.data, names, origins)):
        rows += counted(case, forecast(case.history, case.ask).rows)
        took = time.perf_counter() - begin
        print(f"\r{number + 1} {case.group} {case.name} {took:.0f} s   ", end="", flush=True)
    print()
    if rows:
        report(pl.DataFrame(rows))


def cases(data: Path, names: dict[str, tuple[str, ...]], origins: int) -> Iterator[Case]:
    """The cases of the named series."""
    loaders = {
        "eia": eia_series,
        "pjm": pjm_series,
        "ercot": ercot_series,
        "ontario": ontario_series,
        "vic": victoria_series,
        "servers": server_series,
        "meters": meter_series,
        "steel": steel_series,
    }
    for group, wanted in names.items():
        if group == "bitcoin":
            months = bitcoin(data, MONTHS_OF_BITCOIN if origins > 1 else len(wanted))
            yield from (case for case in months if case.name[:4] in wanted)
            continue
        for name, rows, ask in loaders[group](data):
            if name in wanted:
                yield from hourly_cases(group, name, rows, ask, origins)


def counted(case: Case, rows: pl.DataFrame) -> list[dict[str, object]]:
    """Values below P10, within and above P90, by lead."""
    low, high = rows["p10"].to_numpy(), rows["p90"].to_numpy()
    cuts = (0, 1, 7, 30) if case.ask.grain is Grain.DAY else (0, *HOURS)
    found: list[dict[str, object]] = []
    for begin, end in pairwise(cuts):
        part = slice(begin, end)
        actual = case.actual[part]
        known = np.isfinite(actual) & np.isfinite(low[part]) & np.isfinite(high[part])
        found.append(
            {
                "group": case.group,
                "lead": f"to {1 if begin == 0 else 7 if end in (7, 168) else 30} d",
                "below": int((actual < low[part])[known].sum()),
                "above": int((actual > high[part])[known].sum()),
                "values": int(known.sum()),
            }
        )
    return found


def report(rows: pl.DataFrame) -> None:
    """Shares of all values, each case counting as much as another in its lead."""
    pl.Config.set_tbl_rows(60)
    pl.Config.set_tbl_hide_dataframe_shape(True)
    known = rows.filter(pl.col("values") > 0).with_columns(
        below=pl.col("below") / pl.col("values"), above=pl.col("above") / pl.col("values")
    )
    shares = [
        pl.len().alias("cases"),
        (100 * pl.col("below").mean()).round(1).alias("below P10 %"),
        (100 * (1 - pl.col("below") - pl.col("above")).mean()).round(1).alias("between %"),
        (100 * pl.col("above").mean()).round(1).alias("above P90 %"),
    ]
    print(known.group_by("group", "lead").agg(*shares).sort("group", "lead"))
    print(known.group_by("group").agg(*shares).sort("group"))
    print(known.group_by("lead").agg(*shares).sort("lead"))
    print(known.select(pl.lit("all").alias("lead"), *shares))


def ercot_series(data: Path) -> Iterator[tuple[str, pl.DataFrame, object]]:
    path = data / "ercot" / "load_hourly_2020_202109.csv.gz"
    if not path.exists():
        print(f"{path}: absent, skipped")
        return
    hours = pl.read_csv(path).with_columns(
        pl.col("interval_start_utc").str.to_datetime(time_unit="us", time_zone="UTC")
    )
    for column in sorted(hours.columns[1:-1]):
        rows = hours.select(start_utc="interval_start_utc", value=column)
        yield column.removesuffix("_mw"), rows, hourly_ask("America/Chicago", "US-TX")


def ontario_series(data: Path) -> Iterator[tuple[str, pl.DataFrame, object]]:
    path = data / "ontario_2016" / "ontario_hourly_2016.csv.gz"
    if not path.exists():
        print(f"{path}: absent, skipped")
        return
    rows = pl.read_csv(path).select(
        start_utc=pl.col("interval_start_utc").str.to_datetime(time_unit="us", time_zone="UTC"),
        value=pl.col("load_mw").cast(float),
    )
    yield "ON", rows, hourly_ask("America/Toronto", "CA-ON")


def meter_series(data: Path) -> Iterator[tuple[str, pl.DataFrame, object]]:
    folder = data / "opendsm_uk_meters"
    if not folder.is_dir():
        print(f"{folder}: absent, skipped")
    for path in sorted(folder.glob("uk-[eg]*.csv.gz")):
        rows = (
            pl.read_csv(path, null_values=["", "NA"])
            .select(
                start_utc=pl.col("start")
                .str.head(19)
                .str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC"),
                value=pl.col("value").cast(float),
            )
            .group_by(pl.col("start_utc").dt.truncate("1h"))
            .agg(pl.col("value").mean())
            .sort("start_utc")
        )
        yield path.name.removesuffix(".csv.gz"), rows, hourly_ask("Europe/London", "GB")


def steel_series(data: Path) -> Iterator[tuple[str, pl.DataFrame, object]]:
    path = data / "steel_industry_2018" / "Steel_industry_data.csv.gz"
    if not path.exists():
        print(f"{path}: absent, skipped")
        return
    local = pl.col("date").str.to_datetime("%d/%m/%Y %H:%M", time_unit="us")
    # The row that closes a day carries that day's date.
    midnight = local.dt.time() == pl.time(0, 0)
    ended = pl.when(midnight).then(local.dt.offset_by("1d")).otherwise(local)
    began = (ended - timedelta(minutes=15)).dt.replace_time_zone("Asia/Seoul")
    rows = (
        pl.read_csv(path, infer_schema_length=None)
        .select(start_utc=began.dt.convert_time_zone("UTC"), value=pl.col("Usage_kWh"))
        .group_by(pl.col("start_utc").dt.truncate("1h"))
        .agg(pl.col("value").sum())
        .sort("start_utc")
    )
    yield "steel", rows, hourly_ask("Asia/Seoul", "KR")


if __name__ == "__main__":
    main()

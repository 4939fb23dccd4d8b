"""Anomalies: faults put into real load, NAB's labels, false alarms on clean data, and speed."""

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # every peer on one core

import numpy as np
import polars as pl
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score

from wattbook.core import frames
from wattbook.core.anomaly.hours import MeterInputs, runs
from wattbook.core.periods import Period
from wattbook.core.registry.entities import MeterKind, MeterRole
from wattbook.models.detector import detect

DATA = Path("../shared/data/reference")
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
HISTORY = timedelta(days=90)
SPAN = timedelta(days=28)
HOURS_A_MONTH = 730
PJM = ("AEP", "DAYTON", "COMED", "DUQ", "NI")
NAB = ("machine_temperature_system_failure", "ambient_temperature_system_failure", "nyc_taxi")
ROBUST_Z = 3.5
KINDS = ("spike", "dip", "zero", "stuck", "less_30", "less_10", "shifted")


@dataclass(frozen=True)
class Case:
    """A series, the span that is judged, and the hours of it that are wrong, by kind."""

    group: str
    name: str
    rows: pl.DataFrame
    span: Period
    faults: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True)
class Answer:
    """What a detector says of the hours of the span: a score, and whether it raises an alarm."""

    scores: np.ndarray
    alarms: tuple[tuple[int, int], ...]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--data", type=Path, default=DATA)
    asked.add_argument("--budget", type=float, default=1.0, help="false alarms per meter-month")
    asked.add_argument("--origins", type=int, default=4, help="spans of each series")
    asked.add_argument("--only", choices=("faults", "nab", "speed"))
    args = asked.parse_args()
    warnings.filterwarnings("ignore")
    if not args.data.is_dir():
        print(f"no reference data at {args.data}: skipped")
        return
    peers: dict[str, Callable[[Case], Answer]] = {
        "wattbook": lambda case: ours(case, args.budget),
        "iforest 0.1": lambda case: forest(case, 0.1),
        "iforest auto": lambda case: forest(case, "auto"),
        "robust z": robust_z,
    }
    print(f"{os.cpu_count()} cores; {args.origins} spans of each series; budget {args.budget}")
    if args.only in (None, "faults"):
        clean = [each for load in LOADS for each in load(args.data, args.origins)]
        faults([spoilt(each, seed) for seed, each in enumerate(clean)], clean, peers)
    if args.only in (None, "nab"):
        nab(args.data, peers)
    if args.only in (None, "speed"):
        speed(args.budget)


def faults(
    cases: list[Case], clean: list[Case], peers: dict[str, Callable[[Case], Answer]]
) -> None:
    rows, caught = [], []
    for name, peer in peers.items():
        for case, pure in zip(cases, clean, strict=True):
            answer = peer(case)
            rows.append(
                {"peer": name, "group": case.group, **scored(case, answer)}
                | {"clean": len(peer(pure).alarms) / months(pure)}
            )
            caught += [
                {"peer": name, "kind": kind, "caught": hit(answer.alarms, begin, end)}
                for kind, begin, end in case.faults
            ]
    table = pl.DataFrame(rows)
    means = pl.col("pr_auc", "precision", "recall", "clean").mean()
    print(
        "\nfaults put into real load: hourly PR-AUC, events' precision and recall, and alarms"
        "\nper meter-month on the same spans without faults"
    )
    show(table.group_by("peer", maintain_order=True).agg(means))
    show(table.filter(peer="wattbook").group_by("group", maintain_order=True).agg(means))
    kinds = (
        pl.DataFrame(caught)
        .group_by("peer", "kind", maintain_order=True)
        .agg(pl.col("caught").mean())
    )
    print("\nshare of the faults of each kind that were caught")
    show(kinds.pivot("kind", index="peer", values="caught"))


def nab(data: Path, peers: dict[str, Callable[[Case], Answer]]) -> None:
    windows = json.loads((data / "nab" / "windows.json").read_text())
    print("\nNAB, hourly means, week by week from its probation on (15 %): hours in windows")
    rows = []
    for name in NAB:
        key = f"realKnownCause/{name}.csv"
        frame = pl.read_csv(data / "nab" / f"{key}.gz")
        at, value = frame.columns
        hourly = (
            frame.select(
                start_utc=pl.col(at).str.to_datetime(time_unit="us").cast(frames.UTC),
                kw=pl.col(value).cast(pl.Float64),
            )
            .group_by(pl.col("start_utc").dt.truncate("1h"))
            .agg(pl.col("kw").mean())
            .sort("start_utc")
        )
        spans = [tuple(datetime.fromisoformat(f"{each}+00:00") for each in w) for w in windows[key]]
        first = hourly["start_utc"][int(hourly.height * 0.15)].replace(minute=0)
        for peer_name, peer in peers.items():
            rows.append(
                {"series": name, "peer": peer_name, **walked(name, hourly, first, spans, peer)}
            )
    show(pl.DataFrame(rows))


def walked(name: str, hourly: pl.DataFrame, first: datetime, spans: list, peer: Callable) -> dict:
    """As the daily job would have gone over it, a week at a time."""
    scores, alarms, starts = [], [], []
    at, end = first, hourly["start_utc"][-1] + HOUR
    while at < end:
        span = Period(at, min(at + WEEK, end))
        rows = hourly.filter(pl.col("start_utc") >= at - HISTORY, pl.col("start_utc") < span.end)
        answer = peer(Case("nab", name, rows, span))
        alarms += [(at + b * HOUR, at + e * HOUR) for b, e in answer.alarms]
        scores.append(answer.scores)
        starts += [at + step * HOUR for step in range(len(answer.scores))]
        at = span.end
    label = np.array([any(b <= each < e for b, e in spans) for each in starts])
    score = np.nan_to_num(np.concatenate(scores))
    good = [any(b < stop and start < e for b, e in spans) for start, stop in alarms]
    found = [any(b < stop and start < e for start, stop in alarms) for b, e in spans]
    return {
        "windows": len(spans),
        "found": sum(found),
        "alarms": len(alarms),
        "precision": sum(good) / len(good) if good else None,
        "pr_auc": average_precision_score(label, score),
        "share_wrong": float(label.mean()),
    }


def speed(budget: float) -> None:
    """A meter of quarter-hours with a hash rate: 90 days of history, a week judged."""
    start = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    hours = int((HISTORY + WEEK) / HOUR)
    rng = np.random.default_rng(0)
    rows = pl.DataFrame(
        {
            "start_utc": [start + HOUR * at for at in range(hours)],
            "kw": 10_000 + rng.normal(0, 100, hours),
        }
    ).cast({"start_utc": frames.UTC})
    case = Case("speed", "mine", rows, Period(start + HISTORY, start + HISTORY + WEEK))
    meter = watched(case, quarters=True)
    detect(meter, case.span, per_month=budget)  # imports
    count = 10
    begin = time.perf_counter()
    for seed in range(count):
        detect(meter, case.span, per_month=budget, seed=seed)
    took = (time.perf_counter() - begin) / count
    years = hours / (365 * 24)
    print(
        f"\nspeed: {took:.3f} s for a meter and {hours // 24} days by the quarter-hour, one core:"
        f" {years / took:.1f} meter-years per second"
    )


def ours(case: Case, budget: float) -> Answer:
    count = int((case.span.end - case.span.start) / HOUR)
    judged = detect(watched(case), case.span, per_month=budget)
    if judged is None:
        return Answer(np.zeros(count), ())
    scores = np.nan_to_num(judged.scores["score"].to_numpy()).copy()
    alarms = []
    for each in judged.noticed:
        begin = max(int((each.start_utc - case.span.start) / HOUR), 0)
        end = min(-int((case.span.start - each.end_utc) // HOUR), count)
        certain = each.times / (1 + each.times)
        scores[begin:end] = np.maximum(scores[begin:end], certain)
        alarms.append((begin, end))
    return Answer(scores, tuple(alarms))


def watched(case: Case, *, quarters: bool = False) -> MeterInputs:
    kw = pl.col("kw")
    rate = kw / 0.03 if quarters else pl.lit(None, dtype=pl.Float64)
    hours = case.rows.drop_nulls().select(
        "start_utc",
        meter_id=pl.lit(case.name),
        energy_kwh=kw,
        power_kw_mean=kw,
        power_kw_min=kw,
        power_kw_max=kw,
        hashrate_th_mean=rate,
        efficiency_j_per_th=kw * 1000 / rate,
        readings=pl.lit(4 if quarters else 1, dtype=pl.Int64),
        coverage=pl.lit(1.0),
        covered_s=pl.lit(3600.0),
    )
    fine = hours.clear()
    if quarters:
        rng = np.random.default_rng(1)
        fine = (
            hours.with_columns(
                start_utc=pl.datetime_ranges(
                    "start_utc", pl.col("start_utc") + timedelta(minutes=45), "15m"
                )
            )
            .explode("start_utc")
            .with_columns(
                power_kw_mean=pl.col("power_kw_mean")
                + pl.Series(rng.normal(0, 20, 4 * hours.height))
            )
        )
    return MeterInputs(
        meter_id=case.name,
        site_id="bench",
        kind=MeterKind.INTERVAL,
        role=MeterRole.MAIN,
        timezone=ZONES.get(case.group, "UTC"),
        expected_interval_s=900 if quarters else 3600,
        capacity_kw=None,
        hours=hours,
        quarters=fine,
        machines_j_per_th=(15.0, 100.0),
    )


def split(case: Case) -> tuple[pl.DataFrame, np.ndarray]:
    """The rows of a case on a grid, and which of them are judged."""
    grid = (
        pl.datetime_range(case.rows["start_utc"][0], case.span.end, "1h", closed="left", eager=True)
        .alias("start_utc")
        .to_frame()
    )
    rows = grid.join(case.rows, on="start_utc", how="left", maintain_order="left")
    return rows, (rows["start_utc"] >= case.span.start).to_numpy()


def forest(case: Case, contamination: float | str) -> Answer:
    """scikit-learn's forest as tutorials have it: the value, its change, the hour, the weekday."""
    rows, judged = split(case)
    kw = rows["kw"].fill_null(strategy="forward").to_numpy()
    local = rows["start_utc"].dt.convert_time_zone(ZONES.get(case.group, "UTC"))
    table = np.stack(
        [kw, np.diff(kw, prepend=kw[0]), local.dt.hour().to_numpy(), local.dt.weekday().to_numpy()],
        axis=1,
    )
    made = IsolationForest(contamination=contamination, random_state=0).fit(table[~judged])
    found = made.predict(table[judged]) < 0
    return Answer(-made.score_samples(table[judged]), tuple(runs(found, 1)))


def robust_z(case: Case) -> Answer:
    """Off the median of the hour of the week by so many of its spreads."""
    rows, judged = split(case)
    local = rows["start_utc"].dt.convert_time_zone(ZONES.get(case.group, "UTC"))
    slot = (local.dt.weekday() * 24 + local.dt.hour()).alias("slot")
    rows = rows.with_columns(slot, judged=pl.Series(judged))
    usual = rows.filter(~pl.col("judged")).group_by("slot").agg(usual=pl.col("kw").median())
    rows = rows.join(usual, on="slot", how="left", maintain_order="left")
    off = (rows["kw"] - rows["usual"]).to_numpy()
    spread = 1.4826 * np.nanmedian(np.abs(off[~judged]))
    score = np.nan_to_num(np.abs(off[judged]) / spread)
    return Answer(score, tuple(runs(score > ROBUST_Z, 1)))


def months(case: Case) -> float:
    return (case.span.end - case.span.start) / HOUR / HOURS_A_MONTH


def hit(alarms: tuple[tuple[int, int], ...], begin: int, end: int) -> bool:
    return any(first < end and begin < last for first, last in alarms)


def scored(case: Case, answer: Answer) -> dict[str, float | None]:
    label = np.zeros(len(answer.scores), dtype=bool)
    for _, begin, end in case.faults:
        label[begin:end] = True
    good = [bool(label[begin:end].any()) for begin, end in answer.alarms]
    found = [hit(answer.alarms, begin, end) for _, begin, end in case.faults]
    return {
        "pr_auc": average_precision_score(label, answer.scores),
        "precision": sum(good) / len(good) if good else None,
        "recall": sum(found) / len(found),
    }


def spoilt(case: Case, seed: int) -> Case:
    """A case with one fault of each kind, a few days apart."""
    rng = np.random.default_rng(seed)
    rows, judged = split(case)
    kw = rows["kw"].to_numpy().copy()
    first = int(np.flatnonzero(judged)[0])
    told = []
    for number, kind in enumerate(rng.permutation(KINDS)):
        at = first + 24 + number * 90 + int(rng.integers(0, 48))
        length = {
            "spike": 1,
            "dip": 2,
            "zero": int(rng.integers(3, 12)),
            "stuck": 12,
            "less_30": 24,
            "less_10": 48,
            "shifted": 24,
        }[kind]
        part = slice(at, at + length)
        if kind == "spike":
            kw[part] *= rng.uniform(1.4, 2.5)
        elif kind == "dip":
            kw[part] *= rng.uniform(0.2, 0.6)
        elif kind == "zero":
            kw[part] = 0
        elif kind == "stuck":
            kw[part] = kw[at]
        elif kind == "shifted":
            kw[part] = kw[at - 12 : at + length - 12]
        else:
            kw[part] *= 1 - int(kind[-2:]) / 100
        told.append((kind, at - first, at + length - first))
    return Case(case.group, case.name, rows.with_columns(kw=pl.Series(kw)), case.span, tuple(told))


def cut(group: str, name: str, rows: pl.DataFrame, origins: int) -> Iterator[Case]:
    """Spans of a series that are spread over all of it, each with its history."""
    first, last = rows["start_utc"][0] + HISTORY, rows["start_utc"][-1] + HOUR - SPAN
    for at in range(origins):
        begin = first + (last - first) * (at + 0.5) / origins
        begin = begin.replace(minute=0, second=0, microsecond=0)
        inside = pl.col("start_utc").is_between(begin - HISTORY, begin + SPAN, closed="left")
        part = rows.filter(inside)
        if part.drop_nulls().height > 0.97 * (HISTORY + SPAN) / HOUR:
            yield Case(group, name, part, Period(begin, begin + SPAN))


def hourly(frame: pl.DataFrame) -> pl.DataFrame:
    return (
        frame.group_by(pl.col("start_utc").dt.truncate("1h"))
        .agg(pl.col("kw").mean())
        .sort("start_utc")
    )


def pjm(data: Path, origins: int) -> Iterator[Case]:
    frame = pl.read_parquet(data / "pjm_hourly_1998_2018" / "pjm_hourly_all_zones.parquet")
    for zone in PJM:
        own = frame.filter(pl.col("zone").cast(pl.String) == zone)
        at = pl.col("datetime_local_hour_ending") - HOUR
        local = at.dt.replace_time_zone(
            "America/New_York", ambiguous="earliest", non_existent="null"
        )
        rows = (
            own.select(
                start_utc=local.dt.convert_time_zone("UTC"), kw=pl.col("mw").cast(pl.Float64)
            )
            .drop_nulls()
            .unique("start_utc")
            .sort("start_utc")
        )
        yield from cut("pjm", zone, rows, origins)


def victoria(data: Path, origins: int) -> Iterator[Case]:
    frame = pl.read_csv(data / "vic_electricity_2012_2014" / "vic_electricity.csv.gz")
    rows = hourly(
        frame.select(
            start_utc=pl.col("Time")
            .str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us")
            .cast(frames.UTC),
            kw="Demand",
        )
    )
    yield from cut("vic", "vic", rows, 2 * origins)


def building(data: Path, origins: int) -> Iterator[Case]:
    folder = data / "opendsm_uk_meters"
    frame = pl.read_csv(folder / "uk-electricity-hdd-only-hourly-sample-0.csv.gz")
    rows = hourly(
        frame.select(
            start_utc=pl.col("start")
            .str.to_datetime("%Y-%m-%d %H:%M:%S%:z", time_unit="us")
            .dt.convert_time_zone("UTC"),
            kw=pl.col("value").cast(pl.Float64),
        )
    )
    yield from cut("building", "uk-0", rows, origins)


def steel(data: Path, origins: int) -> Iterator[Case]:
    frame = pl.read_csv(
        data / "steel_industry_2018" / "Steel_industry_data.csv.gz", infer_schema=False
    )
    at = pl.col(frame.columns[0]).str.to_datetime("%d/%m/%Y %H:%M", time_unit="us")
    rows = hourly(
        frame.select(start_utc=at.cast(frames.UTC), kw=pl.col("Usage_kWh").cast(pl.Float64))
    )
    yield from cut("steel", "steel", rows, origins)


def mine(_: Path, origins: int) -> Iterator[Case]:
    """A flat load with slow noise, as of machines that run day and night."""
    start = datetime.fromisoformat("2025-01-01T00:00:00+00:00")
    for number in range(2 * origins):
        rng = np.random.default_rng(number)
        hours = int((HISTORY + SPAN) / HOUR)
        knots = rng.normal(0, 0.008, hours // 12 + 2)
        slow = np.interp(np.arange(hours), np.arange(len(knots)) * 12, knots)
        kw = 20_000 * (0.97 + slow + rng.normal(0, 0.002, hours))
        rows = pl.DataFrame({"start_utc": [start + HOUR * at for at in range(hours)], "kw": kw})
        rows = rows.cast({"start_utc": frames.UTC})
        span = Period(start + HISTORY, start + HISTORY + SPAN)
        yield Case("mine", f"mine-{number}", rows, span)


LOADS = (pjm, victoria, building, steel, mine)
ZONES = {"pjm": "America/New_York", "vic": "Australia/Melbourne", "building": "Europe/London"}


def show(table: pl.DataFrame) -> None:
    with pl.Config(
        tbl_rows=60,
        tbl_cols=20,
        float_precision=2,
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_formatting="ASCII_MARKDOWN",
    ):
        print(table)


if __name__ == "__main__":
    main()

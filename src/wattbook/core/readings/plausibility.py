"""What looks wrong about a batch, of a file or of a body alike: warnings for its receipt."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import polars as pl

from wattbook.core.meters import presence
from wattbook.core.periods import microseconds
from wattbook.core.registry.entities import MeterKind, MeterRole
from wattbook.core.units import SECONDS_PER_HOUR, US_PER_HOUR, W_PER_KW

MAX_TIMES_CAPACITY: Final = 10
"""A site does not draw so many times its capacity; watts for kilowatts are a thousand times off."""
MAX_METER_KW: Final = 1_000_000
"""Without a capacity: the largest grid connections of one load are of about one gigawatt."""
MIN_J_PER_TH: Final = 2
"""The best machines on sale in 2026 need 9.5 to 15 J/TH (`core/data/asic_models.csv`)."""
MAX_J_PER_TH: Final = 2_000
"""The Antminer S1 of 2013: 360 W for 0.18 TH/s by its maker's nameplate."""
MAX_HOURS: Final = {"day": 25, "month": 31 * 24 + 1}
"""Hours of the longest civil day and month."""
MINUTE: Final = "%Y-%m-%dT%H:%MZ"
SHOWN: Final = 5
"""So many meters are named by warnings of one kind."""


def warnings(rows: pl.DataFrame, kept: pl.DataFrame, meters: pl.DataFrame) -> tuple[str, ...]:
    """What the sender should check, as `subject: text`; most batches have nothing.

    Parameters
    ----------
    rows
        Rows of known meters, rejected ones too, with `meter_id`, `kind`, `expected_interval`,
        `expected_interval_s`, `capacity_kw` and `plausible_kw` of their meter, and what was sent.
    kept
        Those of them that are kept, of `frames.READINGS`.
    meters
        `frames.METERS`.
    """
    if rows.is_empty():
        return ()
    units = (*_magnitudes(rows), *_ratios(rows))
    if kept.is_empty():
        return units
    return (*units, *_absences(kept, meters), *_totals(kept, meters))


def first_of_each(warnings: Iterable[str]) -> list[str]:
    """The first warning of each subject: the chunks of one file have the same ones.

    >>> first_of_each(["power_kw of a: 2 times", "power_kw of a: 3 times", "power_kw of b: 4"])
    ['power_kw of a: 2 times', 'power_kw of b: 4']
    """
    found: dict[str, str] = {}
    for each in warnings:
        found.setdefault(each.partition(": ")[0], each)
    return list(found.values())


def _magnitudes(rows: pl.DataFrame) -> Iterator[str]:
    """Power, and energy over its interval, far above what the site or any site can have."""
    reactive = pl.col("reactive_kvarh").abs()
    kvar = pl.when(reactive.is_null()).then(pl.col("reactive_power_kvar").abs())
    for column, small, kw, value in (
        ("power_kw", "W", pl.col("power_kw"), pl.col("power_kw")),
        ("energy_kwh", "Wh", pl.col("energy_kwh") / _hours(), pl.col("energy_kwh")),
        ("reactive_power_kvar", "var", kvar, kvar),
        ("reactive_kvarh", "varh", reactive / _hours(), reactive),
    ):
        if rows[column].null_count() == rows.height:
            continue
        most = rows.lazy().filter(pl.col(column).is_finite())
        most = most.group_by("meter_id").agg(
            value.max().alias(column),
            pl.coalesce("capacity_kw", "plausible_kw").max().alias("limit"),
            kw=kw.max(),
        )
        limit = pl.coalesce(pl.col("limit") * MAX_TIMES_CAPACITY, pl.lit(float(MAX_METER_KW)))
        found = most.filter(pl.col("kw") > limit).sort("meter_id").collect()
        for row in found.head(SHOWN).iter_rows(named=True):
            yield f"{column} of {row['meter_id']}: {_compared(row, column, small)}"
        yield from _more(column, found.height)


def _compared(row: dict[str, Any], column: str, small: str) -> str:
    value = f"up to {row[column]:,.6g}"
    check = f"check whether it is in {small} (of a file: --unit {column}={small})"
    if row["limit"] is not None:
        return f"{value}, {row['kw'] / row['limit']:,.0f} times the capacity of its site; {check}"
    unit = "kvar" if "kvar" in column else "kW"
    return (
        f"{value}, which is {row['kw']:,.0f} {unit}, and the site has no capacity_kw; {check}, and"
        " register the capacity so that such rows are rejected"
    )


def _ratios(rows: pl.DataFrame) -> Iterator[str]:
    if rows["hashrate_th"].null_count() == rows.height:
        return
    j_per_th = pl.col("power_kw") * W_PER_KW / pl.col("hashrate_th")
    found = (
        rows.filter(pl.col("power_kw") > 0, pl.col("hashrate_th") > 0)
        .group_by("meter_id")
        .agg(ratio=j_per_th.median())
        .filter(~pl.col("ratio").is_between(MIN_J_PER_TH, MAX_J_PER_TH))
        .sort("meter_id")
    )
    for meter_id, ratio in found.head(SHOWN).rows():
        unit = "PH/s" if ratio > MAX_J_PER_TH else "GH/s"
        yield (
            f"hashrate_th of {meter_id}: the median is {ratio:,.6g} J/TH; check whether it is in"
            f" {unit} (of a file: --unit hashrate_th={unit}), and whether the power is in kW"
        )
    yield from _more("hashrate_th", found.height)


def _absences(kept: pl.DataFrame, meters: pl.DataFrame) -> Iterator[str]:
    """Meters with readings of a time at which they are not there: stored, and counted nowhere.

    The last state of a register may be read at the instant at which it is taken away.
    """
    own = meters.filter(pl.col("meter_id").is_in(kept["meter_id"].unique().implode()))
    if presence.constant(own):
        return
    keys = kept.select("meter_id", "ts_utc")
    closing = pl.col("meter_id").is_in(presence.registers(own)["meter_id"].implode())
    spans = presence.spans(own).with_columns(pl.col("to_us") + closing.cast(pl.Int64))
    there = presence.within(keys, spans, "ts_utc")
    found = (
        keys.join(there, on=["meter_id", "ts_utc"], how="anti")
        .group_by("meter_id")
        .agg(count=pl.len(), first=pl.col("ts_utc").min(), last=pl.col("ts_utc").max())
        .sort("meter_id")
    )
    for meter_id, count, first, last in found.head(SHOWN).rows():
        readings = "1 reading" if count == 1 else f"{count:,} readings"
        when = f"{first:{MINUTE}}" if first == last else f"{first:{MINUTE}} to {last:{MINUTE}}"
        yield (
            f"presence of {meter_id}: {readings} ({when}) outside the meter's valid_from and"
            " valid_to are stored and count in no figure; correct these dates of the meter, or"
            " send the readings under the id of the meter that was there"
        )
    yield from _more("presence", found.height)


def _more(column: str, count: int) -> Iterator[str]:
    if count > SHOWN:
        yield f"{column}: {count - SHOWN} more meters like those above"


def _hours() -> pl.Expr:
    """Hours of an interval; of a civil day or month those of the longest."""
    longest = pl.col("expected_interval").replace_strict(MAX_HOURS, default=None)
    return pl.coalesce(longest, pl.col("expected_interval_s") / SECONDS_PER_HOUR)


def _totals(kept: pl.DataFrame, meters: pl.DataFrame) -> list[str]:
    """Sites whose main meters together are above the capacity at an instant of the batch.

    Each of them alone is compared with the capacity at ingestion, where the row is flagged.
    """
    limited = meters.filter(pl.col("capacity_kw").is_not_null() | pl.col("versions").is_not_null())
    mains = presence.with_role(limited, MeterRole.MAIN)
    mains = mains.filter(pl.len().over("site_id") > 1)
    rows = kept.join(mains.select("meter_id", "site_id"), on="meter_id")
    if rows["meter_id"].n_unique() < 2:  # noqa: PLR2004 -- a sum has two parts
        return []
    rows = _risen(rows)
    about = presence.versions(mains).filter(role=str(MeterRole.MAIN))
    at = microseconds("ts_utc")
    found = (
        rows.join(about, on="meter_id")
        .filter(at >= pl.col("from_us"), at < pl.col("to_us"))
        .with_columns(kw=_power_kw())
        .drop_nulls(["kw", "capacity_kw"])
        .group_by("site_id", "ts_utc")
        .agg(
            pl.col("kw").sum(),
            pl.col("capacity_kw").first(),
            pl.len().alias("count"),
            meter_id=pl.col("meter_id").sort().str.join(", "),
        )
        .filter(pl.col("count") > 1, pl.col("kw") > pl.col("capacity_kw"))
        .sort("site_id", "kw", "ts_utc", descending=[False, True, False])
        .unique("site_id", keep="first", maintain_order=True)
    )
    return [_total(row) for row in found.head(SHOWN).iter_rows(named=True)]


def _power_kw() -> pl.Expr:
    """Power of a row; that of a civil day or month no higher than over its longest."""
    kind = pl.col("kind")
    return (
        pl.when(kind == str(MeterKind.INTERVAL))
        .then(pl.col("energy_kwh") / _hours())
        .when(kind == str(MeterKind.REGISTER))
        .then("rising_kw")
        .otherwise("power_kw")
    )


def _risen(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with `rising_kw`: how fast a register rises from its state to the next higher one.

    Readings of one state share it, so that a register of whole megawatt-hours has the mean power
    of the time between two of its steps. Where it stands still at times, the time of its first
    state began before the batch, and has none.
    """
    if rows["register_kwh"].null_count() == rows.height:
        return rows.with_columns(rising_kw=pl.lit(None, dtype=pl.Float64))
    state = ["meter_id", "register_kwh"]
    states = (
        rows.drop_nulls("register_kwh")
        .sort("meter_id", "ts_utc")
        .with_columns(run=pl.struct(state).rle_id())
        .group_by("run", *state, maintain_order=True)
        .agg(pl.col("ts_utc"), begin=microseconds("ts_utc").first())
    )
    rise = pl.col("register_kwh").shift(-1) - pl.col("register_kwh")
    hours = (pl.col("begin").shift(-1) - pl.col("begin")) / US_PER_HOUR
    still = (pl.col("ts_utc").list.len() > 1).any()
    cut = still & (pl.int_range(pl.len()) == 0)
    rate = pl.when((rise > 0) & ~cut).then(rise / hours).over("meter_id")
    rates = states.select("meter_id", "ts_utc", rising_kw=rate).explode("ts_utc")
    return rows.join(rates, on=["meter_id", "ts_utc"], how="left")


def _total(row: dict[str, Any]) -> str:
    return (
        f"site {row['site_id']}: its main meters {row['meter_id']} together have"
        f" {row['kw']:,.0f} kW at {row['ts_utc']:%FT%TZ}, above the capacity_kw of"
        f" {row['capacity_kw']:,.0f}; if one of them measures what another one counts too, register"
        " it with role 'sub'"
    )

"""When meters are there, in which role, and what they are at an instant.

A frame of meters is `frames.METERS`. Most meters have always been what they are; whatever is
dated is worked out for the others alone.
"""

from datetime import UTC, datetime
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.meters.civil import DAY_S, MARGIN_S
from wattbook.core.periods import Period, instant, microseconds
from wattbook.core.registry.entities import HOLD_INTERVALS, MeterKind, MeterRole
from wattbook.core.units import US_PER_SECOND

OPEN_US: Final = 2**60
"""Further from 1970 than any instant [µs]: a span that is open ends there."""
SPANS: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "meter_id": pl.String,
    "from_us": pl.Int64,
    "to_us": pl.Int64,
}


def by_change() -> pl.Expr:
    """Whether a meter sends when its value changes: it is held for more than `HOLD_INTERVALS`."""
    held_s = pl.col("max_hold_s").fill_null(0)
    return held_s > HOLD_INTERVALS * pl.col("expected_interval_s")


def constant(meters: pl.DataFrame) -> bool:
    """Whether all meters have always been there, and what they are."""
    columns = ("versions", "valid_from_utc", "valid_to_utc")
    return all(meters[name].null_count() == meters.height for name in columns)


def versions(meters: pl.DataFrame) -> pl.DataFrame:
    """A row for each version of each meter, sorted by meter and time.

    Returns
    -------
    polars.DataFrame
        `meter_id`, `from_us`, `to_us` [µs since 1970], and the fields of `frames.VERSION`.
    """
    names = list(frames.VERSION)
    plain = meters.filter(pl.col("versions").is_null()).select("meter_id", *names)
    dated = (
        meters.filter(pl.col("versions").is_not_null())
        .select("meter_id", "versions")
        .explode("versions")
        .unnest("versions")
    )
    return (
        pl.concat([plain, dated.select("meter_id", *names)])
        .with_columns(
            from_us=microseconds("valid_from_utc").fill_null(-OPEN_US),
            to_us=microseconds("valid_to_utc").fill_null(OPEN_US),
        )
        .sort("meter_id", "from_us")
    )


def spans(meters: pl.DataFrame, role: MeterRole | None = None) -> pl.DataFrame:
    """When each meter is there, or is there in a role: `SPANS`, sorted, merged where they meet."""
    rows = versions(meters)
    if role is not None:
        rows = rows.filter(role=str(role))
    return merged(rows.select("meter_id", "from_us", "to_us"))


def latest(
    meters: pl.DataFrame, before: datetime
) -> dict[str, tuple[datetime | None, datetime | None]]:
    """The last span of each meter that begins before an instant; its first where none does."""
    begun = pl.col("valid_from_utc").is_null() | (pl.col("valid_from_utc") < before)
    rows = (
        spans(meters)
        .with_columns(
            valid_from_utc=pl.when(pl.col("from_us") > -OPEN_US).then(instant(pl.col("from_us"))),
            valid_to_utc=pl.when(pl.col("to_us") < OPEN_US).then(instant(pl.col("to_us"))),
        )
        .sort(begun.cast(pl.Int8), "from_us")
        .select("meter_id", "valid_from_utc", "valid_to_utc")
    )
    return {meter_id: (begin, end) for meter_id, begin, end in rows.iter_rows()}


def merged(rows: pl.DataFrame) -> pl.DataFrame:
    """Spans of each meter, joined where they meet or overlap, sorted."""
    before = pl.col("to_us").cum_max().shift(1).over("meter_id")
    first = (pl.col("from_us") > before).fill_null(value=True)
    return (
        rows.sort("meter_id", "from_us")
        .with_columns(island=first.cum_sum())
        .group_by("meter_id", "island", maintain_order=True)
        .agg(pl.col("from_us").min(), pl.col("to_us").max())
        .select(*SPANS)
    )


def together(spans_: pl.DataFrame) -> pl.DataFrame:
    """When at least one of the meters is there: spans of nobody in particular."""
    return merged(spans_.with_columns(meter_id=pl.lit("")))


def clipped(spans_: pl.DataFrame, period: Period) -> pl.DataFrame:
    """What of the spans lies in a period."""
    begin, end = bucket(period).select(microseconds("start_utc"), microseconds("end_utc")).row(0)
    return spans_.with_columns(
        from_us=pl.max_horizontal("from_us", pl.lit(begin)),
        to_us=pl.min_horizontal("to_us", pl.lit(end)),
    ).filter(pl.col("from_us") < pl.col("to_us"))


def with_role(meters: pl.DataFrame, role: MeterRole) -> pl.DataFrame:
    """Those meters that have the role, or had it at some time."""
    if meters["versions"].null_count() == meters.height:
        return meters.filter(role=str(role))
    had = pl.col("versions").list.eval(pl.element().struct.field("role") == str(role)).list.any()
    now = pl.col("role") == str(role)
    return meters.filter(pl.when(pl.col("versions").is_null()).then(now).otherwise(had))


def changing(meters: pl.DataFrame, role: MeterRole) -> pl.DataFrame:
    """Those meters that have the role at some times and another one at others."""
    dated = meters.filter(pl.col("versions").is_not_null())
    other = pl.col("versions").list.eval(pl.element().struct.field("role") != str(role)).list.any()
    return with_role(dated, role).filter(other)


def seconds(spans_: pl.DataFrame, buckets: pl.DataFrame) -> pl.Series:
    """For how long [s] meters are there in each bucket, all of them added up.

    Parameters
    ----------
    spans_
        Spans of any number of meters.
    buckets
        `start_utc` and `end_utc`.
    """
    begins = buckets.select(microseconds("start_utc")).to_series()
    ends = buckets.select(microseconds("end_utc")).to_series()
    if buckets.is_empty():
        return pl.Series("seconds", [], dtype=pl.Float64)
    first, last = begins.min(), ends.max()
    throughout = (pl.col("from_us") <= first) & (pl.col("to_us") >= last)
    if spans_.select(throughout.all()).item():
        return ((ends - begins) / US_PER_SECOND * spans_.height).alias("seconds")
    assert isinstance(first, int)
    assert isinstance(last, int)
    clip = {name: (spans_[name].clip(first, last) - first).sort() for name in ("from_us", "to_us")}
    area = _area(clip["from_us"], clip["to_us"], ends - first)
    area -= _area(clip["from_us"], clip["to_us"], begins - first)
    return (area / US_PER_SECOND).alias("seconds")


def _area(starts: pl.Series, stops: pl.Series, at: pl.Series) -> pl.Series:
    """For how long all spans together last until each instant: what began, less what ended."""
    return _reached(starts, at) - _reached(stops, at)


def _reached(sorted_: pl.Series, at: pl.Series) -> pl.Series:
    """Sum over the instants before `at` of how long they are past."""
    count = sorted_.search_sorted(at, side="left")
    sums = pl.concat([pl.Series([0.0]), sorted_.cast(pl.Float64).cum_sum()])
    return count.cast(pl.Float64) * at.cast(pl.Float64) - sums.gather(count)


def count(rows: pl.DataFrame, spans_: pl.DataFrame, length_us: int) -> pl.Series:
    """How many spans have a part in the time of so long [µs] from each row's `start_utc` on."""
    begins = rows.select(microseconds("start_utc")).to_series()
    begun = spans_["from_us"].sort().search_sorted(begins + length_us, side="left")
    ended = spans_["to_us"].sort().search_sorted(begins, side="right")
    return begun.cast(pl.Int64) - ended.cast(pl.Int64)


def bucket(period: Period) -> pl.DataFrame:
    """A period as the only bucket: `start_utc`, `end_utc`."""
    return pl.DataFrame({"start_utc": [period.start], "end_utc": [period.end]}, schema=_BUCKET)


_BUCKET: Final = {"start_utc": frames.UTC, "end_utc": frames.UTC}


def within(rows: pl.DataFrame, spans_: pl.DataFrame, at: str = "start_utc") -> pl.DataFrame:
    """Rows of meters whose instant lies in a span of theirs, in their order."""
    found = rows.with_row_index("_place").with_columns(_at=microseconds(at)).sort("_at")
    owned = found.join_asof(
        spans_.sort("from_us"), left_on="_at", right_on="from_us", by="meter_id",
        check_sortedness=False,
    )  # fmt: skip
    inside = owned.filter(pl.col("_at") < pl.col("to_us")).sort("_place")
    return inside.select(rows.columns)


def reaches(meters: pl.DataFrame) -> pl.DataFrame:
    """How far a reading reaches: `meter_id`, `pad_s`, and `kind`.

    A meter that is a register at some time is one here.
    """
    length = pl.max_horizontal("expected_interval_s", "max_hold_s")
    margin = pl.when(length >= DAY_S).then(MARGIN_S).otherwise(0)
    rows = meters if constant(meters) else versions(meters)
    register = pl.lit(str(MeterKind.REGISTER))
    return (
        rows.with_columns(pad_s=length + margin)
        .group_by("meter_id")
        .agg(
            pl.col("pad_s").max(),
            kind=pl.when((pl.col("kind") == register).any())
            .then(register)
            .otherwise(pl.col("kind").last()),
        )
    )


def registers(meters: pl.DataFrame) -> pl.DataFrame:
    """Those meters that are registers, or were at some time."""
    if meters["versions"].null_count() == meters.height:
        return meters.filter(kind=str(MeterKind.REGISTER))
    ids = versions(meters).filter(kind=str(MeterKind.REGISTER))["meter_id"].unique()
    return meters.filter(pl.col("meter_id").is_in(ids.implode()))


def longest_interval_s(
    meters: pl.DataFrame, at: datetime | None, role: MeterRole = MeterRole.MAIN
) -> int | None:
    """The longest time [s] for which a meter that is there at an instant has one value."""
    if at is None:
        return None
    slots = pl.int_range(meters.height, dtype=pl.UInt32, eager=True).alias("slot").to_frame()
    rows = slots.with_columns(ts=pl.lit(at.astimezone(UTC), dtype=frames.UTC).to_physical())
    known = attributes(rows, meters, ("role", "expected_interval_s"))
    longest: int | None = (
        known.filter(role=str(role)).select(pl.col("expected_interval_s").max()).item()
    )
    return longest


def attributes(
    rows: pl.DataFrame, meters: pl.DataFrame, names: tuple[str, ...], *, absent: bool = False
) -> pl.DataFrame:
    """Rows with what their meter is at their instant.

    Parameters
    ----------
    rows
        `slot` (the place of the meter in `meters`, null for a stranger), `ts` [µs since 1970].
    meters
        `frames.METERS`.
    names
        Columns of `meters` that are wanted; those of `frames.VERSION` are dated.
    absent
        Whether a meter that is not there at an instant is what it is by its latest version.

    Returns
    -------
    polars.DataFrame
        `rows` in their order with these columns, null where the meter is not there; `stop_us`, when
        it next ceases to be there; and `version`, a number that differs between versions of a meter
        of different kinds.
    """
    plain = rows.with_columns(pl.lit(meters[name]).gather(pl.col("slot")) for name in names)
    if not _any_dated(rows["slot"], meters):
        return plain.with_columns(stop_us=pl.lit(OPEN_US), version=pl.lit(0, dtype=pl.Int64))
    places = meters.select("meter_id").with_row_index("slot")
    dated = versions(meters).join(places, on="meter_id", maintain_order="left")
    begins = (pl.col("kind") != pl.col("kind").shift(1).over("slot")).fill_null(value=False)
    own = [name for name in names if name in frames.VERSION]
    goes_on = (pl.col("to_us") == pl.col("from_us").shift(-1).over("slot")).fill_null(value=False)
    stop = pl.when(~goes_on).then(pl.col("to_us"))
    steps = dated.select(
        pl.col("slot").cast(rows.schema["slot"]),
        "from_us",
        "to_us",
        *(pl.col(name).alias(f"_{name}") for name in own),
        stop_us=stop.backward_fill().over("slot"),
        version=begins.cast(pl.Int64).cum_sum().over("slot"),
    )
    found = (
        plain.with_row_index("_place")
        .sort("ts")
        .join_asof(
            steps.sort("from_us"), left_on="ts", right_on="from_us", by="slot",
            check_sortedness=False,
        )
        .sort("_place")
    )  # fmt: skip
    there = pl.col("ts") < pl.col("to_us")
    return found.select(
        *(pl.col(name) for name in rows.columns),
        *(
            pl.when(there)
            .then(pl.col(f"_{name}"))
            .otherwise(pl.col(name) if absent else None)
            .alias(name)
            if name in own
            else pl.col(name)
            for name in names
        ),
        pl.col("stop_us").fill_null(OPEN_US),
        pl.col("version").fill_null(0),
    )


def _any_dated(slots: pl.Series, meters: pl.DataFrame) -> bool:
    """Whether one of these meters has not always been there, and what it is."""
    if constant(meters):
        return False
    columns = ("versions", "valid_from_utc", "valid_to_utc")
    dated = meters.select(pl.any_horizontal(pl.col(name).is_not_null() for name in columns))
    return bool(dated.to_series().gather(slots.drop_nulls()).any())


def expected(rows: pl.DataFrame, meters: pl.DataFrame) -> pl.Series:
    """How many readings each bucket of a meter has while the meter is there.

    Parameters
    ----------
    rows
        `slot` (the place of the meter in `meters`), `start_utc`, `bucket_s`.
    meters
        `frames.METERS`.
    """
    if constant(meters):
        every = pl.lit(meters["expected_interval_s"]).gather(pl.col("slot"))
        return rows.select(_count(pl.col("bucket_s"), every)).to_series()
    places = meters.select("meter_id").with_row_index("slot")
    steps = (
        versions(meters)
        .join(places, on="meter_id")
        .select(
            pl.col("slot").cast(rows.schema["slot"]),
            "from_us",
            "to_us",
            every="expected_interval_s",
        )
    )
    start = microseconds("start_utc")
    share = pl.min_horizontal("to_us", start + pl.col("bucket_s") * US_PER_SECOND)
    length_s = (share - pl.max_horizontal("from_us", start)).clip(0) / US_PER_SECOND
    found = (
        rows.select("slot", "start_utc", "bucket_s")
        .with_row_index("_place")
        .join(steps, on="slot", how="left")
        .group_by("_place")
        .agg(expected=(length_s / pl.col("every")).sum(), longest=pl.col("every").max())
        .sort("_place")
    )
    return found.select(_count(pl.col("expected"), pl.lit(1), pl.col("longest"))).to_series()


def _count(length: pl.Expr, every: pl.Expr, longest: pl.Expr | None = None) -> pl.Expr:
    """Whole readings; of days and months, whose lengths differ, to the nearest.

    A version that begins a microsecond after a reading does not cost one.
    """
    civil_one = (every if longest is None else longest) >= DAY_S
    exact = length / every
    whole = (exact + 1 / US_PER_SECOND).floor()
    return pl.when(civil_one).then(exact.round()).otherwise(whole).cast(pl.Int64)

"""Where readings are missing, how much is estimated, and which rows were refused."""

from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.meters import presence
from wattbook.core.periods import QUARTER_US, Period

MEASURED: Final = frames.QUALITIES[0]
COLUMNS: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "meter_id": pl.String,
    "start_utc": frames.UTC,
    "end_utc": frames.UTC,
    "length_s": pl.Int64,
}


NOTHING_REFUSED: Final = pl.DataFrame(
    schema={"reason": pl.String, "rows": pl.Int64, "latest_utc": frames.UTC}
)


def gaps(quarters: pl.DataFrame, spans: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Spans of whole quarter-hours for which nothing is known of a meter's energy.

    Parameters
    ----------
    quarters
        `frames.ROLLUPS` of the grain `15min`, of the meters, within the period.
    spans
        `presence.SPANS` of the meters that are expected to report.
    period
        On quarter-hours of UTC.

    Returns
    -------
    polars.DataFrame
        `meter_id`, `start_utc`, `end_utc`, `length_s` [s], the longest first. A quarter-hour of
        which a part is known ends a gap: `coverage` tells what else is missing.
    """
    whole = in_quarters(spans, period)
    known = owned(quarters.filter(pl.col("covered_s") > 0), whole)
    begin = pl.col("start_utc").shift(1).over("meter_id", "span") + periods.QUARTER
    return (
        pl.concat([known, ends(whole)])
        .sort("meter_id", "span", "start_utc")
        .select("meter_id", begin.alias("begin"), end_utc="start_utc")
        .filter(pl.col("begin") < pl.col("end_utc"))
        .select(
            "meter_id",
            "end_utc",
            start_utc="begin",
            length_s=(pl.col("end_utc") - pl.col("begin")).dt.total_seconds(),
        )
        .select(*COLUMNS)
        .sort("length_s", "meter_id", "start_utc", descending=[True, False, False])
    )


def in_quarters(spans: pl.DataFrame, period: Period) -> pl.DataFrame:
    """The whole quarter-hours of spans in a period."""
    return presence.clipped(spans, period).select(
        "meter_id",
        from_us=-(-pl.col("from_us") // QUARTER_US) * QUARTER_US,
        to_us=pl.col("to_us") // QUARTER_US * QUARTER_US,
    )


def ends(whole: pl.DataFrame) -> pl.DataFrame:
    """The quarters just before and just after each span: `meter_id`, `span`, `start_utc`."""
    return pl.concat(
        [
            whole.select("meter_id", span="from_us", at=pl.col("from_us") - QUARTER_US),
            whole.select("meter_id", span="from_us", at="to_us"),
        ]
    ).select("meter_id", "span", start_utc=periods.instant(pl.col("at")))


def owned(quarters: pl.DataFrame, whole: pl.DataFrame) -> pl.DataFrame:
    """Quarters of meters, each with the `span` that it lies in."""
    return (
        quarters.select("meter_id", "start_utc", at=periods.microseconds("start_utc"))
        .sort("at")
        .join_asof(
            whole.sort("from_us"), left_on="at", right_on="from_us", by="meter_id",
            check_sortedness=False,
        )
        .filter(pl.col("at") < pl.col("to_us"))
        .select("meter_id", "start_utc", span="from_us")
        .select("meter_id", "span", "start_utc")
    )  # fmt: skip


def refused(
    rejects: pl.DataFrame, meter_ids: list[str], site_ids: list[str], period: Period
) -> pl.DataFrame:
    """Rows that were refused and that name one of these meters or sites.

    A row counts where its stamp lies in the period; one whose stamp cannot be read, where it came
    in during the period. What does not name its meter so that it can be read is nobody's.

    Parameters
    ----------
    rejects
        `frames.BATCH_REJECTS`.

    Returns
    -------
    polars.DataFrame
        `reason`, `rows`, `latest_utc` (when the last of them came in), most rows first.
    """
    named = {
        name: pl.col("raw").str.extract(rf'"{name}"\s*:\s*"([^"]*)"')
        for name in ("meter_id", "device_id", "site_id", "timestamp")
    }
    stamp = (
        pl.col("timestamp")
        .str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T")
        .str.replace(r"^(.{10}T\d\d:\d\d)(Z|[+-])", "${1}:00${2}")
        .str.replace(r" ?Z$", "+00:00")
        .str.replace(r"([+-]\d\d):?(\d\d)$", "${1}:${2}")
        .str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", strict=False, time_unit="us")
        .dt.convert_time_zone("UTC")
    )
    return (
        rejects.with_columns(**named)
        .with_columns(
            meter_id=pl.coalesce("meter_id", "device_id"),
            at=pl.coalesce(stamp, "received_utc"),
        )
        .filter(
            pl.col("meter_id").is_in(meter_ids)
            | (pl.col("meter_id").is_null() & pl.col("site_id").is_in(site_ids)),
            pl.col("at").is_between(period.start, period.end, closed="left"),
        )
        .group_by("reason")
        .agg(rows=pl.len().cast(pl.Int64), latest_utc=pl.col("received_utc").max())
        .sort("rows", "reason", descending=[True, False])
    )


def corrected(revisions: pl.DataFrame) -> pl.DataFrame:
    """How often readings of each meter were corrected: `meter_id`, `rows`, `latest_utc`."""
    return (
        revisions.group_by("meter_id")
        .agg(rows=pl.len().cast(pl.Int64), latest_utc=pl.col("superseded_utc").max())
        .sort("meter_id")
    )

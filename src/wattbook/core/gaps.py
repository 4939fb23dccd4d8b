"""Where readings are missing, how much is estimated, and which rows were refused."""

from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.periods import Period

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


def gaps(quarters: pl.DataFrame, meter_ids: list[str], period: Period) -> pl.DataFrame:
    """Spans of whole quarter-hours for which nothing is known of a meter's energy.

    Parameters
    ----------
    quarters
        `frames.ROLLUPS` of the grain `quarter`, of the meters, within the period.
    meter_ids
        The meters that are expected to report.
    period
        On quarter-hours of UTC.

    Returns
    -------
    polars.DataFrame
        `meter_id`, `start_utc`, `end_utc`, `length_s` [s], the longest first. A quarter-hour of
        which a part is known ends a gap: `coverage` tells what else is missing.
    """
    meters = pl.DataFrame({"meter_id": meter_ids}, schema={"meter_id": pl.String})
    ends = meters.join(
        pl.DataFrame(
            {"start_utc": [period.start - periods.QUARTER, period.end]},
            schema={"start_utc": frames.UTC},
        ),
        how="cross",
    )
    known = quarters.filter(pl.col("covered_s") > 0).select("meter_id", "start_utc")
    begin = pl.col("start_utc").shift(1).over("meter_id") + periods.QUARTER
    return (
        pl.concat([known, ends])
        .sort("meter_id", "start_utc")
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
        .str.replace(r"Z$", "+00:00")
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

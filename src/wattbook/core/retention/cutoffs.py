"""For how long which data is kept, and what must stay although its time is over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.errors import Problem, RemovedError
from wattbook.core.periods import Grain, Period
from wattbook.core.retention.kinds import AFTER, Kind

ROWS_PER_CHUNK: Final = 100_000
"""About so many rows are removed in one transaction."""
AS_OF_MARGIN: Final = timedelta(days=40)
"""For a past state, registers are read so far beyond the period to know its ends."""


LINES: Final[dict[Kind, str]] = {
    Kind.READINGS: "readings_from_utc",
    Kind.REVISIONS: "revisions_from_utc",
    Kind.QUARTERS: "quarters_from_utc",
    Kind.DAYS: "days_from_utc",
}
"""Columns of `frames.METERS` that tell before which instant there is nothing left."""


TALLY: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "owner": pl.String,
    "day": pl.Date,
    "rows": pl.Int64,
    "first_utc": frames.UTC,
    "readings": pl.Int64,
}
"""What a store has of each owner on each UTC day; `readings` that its rollups count, else null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What was removed of one owner by one job; the three together are its key."""

    job_id: str
    kind: Kind
    owner: str
    """The meter, the source of the batches, the kind of the jobs, the entity of the reports."""
    site_id: str | None
    from_utc: datetime | None
    """Time of the oldest row that was removed."""
    until_utc: datetime
    """Nothing of the kind before it is taken in or computed any more."""
    rows: int | None
    """Null until they are counted: nothing is removed before."""
    removed_utc: datetime | None = None
    """When the last row was gone; null while that is under way."""
    version: str
    """That of wattbook."""
    requested_by: str | None = None
    """Who deleted a site or meter; null for clean-ups, whose job says it."""
    reason: str | None = None
    """Why a site or meter was deleted."""
    entity: Mapping[str, object] | None = None
    """The site or meter that was deleted, as it was registered."""
    counts: Mapping[str, int] | None = None
    """Rows of each kind that were removed with it."""
    sha256: str | None = None
    """Checksum of its readings: `core.retention.deletion.checksum`."""


def lines(meters: pl.DataFrame, kind: Kind, days: int, now: datetime) -> pl.DataFrame:
    """Before which instant each meter's rows of a kind are to go.

    Parameters
    ----------
    meters
        `frames.METERS`, with the lines that were drawn so far.
    kind
        A kind of which each row belongs to a meter.
    days
        For how many days it is kept.
    now
        The present instant.

    Returns
    -------
    polars.DataFrame
        `owner`, `site_id`, `until_utc`: the begin of a civil day where the site stands, not later
        than that from which on all is there of what the rows are made of. Meters of which more has
        gone already are left out.
    """
    midnights = {
        zone: periods.floor(now - timedelta(days=days), Grain.DAY, zone)
        for zone in meters["timezone"].unique().to_list()
    }
    until = pl.col("timezone").replace_strict(midnights, return_dtype=frames.UTC)
    drawn = meters.with_columns(until_utc=until)
    if (first := AFTER.get(kind)) is not None:
        limit = pl.col(LINES[first])
        drawn = drawn.drop_nulls(LINES[first]).with_columns(
            until_utc=pl.min_horizontal("until_utc", limit)
        )
    if kind is Kind.DAYS:
        drawn = _whole_weeks_and_months(drawn)
    if kind in LINES:
        drawn = drawn.filter((pl.col("until_utc") >= pl.col(LINES[kind])).fill_null(value=True))
    return drawn.select("site_id", "until_utc", owner="meter_id").select(
        "owner", "site_id", "until_utc"
    )


def _whole_weeks_and_months(drawn: pl.DataFrame) -> pl.DataFrame:
    """Days go where the week and the month around them cannot change any more."""
    settled = pl.col("readings_from_utc")
    parts = [
        rows.with_columns(
            until_utc=pl.min_horizontal(
                "until_utc",
                periods.bucket_start(settled, Grain.WEEK, zone),
                periods.bucket_start(settled, Grain.MONTH, zone),
            )
        )
        for (zone,), rows in drawn.group_by("timezone", maintain_order=True)
        if isinstance(zone, str)
    ]
    return pl.concat([drawn.clear(), *parts])


def with_cutoffs(meters: pl.DataFrame, kind: Kind, drawn_lines: pl.DataFrame) -> pl.DataFrame:
    """`frames.METERS` with lines of a kind moved to where they were drawn."""
    if kind not in LINES:
        return meters
    name = LINES[kind]
    moved = drawn_lines.select("until_utc", meter_id="owner")
    return (
        meters.join(moved, on="meter_id", how="left", maintain_order="left")
        .with_columns(pl.max_horizontal(name, "until_utc").alias(name))
        .drop("until_utc")
    )


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is removed in one transaction: rows of some owners before an instant."""

    owners: Sequence[str]
    before: datetime
    rows: int


def chunks(tally: pl.DataFrame, most: int = ROWS_PER_CHUNK) -> list[Chunk]:
    """All rows of a tally in chunks of about `most`, the oldest first.

    Parameters
    ----------
    tally
        `owner`, `day`, `rows`: how many rows each owner has on each UTC day.
    most
        Rows in a chunk; days go together up to so many, and the owners of one day apart from it.
        One owner's day may be larger.
    """
    by_day = tally.group_by("day").agg(pl.col("rows").sum()).sort("day")
    every = tally["owner"].unique().sort().to_list()
    made: list[Chunk] = []
    held = 0
    for place, (day, rows) in enumerate(by_day.iter_rows()):
        before = datetime.combine(day, periods.EPOCH.timetz()) + timedelta(days=1)
        after = by_day["rows"][place + 1] if place + 1 < by_day.height else None
        if rows > most:
            made += _slices(tally.filter(day=day), before, most)
            continue
        held += rows
        if after is None or held + after > most:
            made.append(Chunk(every, before, held))
            held = 0
    return made


def _slices(of_day: pl.DataFrame, before: datetime, most: int) -> list[Chunk]:
    cut = of_day.sort("owner").with_columns(slice=pl.col("rows").cum_sum() // most)
    return [
        Chunk(part["owner"].to_list(), before, int(part["rows"].sum()))
        for _, part in cut.group_by("slice", maintain_order=True)
    ]


def clipped(spans: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Spans (`meter_id`, `from_utc`, `to_utc`) without what lies before the readings that are kept.

    Figures before were computed when all readings were there; nothing computes them again.
    """
    if meters["readings_from_utc"].null_count() == meters.height:
        return spans
    kept = meters.select("meter_id", "readings_from_utc")
    return (
        spans.join(kept, on="meter_id", how="left", maintain_order="left")
        .with_columns(from_utc=pl.max_horizontal("from_utc", "readings_from_utc"))
        .drop("readings_from_utc")
        .filter(pl.col("from_utc") < pl.col("to_utc"))
    )


def computable(rollups: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Those rollups of which all parts are kept, so that they can be computed again."""
    lines_ = ("quarters_from_utc", "days_from_utc")
    if all(meters[name].null_count() == meters.height for name in lines_):
        return rollups
    coarse = pl.col("grain").is_in([str(Grain.WEEK), str(Grain.MONTH)])
    quarter = pl.col("grain") == str(Grain.QUARTER)
    line = pl.when(coarse).then("days_from_utc").when(~quarter).then("quarters_from_utc")
    return (
        rollups.join(
            meters.select("meter_id", *lines_), on="meter_id", how="left", maintain_order="left"
        )
        .filter((pl.col("start_utc") >= line).fill_null(value=True))
        .drop(lines_)
    )


def check_past(meters: pl.DataFrame, period: Period, as_of: datetime) -> None:
    """Refuse a past state of a period when rows that decide it were removed.

    Raises
    ------
    RemovedError
        Naming the first such meter, and from when on the question has an answer.
    """
    margin = pl.when(kind="register").then(pl.lit(AS_OF_MARGIN)).otherwise(pl.lit(timedelta()))
    needed = pl.lit(period.start) - margin
    lost = meters.filter(pl.col("readings_from_utc") > needed)
    if lost.height:
        meter_id, at = lost.select("meter_id", pl.col("readings_from_utc") + margin).row(0)
        raise removed(
            "start",
            f"readings of {meter_id} were removed, so what was known of the time before"
            f" {at:%FT%TZ} at a past instant are not known",
        )
    lost = meters.filter(pl.col("revisions_from_utc") > as_of)
    if lost.height:
        meter_id, at = lost.select("meter_id", "revisions_from_utc").row(0)
        raise removed(
            "as_of",
            f"readings of {meter_id} that were corrected before {at:%FT%TZ} were removed, so what"
            " was known earlier is not known any longer",
        )


def quarters_since(meters: pl.DataFrame) -> datetime | None:
    """From when on the quarter-hours of all these meters are kept; null where none was removed."""
    since = meters["quarters_from_utc"].max()
    return since if isinstance(since, datetime) else None


def check_quarters(meters: pl.DataFrame, start: datetime, answered: datetime | None = None) -> None:
    """Refuse what is made of quarter-hours from `start` on when some of these were removed.

    Parameters
    ----------
    meters
        `frames.METERS` of all that is added up.
    answered
        From when on the question has an answer, where that is later than the quarters are kept.

    Raises
    ------
    RemovedError
        Naming the meter of which most was removed, and that instant.
    """
    since = quarters_since(meters)
    if since is None or start >= since:
        return
    meter_id = meters.filter(quarters_from_utc=since)["meter_id"][0]
    raise removed(
        "start",
        f"quarter-hours of {meter_id} were removed, so this is known only from"
        f" {answered or since:%FT%TZ} on",
    )


def removed(field: str, detail: str) -> RemovedError:
    """Error that names the `field` of a question about what is no longer there."""
    return RemovedError(detail, [Problem("removed", detail, field=field)])

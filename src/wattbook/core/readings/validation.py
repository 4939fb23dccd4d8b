"""From rows as they were sent to readings worth keeping and rejects worth explaining."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.errors import FrameMismatchError, Problem
from wattbook.core.grid import curves, zones
from wattbook.core.grid.curves import CurveType
from wattbook.core.meters import civil, presence
from wattbook.core.periods import instant, microseconds
from wattbook.core.readings import merge, plausibility, reactive
from wattbook.core.readings.checks import (
    EARLIEST,
    FUTURE_TOLERANCE,
    GRID_CHECKS,
    READING_CHECKS,
    Check,
    IntervalLabel,
    RejectReason,
)
from wattbook.core.readings.companions import VALUES, has_value
from wattbook.core.readings.repeats import MERGED, distinct
from wattbook.core.readings.segments import plausible_kw
from wattbook.core.registry.entities import MeterRole
from wattbook.core.units import SECONDS_PER_HOUR

TIMESTAMP_FORMATS: Final = ("%Y-%m-%dT%H:%M%#z", "%Y-%m-%d %H:%M%#z")
"""Tried where the full ISO 8601 form does not fit; each of them has an offset."""
MAX_HINTS: Final = 20
"""For so many unknown zones of a batch the nearest names are looked up."""

OF_METERS: Final = (
    "kind",
    "role",
    "flow",
    "expected_interval_s",
    "expected_interval",
    "capacity_kw",
    "plausible_kw",
)
"""What a row needs to know of its meter."""


@dataclass(frozen=True, slots=True)
class ValidatedBatch:
    """A batch, judged: what is kept (with its `row`), and what is refused and why."""

    kept: pl.DataFrame
    rejects: pl.DataFrame
    refused: pl.DataFrame = field(default_factory=frames.REFUSED.empty)
    """`frames.REFUSED`: instants of known meters at which a row was refused."""
    warnings: tuple[str, ...] = ()
    """What the sender should check."""
    merged: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=MERGED))
    """`core.readings.repeats.MERGED`: rows whose values are in another row that is kept."""


def validate(
    raw: pl.DataFrame,
    *,
    meters: pl.DataFrame,
    now: datetime,
    label: IntervalLabel = IntervalLabel.START,
) -> ValidatedBatch:
    """Split raw rows into readings to keep and rejects with their reasons.

    Parameters
    ----------
    raw
        Rows of `frames.RAW_READINGS`; columns that are absent count as null. `timestamp` may
        also be of a date-time type with a time zone.
    meters
        `frames.METERS` of every registered meter.
    now
        The instant at which the rows were received; `known_utc` of what is kept.
    label
        `end` when the source stamps the end of the interval: stamps move back by the meter's
        expected interval.

    Returns
    -------
    Sorted
        `kept` has the columns of `frames.READINGS` and `row`; its order is that of `raw`.
        len(kept) + len(merged) + len(rejects) = len(raw), always.
    """
    sent = raw.columns
    raw = _conform(raw, frames.RAW_READINGS)
    explicit = _explicit(raw)
    rows = _resolve_meters(raw, meters)
    slot = _row_index(rows["meter_id"], meters["meter_id"])
    rows = rows.with_columns(slot=slot, ts_utc=_instant(rows["timestamp"]))
    rows = reactive.in_kvar(_dated(rows, meters, label)).with_columns(
        known_utc=pl.lit(now, dtype=frames.UTC),
        revision=pl.lit(0, dtype=pl.UInt16),
        quality=pl.col("quality").fill_null("measured"),
        readings_from_utc=_line(meters, slot),
        **explicit,
    )
    rows = rows.with_columns(cleared=_cleared(rows))

    good, bad = _apply_checks(rows, READING_CHECKS)
    once = distinct(good, ["meter_id", "ts_utc"], pl.col("slot"), merge.READINGS, has_value())
    good = once.rows
    kept = good.select("row", *frames.READINGS.columns, *explicit)
    doubtful = plausibility.warnings(rows.filter(pl.col("slot").is_not_null()), kept, meters)
    unknown = pl.concat([bad, good.filter("cleared")], how="diagonal")
    rejects = _rejects([bad, once.again], sent)
    return ValidatedBatch(kept, rejects, _refused_instants(unknown), doubtful, once.merged)


def _cleared(rows: pl.DataFrame) -> pl.Expr:
    """Whether the value that a row's meter needs was sent as null: it is not known."""
    if merge.EXPLICIT not in rows.columns:
        return pl.lit(value=False)
    sent = pl.lit(0, dtype=pl.UInt32)
    for kind, name in VALUES.items():
        sent = (
            pl.when(kind=str(kind)).then(pl.lit(merge.BITS[name], dtype=pl.UInt32)).otherwise(sent)
        )
    named = (pl.col(merge.EXPLICIT).fill_null(0).cast(pl.UInt32) & sent) != 0
    return named & ~has_value()


def _dated(rows: pl.DataFrame, meters: pl.DataFrame, label: IntervalLabel) -> pl.DataFrame:
    """Rows with what their meter is at their instant, which is where their interval begins."""
    ends = label is IntervalLabel.END
    at = microseconds("ts_utc") - (1 if ends else 0)
    rows = presence.attributes(rows.with_columns(ts=at), meters, OF_METERS, absent=True)
    rows = rows.with_columns(plausible_kw=plausible_kw())
    if ends:
        begun = civil.begun(rows.with_columns(ts=microseconds("ts_utc")), meters)
        rows = begun.with_columns(ts_utc=instant(pl.col("ts")))
    return civil.lengths(rows.with_columns(ts=microseconds("ts_utc")), meters)


def validate_grid(
    raw: pl.DataFrame,
    *,
    now: datetime,
    label: IntervalLabel = IntervalLabel.START,
    curve: CurveType = CurveType.A01,
    period_end: datetime | None = None,
) -> ValidatedBatch:
    """Split raw zone conditions into rows of `frames.GRID` (and `row`) and rejects.

    Generation and prices may be negative: storage charges, markets pay to consume. With `label`
    `end`, stamps move back by the row's `interval_s`. With `curve` `A03` each row holds until the
    next one of its zone in the batch, the last until `period_end` if it is given: `curves.held`.
    """
    sent = raw.columns
    raw = _conform(raw, frames.RAW_GRID)
    explicit = _explicit(raw)
    rows = _named_zones(raw).with_columns(
        start_utc=_instant(raw["start"]),
        interval_s=pl.col("interval_s").fill_null(SECONDS_PER_HOUR),
        known_utc=pl.lit(now, dtype=frames.UTC),
        revision=pl.lit(0, dtype=pl.UInt16),
    )
    if label is IntervalLabel.END:
        length = pl.duration(seconds=pl.col("interval_s"))
        rows = rows.with_columns(start_utc=pl.col("start_utc") - length)

    if curve is CurveType.A03:
        rows = curves.held(rows, period_end)

    good, bad = _apply_checks(rows, GRID_CHECKS)
    key = ["canonical", *frames.GRID.key[1:]]
    once = distinct(good, key, pl.struct("canonical", "interval_s").hash(), merge.GRID)
    kept = once.rows.with_columns(zone="canonical").select("row", *frames.GRID.columns, *explicit)
    return ValidatedBatch(kept, _rejects([bad, once.again], sent), merged=once.merged)


def hold(
    raw: pl.DataFrame,
    period_end: datetime | None = None,
    label: IntervalLabel = IntervalLabel.START,
) -> pl.DataFrame:
    """`frames.RAW_GRID` of a curve A03 with the time that each row holds as its `interval_s`.

    Stamps become starts: those of ends move back by the interval that the row was sent with.
    """
    rows = _named_zones(_conform(raw, frames.RAW_GRID)).with_columns(
        start_utc=_instant(raw["start"]),
        interval_s=pl.col("interval_s").fill_null(SECONDS_PER_HOUR),
    )
    if label is IntervalLabel.END:
        begun = pl.col("start_utc") - pl.duration(seconds="interval_s")
        written = begun.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        text = rows.schema["start"] == pl.String
        rows = rows.with_columns(
            start_utc=begun, start=pl.coalesce(written, "start") if text else begun
        )
    return curves.held(rows, period_end).select(list(frames.RAW_GRID.columns))


def _named_zones(raw: pl.DataFrame) -> pl.DataFrame:
    """Rows with the `canonical` name of their zone, and what is wrong (`unknown`) where none is."""
    names = raw["zone"].drop_nulls().unique().sort().to_list()
    known = {name: zones.canonical(name) for name in names}
    strange = [name for name, zone in known.items() if zone is None]
    told = {name: f"zone: {zones.unknown(name)}" for name in strange[:MAX_HINTS]}
    told |= {name: f"zone: unknown zone {name!r}" for name in strange[MAX_HINTS:]}
    table = pl.DataFrame(
        {
            "zone": names,
            "canonical": [known[name] for name in names],
            "unknown": [told.get(name) for name in names],
        },
        schema=dict.fromkeys(("zone", "canonical", "unknown"), pl.String),
    )
    return raw.join(table, on="zone", how="left", maintain_order="left")


NO_INSTANT: Final = (
    RejectReason.FUTURE_TIMESTAMP,
    RejectReason.TOO_OLD,
    RejectReason.REMOVED_PERIOD,
)
"""The clock of such a row was wrong, or its time is closed: it says nothing of an instant."""


def _refused_instants(bad: pl.DataFrame) -> pl.DataFrame:
    """The instants at which it was sent that a value is not known, or a row was refused.

    Only where the meter and the instant are known.
    """
    if bad.is_empty():
        return frames.REFUSED.empty()
    known = bad.filter(
        pl.col("slot").is_not_null(),
        pl.col("ts_utc").is_between(EARLIEST, pl.col("known_utc") + FUTURE_TOLERANCE),
        ~pl.col("reason").is_in([str(reason) for reason in NO_INSTANT]).fill_null(value=False),
    )
    return known.select(*frames.REFUSED.columns).unique(frames.REFUSED.key, maintain_order=True)


def _explicit(raw: pl.DataFrame) -> dict[str, pl.Expr]:
    """What was sent of rows beyond their values, if it was: for `merge.EXPLICIT`."""
    cleared = pl.col(merge.EXPLICIT).fill_null(0)
    if "quality" in raw.columns and raw["quality"].null_count() < raw.height:
        named = pl.col("quality").is_not_null().cast(pl.UInt32) * merge.BITS["quality"]
        return {merge.EXPLICIT: (cleared | named).cast(pl.UInt32)}
    return {} if raw[merge.EXPLICIT].null_count() == raw.height else {merge.EXPLICIT: cleared}


def reject_all(sorted_: ValidatedBatch) -> ValidatedBatch:
    """The same batch with nothing kept: one bad row refuses the others (`atomic`)."""
    own = ("row", "known_utc", "revision", merge.EXPLICIT)
    refused = sorted_.kept.select(
        "row",
        reason=pl.lit(str(RejectReason.BATCH_REFUSED)),
        detail=pl.lit("good, but another row of this atomic batch was refused"),
        raw=pl.struct(pl.all().exclude(own)).struct.json_encode(),
    )
    others = sorted_.merged.join(refused, left_on="into", right_on="row").select(refused.columns)
    rejects = pl.concat([sorted_.rejects, refused, others]).sort("row")
    if "ts_utc" not in sorted_.kept.columns:
        return ValidatedBatch(sorted_.kept.clear(), rejects, warnings=sorted_.warnings)
    instants = pl.concat([sorted_.refused, sorted_.kept.select(*frames.REFUSED.columns)])
    once = instants.unique(frames.REFUSED.key, keep="first", maintain_order=True)
    return ValidatedBatch(sorted_.kept.clear(), rejects, once, sorted_.warnings)


_VERDICT: Final = ("row", "reason", "detail", "raw", merge.EXPLICIT)


def _conform(raw: pl.DataFrame, contract: frames.Contract) -> pl.DataFrame:
    """`raw` with every column of the contract, in its types; null where nothing was sent."""
    if "row" not in raw.columns:
        raw = raw.with_row_index("row")
    problems = []
    columns = []
    for name, dtype in contract.schema.items():
        have = raw.schema.get(name)
        if have is None:
            columns.append(pl.lit(None, dtype=dtype).alias(name))
        elif have == dtype or _fits(have, dtype, name):
            columns.append(pl.col(name) if have == dtype else _as(name, have, dtype))
        else:
            problems.append(Problem("bad_column", f"must be {dtype}, but is {have}", field=name))
    if problems:
        wrong = "; ".join(f"{problem.field}: {problem.detail}" for problem in problems)
        raise FrameMismatchError(f"columns of the wrong type: {wrong}", problems)
    return raw.select(columns)


def _fits(have: pl.DataType, want: object, name: str) -> bool:
    if name in ("timestamp", "start"):
        return isinstance(have, pl.Datetime) and have.time_zone is not None
    if want in (pl.Float64, pl.Int64, pl.UInt32):
        return have.is_numeric() or have == pl.Null
    return have in (pl.Categorical, pl.Null) or isinstance(have, pl.Enum)


def _as(name: str, have: pl.DataType, want: object) -> pl.Expr:
    if isinstance(have, pl.Datetime):
        return pl.col(name).dt.cast_time_unit("us").dt.convert_time_zone("UTC")
    return pl.col(name).cast(want, strict=False)  # type: ignore[arg-type]  # a dtype of a contract


def _resolve_meters(raw: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """`raw` with `meter_id` filled where only the site was named, and `site_known`."""
    if raw["site_id"].null_count() == raw.height:
        return raw.with_columns(
            main_id=pl.lit(None, dtype=pl.String), site_known=pl.lit(value=True)
        )
    mains = (
        meters.filter(role=str(MeterRole.MAIN))
        .with_columns(named=pl.col("meter_id") == pl.col("site_id") + ".main")
        .sort("site_id", "named", descending=[False, True])
        .group_by("site_id", maintain_order=True)
        .agg(main_id=pl.col("meter_id").first(), sole=(pl.len() == 1) | pl.col("named").any())
        .select("site_id", main_id=pl.when("sole").then("main_id"))
    )
    sites = meters.select("site_id").unique().join(mains, "site_id", how="left")
    place = _row_index(raw["site_id"], sites["site_id"])
    main_id = sites["main_id"].gather(place)
    return raw.with_columns(
        meter_id=pl.coalesce("meter_id", main_id),
        main_id=main_id,
        site_known=place.is_not_null() | pl.col("site_id").is_null(),
    )


def _line(meters: pl.DataFrame, slot: pl.Series) -> pl.Expr:
    """Before which instant the readings of each row's meter were removed; null for most."""
    line = meters["readings_from_utc"]
    if line.null_count() == line.len():
        return pl.lit(None, dtype=frames.UTC)
    return pl.lit(line).gather(slot)


def _row_index(names: pl.Series, known: pl.Series) -> pl.Series:
    """Where each name stands among those known, else null: a join, at a third of its cost."""
    return names.cast(pl.Enum(known), strict=False).to_physical()


def _instant(sent: pl.Series) -> pl.Series:
    """UTC instants; null where the text has no offset or is no time."""
    if sent.dtype != pl.String:
        return sent
    read = sent.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    if read.null_count() == sent.null_count():
        return read
    others = [
        pl.col("t").str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
        for form in ("%+", *TIMESTAMP_FORMATS)
    ]
    frame = pl.DataFrame({"t": sent.str.strip_chars(), "read": read})
    return frame.select(pl.coalesce("read", *others)).to_series()


def _apply_checks(rows: pl.DataFrame, checks: Sequence[Check]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that pass every check, and those that fail with the first reason they fail for."""
    passed = rows.select(
        pl.col("reason").is_null().all(),
        *(fine.all().alias(reason) for reason, fine, _ in checks),
    ).row(0)
    if all(passed):
        return rows, rows.clear()
    failed = [check for check, fine in zip(checks, passed[1:], strict=True) if not fine]
    reason, detail = pl.col("reason"), pl.col("detail")
    for why, fine, say in failed:
        fails = reason.is_null() & ~fine
        detail = pl.when(fails).then(say).otherwise(detail)
        reason = pl.when(fails).then(pl.lit(str(why))).otherwise(reason)
    judged = rows.with_columns(reason=reason, detail=detail)
    return judged.filter(pl.col("reason").is_null()), judged.filter(pl.col("reason").is_not_null())


def with_evidence(rejected: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
    """`frames.REJECTS` of `row`, `reason` and `detail`, with the raw rows of these numbers."""
    verdicts = rejected.select(pl.col("row").cast(raw.schema["row"]), "reason", "detail")
    own = raw.select(pl.all().exclude("reason", "detail")).join(verdicts, on="row", how="inner")
    text = own if "raw" in raw.columns else own.with_columns(raw=pl.lit(None, dtype=pl.String))
    return _rejects([text.with_columns(pl.col("row").cast(pl.UInt32))], raw.columns)


def _rejects(piles: Sequence[pl.DataFrame], sent: Sequence[str]) -> pl.DataFrame:
    """Rejects of `frames.REJECTS`, with the row as JSON where its text was not kept."""
    piles = [pile for pile in piles if pile.height]
    if not piles:
        return frames.REJECTS.empty()
    names = [name for name in sent if name not in _VERDICT and name in piles[0].columns]
    as_json = pl.struct(names).struct.json_encode() if names else pl.lit("{}")
    rejects = [
        pile.select("row", "reason", "detail", raw=pl.coalesce("raw", as_json)).with_columns(
            pl.col("detail", "raw").str.replace_all("\x00", "\\u0000", literal=True)
        )
        for pile in piles
    ]
    return pl.concat(rejects).sort("row")

"""What the meters right behind another one counted, of the time for which they were behind it."""

from collections.abc import Iterable
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.anomaly.hours import PARTS
from wattbook.core.meters import presence
from wattbook.core.periods import microseconds
from wattbook.core.registry.entities import Meter
from wattbook.core.registry.versions import Version
from wattbook.core.units import US_PER_HOUR

MIN_COVERAGE: Final = 9 / 10
"""So much of an hour must be known of a meter behind another to be added up."""
_DATED: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "meter_id": pl.String,
    "valid_from_utc": frames.UTC,
    "valid_to_utc": frames.UTC,
}


def parents_of(meter: Meter) -> tuple[Version[str | None], ...]:
    """The meter behind which a meter stood, and stands, in the order of time."""
    return tuple(
        Version(each.parent, each.valid_from, each.valid_to) for each in (*meter.earlier, meter)
    )


def behind(meters: Iterable[Meter], meter_id: str) -> pl.DataFrame:
    """The meters right behind one, with the time for which they are: `presence.SPANS`."""
    rows = [
        (each.id, version.valid_from, version.valid_to)
        for each in meters
        for version in parents_of(each)
        if version.what == meter_id
    ]
    spans = pl.DataFrame(rows, schema=_DATED, orient="row")
    return presence.merged(
        spans.select(
            "meter_id",
            from_us=microseconds("valid_from_utc").fill_null(-presence.OPEN_US),
            to_us=microseconds("valid_to_utc").fill_null(presence.OPEN_US),
        )
    )


def parts(meters: Iterable[Meter], meter_id: str, hours: pl.DataFrame) -> pl.DataFrame:
    """What the meters right behind one counted together, of the hours that all of them know.

    Hours in which a meter comes or goes are left out.

    Returns
    -------
    polars.DataFrame
        `PARTS`, sorted by time; `behind` numbers the sets of meters.
    """
    spans = behind(meters, meter_id)
    start = microseconds("start_utc")
    throughout = (pl.col("from_us") <= start) & (pl.col("to_us") >= start + US_PER_HOUR)
    found = (
        hours.filter(pl.col("coverage") >= MIN_COVERAGE)
        .join(spans, on="meter_id")
        .filter(throughout)
        .group_by("start_utc")
        .agg(
            energy_kwh=pl.col("energy_kwh").sum(),
            count=pl.len(),
            behind=pl.col("meter_id").sort().str.join(" "),
        )
        .sort("start_utc")
    )
    known = found.filter(pl.col("count") == presence.count(found, spans, US_PER_HOUR))
    return known.select(
        "start_utc", "energy_kwh", behind=pl.col("behind").rank("dense").cast(pl.Int64)
    ).select(list(PARTS))

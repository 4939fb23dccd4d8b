"""The period that is asked for: its dates are those of the entity, its end that of the data."""

from datetime import UTC, datetime

import polars as pl

from wattbook.core import periods, when
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import MeterKind
from wattbook.core.when import Bounds, When
from wattbook.ports.readings import ReadingStore


async def period(
    bounds: Bounds,
    timezone: str,
    meters: pl.DataFrame,
    *,
    readings: ReadingStore,
) -> Period:
    """The period between the bounds, with dates on the clock of `timezone`.

    Without an end it reaches to where the data of the `meters` (`frames.METERS`) end. Where no
    data follow the start, it is the quarter-hour that begins there.
    """
    if bounds.end is not None:
        return when.period(bounds, timezone, when.instant(bounds.end, timezone))
    start = when.instant(bounds.start, timezone)
    until = await end_of_data(meters, readings=readings)
    if until is None or until <= start:
        until = start + periods.QUARTER
    return when.period(bounds, timezone, until)


def as_of(asked: When | None, timezone: str) -> datetime | None:
    """The instant that `asked` means on the clock of `timezone`."""
    return None if asked is None else when.instant(asked, timezone)


async def end_of_data(meters: pl.DataFrame, *, readings: ReadingStore) -> datetime | None:
    """The end of the last quarter-hour with data of any of the meters; None without data.

    A reading of a register ends at its stamp, any other one interval later.
    """
    extent = await readings.extent(meters["meter_id"].to_list())
    if extent.is_empty():
        return None
    own = extent.join(meters, on="meter_id")
    is_register = pl.col("kind") == str(MeterKind.REGISTER)
    length_s = pl.when(is_register).then(0).otherwise(pl.col("expected_interval_s"))
    last: datetime | None = own.select(
        (pl.col("to_utc") + pl.duration(seconds=length_s)).max()
    ).item()
    if last is None:
        return None
    return periods.ceil(last.astimezone(UTC), Grain.QUARTER)

"""Points of an answer as rows of raw readings."""

from typing import Final

import polars as pl

from wattbook.clients.influxdb import answers
from wattbook.core import frames
from wattbook.core.readings.checks import RejectReason
from wattbook.core.readings.influx_mapping import SITE_TAG, Naming

POINT: Final = ("_time", "_field", "_value")
SHOWN_LENGTH: Final = 40
TEXT: Final = "quality"
"""The one column that is no number."""


def tags(naming: Naming) -> list[str]:
    """Tags that name the meter, or the site."""
    return list(dict.fromkeys((*naming.meter_tags, SITE_TAG)))


def columns(naming: Naming) -> list[str]:
    """Columns of an answer.

    A field has one type within a measurement; tables of several would not fit into one another.
    """
    measurement = ["_measurement"] if naming.measurement is None else []
    return [*POINT, *measurement, *tags(naming)]


def rows(answer: bytes, naming: Naming) -> pl.DataFrame:
    """`frames.RAW_READINGS`: fields of one meter at one instant are one row.

    A field that has two values there, from series that differ in a tag that means nothing here,
    makes a second row.
    """
    found = answers.decode(answer, columns(naming))
    if found.is_empty():
        return frames.RAW_READINGS.empty().with_columns(timestamp=pl.lit(None, dtype=frames.UTC))
    wide = _side_by_side(found, ["_time", *tags(naming)], naming)
    read = wide.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
        pl.col(SITE_TAG).alias("site_id"),
        pl.coalesce(naming.meter_tags).alias("meter_id"),
        answers.instants(wide["_time"]).alias("timestamp"),
        *(
            pl.col(name) if name == TEXT else pl.col(name).cast(pl.Float64, strict=False)
            for name in naming.fields.values()
            if name in wide.columns
        ),
    )
    return _judged(read, wide, naming)


def _side_by_side(found: pl.DataFrame, key: list[str], naming: Naming) -> pl.DataFrame:
    """One row for each key, with the values [text] of its fields in the columns that they fill."""
    parts = {
        column: found.filter(pl.col("_field") == field).select(*key, pl.col("_value").alias(column))
        for field, column in naming.fields.items()
    }
    parts = {column: part for column, part in parts.items() if part.height}
    turn = [*key, "turn"]
    wide: pl.DataFrame | None = None
    for column, part in parts.items():
        again = part.select(key).is_duplicated().any()
        nth = pl.int_range(pl.len()).over(key) if again else pl.lit(0, dtype=pl.Int64)
        own = part.with_columns(turn=nth)
        if wide is None:
            wide = own
        elif wide.height == own.height and wide.select(turn).equals(own.select(turn)):
            wide = wide.with_columns(own[column])
        else:
            wide = wide.join(
                own,
                on=turn,
                how="full",
                coalesce=True,
                nulls_equal=True,
                maintain_order="left_right",
            )
    assert wide is not None
    return wide


def _judged(read: pl.DataFrame, wide: pl.DataFrame, naming: Naming) -> pl.DataFrame:
    """The rows, with a reason where a field has something else than a number."""
    field = {column: name for name, column in naming.fields.items()}
    wrong = [
        name
        for name in read.columns
        if name in frames.SENT_VALUES and read[name].null_count() > wide[name].null_count()
    ]
    if not wrong:
        return read
    said = [
        pl.when(pl.col(name).is_null() & wide[name].is_not_null()).then(
            pl.format(
                f"{field[name]}: must be a number, but is {{}}",
                wide[name].str.slice(0, SHOWN_LENGTH),
            )
        )
        for name in wrong
    ]
    fails = pl.any_horizontal(pl.col(name).is_null() & wide[name].is_not_null() for name in wrong)
    return read.with_columns(
        reason=pl.when(fails).then(pl.lit(str(RejectReason.NOT_A_NUMBER))),
        detail=pl.when(fails).then(pl.concat_str(said, separator="; ", ignore_nulls=True)),
        raw=pl.when(fails).then(
            wide.select(pl.struct(pl.exclude("turn")).struct.json_encode()).to_series()
        ),
    )

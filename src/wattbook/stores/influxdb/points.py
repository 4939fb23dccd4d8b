"""How a reading is a point, and a point a reading.

A point has the tag `meter_id`, the values that are known, and `known_us`. What is usual is left
out: `quality` where it is measured, `revision` where it is 0. InfluxDB keeps the fields that a
point had before it was written again; so one that corrects says in `present` which of its values
count, a bit for each, and has all other fields.
"""

from typing import Final

import polars as pl

from wattbook.clients.influxdb import answers, flux
from wattbook.core import frames
from wattbook.core.periods import DAY_US, EPOCH, FIRST_YEAR, LAST_YEAR, microseconds

MEASUREMENT: Final = "readings"
TAG: Final = "meter_id"
REFUSED: Final = "refused_instants"
"""Measurement of the instants at which a row was refused, with the same tag and `known_us`."""
KNOWN: Final = "known_us"
"""The field that every point has."""
USUAL: Final = frames.QUALITIES[0]
FOUND: Final = ("_time", "_field", "_value", TAG)
"""Columns of an answer with readings."""
EVER_US: Final = tuple(
    (EPOCH.replace(year=year) - EPOCH).days * DAY_US for year in (FIRST_YEAR, LAST_YEAR + 1)
)
EVER: Final = (flux.moment(EVER_US[0]), flux.moment(EVER_US[1]))

_CODED: Final = {char: f"%{ord(char):02X}" for char in ("%", "\\", *map(chr, range(0x20)), "\x7f")}
"""What no tag can hold, and a percent sign. Ids without them are tags as they are."""
_ESCAPED: Final = {",": r"\,", " ": r"\ ", "=": r"\="}
_VALUE_BITS: Final = {name: 1 << at for at, name in enumerate(frames.READING_VALUES)}


def coded(ids: pl.Series) -> pl.Series:
    r"""Ids as InfluxDB can hold them.

    >>> coded(pl.Series(["plant.1", "100 %", "a\\"])).to_list()
    ['plant.1', '100 %25', 'a%5C']
    """
    return ids.str.replace_many(_CODED)


def decoded(tags: pl.Series) -> pl.Series:
    """The ids of which these are what `coded` makes."""
    return tags.str.replace_many({code: char for char, code in _CODED.items()})


def lines(rows: pl.DataFrame) -> bytes:
    """Rows of `frames.READINGS` in line protocol, with stamps in microseconds."""
    ids = rows["meter_id"].unique()
    heads = f"{MEASUREMENT},{TAG}=" + coded(ids).str.replace_many(_ESCAPED) + f" {KNOWN}="
    head = heads.gather(rows["meter_id"].cast(pl.Enum(ids)).to_physical())
    values = [
        pl.concat_str(pl.lit(f",{name}="), pl.col(name).cast(pl.String))
        for name in frames.READING_VALUES
        if rows[name].null_count() < rows.height
    ]
    line = pl.concat_str(
        head,
        microseconds("known_utc"),
        pl.lit("i"),
        *values,
        *_unusual(rows),
        pl.lit(" "),
        microseconds("ts_utc"),
        ignore_nulls=True,
    )
    text = rows.select(line).write_csv(include_header=False, quote_style="never")
    return text.encode()


def refused_lines(rows: pl.DataFrame) -> bytes:
    """Rows of `frames.REFUSED` in line protocol, with stamps in microseconds."""
    tag = coded(rows["meter_id"]).str.replace_many(_ESCAPED)
    line = pl.concat_str(
        f"{REFUSED},{TAG}=" + tag + f" {KNOWN}=",
        microseconds("known_utc"),
        pl.lit("i "),
        microseconds("ts_utc"),
    )
    return rows.select(line).write_csv(include_header=False, quote_style="never").encode()


def _unusual(rows: pl.DataFrame) -> list[pl.Expr]:
    """The fields of those rows that correct, or were not measured."""
    corrects = pl.col("revision") > 0
    asked = rows.select(
        corrects=corrects.any(), other=(pl.col("quality") != pl.lit(USUAL)).any()
    ).row(0, named=True)
    parts: list[pl.Expr] = []
    if asked["corrects"] or asked["other"]:
        other = corrects | (pl.col("quality") != pl.lit(USUAL))
        parts.append(pl.when(other).then(pl.format(',quality="{}"', "quality")))
    if asked["corrects"]:
        bits = pl.sum_horizontal(
            pl.col(name).is_not_null().cast(pl.Int64) * bit for name, bit in _VALUE_BITS.items()
        )
        parts.append(
            pl.when(corrects).then(pl.format(",revision={}i,present={}i", "revision", bits))
        )
    return parts


def rows(found: pl.DataFrame) -> pl.DataFrame:
    """The readings of an answer with the columns `FOUND`, in its order."""
    base = _field(found, KNOWN)
    columns = [base["_time"], base[TAG], base["_value"].cast(pl.Int64).alias(KNOWN)]
    have = {TAG, "_time"}
    for name in (*frames.READING_VALUES, "quality", "revision", "present"):
        part = _field(found, name)
        if part.height:
            columns.append(_beside(base, part).cast(_TYPES.get(name, pl.Int64)).alias(name))
            have.add(name)
    wide = pl.DataFrame(columns)
    present = pl.col("present") if "present" in have else pl.lit(None, dtype=pl.Int64)
    revision = pl.col("revision") if "revision" in have else pl.lit(0)
    quality = pl.col("quality") if "quality" in have else pl.lit(USUAL)
    return wide.select(
        _ids(wide[TAG]).alias("meter_id"),
        answers.instants(wide["_time"]).alias("ts_utc"),
        *(
            _counted(name, present) if name in have else pl.lit(None, dtype=pl.Float64).alias(name)
            for name in frames.READING_VALUES
        ),
        quality.fill_null(USUAL).alias("quality"),
        pl.col(KNOWN).cast(frames.UTC).alias("known_utc"),
        revision.fill_null(0).cast(pl.UInt16).alias("revision"),
    ).select(list(frames.READINGS.columns))


_TYPES: Final[dict[str, type[pl.DataType]]] = {
    **dict.fromkeys(frames.READING_VALUES, pl.Float64),
    "quality": pl.String,
}


def _counted(name: str, present: pl.Expr) -> pl.Expr:
    """Values of those points of which it counts."""
    counts = present.is_null() | (present & pl.lit(_VALUE_BITS[name]) != 0)
    return pl.when(counts).then(pl.col(name)).alias(name)


def _field(found: pl.DataFrame, name: str) -> pl.DataFrame:
    return found.filter(pl.col("_field") == name)


def _beside(base: pl.DataFrame, part: pl.DataFrame) -> pl.Series:
    """Values of a field in the order of `base`, null where a point lacks it."""
    key = [TAG, "_time"]
    if part.height == base.height and part.select(key).equals(base.select(key)):
        return part["_value"]
    joined = base.select(key).join(
        part.select(*key, "_value"), on=key, how="left", maintain_order="left"
    )
    return joined["_value"]


def _ids(tags: pl.Series) -> pl.Series:
    known = tags.unique()
    if not known.str.contains("%", literal=True).any():
        return tags
    return decoded(known).gather(tags.cast(pl.Enum(known)).to_physical())

"""Query parameters that say how a body of text/csv is written."""

from typing import Annotated, Literal

from fastapi import Depends, Query

from wattbook.core.readings.checks import IntervalLabel
from wattbook.sources.files import DateOrder, Options

LabelQuery = Annotated[
    IntervalLabel | None,
    Query(description="which end of the interval the source stamps; start if left out"),
]


def text_options(  # noqa: PLR0913 -- a parameter of the query is an argument here
    *,
    interval_label: LabelQuery = None,
    map_: Annotated[
        list[str] | None,
        Query(alias="map", description="`target=source` columns, as `power_kw=Leistung`"),
    ] = None,
    unit: Annotated[list[str] | None, Query(description="as `power_kw=MW`")] = None,
    map_values: Annotated[
        list[str] | None, Query(description="as `quality=Målt:measured,Estimert:estimated`")
    ] = None,
    null: Annotated[
        list[str] | None, Query(description="a text that means a missing value")
    ] = None,
    meter: Annotated[str | None, Query(description="the meter of every row")] = None,
    timezone: Annotated[
        str | None, Query(description="IANA time zone of stamps without offset")
    ] = None,
    interval: Annotated[
        int | None,
        Query(ge=1, le=86_400, description="seconds of an interval; as registered if left out"),
    ] = None,
    date_order: Annotated[
        DateOrder | None, Query(description="order of the numbers in short dates")
    ] = None,
    midnight_closes_day: Annotated[
        bool, Query(description="00:00 is 24:00 of the date in the same row")
    ] = False,
    dst_flag: Annotated[
        str | None, Query(description="column that tells the passes of a repeated hour apart")
    ] = None,
    decimal: Annotated[
        Literal["point", "comma"] | None, Query(description="the sign before decimals")
    ] = None,
    separator: Annotated[
        str | None, Query(description="a sign, or `semicolon`, `comma`, `tab`, `pipe`")
    ] = None,
    encoding: Annotated[str | None, Query(description="of the text, as `windows-1252`")] = None,
    skip_lines: Annotated[int, Query(ge=0, le=1000, description="lines before the header")] = 0,
) -> Options:
    """How a body of `text/csv` is written; what is left out is detected."""
    return Options(
        pairs=tuple(map_ or ()),
        units=tuple(unit or ()),
        words=tuple(map_values or ()),
        nulls=tuple(null or ()),
        timezone=timezone,
        label=interval_label,
        interval_s=interval,
        date_order=date_order,
        midnight_closes_day=midnight_closes_day,
        dst_flag=dst_flag,
        decimal=decimal,
        separator=separator,
        encoding=encoding,
        skip_lines=skip_lines,
        meter=meter,
    )


OptionsDep = Annotated[Options, Depends(text_options)]

# ruff: noqa: PLC0415 -- a command imports what it needs when it runs, so that --help is quick
# ruff: noqa: PLR0913, PLR0917 -- an option of a command is an argument here
# ruff: noqa: FBT002 -- Typer makes flags of booleans
"""Commands that bring readings in, move them and write them out."""

from pathlib import Path
from typing import Annotated

import typer

from wattbook.cli.commands.app import app
from wattbook.cli.commands.options import AsJson, CurveName, DateOrderName, LabelName, Url


@app.command()
def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            exists=True,
            readable=True,
            show_default=False,
            help="CSV, NDJSON, JSON or Parquet, also with .gz or .zst; or what export wrote.",
        ),
    ],
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="TARGET=SOURCE",
            help="A column of ours from one of the file, as power_kw=Global_active_power; "
            "site.meter:power_kw=GT1 where each meter has a column; A+B joins two with a blank; "
            "zone='CISO' is constant.",
        ),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=UNIT", help="Unit of a column in the file, as power_kw=MW."),
    ] = None,
    map_values: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=WORD:OURS,…",
            help="Words of a text column, as quality=Målt:measured,Estimert:estimated.",
        ),
    ] = None,
    null: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="A text that means a missing value, such as 99999."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="IANA time zone of stamps without offset.")
    ] = None,
    interval_label: Annotated[
        LabelName | None,
        typer.Option(help="Which end of an interval the timestamps mark. Default: start."),
    ] = None,
    interval: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            max=86_400,
            help="Length of the file's intervals, where they are numbered, or local and stamped "
            "at their end, or with --grid. Default: what the meter registers, or 3600.",
        ),
    ] = None,
    date_order: Annotated[
        DateOrderName | None,
        typer.Option(help="Order of day, month and year in dates such as 01/02/26."),
    ] = None,
    day_first: Annotated[
        bool, typer.Option("--day-first", help="The same as --date-order dmy.")
    ] = False,
    midnight_closes_day: Annotated[
        bool,
        typer.Option(
            "--midnight-closes-day", help="Read 00:00 as 24:00 of the date in the same row."
        ),
    ] = False,
    dst_flag: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that tells the two passes of a repeated hour apart: Y/N, true/false, "
            "1/0, S/W or abbreviations as EDT/EST. COLUMN=repeated or COLUMN=summer says what "
            "a yes means.",
        ),
    ] = None,
    decimal_comma: Annotated[
        bool | None,
        typer.Option(
            "--decimal-comma/--decimal-point",
            help="Read 1.234,5 or 1,234.5; the other sign groups thousands. Default: detected.",
        ),
    ] = None,
    separator: Annotated[
        str | None,
        typer.Option(
            metavar="SIGN", help="Between columns: a sign, or semicolon, comma, tab, pipe."
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the text, as windows-1252.")
    ] = None,
    skip_lines: Annotated[
        int, typer.Option(min=0, max=1000, help="Lines before the one that names the columns.")
    ] = 0,
    meter: Annotated[str | None, typer.Option(metavar="ID", help="The meter of every row.")] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="The file holds conditions of grid zones.")
    ] = False,
    curve_type: Annotated[
        CurveName,
        typer.Option(
            help="With --grid: in A03 rows that repeat the one before are left out, so that each "
            "holds until the next of its zone.",
        ),
    ] = "A01",
    period_end: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Until when the last row of a curve A03 holds."),
    ] = None,
    atomic: Annotated[
        bool,
        typer.Option(
            "--atomic",
            help="All or nothing: validate the whole file first, and ingest no row if one is "
            "refused. (Stopped halfway, run it again: what is there is not added twice.)",
        ),
    ] = False,
    allow_rejects: Annotated[
        bool, typer.Option("--allow-rejects", help="Exit with 0 even if rows were rejected.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", dir_okay=False, help="Write the rejected rows to this file."
        ),
    ] = None,
    preview: Annotated[
        bool,
        typer.Option(
            "--preview",
            help="Show the first rows as they would be stored, and what was detected; store "
            "nothing. Needs no registered site.",
        ),
    ] = False,
    url: Url = None,
    json: Annotated[
        bool, typer.Option("--json", help="As JSON: counts, reasons and batches of each file.")
    ] = False,
) -> None:
    """Ingest readings from files of any size, then roll them up.

    A row that cannot be kept is refused with a reason, counted and stored; the others are kept.
    What a file does not say (separator, decimal sign, order of dates …) is detected, and shown
    with the receipt; a file that can be read in two ways is refused with both of them.
    """
    from wattbook.cli import ingest as door
    from wattbook.cli.period_options import instant
    from wattbook.core.grid.curves import CurveType
    from wattbook.core.readings.checks import IntervalLabel
    from wattbook.sources.files import DateOrder, Options

    order = date_order or ("dmy" if day_first else None)
    options = Options(
        pairs=tuple(mapping or ()),
        units=tuple(unit or ()),
        words=tuple(map_values or ()),
        nulls=tuple(null or ()),
        timezone=timezone,
        label=IntervalLabel(interval_label) if interval_label else None,
        interval_s=interval,
        date_order=DateOrder(order) if order else None,
        midnight_closes_day=midnight_closes_day,
        dst_flag=dst_flag,
        decimal=None if decimal_comma is None else "comma" if decimal_comma else "point",
        separator=separator,
        encoding=encoding,
        skip_lines=skip_lines,
        meter=meter,
    )
    form = door.Form(
        options=options,
        grid=grid,
        curve=CurveType(curve_type),
        period_end=None if period_end is None else instant(period_end, "UTC", "--period-end"),
    )
    if preview:
        from wattbook.cli import preview as first_rows

        if first_rows.run(files, form, as_json=json) and not allow_rejects:
            raise typer.Exit(1)
        return
    refused = door.run(files, form, url, atomic=atomic, rejects=rejects, as_json=json)
    if refused and not allow_rejects:
        raise typer.Exit(1)


@app.command()
def batches(
    source: Annotated[
        str | None, typer.Option(help="Only of this source, as file:june.csv or http:anonymous.")
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="Received at or after (UTC).")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="WHEN", help="Received before (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of lines.")] = 20,
    url: Url = None,
    json: AsJson = False,
) -> None:
    """Ingested batches, newest first, with the counts of their rows."""
    from wattbook.cli import batches as door

    door.run(source, begin, end, limit, url, as_json=json)


@app.command()
def revisions(
    meter: Annotated[str, typer.Argument(metavar="METER", show_default=False)],
    begin: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="Stamped at or after (UTC).")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="WHEN", help="Stamped before (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of lines.")] = 1000,
    url: Url = None,
    json: AsJson = False,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
) -> None:
    """Earlier values of a meter's corrected readings: when each was known and superseded."""
    from wattbook.cli import revisions as door

    door.run(meter, begin, end, limit, url, as_json=json, as_csv=csv)


@app.command()
def copy(
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="URL",
            help="The store to read: a folder, postgresql://user:password@host/name, "
            "or influxdb://host:8086/organization/bucket.",
        ),
    ],
    target: Annotated[
        str, typer.Option("--to", metavar="URL", help="The store to fill; made where it is not.")
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE",
            help="Only this table, such as readings; repeatable. `sites` is one, too.",
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Where the target has rows that the source never had, drop them."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Copy everything from one store to another, and verify the copy.

    A bucket of InfluxDB (the token is INFLUXDB_TOKEN) keeps readings alone; what stays is told.

    Run it again to finish a copy that was stopped, to bring what came in since, or to verify.
    """
    from wattbook.cli import copy as door

    if not door.run(source, target, list(only or ()), replace=replace, as_json=json):
        raise typer.Exit(1)


@app.command()
def export(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            file_okay=False,
            show_default=False,
            help="Empty, an earlier export (its files are replaced), or not there yet.",
        ),
    ],
    site: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this site; repeatable. Default: all."),
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="WHEN", help="Date at the site, or instant with offset."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="WHEN", help="End (exclusive).")
    ] = None,
    url: Url = None,
) -> None:
    """Export the current readings as Parquet: meter_id=…/month=…/readings.parquet.

    Months are those of UTC. DuckDB, Polars, Spark and `wattbook ingest DIR` read such a folder.
    """
    from wattbook.cli import export as door

    door.run(folder, list(site or ()), begin, end, url)


@app.command()
def pull(
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Date (UTC) or instant with offset from which to read; else from where the last "
            "run came to, less INFLUXDB_OVERLAP_S.",
        ),
    ] = None,
    interval_label: Annotated[
        LabelName | None,
        typer.Option(
            help="Which end of an interval the bucket stamps; before INFLUXDB_INTERVAL_LABEL.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the names and the first rows; ingest nothing.")
    ] = False,
    allow_rejects: Annotated[
        bool, typer.Option("--allow-rejects", help="Exit with 0 even if rows were rejected.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Pull what is new from INFLUXDB_BUCKET, then roll it up.

    Run it as often as one likes: what is known already is counted as duplicates.
    """
    from wattbook.cli import pull as door

    if dry_run:
        door.look(since, interval_label)
    elif door.run(since, interval_label, as_json=json) and not allow_rejects:
        raise typer.Exit(1)


@app.command()
def rollup(
    everything: Annotated[
        bool,
        typer.Option("--all", help="Recompute all figures, not only those whose readings changed."),
    ] = False,
) -> None:
    """Bring rollups up to date with the readings."""
    from wattbook.cli import rollup as door

    door.run(everything=everything)

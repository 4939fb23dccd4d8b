# ruff: noqa: PLC0415 -- a command imports what it needs when it runs, so that --help is quick
# ruff: noqa: PLR0913, PLR0917 -- an option of a command is an argument here
# ruff: noqa: FBT002 -- Typer makes flags of booleans
"""Every command: its options, and the one call behind it."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from wattbook import __version__
from wattbook.cli.exits import Door

app = typer.Typer(
    cls=Door,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
sites = typer.Typer(help="List, show, register and hold sites.", invoke_without_command=True)
app.add_typer(sites, name="sites")
jobs = typer.Typer(help="List, watch, run and cancel background jobs.", no_args_is_help=True)
app.add_typer(jobs, name="jobs")

# `core.periods.Grain` and others, spelled out: their modules load Polars.
GrainName = Literal["quarter", "hour", "day", "week", "month"]
LabelName = Literal["start", "end"]
KindName = Literal["power", "interval", "register"]

From = Annotated[
    str,
    typer.Option("--from", metavar="WHEN", help="Date at the site, or instant with offset."),
]
To = Annotated[
    str | None, typer.Option("--to", metavar="WHEN", help="The first that is out; now if left out.")
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="WHEN", help="As it was known then; all that is, if left out."),
]
GrainOption = Annotated[GrainName, typer.Option(help="Length of a bucket.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, the document of the HTTP API.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="The rows as CSV.")]


def _version(asked: bool) -> None:  # noqa: FBT001 -- Typer's signature
    if asked:
        typer.echo(f"wattbook {__version__}")
        raise typer.Exit


@app.callback()
def wattbook(
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the stores; goes before DATA_DIR."),
    ] = None,
    version: Annotated[  # noqa: ARG001 -- its callback answers
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Energy readings in; load, cost and carbon out, every figure traceable.

    Settings come from the environment and .env; `wattbook config` lists them.

    Exit codes: 0 done, 1 rows were refused or something broke,
    2 the input cannot be used, 3 there is no such thing,
    4 it conflicts with what is there, 5 a store or a port cannot be had,
    6 this store cannot do that.
    """
    if data_dir is not None:
        os.environ["DATA_DIR"] = str(data_dir)


Host = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Address to listen on; goes before API_HOST.")
]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port (0: any free one); before API_PORT.")
]


@app.command()
def serve(host: Host = None, port: Port = None) -> None:
    """Serve the HTTP API until Ctrl-C."""
    from wattbook.cli import serve as door

    door.listen_on(host, port)
    door.serve()


@app.command()
def demo(
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Stop after the table.")] = False,
    fresh: Annotated[bool, typer.Option(help="Load everything anew.")] = False,
    host: Host = None,
    port: Port = None,
) -> None:
    """Load the sample sites, show what they did, and serve them.

    They go to wattbook-data/demo unless DATA_DIR or --data-dir says otherwise.
    """
    from wattbook.cli import demo as door
    from wattbook.cli import serve as server

    server.listen_on(host, port)
    door.run(fresh=fresh)
    if not no_serve:
        server.serve()


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
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="IANA time zone of stamps without offset.")
    ] = None,
    interval_label: Annotated[
        LabelName, typer.Option(help="Which end of an interval the file stamps.")
    ] = "start",
    interval: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            max=86_400,
            help="Length of the file's intervals, where they are local and stamped at their end, "
            "or with --grid. Default: what the meter registers, or 3600.",
        ),
    ] = None,
    day_first: Annotated[
        bool, typer.Option("--day-first", help="Read 01/02 as 1 February.")
    ] = False,
    midnight_closes_day: Annotated[
        bool,
        typer.Option("--midnight-closes-day", help="Read 00:00 as 24:00 of the date beside it."),
    ] = False,
    decimal_comma: Annotated[
        bool, typer.Option("--decimal-comma", help="Read 1,5 as one and a half.")
    ] = False,
    meter: Annotated[str | None, typer.Option(metavar="ID", help="The meter of every row.")] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="The file holds conditions of grid zones.")
    ] = False,
    atomic: Annotated[
        bool,
        typer.Option(
            "--atomic",
            help="All of a file or nothing: judge it whole first, and take in no row if one is "
            "refused. (Stopped halfway, run it again: what is there is not added twice.)",
        ),
    ] = False,
    allow_rejects: Annotated[
        bool, typer.Option("--allow-rejects", help="Exit with 0 though rows were refused.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", dir_okay=False, help="Write the refused rows there."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Take in readings from files, of any size, and roll them up.

    A row that cannot be kept is refused with a reason, counted and stored; the others are kept.
    """
    from wattbook.cli import ingest as door

    form = door.Form(
        pairs=tuple(mapping or ()),
        units=tuple(unit or ()),
        timezone=timezone,
        label=interval_label,
        interval_s=interval,
        day_first=day_first,
        midnight_closes_day=midnight_closes_day,
        decimal_comma=decimal_comma,
        meter=meter,
        grid=grid,
    )
    refused = door.run(files, form, atomic=atomic, rejects=rejects, as_json=json)
    if refused and not allow_rejects:
        raise typer.Exit(1)


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
            help="Only this table, as readings; may be said again. `sites` are one too.",
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
    """Move house: copy everything from one store to another, and verify it.

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
        typer.Option(metavar="ID", help="Only this site; may be said again. All if left out."),
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="WHEN", help="Date at the site, or instant with offset."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="WHEN", help="The first that is out.")
    ] = None,
) -> None:
    """Write what is believed now as Parquet: meter_id=…/month=…/readings.parquet.

    Months are those of UTC. DuckDB, Polars, Spark and `wattbook ingest DIR` read such a folder.
    """
    from wattbook.cli import export as door

    door.run(folder, list(site or ()), begin, end)


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
        bool, typer.Option("--dry-run", help="Show the names and the first rows, take in nothing.")
    ] = False,
    allow_rejects: Annotated[
        bool, typer.Option("--allow-rejects", help="Exit with 0 though rows were refused.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Bring in what is new in INFLUXDB_BUCKET, and roll it up.

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
        bool, typer.Option("--all", help="Recompute every meter, not only what changed.")
    ] = False,
) -> None:
    """Bring rollups up to date with the readings."""
    from wattbook.cli import rollup as door

    door.run(everything=everything)


@app.command()
def metrics(
    begin: From,
    end: To = None,
    site: Annotated[str | None, typer.Argument(metavar="SITE", show_default=False)] = None,
    network: Annotated[bool, typer.Option("--network", help="All sites together.")] = False,
    by: Annotated[
        Literal["zone", "operator", "none"], typer.Option(help="Split of the network.")
    ] = "none",
    grain: GrainOption = "day",
    timezone: Annotated[
        str, typer.Option(metavar="ZONE", help="Time zone of the network's days.")
    ] = "UTC",
    as_of: AsOf = None,
    json: AsJson = False,
    csv: AsCsv = False,
) -> None:
    """Energy, power and hash rate of a site (with its cost) or of the network."""
    from wattbook.cli import metrics as door

    if (site is None) != network:
        raise typer.BadParameter("name a SITE or say --network, one of the two")
    form = door.form(as_json=json, as_csv=csv)
    if site is None:
        door.network(by, begin, end, grain, timezone, as_of, form)
    else:
        door.site(site, begin, end, grain, as_of, form)


@app.command()
def carbon(
    entity: Annotated[
        str, typer.Argument(help="A site, operator:ID or zone:ID.", show_default=False)
    ],
    begin: From,
    end: To = None,
    grain: GrainOption = "day",
    factors: Annotated[str, typer.Option(help="Set of factors by technology.")] = "ipcc2014",
    as_of: AsOf = None,
    json: AsJson = False,
    csv: AsCsv = False,
) -> None:
    """Emissions of a site, an operator or a zone, with the factors behind them."""
    from wattbook.cli import carbon as door
    from wattbook.cli.metrics import form

    door.account(entity, begin, end, grain, factors, as_of, form(as_json=json, as_csv=csv))


@app.command()
def cost(
    site: Annotated[str, typer.Argument(metavar="SITE", show_default=False)],
    begin: From,
    end: To = None,
    grain: Annotated[
        GrainName, typer.Option(help="Length of a row of --json and --csv.")
    ] = "month",
    spread: Annotated[
        bool, typer.Option("--spread", help="Spread demand and fixed charges over their days.")
    ] = False,
    as_of: AsOf = None,
    json: AsJson = False,
    csv: AsCsv = False,
) -> None:
    """Bills of a site: a line for every price, month by month."""
    from wattbook.cli import cost as door
    from wattbook.cli.metrics import form

    chosen = form(as_json=json, as_csv=csv)
    door.account(site, begin, end, grain, as_of, chosen, spread=spread)


@app.command()
def report(
    entity: Annotated[
        str, typer.Argument(help="A site, operator:ID or zone:ID.", show_default=False)
    ],
    begin: From,
    end: To = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="[pdf|html|json|csv|zip]",
            help="May be said again; that of --out, or pdf, if left out.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write it; a name made of SITE and days, in this folder, if left out.",
        ),
    ] = None,
    factors: Annotated[str, typer.Option(help="Set of factors by technology.")] = "ipcc2014",
    as_of: AsOf = None,
) -> None:
    """Write a report of a site, an operator or a zone: PDF, HTML, JSON, CSV."""
    from wattbook.cli import report as door

    if out is not None and len(form or ()) > 1:
        raise typer.BadParameter("--out names one file; leave it out to write several formats")
    door.run(entity, begin, end, list(form or ()), out, factors, as_of)


ModelOption = Annotated[
    Literal["auto", "ensemble", "naive", "statistical", "gbm", "global", "prophet"],
    typer.Option(help="A model by name, or what was best on the past."),
]
StepName = Literal["quarter", "hour", "day"]


@app.command()
def forecast(
    entity: Annotated[
        str,
        typer.Argument(
            help="A site, operator:ID or zone:ID; with --hashrate also network:ID.",
            show_default=False,
        ),
    ],
    days: Annotated[
        str, typer.Option(metavar="DAYS", help="How far, at most FORECAST_DAYS; also as 24h.")
    ] = "7",
    grain: Annotated[
        StepName | None,
        typer.Option(
            help="Length of a row: hours up to three days, else days.", show_default=False
        ),
    ] = None,
    model: ModelOption = "auto",
    hashrate: Annotated[
        bool, typer.Option("--hashrate", help="The hash rate, not the load.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg|png", dir_okay=False, help="Draw it there, too."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Make it anew, however new it is.")
    ] = False,
    json: AsJson = False,
    csv: AsCsv = False,
) -> None:
    """The load to come, with the range in which it is expected.

    The newest forecast that is kept; one that is older than MODEL_RETRAIN_INTERVAL is made anew.
    """
    from wattbook.cli import forecast as door
    from wattbook.cli.metrics import form

    chosen = form(as_json=json, as_csv=csv)
    door.run(entity, days, grain, model, plot, chosen, hashrate=hashrate, fresh=fresh)


@app.command()
def backtest(
    entity: Annotated[
        str | None,
        typer.Argument(
            help="As of forecast; all that was asked for if left out.", show_default=False
        ),
    ] = None,
    grain: Annotated[StepName, typer.Option(help="Length of a step.")] = "hour",
    model: ModelOption = "auto",
) -> None:
    """Try the models on the past, show how each fared, and keep the forecasts."""
    from wattbook.cli import forecast as door

    door.backtest(entity, grain, model)


@app.command()
def anomalies(
    site: Annotated[str | None, typer.Option(metavar="ID", help="Of one site.")] = None,
    meter: Annotated[str | None, typer.Option(metavar="ID", help="Of one meter.")] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="WHEN", help="Those that end after it (UTC)."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="WHEN", help="Those that begin before it (UTC).")
    ] = None,
    category: Annotated[
        Literal["meter_fault", "operational", "possible_misreport"] | None,
        typer.Option(help="What is to be done about it."),
    ] = None,
    state: Annotated[
        Literal["open", "confirmed", "dismissed", "explained"] | None,
        typer.Option(help="What was said of it."),
    ] = None,
    run: Annotated[
        bool, typer.Option("--run", help="First look for what is new: seven days, or --from --to.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most lines.")] = 50,
    json: AsJson = False,
) -> None:
    """What is unusual at the meters: when, which rule found it, what is at stake, and why.

    The latest first. Every day the service looks by itself.
    """
    from wattbook.cli import anomalies as door

    door.run(site, meter, begin, end, category, state, limit, look=run, as_json=json)


@sites.callback()
def all_sites(context: typer.Context) -> None:
    """List, show, register and hold sites."""
    if context.invoked_subcommand is None:
        list_sites()


@sites.command("list")
def list_sites(
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Every site in a line."""
    from wattbook.cli import sites as door

    door.list_all(as_json=json)


@sites.command("show")
def show_site(
    site: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """One site with its meters, supplies, fleet and tariffs."""
    from wattbook.cli import sites as door

    door.show_one(site, as_json=json)


@sites.command("meters")
def list_meters(
    site: Annotated[str | None, typer.Argument(metavar="ID", show_default=False)] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """The meters of all sites, or of one."""
    from wattbook.cli import sites as door

    door.list_meters(site, as_json=json)


@sites.command("tariffs")
def site_tariffs(
    site: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE.json",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="One tariff or a list of them, as POST /api/v1/sites/ID/tariffs takes it.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Those of the file become all that the site has.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """What a site pays by; with a file, add its tariffs first."""
    from wattbook.cli import cost as door

    if replace and file is None:
        raise typer.BadParameter("name the FILE.json whose tariffs replace those of the site")
    door.tariffs(site, file, replace=replace, as_json=json)


@sites.command("add")
def add_site(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE.json",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="One site or a list of them, as POST /api/v1/sites takes it; options go before.",
        ),
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Made up if left out.")] = None,
    name: Annotated[str | None, typer.Option(help="For people to read.")] = None,
    operator: Annotated[str | None, typer.Option(help="Who runs it.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA time zone.")] = None,
    zone: Annotated[str | None, typer.Option(help="Grid zone, as US-TEX-ERCO.")] = None,
    capacity_kw: Annotated[float | None, typer.Option(help="Most that it draws, in kW.")] = None,
    telemetry: Annotated[
        KindName | None, typer.Option(help="How its main meter, ID.main, tells energy.")
    ] = None,
    expected_interval: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="Between its readings; 900 if left out.")
    ] = None,
    register_size_kwh: Annotated[
        float | None, typer.Option(help="Where its register returns to 0, in kWh.")
    ] = None,
    latitude: Annotated[float | None, typer.Option(help="Degrees north.")] = None,
    longitude: Annotated[float | None, typer.Option(help="Degrees east.")] = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Its data is made up.")] = False,
) -> None:
    """Register a site from a file, from options, or both."""
    from wattbook.cli import sites as door

    given = {
        "id": id_,
        "name": name,
        "operator": operator,
        "timezone": timezone,
        "zone": zone,
        "capacity_kw": capacity_kw,
        "telemetry": telemetry,
        "expected_interval_s": expected_interval,
        "register_size_kwh": register_size_kwh,
        "latitude": latitude,
        "longitude": longitude,
        "simulated": simulated or None,
    }
    options = {field: value for field, value in given.items() if value is not None}
    if file is None and not options:
        raise typer.BadParameter("name a FILE.json, or --name, --operator, --timezone and --zone")
    door.add(file, options)


@sites.command("hold")
def hold_site(
    site: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why nothing of it may be removed.")
    ] = None,
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
) -> None:
    """Put a site on legal hold, so that no clean-up removes anything of it; or release it.

    Works beside a running service.
    """
    from wattbook.cli import sites as door

    if (reason is None) != release:
        raise typer.BadParameter("say --reason TEXT or --release, one of the two")
    door.hold(site, reason)


@app.command()
def config(
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Every setting: its value (secrets hidden), where it comes from, what it means."""
    from wattbook.cli import config as door

    door.dump(as_json=json)


@app.command()
def migrate() -> None:
    """Bring the stores to the newest schema; harmless to repeat."""
    from wattbook.cli import migrate as door

    door.run()


Url = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A running service, as http://127.0.0.1:8000."),
]
JobId = Annotated[str, typer.Argument(metavar="ID", show_default=False)]
StateName = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]


@jobs.command("list")
def list_jobs(
    state: Annotated[StateName | None, typer.Option(help="Where a job stands.")] = None,
    kind: Annotated[str | None, typer.Option(help="What a job does.")] = None,
    parent: Annotated[str | None, typer.Option(metavar="ID", help="The parts of this job.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most lines.")] = 20,
    url: Url = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """The newest jobs, one to a line."""
    from wattbook.cli import jobs as door
    from wattbook.cli import show

    found = door.list_all(url, state, kind, parent, limit)
    if json:
        show.json(found)
    else:
        door.table(found)


@jobs.command("show")
def show_job(job_id: JobId, url: Url = None) -> None:
    """One job as JSON: progress, attempts, result, error."""
    from wattbook.cli import jobs as door
    from wattbook.cli import show

    show.json(door.read(url, job_id))


@jobs.command("run")
def run_job(
    kind: Annotated[
        str,
        typer.Argument(
            show_default=False,
            help="One of aggregate, process_device, cleanup, report, forecast, retrain,"
            " detect_anomalies, import_influxdb.",
        ),
    ],
    params: Annotated[
        list[str] | None,
        typer.Option(
            "--param", metavar="NAME=VALUE", help="What the job is told, as site_id=pecos-1."
        ),
    ] = None,
    priority: Annotated[
        int, typer.Option(min=-100, max=100, help="At a service: higher goes first.")
    ] = 0,
    url: Url = None,
) -> None:
    """Do a job here and now, or with --url at a service; wait for its end and show it.

    Exit code 1 if it did not succeed.
    """
    from wattbook.cli import jobs as door
    from wattbook.cli import show

    told = dict(each.split("=", 1) for each in params or () if "=" in each)
    if len(told) < len(params or ()):
        raise typer.BadParameter("--param takes NAME=VALUE, each name once")
    if url is None:
        job = door.run_here(kind, told)
    else:
        job = door.watch(url, door.submit(url, kind, told, priority)["job_id"])
    show.json(job)
    if job["state"] != "succeeded":
        raise typer.Exit(1)


@jobs.command("cancel")
def cancel_job(job_id: JobId, url: Url = None) -> None:
    """Stop a job: at once if it waits, within a second if it is at work."""
    from wattbook.cli import jobs as door
    from wattbook.cli import show

    show.say(f"{job_id}: {door.cancel(url, job_id)['state']}")


@jobs.command("watch")
def watch_job(job_id: JobId, url: Url = None) -> None:
    """Follow a job with a bar until it ends; exit code 1 if it did not succeed."""
    from wattbook.cli import jobs as door
    from wattbook.cli import show

    job = door.watch(url, job_id)
    show.json(job)
    if job["state"] != "succeeded":
        raise typer.Exit(1)


@app.command()
def stats(
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="DAY", help="First day (UTC); seven if left out."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="First day that is out; tomorrow.")
    ] = None,
    url: Url = None,
    json: AsJson = False,
) -> None:
    """What came in, what waits, how jobs fare and how large the stores are, by day."""
    from wattbook.cli import show
    from wattbook.cli import stats as door

    found = door.look(url, begin, end)
    if json:
        show.json(found)
    else:
        door.tables(found)


@app.command()
def work(
    slots: Annotated[
        int | None, typer.Option(min=1, max=64, help="Jobs at once; goes before JOB_SLOTS.")
    ] = None,
    queue: Annotated[
        Literal["io", "cpu"] | None, typer.Option(help="Only this queue; both if left out.")
    ] = None,
) -> None:
    """Work on jobs beside the service, with Celery, until SIGTERM."""
    from wattbook.cli import work as door

    door.run(slots, queue)

# ruff: noqa: PLC0415 -- a command imports what it needs when it runs, so that --help is quick

# ruff: noqa: FBT002 -- Typer makes flags of booleans
"""Commands that answer with figures."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from wattbook.cli.commands.app import app
from wattbook.cli.commands.options import (
    GRAINS,
    GRAINS_SHOWN,
    STEPS,
    STEPS_SHOWN,
    AsCsv,
    AsJson,
    AsOf,
    From,
    GrainOption,
    To,
    Url,
    one_of,
)


@app.command()
def metrics(
    begin: From,
    end: To = None,
    site: Annotated[str | None, typer.Argument(metavar="SITE", show_default=False)] = None,
    network: Annotated[bool, typer.Option("--network", help="All sites together.")] = False,
    by: Annotated[
        Literal["zone", "operator", "site", "none"], typer.Option(help="Split of the network.")
    ] = "none",
    grain: GrainOption = "day",
    timezone: Annotated[
        str, typer.Option(metavar="ZONE", help="Time zone of the network's days.")
    ] = "UTC",
    as_of: AsOf = None,
    url: Url = None,
    json: AsJson = False,
    csv: AsCsv = False,
) -> None:
    """Energy, power and hash rate of a site (with its cost) or of the network."""
    from wattbook.cli import metrics as door
    from wattbook.cli.ask import form

    if (site is None) != network:
        raise typer.BadParameter("name a SITE or use --network, one of the two")
    chosen = form(as_json=json, as_csv=csv)
    if site is None:
        door.network(by, begin, end, grain, timezone, as_of, chosen, url)
    else:
        door.site(site, begin, end, grain, as_of, chosen, url)


@app.command()
def carbon(
    entity: Annotated[
        str, typer.Argument(help="A site, operator:ID, zone:ID or network.", show_default=False)
    ],
    begin: From,
    end: To = None,
    grain: GrainOption = "day",
    factors: Annotated[str, typer.Option(help="Set of factors by technology.")] = "ipcc2014",
    as_of: AsOf = None,
    url: Url = None,
    json: AsJson = False,
    csv: AsCsv = False,
) -> None:
    """Emissions of a site, an operator or a zone, with the factors behind them."""
    from wattbook.cli import carbon as door
    from wattbook.cli.ask import form

    chosen = form(as_json=json, as_csv=csv)
    door.account(entity, begin, end, grain, factors, as_of, chosen, url)


@app.command()
def cost(
    site: Annotated[str, typer.Argument(metavar="SITE", show_default=False)],
    begin: From,
    end: To = None,
    grain: Annotated[
        str,
        typer.Option(
            parser=one_of(GRAINS), metavar=GRAINS_SHOWN, help="Length of a row of --json and --csv."
        ),
    ] = "month",
    spread: Annotated[
        bool, typer.Option("--spread", help="Spread demand and fixed charges over their days.")
    ] = False,
    as_of: AsOf = None,
    url: Url = None,
    json: AsJson = False,
    csv: AsCsv = False,
) -> None:
    """Bills of a site: a line for every price, month by month."""
    from wattbook.cli import cost as door
    from wattbook.cli.ask import form

    chosen = form(as_json=json, as_csv=csv)
    door.account(site, begin, end, grain, as_of, chosen, url, spread=spread)


@app.command()
def report(
    entity: Annotated[
        str, typer.Argument(help="A site, operator:ID, zone:ID or network.", show_default=False)
    ],
    begin: From,
    end: To = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="[pdf|html|json|csv|zip]",
            help="Repeatable. Default: from --out, else pdf.",
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
    final: Annotated[
        bool, typer.Option("--final", help="Mark it as final; else it is a draft.")
    ] = False,
    url: Url = None,
) -> None:
    """Write a report of a site, an operator or a zone: PDF, HTML, JSON, CSV."""
    from wattbook.cli import report as door

    if out is not None and len(form or ()) > 1:
        raise typer.BadParameter("--out names one file; leave it out to write several formats")
    chosen = list(form or ())
    door.run(entity, begin, end, chosen, out, factors, as_of, url, final=final)


ModelOption = Annotated[
    Literal["auto", "ensemble", "naive", "statistical", "gbm", "global", "prophet"],
    typer.Option(help="A model by name, or the best in the backtest."),
]


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
        str, typer.Option(metavar="DAYS", help="Horizon in days, at most FORECAST_DAYS; also 24h.")
    ] = "7",
    grain: Annotated[
        str | None,
        typer.Option(
            parser=one_of(STEPS),
            metavar=STEPS_SHOWN,
            help="Length of a row: hours up to three days, else days.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = "auto",
    hashrate: Annotated[
        bool, typer.Option("--hashrate", help="The hash rate, not the load.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg|png", dir_okay=False, help="Also write the chart to this file."
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Recompute it even if a fresh forecast is stored.")
    ] = False,
    url: Url = None,
    json: AsJson = False,
    csv: AsCsv = False,
) -> None:
    """Forecast of the load, with the range in which it is expected.

    The newest forecast that is kept; one that is older than MODEL_RETRAIN_INTERVAL is made anew.
    """
    from wattbook.cli import forecast as door
    from wattbook.cli.ask import form

    chosen = form(as_json=json, as_csv=csv)
    door.run(entity, days, grain, model, plot, chosen, url, hashrate=hashrate, fresh=fresh)


@app.command()
def backtest(
    entity: Annotated[
        str | None,
        typer.Argument(
            help="As for forecast. Default: all series that were requested.", show_default=False
        ),
    ] = None,
    grain: Annotated[
        str, typer.Option(parser=one_of(STEPS), metavar=STEPS_SHOWN, help="Length of a step.")
    ] = "hour",
    model: ModelOption = "auto",
    url: Url = None,
) -> None:
    """Backtest the models, show the errors of each, and store the forecasts."""
    from wattbook.cli import forecast as door

    door.backtest(entity, grain, model, url)


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
        typer.Option(help="What to do about it."),
    ] = None,
    state: Annotated[
        Literal["open", "confirmed", "dismissed", "explained"] | None,
        typer.Option(help="State of its review."),
    ] = None,
    run: Annotated[
        bool, typer.Option("--run", help="Run detection first, over seven days or --from/--to.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of lines.")] = 50,
    url: Url = None,
    json: AsJson = False,
) -> None:
    """What is unusual at the meters: when, which rule found it, what is at stake, and why.

    The latest first. Every day the service looks by itself.
    """
    from wattbook.cli import anomalies as door

    door.run(site, meter, begin, end, category, state, limit, url, look=run, as_json=json)

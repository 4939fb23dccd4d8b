"""Options that several commands have."""

from typing import Annotated, Literal

import typer

# `core.periods.Grain` and others, spelled out: their modules load Polars.
GrainName = Literal["quarter", "hour", "day", "week", "month"]
KindName = Literal["power", "interval", "register"]
FlowName = Literal["consumption", "net"]
StateName = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
LabelName = Literal["start", "end"]
CurveName = Literal["A01", "A03"]
DateOrderName = Literal["ymd", "dmy", "mdy"]


def service(context: typer.Context, url: str | None) -> str | None:
    """The service to ask; a data folder that is named goes before WATTBOOK_URL."""
    if url is None or context.find_root().params.get("data_dir") is None:
        return url
    source = context.get_parameter_source("url")
    if source is not None and source.name == "ENVIRONMENT":
        return None
    raise typer.BadParameter("use --url or --data-dir, not both")


From = Annotated[
    str,
    typer.Option("--from", metavar="WHEN", help="Date at the site, or instant with offset."),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="WHEN", help="End (exclusive). Default: the end of the data."),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="WHEN", help="Use only data known at this time. Default: all data."
    ),
]
GrainOption = Annotated[GrainName, typer.Option(help="Length of a bucket.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, the document of the HTTP API.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="The rows as CSV.")]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="WATTBOOK_URL",
        callback=service,
        help="Ask this running service, as http://127.0.0.1:8000, and not the stores here.",
    ),
]

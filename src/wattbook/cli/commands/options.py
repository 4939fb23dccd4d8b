"""Options that several commands have."""

from typing import Annotated, Literal

import typer

# `core.periods.Grain` and others, spelled out: their modules load Polars.
GrainName = Literal["quarter", "hour", "day", "week", "month"]
KindName = Literal["power", "interval", "register"]
FlowName = Literal["consumption", "net"]
StateName = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
LabelName = Literal["start", "end"]

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
Url = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A running service, as http://127.0.0.1:8000."),
]

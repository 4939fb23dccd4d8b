# ruff: noqa: PLC0415 -- a command imports what it needs when it runs, so that --help is quick
# ruff: noqa: FBT002 -- Typer makes flags of booleans
"""Commands for background jobs: list, watch, run and cancel them."""

from pathlib import Path
from typing import Annotated

import typer

from wattbook.cli.commands.app import jobs
from wattbook.cli.commands.options import StateName, Url

JobId = Annotated[str, typer.Argument(metavar="ID", show_default=False)]


@jobs.command("list")
def list_jobs(
    state: Annotated[StateName | None, typer.Option(help="State of the jobs.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of the jobs.")] = None,
    parent: Annotated[
        str | None, typer.Option(metavar="ID", help="Only child jobs of this job.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of lines.")] = 20,
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
        door.table(found["jobs"])


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
            "--param",
            metavar="NAME=VALUE",
            help="A parameter of the job, such as site_id=pecos-1; repeatable.",
        ),
    ] = None,
    priority: Annotated[
        int, typer.Option(min=-100, max=100, help="At a service: higher goes first.")
    ] = 0,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", exists=True, file_okay=False, help="Where a report's files are written."
        ),
    ] = Path(),
    url: Url = None,
) -> None:
    """Run a job here, or on a service with --url; wait until it ends and show it.

    The files of a report are written to --out. Exit code 1 if it did not succeed.
    """
    from wattbook.cli import jobs as door
    from wattbook.cli import show

    told = dict(each.split("=", 1) for each in params or () if "=" in each)
    if len(told) < len(params or ()):
        raise typer.BadParameter("--param takes NAME=VALUE, each name once")
    job = door.run_to_end(kind, told, url, priority)
    show.json(job)
    if kind == "report" and job["state"] == "succeeded":
        from wattbook.cli import report

        report.tell(report.fetch(job["result"], out, url))
    if job["state"] != "succeeded":
        raise typer.Exit(1)


@jobs.command("cancel")
def cancel_job(job_id: JobId, url: Url = None) -> None:
    """Cancel a job: at once if it waits, within a second if it is running."""
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

# ruff: noqa: PLC0415 -- a command imports what it needs when it runs, so that --help is quick
# ruff: noqa: FBT002 -- Typer makes flags of booleans
"""Commands that run the service, and look after its settings and stores."""

from typing import Annotated, Literal

import typer

from wattbook.cli.commands.app import app
from wattbook.cli.commands.options import AsJson, Url

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
    no_serve: Annotated[
        bool, typer.Option("--no-serve", help="Show all of it, and do not serve.")
    ] = False,
    load_only: Annotated[
        bool, typer.Option("--load-only", help="Stop after the table of the sites.")
    ] = False,
    fresh: Annotated[bool, typer.Option(help="Load everything again.")] = False,
    host: Host = None,
    port: Port = None,
) -> None:
    """Load the sample sites, show their figures, and serve them.

    They go to wattbook-data/demo unless DATA_DIR or --data-dir says otherwise.
    """
    from wattbook.cli import demo as door
    from wattbook.cli import serve as server

    server.listen_on(host, port)
    door.run(fresh=fresh, load_only=load_only)
    if not (no_serve or load_only):
        server.serve()


@app.command()
def config(
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Every setting: its value (secrets hidden), where it comes from, what it means."""
    from wattbook.cli import config as door

    door.dump(as_json=json)


@app.command()
def migrate() -> None:
    """Migrate the stores to the newest schema; safe to repeat."""
    from wattbook.cli import migrate as door

    door.run()


@app.command()
def stats(
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="DAY", help="First day (UTC). Default: seven days ago."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="End (exclusive). Default: tomorrow.")
    ] = None,
    url: Url = None,
    json: AsJson = False,
) -> None:
    """Ingestion, backlog, jobs and size of the stores, by day."""
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
        Literal["io", "cpu"] | None, typer.Option(help="Only this queue. Default: both.")
    ] = None,
) -> None:
    """Run a Celery worker for background jobs until SIGTERM."""
    from wattbook.cli import worker as door

    door.run(slots, queue)

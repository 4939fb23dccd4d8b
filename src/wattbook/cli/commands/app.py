# ruff: noqa: FBT002 -- Typer makes flags of booleans
"""The program itself: its groups of commands and what goes before every command."""

import os
from pathlib import Path
from typing import Annotated

import typer

from wattbook import __version__
from wattbook.cli.exit_codes import Door

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

    With --url, or WATTBOOK_URL, a command asks a running service instead of the stores here.

    Exit codes: 0 done, 1 rows were rejected or an internal error,
    2 invalid input, 3 not found, 4 conflict, 5 a store or a service is not available,
    6 not supported by this store.
    """
    if data_dir is not None:
        os.environ["DATA_DIR"] = str(data_dir)

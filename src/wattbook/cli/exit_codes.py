"""From errors in the words of the domain to exit codes and one line on stderr: one table."""

import os
import sys
import traceback
from typing import Any, Final

import typer
from typer.core import TyperGroup

from wattbook.core import errors
from wattbook.core.errors import WattbookError

CODES: Final[dict[type[WattbookError], int]] = {
    WattbookError: 1,
    errors.InputError: 2,
    errors.UnknownEntityError: 3,
    errors.RemovedError: 3,
    errors.ConflictError: 4,
    errors.UnavailableError: 5,
    errors.DamagedStoreError: 5,
    errors.UnsupportedError: 6,
}
INTERRUPTED: Final = 130
YES: Final = ("1", "true", "yes", "on")


def code(error: Exception) -> int:
    """The exit code of the nearest kind of error in the table; 1 for what is none of ours."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), 1)


class Door(TyperGroup):
    """Runs a command; an error is one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 -- Typer's own context and answer
        """Run what was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if hasattr(error, "exit_code"):  # Typer's own complaints about the command line
                raise
            _tell(error)
            raise typer.Exit(code(error)) from error


def _tell(error: Exception) -> None:
    if os.environ.get("DEBUG", "").lower() in YES:
        traceback.print_exception(error)
    said = " ".join(str(error).split())
    if not isinstance(error, WattbookError):
        said = f"{type(error).__name__}: {said} (DEBUG=true shows where)"
    plain = os.environ.get("NO_COLOR") or not sys.stderr.isatty()
    typer.secho(f"wattbook: {said}", fg=None if plain else typer.colors.RED, err=True)

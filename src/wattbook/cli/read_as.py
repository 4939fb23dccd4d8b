"""How a file was read: each guess with what decided it."""

from collections.abc import Sequence

from wattbook.cli import show
from wattbook.cli.show import Column
from wattbook.sources.files import Guess


def show_guesses(guesses: Sequence[Guess], name: str | None = None) -> None:
    """One line for each property of a file that had to be decided."""
    if not guesses:
        return
    show.say("")
    show.table(
        [
            Column(
                f"{name} read with" if name else "read with", [g.what for g in guesses], right=False
            ),
            Column("value", [g.value for g in guesses], right=False, folds=True),
            Column("how", [g.how for g in guesses], right=False),
            Column("because", [g.because or "" for g in guesses], right=False, folds=True),
        ]
    )

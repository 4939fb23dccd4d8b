"""How far a long run is: a bar on a terminal, now and then a line elsewhere. On stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from wattbook.cli import show

EVERY_S: Final = 10.0
BYTES_PER_MB: Final = 1_000_000

Step = Callable[[int, str], None]
"""Takes how much is done, and words about it."""


@contextmanager
def bar(label: str, total: int) -> Iterator[Step]:
    """A bar from 0 to `total` while the block runs."""
    out = show.console(err=True)
    if not out.is_terminal:
        with _lines(label, total) as step:
            yield step
        return
    rigid = Column(no_wrap=True)
    columns = (
        TextColumn("{task.description}", table_column=rigid, markup=False),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
        TextColumn("{task.fields[said]}", table_column=rigid, markup=False, justify="right"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True, table_column=rigid),
    )
    with Progress(*columns, console=out, expand=True) as progress:
        task = progress.add_task(label, total=max(total, 1), said="")

        def step(done: int, said: str) -> None:
            progress.update(task, completed=done, said=said)

        yield step
        progress.update(task, completed=max(total, 1))


@contextmanager
def _lines(label: str, total: int) -> Iterator[Step]:
    last, words = time.monotonic(), ""

    def step(done: int, said: str) -> None:
        nonlocal last, words
        words = said
        if time.monotonic() - last >= EVERY_S:
            last = time.monotonic()
            show.say(f"{label}: {done / max(total, 1):.0%}, {said}", err=True)

    yield step
    show.say(f"{label}: {words or 'done'}", err=True)


@contextmanager
def quarters(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar over quarter-hours, which `flows.rollup.catch_up` moves; none if nothing is to do."""
    out = show.console(err=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
        TextColumn("{task.completed:.0f} of {task.total:.0f} quarters"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=out,
        expand=True,
        disable=not out.is_terminal,
    ) as progress:
        task = None

        def step(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = progress.add_task(label, total=total)
            progress.update(task, completed=done)

        yield step


@contextmanager
def rows(label: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar over rows, which a flow moves once it knows how many there are."""
    pace = Pace()
    with ExitStack() as stack:
        step: Step | None = None

        def tell(done: int, total: int, about: str) -> None:
            nonlocal step
            step = step or stack.enter_context(bar(label, total))
            step(done, f"{about} · {pace.words(done)}")

        yield tell


@contextmanager
def steps(label: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar over steps of any length, which a flow moves once it knows how many there are."""
    with ExitStack() as stack:
        step: Step | None = None

        def tell(done: int, total: int, about: str) -> None:
            nonlocal step
            step = step or stack.enter_context(bar(label, total))
            step(done, about)

        yield tell


class Pace:
    """Rows per second and megabytes, in words."""

    def __init__(self, total_bytes: int | None = None) -> None:
        self._began = time.monotonic()
        self._total = total_bytes

    def words(self, rows: int, bytes_read: int | None = None) -> str:
        """`12.3 of 45.6 MB · 1.2 M rows · 812 k rows/s`."""
        seconds = max(time.monotonic() - self._began, 1e-3)
        said = f"{amount(rows)} rows · {amount(rows / seconds)} rows/s"
        if self._total is None or bytes_read is None:
            return said
        return f"{bytes_read / BYTES_PER_MB:.1f} of {self._total / BYTES_PER_MB:.1f} MB · {said}"


def amount(count: float) -> str:
    """`count` in three digits and a letter.

    >>> amount(7), amount(26_400), amount(1_234_567)
    ('7', '26.4 k', '1.23 M')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return f"{count:.0f}"

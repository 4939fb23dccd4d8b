"""Writes a report as files, with a bar."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wattbook.cli import door, progress, show
from wattbook.cli.span import instant, span
from wattbook.core.errors import InputError, Problem, UnavailableError
from wattbook.core.report import Format
from wattbook.flows import entities
from wattbook.flows import report as flow
from wattbook.ports.reports import file_name
from wattbook.wiring import Runtime

BYTES_PER_KB: Final = 1000
DIGITS: Final = 16
"""Of the fingerprint, as on every page of the report."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is there, and what it rests on."""

    path: Path
    size_bytes: int
    fingerprint: str


def run(
    entity: str,
    begin: str,
    end: str | None,
    names: list[str],
    out: Path | None,
    factors: str,
    as_of: str | None,
    *,
    final: bool = False,
) -> None:
    """Write the report in these formats and say where it is."""
    forms = [_form(name, "format") for name in dict.fromkeys(names)] or [_form_of(out)]

    async def work(runtime: Runtime) -> list[Written]:
        found = await entities.find(entity, registry=runtime.registry)
        timezone = flow.timezone_of(found)
        period = span(begin, end, timezone, runtime.clock.now())
        with progress.steps("report") as step:
            made = await flow.of(
                entity,
                period,
                factor_set=factors,
                factors=runtime.factors,
                as_of=None if as_of is None else instant(as_of, timezone, "--as-of"),
                final=final,
                ports=runtime,
                progress=lambda done, total, about: step(done, total + len(forms), about),
            )
            sites, scope = len(made.scope.sites), made.scope
            written = []
            for done, form in enumerate(forms):
                step(sites + done, sites + len(forms), form)
                content = await asyncio.to_thread(runtime.render, made, form)
                path = out or Path(file_name(scope.entity, scope.period, scope.timezone, form))
                _write(path, content)
                written.append(Written(path, len(content), made.fingerprint.sha256))
            step(sites + len(forms), sites + len(forms), "done")
        return written

    for each in door.run(work):
        size = show.number(each.size_bytes / BYTES_PER_KB)
        show.say(f"{each.path}  {size} kB  fingerprint {each.fingerprint[:DIGITS]}")


def _form_of(out: Path | None) -> Format:
    """The format that a file's name asks for."""
    return Format.PDF if out is None else _form(out.suffix.removeprefix("."), "out")


def _form(name: str, option: str) -> Format:
    try:
        return Format(name.lower())
    except ValueError as error:
        detail = f"--{option}: {name!r} is no format of a report; want one of {', '.join(Format)}"
        raise InputError(detail, [Problem("bad_option", detail, field=option)]) from error


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error

"""Writes a report as files, with a bar."""

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wattbook.cli import ask, jobs, local, progress, show
from wattbook.cli.ask import Document
from wattbook.core.errors import InputError, Problem, UnavailableError
from wattbook.core.jobs import JobKind, error_of
from wattbook.core.reporting.report import Format
from wattbook.flows import bounds as bounding
from wattbook.flows import entities
from wattbook.flows import report as flow
from wattbook.ports.reports import file_name
from wattbook.schemas.problems import failure_from
from wattbook.wiring.runtime import Runtime

BYTES_PER_KB: Final = 1000
DIGITS: Final = 16
"""Of the fingerprint, as on every page of the report."""
ANYTHING: Final = "*/*"


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
    url: str | None,
    *,
    final: bool = False,
) -> None:
    """Write the report in these formats and say where it is."""
    forms = [_form(name, "format") for name in dict.fromkeys(names)] or [_form_of(out)]
    bounds, known = ask.bounds(begin, end), ask.optional("--as-of", as_of)

    async def work(runtime: Runtime) -> list[Written]:
        found = await entities.find(entity, registry=runtime.registry)
        timezone = flow.timezone_of(found)
        period = await bounding.period(bounds, timezone, found.meters, readings=runtime.readings)
        with progress.steps("report") as step:
            made = await flow.of(
                entity,
                period,
                factor_set=factors,
                factors=runtime.factors,
                as_of=bounding.as_of(known, timezone),
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

    if url is None:
        _tell(local.run(work))
        return
    params: dict[str, Any] = {
        "entity_id": entity,
        "start": begin,
        "end": end,
        "formats": [str(form) for form in forms],
        "factor_set": factors,
        "as_of": as_of,
    }
    given = {name: value for name, value in params.items() if value is not None}
    job = jobs.run_to_end(JobKind.REPORT, given, url)
    if job["state"] != "succeeded":
        raise error_of(job["job_id"], job["state"], failure_from(job))
    _tell(fetch(job["result"], Path(), url, out))


def fetch(
    result: Document, folder: Path, url: str | None, out: Path | None = None
) -> list[Written]:
    """Write the documents of a report that a job made, each under its own name in `folder`."""
    report_id, forms = str(result["report_id"]), list(result["links"])
    written = []
    for name, content in _documents(report_id, forms, url):
        path = out or folder / name
        _write(path, content)
        written.append(Written(path, len(content), str(result["fingerprint"])))
    return written


def _documents(report_id: str, forms: Iterable[str], url: str | None) -> list[tuple[str, bytes]]:
    """The documents of a report, each with the name of its file."""
    if url is None:

        async def here(runtime: Runtime) -> list[tuple[str, bytes]]:
            found = [await runtime.reports.document(report_id, Format(form)) for form in forms]
            return [
                (filed.file_name(Format(form)), content)
                for form, (filed, content) in zip(forms, found, strict=True)
            ]

        return local.run(here)
    from wattbook.cli.client import Service  # noqa: PLC0415 -- only who asks a service pays

    found = []
    with Service(url) as service:
        for form in forms:
            path = f"/reports/{ask.step(report_id)}.{form}"
            answer = service.request("GET", path, accept=ANYTHING)
            said = answer.headers.get("Content-Disposition", "")
            name = said.partition('filename="')[2].rstrip('"') or f"{report_id}.{form}"
            if hashlib.sha256(answer.content).hexdigest() not in answer.headers.get("ETag", ""):
                raise UnavailableError(f"{service.url}: {name} did not arrive whole")
            found.append((Path(name).name, answer.content))
    return found


def _tell(written: Iterable[Written]) -> None:
    for each in written:
        size = show.number(each.size_bytes / BYTES_PER_KB)
        show.say(f"{each.path}  {size} kB  fingerprint {each.fingerprint[:DIGITS]}")


def tell(written: Iterable[Written]) -> None:
    """Say on stderr which files are there."""
    for each in written:
        show.say(f"wrote {each.path}", err=True)


def _form_of(out: Path | None) -> Format:
    """The format that a file's name asks for."""
    return Format.PDF if out is None else _form(out.suffix.removeprefix("."), "out")


def _form(name: str, option: str) -> Format:
    try:
        return Format(name.lower())
    except ValueError as error:
        detail = f"--{option}: unknown format {name!r}; must be one of {', '.join(Format)}"
        raise InputError(detail, [Problem("bad_option", detail, field=option)]) from error


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error

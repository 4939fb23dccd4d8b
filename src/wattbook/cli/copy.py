"""Moves house: from one store to another, with a bar, verified."""

import asyncio
from dataclasses import asdict

from wattbook import logs, settings
from wattbook.cli import progress, show
from wattbook.cli.show import NOTHING, Column, number
from wattbook.core.errors import ConflictError, InputError, Problem, UnknownEntityError
from wattbook.flows import copy
from wattbook.flows.copy import Copied, House
from wattbook.settings import Settings
from wattbook.wiring import Runtime, open_runtime


def run(source: str, target: str, only: list[str], *, replace: bool, as_json: bool) -> bool:
    """Copy, print what was done, and say whether all of it is there."""
    config = settings.load()
    logs.configure(config.log_level)
    here, there = config.at(source), config.at(target)
    _refuse_what_cannot_be_meant(here, there)

    async def work() -> Copied:
        async with open_runtime(here) as old, open_runtime(there) as new:
            with progress.rows("copying") as step:
                return await copy.everything(
                    source=_house(old),
                    target=_house(new),
                    only=only or copy.PARTS,
                    replace=replace,
                    progress=step,
                )

    try:
        copied = asyncio.run(work())
    except ConflictError:
        if not replace:
            show.say("hint: --replace takes over the source's rows, never its sites", err=True)
        raise
    _tell(copied, as_json=as_json)
    return copied.differences.is_empty()


def _refuse_what_cannot_be_meant(source: Settings, target: Settings) -> None:
    if _place(source) == _place(target):
        detail = "--from and --to name the same store"
        raise InputError(detail, [Problem("same_store", detail, field="to")])
    if source.postgresql_url is None and not source.readings_path.exists():
        raise UnknownEntityError(f"there is no store in {source.data_dir}")


def _place(config: Settings) -> str:
    return config.postgresql_url or str(config.data_dir.resolve())


def _house(runtime: Runtime) -> House:
    return House(
        archive=runtime.archive,
        rollups=runtime.rollups,
        registry=runtime.registry,
        tombstones=runtime.tombstones,
    )


def _tell(copied: Copied, *, as_json: bool) -> None:
    if as_json:
        show.json({**asdict(copied), "differences": copied.differences.to_dicts()})
        return
    tables = copied.tables
    show.table(
        [
            Column("table", [*(one.table for one in tables), copy.SITES], right=False),
            Column("rows", [*(number(one.rows) for one in tables), number(copied.sites)]),
            Column("copied", [*(number(one.copied) for one in tables), number(copied.sites_added)]),
            Column(
                "months verified",
                [*(number(one.months) for one in tables), NOTHING],
                unit="of a meter, zone or source",
            ),
        ]
    )
    lost = copied.differences
    if lost.is_empty():
        show.say("differences: none")
        return
    show.say(f"differences: {number(lost.height)}, changed at the target since they were verified")
    show.table(
        [
            Column("table", lost["table"].to_list(), right=False),
            Column("owner", lost["owner"].to_list(), right=False),
            Column("month", lost["month"].dt.to_string("%Y-%m").to_list(), right=False),
            Column("rows", [number(rows) for rows in lost["rows"]], unit="verified"),
        ]
    )

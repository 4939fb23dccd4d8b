"""Moves house: from one store to another, with a bar, verified."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

from wattbook import logs, settings
from wattbook.cli import progress, show
from wattbook.cli.show import NOTHING, Column, number
from wattbook.core.errors import ConflictError, InputError, Problem, UnknownEntityError
from wattbook.flows import copy
from wattbook.flows.copy import CopyResult, Staying
from wattbook.settings import Settings
from wattbook.stores.address import Address
from wattbook.wiring.runtime import is_there, open_house


def run(source: str, target: str, only: list[str], *, replace: bool, as_json: bool) -> bool:
    """Copy, print what was done, and say whether all of it is there."""
    config = settings.load()
    logs.configure(config.least_severe)
    here, there = config.at(source), config.at(target)
    if _place(here) == _place(there):
        detail = "--from and --to name the same store"
        raise InputError(detail, [Problem("same_store", detail, field="to")])

    async def work() -> CopyResult:
        if not await is_there(here):
            raise UnknownEntityError(f"there is no store in {_named(here)}")
        async with open_house(here) as old, open_house(there) as new:
            with progress.rows("copying") as step:
                return await copy.everything(
                    source=old,
                    target=new,
                    only=only or None,
                    replace=replace,
                    announce=_announce,
                    progress=step,
                )

    try:
        copied = asyncio.run(work())
    except ConflictError:
        if not replace:
            show.say("hint: --replace takes over the source's rows, never its sites", err=True)
        raise
    _tell(copied, as_json=as_json)
    for hint in _hints(copied, config, here, there):
        show.say(f"hint: {hint}", err=True)
    return copied.differences.is_empty()


def _place(config: Settings) -> tuple[str | None, ...]:
    """What two addresses of one store have in common, however they are written."""
    if config.readings_store == "influxdb":
        return (config.influxdb_url, config.influxdb_org, config.influxdb_bucket)
    if config.postgresql_url is None:
        return (str(config.data_dir.resolve()),)
    address = Address.of(config.postgresql_url)
    return (str(address), address.parameter("options"))  # which may name a schema


def _named(config: Settings) -> str:
    """The store in words that show no secret."""
    if config.readings_store == "influxdb":
        return f"bucket {config.influxdb_bucket} of InfluxDB at {config.influxdb_url}"
    if config.postgresql_url is not None:
        return str(Address.of(config.postgresql_url))
    return str(config.data_dir)


def _announce(staying: Sequence[Staying]) -> None:
    if staying:
        said = ", ".join(f"{each.part} ({number(each.rows)})" for each in staying)
        show.say(f"the target cannot store these, so they are not copied: {said}", err=True)


def _hints(copied: CopyResult, config: Settings, here: Settings, there: Settings) -> list[str]:
    hints = []
    beside = config.readings_store == "influxdb"
    if beside and "influxdb" not in {here.readings_store, there.readings_store}:
        hints.append(
            "READINGS_STORE=influxdb keeps readings in a bucket, which was not copied:"
            " --from influxdb://host:8086/organization/bucket does that"
        )
    if copied.unregistered:
        hints.append(
            f"meters that no site at the target has: {_listed(copied.unregistered)}; copy the sites"
            " from where they are registered, with --only sites"
        )
    if copied.unfigured:
        hints.append(
            f"readings of {copied.unfigured} meters came without rollups: `wattbook rollup"
            f"{' --all' if there.readings_store == 'influxdb' else ''}` at the target computes them"
        )
    return hints


def _listed(names: Sequence[str]) -> str:
    more = len(names) - copy.MAX_LISTED
    said = ", ".join(names[: copy.MAX_LISTED])
    return f"{said} and {more} more" if more > 0 else said


def _tell(copied: CopyResult, *, as_json: bool) -> None:
    if as_json:
        show.json({**asdict(copied), "differences": copied.differences.to_dicts()})
        return
    lines = [
        (one.table, number(one.rows), number(one.copied), number(one.months))
        for one in copied.tables
    ]
    if copy.SITES not in {each.part for each in copied.staying}:
        lines.append((copy.SITES, number(copied.sites), number(copied.sites_added), NOTHING))
    lines += [(each.part, number(each.rows), "stays behind", NOTHING) for each in copied.staying]
    parts, rows, moved, months = (list(cells) for cells in zip(*lines, strict=True))
    show.table(
        [
            Column("table", parts, right=False),
            Column("rows", rows),
            Column("copied", moved),
            Column("months verified", months, unit="of a meter, zone or source"),
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

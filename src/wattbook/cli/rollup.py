"""Brings rollups up to date."""

from wattbook.cli import local, progress, show
from wattbook.flows import rollup, sites
from wattbook.flows.rollup import RollupResult
from wattbook.wiring.runtime import Runtime


def run(*, everything: bool) -> None:
    """Roll up what changed, or everything, and say how much that was."""

    async def work(runtime: Runtime) -> RollupResult:
        if everything:
            every = (await runtime.registry.meters())["meter_id"].to_list()
            await sites.mark(
                every,
                registry=runtime.registry,
                readings=runtime.readings,
                rollups=runtime.rollups,
            )
        return await catch_up(runtime)

    rolled = local.run(work)
    if rolled.meters:
        rows = show.number(rolled.rows_written)
        show.say(f"rolled up {rolled.meters} meters: {rows} rows changed")
    else:
        show.say("rollups are up to date")


async def catch_up(runtime: Runtime) -> RollupResult:
    """Roll up what changed, with a bar."""
    with progress.quarters("rolling up ") as step:
        return await rollup.catch_up(
            registry=runtime.registry,
            readings=runtime.readings,
            rollups=runtime.rollups,
            clock=runtime.clock,
            progress=step,
        )

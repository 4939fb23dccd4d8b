"""Brings readings from a bucket of InfluxDB, and says what became of every row."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from wattbook.cli import local, progress, show
from wattbook.cli.ingest import COUNTS, Tally
from wattbook.cli.period_options import instant
from wattbook.cli.rollup import catch_up
from wattbook.cli.show import Column, number
from wattbook.core import frames
from wattbook.core.periods import Period
from wattbook.core.readings.checks import IntervalLabel
from wattbook.core.readings.influx_mapping import SITE_TAG, Naming
from wattbook.core.readings.validation import ValidatedBatch
from wattbook.flows import pull
from wattbook.ports.readings import Receipt
from wattbook.wiring.runtime import Runtime
from wattbook.wiring.streams import open_source

FIRST_ROWS: Final = 10
"""So many rows are shown before anything is taken in."""
STEPS: Final = 1000
"""Of the bar."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run would read, and the first rows of it."""

    source: str
    naming: Naming
    label: IntervalLabel
    period: Period | None
    first: tuple[pl.DataFrame, ValidatedBatch] | None


def run(since: str | None, label: str | None, *, as_json: bool) -> int:
    """Take in what is new, roll up, print the receipt; how many rows were refused."""

    async def work(runtime: Runtime) -> tuple[Period | None, Tally]:
        pulled, tally = await _pulled(since, label, runtime)
        await catch_up(runtime)
        return pulled.period, tally

    period, tally = local.run(work)
    if as_json:
        span = None if period is None else {"start": period.start, "end": period.end}
        said = tally.document()
        own = {name: said[name] for name in (*COUNTS, "reasons", "examples", "batches")}
        show.json({"source": tally.name, "period": span, **own})
    else:
        _receipt(period, tally)
    return tally.counts["rejected"]


def look(since: str | None, label: str | None) -> None:
    """Show under which names what would be read, and its first rows; nothing is taken in."""

    async def work(runtime: Runtime) -> Seen:
        naming, overlap = runtime.settings.naming, _overlap(runtime)
        ends = _label(label, runtime)
        async with open_source(runtime.settings) as source:
            period = await pull.next_period(
                source,
                overlap=overlap,
                since=_since(since),
                watermarks=runtime.watermarks,
                clock=runtime.clock,
            )
            if period is None:
                return Seen(source.name, naming, ends, None, None)
            first = await pull.preview(
                source,
                period,
                FIRST_ROWS,
                label=ends,
                registry=runtime.registry,
                clock=runtime.clock,
            )
            return Seen(source.name, naming, ends, period, first)

    _preview(local.run(work))


async def _pulled(
    since: str | None, label: str | None, runtime: Runtime
) -> tuple[pull.PullResult, Tally]:
    async with open_source(runtime.settings) as source:
        tally, pace = Tally(source.name), progress.Pace()
        with progress.bar("pulling", STEPS) as step:

            def tell(receipt: Receipt | None, period: Period, until_utc: datetime) -> None:
                if receipt is not None:
                    tally.add(receipt)
                share = (until_utc - period.start) / (period.end - period.start)
                said = f"{until_utc:%Y-%m-%d %H:%M} · {pace.words(tally.counts['received'])}"
                step(int(share * STEPS), said)

            pulled = await pull.pull(
                source,
                overlap=_overlap(runtime),
                since=_since(since),
                label=_label(label, runtime),
                tell=tell,
                registry=runtime.registry,
                readings=runtime.readings,
                watermarks=runtime.watermarks,
                clock=runtime.clock,
            )
        return pulled, tally


def _since(since: str | None) -> datetime | None:
    return None if since is None else instant(since, "UTC", "--since")


def _label(label: str | None, runtime: Runtime) -> IntervalLabel:
    return IntervalLabel(label or runtime.settings.influxdb_interval_label)


def _overlap(runtime: Runtime) -> timedelta:
    return timedelta(seconds=runtime.settings.influxdb_overlap_s)


def _said(period: Period | None) -> str:
    if period is None:
        return "nothing new"
    return f"{period.start:%Y-%m-%d %H:%M:%S} to {period.end:%Y-%m-%d %H:%M:%S} UTC"


def _receipt(period: Period | None, tally: Tally) -> None:
    show.say(f"{tally.name}: {_said(period)}")
    show.table([Column(name, [number(tally.counts[name])]) for name in COUNTS])
    if not tally.reasons:
        return
    reasons = [reason for reason, _ in tally.reasons.most_common()]
    examples = ["\n".join(row["detail"] for row in tally.examples[reason]) for reason in reasons]
    show.table(
        [
            Column("refused", [number(tally.reasons[reason]) for reason in reasons], unit="rows"),
            Column("reason", reasons, right=False),
            Column("for example", examples, right=False, folds=True),
        ]
    )


def _preview(seen: Seen) -> None:
    naming = seen.naming
    show.say(f"{seen.source}: {_said(seen.period)}")
    show.say(f"measurement: {naming.measurement or 'any'}")
    show.say(f"meter: tag {', else '.join((*naming.meter_tags, SITE_TAG))}")
    show.say(f"stamps: {seen.label} of the interval")
    show.table(
        [
            Column("field", list(naming.fields), right=False),
            Column("column", list(naming.fields.values()), right=False),
        ]
    )
    if seen.first is None or seen.first[0].is_empty():
        show.say("there are no such points")
        return
    rows, judged = seen.first
    reasons = dict(judged.rejects.select("row", "reason").iter_rows())
    names = [name for name in (*frames.SENT_VALUES, "quality") if name in rows.columns]
    show.table(
        [
            Column("meter", [each or show.NOTHING for each in rows["meter_id"]], right=False),
            Column("time", [f"{at:%Y-%m-%d %H:%M:%S}" for at in rows["timestamp"]], unit="UTC"),
            *(Column(name, [_cell(value) for value in rows[name]]) for name in names),
            Column("would be", [reasons.get(row, "kept") for row in rows["row"]], right=False),
        ]
    )
    show.say("nothing was taken in (--dry-run)")


def _cell(value: object) -> str:
    return show.NOTHING if value is None else str(value)

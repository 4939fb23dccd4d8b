"""What every store that removes rows does, and those that cannot say."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import polars as pl
import pytest
from tests.contracts.test_forecasts import PECOS, run
from tests.contracts.test_reports import filed

from wattbook.core import frames
from wattbook.core.errors import InputError, UnknownEntityError
from wattbook.core.jobs import JobKind, JobState, Outcome
from wattbook.core.periods import Grain, Period
from wattbook.core.readings.rejects import Rejects
from wattbook.core.registry.entities import Meter, MeterKind, Site
from wattbook.core.reporting.report import Format
from wattbook.core.retention.cutoffs import TALLY, Tombstone
from wattbook.core.retention.kinds import Kind
from wattbook.core.rollups import aggregation
from wattbook.ports.jobs import AttemptResult, JobRequest
from wattbook.ports.readings import Batch
from wattbook.stores.sql.forecasts import SqlForecasts
from wattbook.stores.sql.jobs import SqlJobs
from wattbook.stores.sql.registry import SqlRegistry
from wattbook.stores.sql.reports import SqlReports
from wattbook.stores.sql.retention import SqlRetention
from wattbook.stores.sql.tombstones import SqlTombstones

T = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EVER = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
NUMBERS = count()
Key = tuple[str, datetime]
Schema = dict[str, pl.DataType | type[pl.DataType]]
SITE = Site(
    id="s", name="s", operator="o", timezone="UTC", zone="NO1", created_utc=T, updated_utc=T
)


def batch(
    values: dict[tuple[str, datetime], float], *, at: datetime = T, rejects: int = 0
) -> Batch:
    kept = pl.DataFrame(
        [
            dict.fromkeys(frames.READINGS.columns)
            | {"row": row, "meter_id": meter, "ts_utc": stamp, "power_kw": value}
            | {"quality": "measured", "known_utc": at, "revision": 0}
            for row, ((meter, stamp), value) in enumerate(values.items())
        ],
        schema={"row": pl.UInt32, **frames.READINGS.schema},
    )
    refused = pl.DataFrame(
        [(len(values) + row, "bad_row", None, "{}") for row in range(rejects)],
        schema=frames.REJECTS.schema,
        orient="row",
    )
    return Batch(
        batch_id=f"b-{next(NUMBERS)}",
        source="file",
        sha256="0" * 64,
        received_utc=at,
        received=len(values) + rejects,
        kept=kept,
        rejects=Rejects.of(refused),
    )


def lines(until: dict[str, datetime], since: dict[str, datetime] | None = None) -> pl.DataFrame:
    rows = [(owner, at, (since or {}).get(owner)) for owner, at in until.items()]
    schema: Schema = {"owner": pl.String, "until_utc": frames.UTC, "since_utc": frames.UTC}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame if since is not None else frame.drop("since_utc")


def everybody(until: datetime) -> pl.DataFrame:
    return pl.DataFrame(
        [(None, until)], schema={"owner": pl.String, "until_utc": frames.UTC}, orient="row"
    )


def owners(until: datetime, *names: str) -> pl.DataFrame:
    return pl.DataFrame(
        [(name, until) for name in names], schema=everybody(until).schema, orient="row"
    )


@pytest.fixture
async def removing(stores):
    """Stores that can remove readings: `a` and `b` with three days of hours."""
    if Kind.READINGS not in stores.retention.kinds:
        pytest.skip("what is in a bucket of InfluxDB is not removed")
    hours = {(m, T + at * HOUR): 1.0 + at for m in ("a", "b") for at in range(72)}
    await stores.readings.write(batch(hours))
    return stores


async def test_what_is_before_each_line_is_counted_by_owner_and_day(removing) -> None:
    found = await removing.retention.tally(
        Kind.READINGS, lines({"a": T + 30 * HOUR, "b": T + HOUR, "nobody": T + DAY})
    )

    assert found.schema == pl.Schema(TALLY)
    assert sorted(found.rows()) == [
        ("a", date(2026, 3, 2), 24, T, None),
        ("a", date(2026, 3, 3), 6, T + DAY, None),
        ("b", date(2026, 3, 2), 1, T, None),
    ]


async def test_what_was_counted_before_need_not_be_counted_again(removing) -> None:
    found = await removing.retention.tally(
        Kind.READINGS, lines({"a": T + 30 * HOUR, "b": T + 2 * HOUR}, {"a": T + 28 * HOUR})
    )

    assert sorted(found.select("owner", "rows").rows()) == [("a", 2), ("b", 2)]


async def test_exactly_what_lies_before_both_limits_goes_and_nothing_is_marked(removing) -> None:
    before = await removing.rollups.dirty()
    until = lines({"a": T + 30 * HOUR, "nobody": T + 90 * HOUR})

    await removing.retention.remove(Kind.READINGS, until, T + DAY)
    half = await removing.readings.read(["a"])
    await removing.retention.remove(Kind.READINGS, until, T + 9 * DAY)
    await removing.retention.remove(Kind.READINGS, until, T + 9 * DAY)  # again: nothing is left
    left = await removing.readings.read(["a"])

    assert (half.height, left.height) == (48, 42)
    assert left["ts_utc"].min() == T + 30 * HOUR
    assert (await removing.readings.read(["b"])).height == 72
    assert (await removing.rollups.dirty()).height == before.height


async def test_refused_instants_go_with_the_readings_of_their_meter(removing) -> None:
    instants = [(meter, T + at * HOUR, T) for meter in ("a", "b") for at in (0, 23, 24, 30)]
    await removing.readings.write(
        replace(
            batch({}, rejects=len(instants)),
            refused=pl.DataFrame(instants, schema=frames.REFUSED.schema, orient="row"),
        )
    )
    until = lines({"a": T + 30 * HOUR})

    await removing.retention.remove(Kind.REJECTS, everybody(T), T)  # another kind
    assert (await removing.readings.refused(["a", "b"], EVER)).height == len(instants)
    await removing.retention.remove(Kind.READINGS, until, T + DAY)
    half = await removing.readings.refused(["a"], EVER)
    await removing.retention.remove(Kind.READINGS, until, T + 9 * DAY)

    assert half["ts_utc"].to_list() == [T + DAY, T + 30 * HOUR]
    left = await removing.readings.refused(["a", "b"], EVER)
    assert left.filter(meter_id="a")["ts_utc"].to_list() == [T + 30 * HOUR]
    assert left.filter(meter_id="b").height == 4


async def test_what_went_can_come_again_and_then_it_is_new(removing) -> None:
    await removing.retention.remove(Kind.READINGS, lines({"a": T + 9 * DAY}), T + 9 * DAY)

    written = await removing.readings.write(batch({("a", T): 7.0, ("b", T): 1.0}))

    assert (written.receipt.accepted, written.receipt.duplicates) == (1, 1)


async def test_revisions_go_by_when_they_were_superseded(removing) -> None:
    for days, value in ((1, 5.0), (2, 6.0)):
        await removing.readings.write(batch({("a", T): value}, at=T + days * DAY))
    old = await removing.readings.revisions("a", EVER)
    at = old["superseded_utc"].sort()

    found = await removing.retention.tally(Kind.REVISIONS, lines({"a": at[1]}))
    await removing.retention.remove(Kind.REVISIONS, lines({"a": at[1]}), at[1] + DAY)

    assert found["rows"].sum() == 1
    assert (await removing.readings.revisions("a", EVER))["superseded_utc"].to_list() == [at[1]]


async def test_rollups_go_by_grain_and_tell_how_many_readings_they_count(stores) -> None:
    about = {"site_id": "s", "operator": "alder", "zone": "NO1", "timezone": "UTC"}
    about |= {"meter_id": "a", "kind": "power", "role": "main"}
    meters = pl.DataFrame(
        [about | {"expected_interval_s": 3600, "max_hold_s": 3600}], schema=frames.METERS.schema
    )
    hours = {("a", T + at * HOUR): 1.0 for at in range(48)}
    readings = batch(hours).kept.drop("row")
    rows = aggregation.with_revisions(
        aggregation.every_grain(aggregation.quarters(readings, meters), meters), T
    )
    nothing = frames.DIRTY.empty()
    spans = nothing.select("meter_id", "from_utc", "to_utc")
    gone = rows.clear().select(frames.ROLLUPS.key)
    await stores.rollups.mark(readings.select("meter_id", from_utc="ts_utc", to_utc="ts_utc"))
    await stores.rollups.write(rows, gone, frames.EVENTS.empty(), spans, nothing)

    found = await stores.retention.tally(Kind.QUARTERS, lines({"a": T + DAY}))
    await stores.retention.remove(Kind.QUARTERS, lines({"a": T + DAY}), T + 9 * DAY)

    assert found.select("rows", "readings").rows() == [(96, 24)]
    for grain, left in (("15min", 96), ("hour", 48), ("day", 2), ("week", 1), ("month", 1)):
        assert (await stores.rollups.read(["a"], Grain(grain), EVER)).height == left


async def test_rejects_and_receipts_go_by_when_they_came(stores) -> None:
    if Kind.RECEIPTS not in stores.retention.kinds:
        pytest.skip("what is in a bucket of InfluxDB is not removed")
    for at in (T, T + DAY, T + 2 * DAY):
        await stores.readings.write(batch({("a", at): 1.0}, at=at, rejects=2))

    counted = {}
    for kind in (Kind.REJECTS, Kind.RECEIPTS):
        found = await stores.retention.tally(kind, everybody(T + DAY))
        counted[kind] = found.select("owner", "rows").rows()
        await stores.retention.remove(kind, everybody(T + DAY), T + 9 * DAY)
        assert (await stores.retention.tally(kind, everybody(T + DAY))).is_empty()

    assert counted == {Kind.REJECTS: [("file", 2)], Kind.RECEIPTS: [("file", 1)]}
    left = await stores.retention.tally(Kind.REJECTS, everybody(T + 9 * DAY))
    assert left["rows"].sum() == 4


async def test_jobs_go_that_ended_before_and_clean_ups_stay(sql_engine) -> None:
    jobs, retention = SqlJobs(sql_engine), SqlRetention(sql_engine)
    kept = await jobs.submit(JobRequest(kind=JobKind.AGGREGATE, params={}, requested_by="t"))
    for kind in (JobKind.PROCESS_DEVICE, JobKind.CLEANUP):
        await jobs.submit(JobRequest(kind=kind, params={}, requested_by="t"))
        claim = await jobs.claim("w", HOUR, kinds=[kind])
        assert claim is not None
        await jobs.end(claim, AttemptResult(outcome=Outcome.SUCCEEDED, state=JobState.SUCCEEDED))
    later = await jobs.now() + HOUR

    found = await retention.tally(Kind.JOBS, everybody(later))
    await retention.remove(Kind.JOBS, everybody(later), later)

    assert found.select("owner", "rows").rows() == [("process_device", 1)]
    left = {job.kind: job.job_id for job in (await jobs.jobs()).jobs}
    assert left.keys() == {JobKind.AGGREGATE, JobKind.CLEANUP}
    assert left[JobKind.AGGREGATE] == kept.job_id


async def test_reports_go_with_their_documents_by_their_owner(sql_engine) -> None:
    reports, retention = SqlReports(sql_engine), SqlRetention(sql_engine)
    for name, entity_id, days in (("a", "site:s", 1), ("b", "site:s", 9), ("c", "operator:o", 1)):
        made = filed(name, entity_id=entity_id, created=T + days * DAY)
        await reports.file(made, {Format.CSV: b"x"})
    line = T + 5 * DAY

    found = await retention.tally(Kind.REPORTS, everybody(line))
    await retention.remove(Kind.REPORTS, owners(line, "site:s"), line)

    assert sorted(found.select("owner", "rows").rows()) == [("operator:o", 1), ("site:s", 1)]
    left = (await reports.reports()).reports
    assert [each.report_id for each in left] == ["b", "c"]
    with pytest.raises(UnknownEntityError):
        await reports.document("a", Format.CSV)


async def test_forecasts_go_but_for_the_newest_of_a_series_before_the_line(sql_engine) -> None:
    forecasts, retention = SqlForecasts(sql_engine), SqlRetention(sql_engine)
    by_day = replace(PECOS, grain=Grain.DAY)
    brought = replace(PECOS, entity_id=None)
    for name, asked, days in (
        ("a", PECOS, 1), ("b", PECOS, 2), ("c", PECOS, 3), ("d", PECOS, 9),
        ("e", by_day, 1), ("f", brought, 1), ("g", brought, 2), ("h", brought, 9),
    ):  # fmt: skip
        await forecasts.keep(run(name, asked=asked, known=T + days * DAY))
    old, new = [
        await forecasts.keep_input(text, at) for text, at in ((b"o", T), (b"n", T + 9 * DAY))
    ]
    line = T + 5 * DAY

    found = await retention.tally(Kind.FORECASTS, everybody(line))
    await retention.remove(Kind.FORECASTS, everybody(line), T + 2 * DAY)
    left_then = {each.run_id for each in (await forecasts.runs()).runs}
    await retention.remove(Kind.FORECASTS, everybody(line), line)

    counted = found.group_by("owner").agg(pl.col("rows").sum()).sort("owner").rows()
    assert counted == [("brought", 3), ("site:pecos-1", 2)]  # two runs and a series; a and b
    assert left_then == set("bcdegh")
    # c was the newest when the line was drawn, e is the only one of its series.
    assert {each.run_id for each in (await forecasts.runs()).runs} == set("cdeh")
    then = await forecasts.latest(PECOS, as_of=line)
    assert then is not None
    assert then.run_id == "c"
    assert await forecasts.input(new) == b"n"
    with pytest.raises(UnknownEntityError):
        await forecasts.input(old)
    assert (await retention.tally(Kind.FORECASTS, everybody(line))).is_empty()


def stone(number: int, *, kind: Kind = Kind.READINGS, **about) -> Tombstone:
    told: dict[str, Any] = {"job_id": "j1", "owner": f"m{number}", "site_id": "s", "from_utc": T}
    told |= {"until_utc": T + number * DAY, "rows": number, "removed_utc": T, "version": "1"}
    return Tombstone(kind=kind, **(told | about))


async def test_tombstones_are_kept_by_their_key_and_paged_by_time(sql_engine) -> None:
    stones = SqlTombstones(sql_engine)
    await stones.put([stone(number) for number in range(5)])
    await stones.put([stone(2, rows=99, removed_utc=None)])
    await stones.drop([stone(4)])

    first = await stones.page(limit=2)
    second = await stones.page(after=first.cursor)

    assert [each.owner for each in first.tombstones] == ["m3", "m2"]
    assert [each.owner for each in second.tombstones] == ["m1", "m0"]
    assert second.cursor is None
    assert first.tombstones[0] == stone(3)
    assert [each.rows for each in await stones.unfinished()] == [99]
    assert len(await stones.of_job("j1")) == 4
    asked: dict[str, Any] = {"kind": Kind.READINGS, "owner": "m1", "site_id": "s", "job_id": "j1"}
    every: list[dict[str, Any]] = [
        asked,
        {"owner": "m1"},
        {"until": T + HOUR, "since": T + DAY / 2, "limit": 9},
    ]
    for filters in every:
        found = (await stones.page(**filters)).tombstones
        assert "m1" in {each.owner for each in found}
    assert (await stones.page(kind=Kind.JOBS)).tombstones == ()
    assert (await stones.page(since=T + 3 * DAY)).tombstones == ()
    with pytest.raises(InputError):
        await stones.page(after="⚡")


async def test_the_registry_says_where_the_data_of_a_meter_begins(sql_engine) -> None:
    stones = SqlTombstones(sql_engine)
    registry = SqlRegistry(sql_engine)
    meter = Meter(id="m1", site_id="s", kind=MeterKind.POWER)
    await registry.add(replace(SITE, meters=(meter,)))
    assert (await registry.meters())["readings_from_utc"].to_list() == [None]
    await stones.put([stone(1), stone(1, job_id="j2", until_utc=T + 9 * DAY)])
    await stones.put([stone(1, kind=Kind.QUARTERS), stone(1, kind=Kind.WEEKS)])

    row = (await SqlRegistry(sql_engine).meters()).row(0, named=True)

    assert (row["readings_from_utc"], row["quarters_from_utc"]) == (T + 9 * DAY, T + DAY)
    assert (row["revisions_from_utc"], row["days_from_utc"]) == (None, None)


async def test_a_hold_is_seen_by_all(sql_engine) -> None:
    registry = SqlRegistry(sql_engine)
    await registry.add(replace(SITE, hold_reason="case", hold_since_utc=T))

    assert await registry.holds() == {"s": "case"}
    assert (await registry.site("s")).hold_since_utc == T

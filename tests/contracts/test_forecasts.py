"""What everything does that keeps forecasts; implementations: conftest.py."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattbook.core.errors import InputError, UnknownEntityError
from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.task import Basis, ModelName
from wattbook.core.frames import UTC as STAMP
from wattbook.core.periods import Grain, Period
from wattbook.ports.forecasts import Forecasts, ForecastSpec, Run
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.forecasts import SqlForecasts
from wattbook.stores.sql.migrate import upgrade_on

T = datetime(2026, 3, 1, 12, 0, 0, 123_456, UTC)
DAY = timedelta(days=1)
ROWS = pl.DataFrame(
    {"start_utc": [T, T + DAY], "mean": [1.5, 2.5], "p10": [1.0, 2.0], "p97.5": [3.0, 4.0]},
    schema_overrides={"start_utc": STAMP},
)
PECOS = ForecastSpec(entity_id="site:pecos-1")


@pytest.fixture
def forecasts(sql_engine) -> Forecasts:
    return SqlForecasts(sql_engine)


def run(run_id: str, *, asked: ForecastSpec = PECOS, known: datetime = T, **more) -> Run:
    made = Run(
        run_id=run_id,
        asked=asked,
        meter_ids=("pecos-1.main",),
        timezone="America/Chicago",
        unit="kW",
        basis=Basis.NAIVE,
        reason="no model was better ⚡",
        model=ModelName.NAIVE,
        parameters={"bands": {"24h": "naive"}, "lags": [24, 168]},
        leaderboard=[{"model": "naive", "band": "24h", "mase": 0.7, "origins": 3, "width": None}],
        coverage=[{"band": "24h", "nominal": 0.8, "measured": 0.75, "days": 9}],
        trained=Period(T - 30 * DAY, T),
        period=Period(T, T + 2 * DAY),
        fingerprint="ab" * 32,
        version="0.1.0",
        known_utc=known,
        rows=ROWS,
    )
    return replace(made, **more)


async def test_a_run_comes_back_as_it_was(forecasts) -> None:
    await forecasts.keep(run("r"))

    found = await forecasts.run("r")

    assert found == run("r")
    assert_frame_equal(found.rows, ROWS)


async def test_what_is_kept_again_replaces_what_was_there(forecasts) -> None:
    await forecasts.keep(run("r"))
    await forecasts.keep(run("r", reason=None, basis=Basis.MODEL, trained=None))

    found = await forecasts.run("r")
    assert (found.reason, found.basis, found.trained) == (None, Basis.MODEL, None)
    assert len((await forecasts.runs()).runs) == 1


@pytest.mark.parametrize("run_id", ["unknown", "", "\0", "' OR 1=1 --", "中文"])
async def test_there_is_no_run_that_was_not_kept(forecasts, run_id) -> None:
    await forecasts.keep(run("r"))

    with pytest.raises(UnknownEntityError, match="there is no run"):
        await forecasts.run(run_id)


async def test_the_latest_is_that_of_the_same_question(forecasts) -> None:
    others = [
        replace(PECOS, entity_id="site:other"),
        replace(PECOS, entity_id=None),
        replace(PECOS, quantity=Quantity.HASHRATE),
        replace(PECOS, grain=Grain.DAY),
        replace(PECOS, model=ModelName.GBM),
        replace(PECOS, quantiles=(0.05, 0.95)),
        replace(PECOS, seed=1),
    ]
    for number, asked in enumerate([PECOS, *others]):
        await forecasts.keep(run(f"r{number}", asked=asked, known=T + number * DAY))
    await forecasts.keep(run("newer", known=T + DAY))

    latest = await forecasts.latest(PECOS)
    assert latest is not None
    assert latest.run_id == "newer"
    assert latest.rows.height == 2
    assert await forecasts.latest(replace(PECOS, seed=2)) is None


async def test_the_latest_of_the_past_is_what_was_known_then(forecasts) -> None:
    for number in range(3):
        await forecasts.keep(run(f"r{number}", known=T + number * DAY))

    then = await forecasts.latest(PECOS, as_of=T + DAY)
    assert then is not None
    assert then.run_id == "r1"
    assert await forecasts.latest(PECOS, as_of=T - DAY) is None


async def test_lists_begin_with_the_newest_and_go_on_behind_a_cursor(forecasts) -> None:
    for number, known in enumerate([T, T + DAY, T + DAY, T + 2 * DAY]):
        await forecasts.keep(run(f"r{number}", known=known))

    first = await forecasts.runs(limit=3)
    second = await forecasts.runs(limit=3, after=first.cursor)

    assert [each.run_id for each in first.runs] == ["r3", "r2", "r1"]
    assert [each.run_id for each in second.runs] == ["r0"]
    assert second.cursor is None
    assert first.runs[0].rows.is_empty()


async def test_lists_are_filtered(forecasts) -> None:
    network = ForecastSpec(entity_id="network:bitcoin", quantity=Quantity.HASHRATE)
    await forecasts.keep(run("r0"))
    await forecasts.keep(run("r1", asked=network, known=T + DAY, model=ModelName.GBM))

    async def ids(**asked: object) -> list[str]:
        return [each.run_id for each in (await forecasts.runs(**asked)).runs]

    assert await ids(entity_id="site:pecos-1") == ["r0"]
    assert await ids(quantity=Quantity.HASHRATE) == ["r1"]
    assert await ids(model=ModelName.GBM) == ["r1"]
    assert await ids(since=T + DAY) == ["r1"]
    assert await ids(until=T + DAY) == ["r0"]
    assert await ids(entity_id="zone:NO1") == []


@pytest.mark.slow
async def test_a_cursor_of_others_is_refused(forecasts) -> None:
    with pytest.raises(InputError, match="this cursor was not given out"):
        await forecasts.runs(after="bm90IG91cnM=")


async def test_what_was_asked_of_late_is_each_question_once(forecasts) -> None:
    daily = replace(PECOS, grain=Grain.DAY, quantiles=(0.05, 0.95))
    old = replace(PECOS, entity_id="site:gone")
    brought = replace(PECOS, entity_id=None)
    for number, asked in enumerate([PECOS, daily, PECOS, brought]):
        await forecasts.keep(run(f"r{number}", asked=asked))
    await forecasts.keep(run("old", asked=old, known=T - 100 * DAY))

    assert set(await forecasts.series(T - DAY)) == {PECOS, daily}


async def test_what_callers_bring_is_kept_once_and_named_by_what_it_is(forecasts) -> None:
    content = "⚡ 中文".encode() * 1000

    first, again = [await forecasts.keep_input(content, at) for at in (T, T + DAY)]

    assert first == again
    assert await forecasts.input(first) == content
    assert await forecasts.input(await forecasts.keep_input(b"", T)) == b""
    for unknown in ("ab" * 32, "", "\0"):
        with pytest.raises(UnknownEntityError, match="there is no custom series"):
            await forecasts.input(unknown)


async def test_runs_are_there_when_the_database_is_opened_again(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    for expected in (0, 1):
        engine = create_engine(url)
        await upgrade_on(engine)
        forecasts = SqlForecasts(engine)
        assert len((await forecasts.runs()).runs) == expected
        await forecasts.keep(run("r"))
        await engine.dispose()

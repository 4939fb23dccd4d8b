"""What a forecast is made from, which run answers, and what is kept of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from pydantic import SecretStr
from tests.core.anomaly.test_finding import FOUND
from tests.flows.conftest import World
from tests.flows.report_examples import conditions, draw

from wattbook.core.anomaly.finding import Review, State
from wattbook.core.errors import ConflictError, InputError, UnknownEntityError
from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.series import LONGEST
from wattbook.core.forecast.task import ModelName
from wattbook.core.jobs import JobKind
from wattbook.core.periods import Grain, Period
from wattbook.core.registry.entities import Meter, MeterKind, MeterRole
from wattbook.flows import forecast as flow
from wattbook.flows import ingest
from wattbook.flows.ingest import Origin
from wattbook.jobs import registry
from wattbook.models import auto
from wattbook.ports.anomalies import Anomalies
from wattbook.ports.forecaster import Forecaster
from wattbook.ports.forecasts import Forecasts, ForecastSpec
from wattbook.schemas import custom_forecast
from wattbook.settings import MOST_FORECAST_DAYS, Settings
from wattbook.stores.sql.anomalies import SqlAnomalies
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.forecasts import SqlForecasts
from wattbook.stores.sql.migrate import upgrade_on

T = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
NAIVE = ForecastSpec(entity_id="site:oslo-1", model=ModelName.NAIVE)


class Here:
    """The models, without a process of their own."""

    async def forecast(self, history, ask, **more):
        return await asyncio.to_thread(auto.forecast, history, ask, **more)


@dataclass(frozen=True, slots=True)
class Ports:
    """A world that forecasts."""

    world: World
    forecasts: Forecasts
    anomalies: Anomalies
    forecaster: Forecaster

    def __getattr__(self, name: str):
        return getattr(self.world, name)


@pytest.fixture
async def ports(world) -> AsyncIterator[Ports]:
    sql = create_engine("sqlite://")
    await upgrade_on(sql)
    yield Ports(world, SqlForecasts(sql), SqlAnomalies(sql), Here())
    await sql.dispose()


async def filled(ports: Ports, site_id: str = "oslo-1", days: int = 28, kw: float = 100) -> None:
    """A site that draws the same all day, but for twice that at 12 UTC."""
    await ports.world.add(site_id, timezone="UTC", zone="NO")
    hours = [kw * 2 if at % 24 == 12 else kw for at in range(24 * days)]
    await draw(ports.world, f"{site_id}.main", T, hours)


def test_the_most_days_of_the_settings_are_those_of_the_models() -> None:
    assert timedelta(days=MOST_FORECAST_DAYS) == LONGEST


@pytest.mark.slow
async def test_the_history_ends_with_what_is_known_and_the_forecast_begins_there(ports) -> None:
    await filled(ports)

    run = await flow.make("r", NAIVE, WEEK, ports=ports)

    assert run.period.start == T + 28 * DAY
    assert run.period.end == T + 35 * DAY
    assert run.rows["mean"].to_list() == pytest.approx(([100.0] * 12 + [200.0] + [100.0] * 11) * 7)
    assert run.trained is not None
    assert (run.trained.start, run.trained.end) == (T, T + 28 * DAY)
    assert (await ports.forecasts.run("r")).fingerprint == run.fingerprint


@pytest.mark.slow
async def test_a_young_site_learns_from_the_others_but_not_from_itself(ports) -> None:
    for site_id, kw in (("oslo-1", 1.0), ("oslo-2", 10.0), ("oslo-3", 100.0)):
        await filled(ports, site_id, days=70, kw=kw)
    await filled(ports, "oslo-4", days=3, kw=500.0)
    await ports.world.add("oslo-5", timezone="UTC", zone="NO")  # of which nothing is known

    of = await flow.subject("site:oslo-4", Quantity.LOAD, ports=ports)
    donors = await flow.donors_of(of, NAIVE, ports=ports)
    asked = replace(NAIVE, entity_id="site:oslo-4", model=ModelName.AUTO)
    run = await flow.make("r", asked, DAY, ports=ports)

    assert [each.history.height for each in donors] == [70 * 24] * 3
    assert run.rows["mean"][12] == pytest.approx(1000.0, rel=0.05)


@pytest.mark.slow
async def test_nothing_is_learnt_from_a_fault_that_was_noticed_unless_it_was_dismissed(
    ports,
) -> None:
    await filled(ports)
    stuck = replace(FOUND, meter_id="oslo-1.main", site_id="oslo-1", end_utc=T + timedelta(hours=3))
    other = replace(stuck, finding_id="other", meter_id="oslo-1.fan", end_utc=T + DAY)
    await ports.anomalies.replace(["oslo-1.main", "oslo-1.fan"], Period(T, T + DAY), [stuck, other])
    of = await flow.subject("site:oslo-1", Quantity.LOAD, ports=ports)

    rows = await flow.load_history(of, Grain.HOUR, ports=ports)
    await ports.anomalies.review(stuck.finding_id, Review(state=State.DISMISSED))
    after = await flow.load_history(of, Grain.HOUR, ports=ports)

    assert rows.filter("excluded")["start_utc"].to_list() == [T + at * DAY / 24 for at in range(3)]
    assert not after["excluded"].any()


async def test_how_far_it_is_is_told_step_by_step(ports) -> None:
    await filled(ports)
    told: list[tuple[int, int]] = []

    await flow.make("r", replace(NAIVE, model=ModelName.AUTO), DAY, ports=ports,
                    progress=lambda *far: told.append(far))  # fmt: skip

    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {done for done, _ in told} == set(range(1, flow.STEPS + 1))
    assert told[-1] == (flow.STEPS, flow.STEPS)


HIGH, LOW = 300.0, 50.0


def dear(hour: int) -> bool:
    """18 and 19 h of every third day."""
    return hour // 24 % 3 == 0 and hour % 24 in (18, 19)


async def curtailed(ports: Ports, *, known_h: int) -> None:
    """A site that draws a tenth where the price is high, and its prices for so many hours."""
    await ports.world.add("oslo-1", timezone="UTC", zone="NO")
    await draw(
        ports.world, "oslo-1.main", T, [10.0 if dear(at) else 100.0 for at in range(30 * 24)]
    )
    prices = [
        {"price_per_mwh": HIGH if dear(at) else LOW, "currency": "EUR"} for at in range(known_h)
    ]
    await conditions(ports.world, "NO", T, prices)


@pytest.mark.slow
async def test_hours_that_a_price_curtails_are_foreseen_where_it_is_known_ahead(ports) -> None:
    await curtailed(ports, known_h=31 * 24)

    run = await flow.make("r", NAIVE, 2 * DAY, ports=ports)

    response = run.parameters["price_response"]
    assert response == {"strike": HIGH, "left": pytest.approx(0.1)}
    # The 31st day is dear at 18 and 19 h; of the one after, no price is known yet.
    assert run.rows["mean"].to_list() == pytest.approx([100.0] * 18 + [10.0] * 2 + [100.0] * 28)


@pytest.mark.slow
async def test_without_a_price_ahead_nothing_is_foreseen_and_nothing_learnt_of_it(ports) -> None:
    await curtailed(ports, known_h=30 * 24)

    run = await flow.make("r", NAIVE, DAY, ports=ports)

    assert run.rows["mean"].to_list() == pytest.approx([100.0] * 24)


@pytest.mark.slow
async def test_prices_of_two_zones_are_told_of_neither(ports) -> None:
    await filled(ports)
    await ports.world.add("ulm-1", timezone="UTC", zone="DE")
    await conditions(ports.world, "NO", T, [{"price_per_mwh": LOW, "currency": "EUR"}])
    of = await flow.subject("operator:alder", Quantity.LOAD, ports=ports)
    one = await flow.subject("oslo-1", Quantity.LOAD, ports=ports)
    rows = await flow.load_history(one, Grain.HOUR, ports=ports)
    ask = await flow.ask_of(NAIVE, one, DAY, rows, ports=ports)

    assert await flow.prices_of(of, rows, ask, ports=ports) is None
    told = await flow.prices_of(one, rows, ask, ports=ports)
    assert told is not None
    assert told["price_per_mwh"].to_list() == [LOW]


@pytest.mark.slow
async def test_an_operator_is_the_sum_of_its_sites(ports) -> None:
    await filled(ports)
    await filled(ports, "oslo-2", kw=50)

    run = await flow.make("r", replace(NAIVE, entity_id="operator:alder"), DAY, ports=ports)

    assert run.rows["mean"].to_list() == pytest.approx([150.0] * 12 + [300.0] + [150.0] * 11)
    assert run.meter_ids == ("oslo-1.main", "oslo-2.main")


async def test_holidays_are_those_of_the_country_of_the_zone(ports) -> None:
    await filled(ports)
    of = await flow.subject("oslo-1", Quantity.LOAD, ports=ports)

    rows = await flow.load_history(of, Grain.HOUR, ports=ports)

    assert (await flow.ask_of(NAIVE, of, DAY, rows, ports=ports)).country == "NO"


async def test_the_most_that_is_forecast_is_the_capacity_or_what_was_drawn_beyond_it(ports) -> None:
    await filled(ports)  # 100 kW, and 200 kW at noon
    of = await flow.subject("oslo-1", Quantity.LOAD, ports=ports)
    rows = await flow.load_history(of, Grain.HOUR, ports=ports)

    def most(*capacities: float | None) -> float | None:
        meters = pl.concat([of.meters] * len(capacities)).with_columns(
            site_id=pl.Series([f"oslo-{at}" for at in range(len(capacities))]),
            capacity_kw=pl.Series(capacities, dtype=pl.Float64),
        )
        return flow.most(replace(of, meters=meters), rows)

    assert most(250.0) == 250.0
    assert most(150.0) == 200.0
    assert most(250.0, 50.0) == 300.0
    assert most(250.0, None) is None


@pytest.mark.slow
async def test_a_stored_run_answers_until_it_is_too_old(ports) -> None:
    await filled(ports)
    made = await flow.make("r", NAIVE, WEEK, ports=ports)

    async def stored() -> str | None:
        found = await flow.find_stored(
            NAIVE, timedelta(hours=168), forecasts=ports.forecasts, clock=ports.clock
        )
        return None if found is None else found.run_id

    assert await stored() == "r"
    ports.world.clock.at = made.known_utc + timedelta(hours=167)
    assert await stored() == "r"
    ports.world.clock.at = made.known_utc + timedelta(hours=168)
    assert await stored() is None


@pytest.mark.slow
async def test_what_is_shown_begins_now_or_at_the_origin_where_now_is_beyond(ports) -> None:
    await filled(ports)
    run = await flow.make("r", NAIVE, WEEK, ports=ports)
    origin = run.period.start

    def first(now: datetime) -> datetime:
        at: datetime = flow.ahead(run, DAY, now)["start_utc"][0]
        return at

    assert first(origin + timedelta(hours=30, minutes=20)) == origin + timedelta(hours=30)
    assert first(origin + 100 * DAY) == origin
    assert flow.ahead(run, DAY, origin).height == 24
    assert flow.ahead(run, DAY, origin + 6 * DAY + timedelta(hours=20)).height == 4


@pytest.mark.slow
async def test_what_came_stands_beside_what_was_expected(ports) -> None:
    await filled(ports)
    await flow.make("r", NAIVE, DAY, ports=ports)
    before = (await flow.compare_forecast("r", ports=ports)).rows["actual"]
    await draw(ports.world, "oslo-1.main", T + 28 * DAY, [90.0, None, 110.0])

    after = (await flow.compare_forecast("r", ports=ports)).rows["actual"]

    assert before.null_count() == 24
    assert after.head(4).to_list() == [90.0, None, 110.0, None]


@pytest.mark.slow
async def test_hash_rates_sent_go_before_the_nameplates(ports) -> None:
    meter = Meter(id="m", site_id="oslo-1", kind=MeterKind.POWER, expected_interval_s=3600)
    await ports.world.add("oslo-1", meter, timezone="UTC")
    rows = [
        {"meter_id": "m", "timestamp": (T + timedelta(hours=at)).isoformat(), "power_kw": 300,
         "hashrate_th": 10_000}
        for at in range(24 * 20)
    ]  # fmt: skip
    await take_in(ports, rows)
    run = await flow.make("r", NAIVE, DAY, ports=ports)

    made = await flow.hashing(run, run.rows, ports=ports)

    # 300 kW for 10,000 TH/s are 30 J/TH.
    assert made.efficiency_j_per_th == pytest.approx(30.0)
    assert made.efficiency_from == "rollups"
    assert made.rows["mean"].to_list() == pytest.approx([10_000.0] * 24)


@pytest.mark.slow
async def test_without_hash_rates_and_machines_there_is_no_hash_rate(ports) -> None:
    await filled(ports)
    run = await flow.make("r", NAIVE, DAY, ports=ports)

    with pytest.raises(ConflictError, match="register the fleet"):
        await flow.hashing(run, run.rows, ports=ports)


async def take_in(ports: Ports, rows: list[dict[str, object]]) -> None:
    written = await ingest.ingest_readings(
        pl.DataFrame(rows),
        Origin.of("test", b""),
        registry=ports.world.registry,
        readings=ports.world.readings,
        clock=ports.world.clock,
    )
    assert written.receipt.rejected == 0


async def test_sub_meters_alone_are_no_load(ports) -> None:
    sub = Meter(id="sub", site_id="oslo-1", kind=MeterKind.INTERVAL, role=MeterRole.SUB)
    await ports.world.add("oslo-1", sub)

    with pytest.raises(ConflictError, match="no main meter"):
        await flow.make("r", NAIVE, DAY, ports=ports)


@pytest.mark.slow
async def test_too_little_is_said_before_a_job_is_made_of_it(ports) -> None:
    await filled(ports, days=1)

    with pytest.raises(InputError) as refusal:
        await flow.check(NAIVE, DAY, ports=ports)

    assert refusal.value.problems[0].reason == "too_short"
    await ports.world.add("empty")
    with pytest.raises(ConflictError, match="no load of site:empty is known"):
        await flow.check(replace(NAIVE, entity_id="empty"), DAY, ports=ports)
    with pytest.raises(UnknownEntityError):
        await flow.check(replace(NAIVE, entity_id="nobody"), DAY, ports=ports)


@pytest.mark.slow
async def test_what_is_forecast_anew_is_each_site_and_what_was_asked_for(ports) -> None:
    await filled(ports)
    await ports.world.add("empty")
    daily = replace(NAIVE, entity_id="operator:alder", grain=Grain.DAY)
    await flow.make("r", daily, DAY, ports=ports)
    gone = replace(await ports.forecasts.run("r"), run_id="g")
    await ports.forecasts.keep(replace(gone, asked=replace(daily, entity_id="site:gone")))

    wanted = await flow.active_series(ports.clock.now() - DAY, ports=ports)

    assert set(wanted) == {ForecastSpec(entity_id="site:oslo-1"), daily}


@pytest.mark.parametrize(
    ("text", "hours"), [("1", 24), ("0.5", 12), ("7d", 168), ("36h", 36), (30, 720), ("2.0", 48)]
)
def test_a_horizon_is_days_or_says_its_unit(text, hours) -> None:
    assert flow.horizon_of(text, 30) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "text", ["", "d", "x", "1w", "0", "-1", "nan", "inf", "1e999", "31", "721h"]
)
def test_what_is_no_horizon_is_refused(text) -> None:
    with pytest.raises(InputError) as refusal:
        flow.horizon_of(text, 30)

    assert refusal.value.problems[0].field == "horizon"


@pytest.mark.parametrize(
    ("kind", "params", "said"),
    [
        ("forecast", {}, "name entity_id or input"),
        ("forecast", {"entity_id": "a", "input": "ab" * 32}, "name entity_id or input"),
        ("forecast", {"input": "x"}, r"params\.input: must match \[0-9a-f\]\{64\}$"),
        ("forecast", {"entity_id": "a", "grain": "week"}, "grain: must be one of 15min, hour, day"),
        ("retrain", {"grain": "month"}, "grain: must be one of"),
        (
            "retrain",
            {"model": "x"},
            r"params\.model: must be one of auto, ensemble, naive, statistical, ",
        ),
        ("import_influxdb", {"since": "yesterday"}, "since"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(kind, params, said) -> None:
    with pytest.raises(InputError, match=said):
        registry.validate(kind, params)


def test_retraining_is_scheduled_and_imports_where_they_are_wished() -> None:
    plain = Settings(model_retrain_interval=24)
    pulling = Settings(
        influxdb_url="http://h",
        influxdb_token=SecretStr("t"),
        influxdb_org="o",
        influxdb_bucket="b",
        import_influxdb_every_s=600,
    )

    by_name = {each.name: each for each in registry.build_schedules(plain)}
    assert by_name["retrain"].every == DAY
    assert "import_influxdb" not in by_name
    (imports,) = [
        each for each in registry.build_schedules(pulling) if each.kind == JobKind.IMPORT_INFLUXDB
    ]
    assert imports.every == timedelta(minutes=10)
    assert imports.params == {"since": None, "interval_label": None}
    with pytest.raises(ValueError, match="IMPORT_INFLUXDB_EVERY_S: to import from, set INFLUXDB_U"):
        Settings(import_influxdb_every_s=600)


def test_a_csv_is_read_with_its_gaps() -> None:
    text = "value,timestamp\n1.5,2026-03-01T00:00:00Z\n,2026-03-01T02:00:00+01:00\n"

    assert custom_forecast.from_csv(text) == [(T, 1.5), (T + timedelta(hours=1), None)]


@pytest.mark.parametrize(
    ("text", "row", "field"),
    [
        ("timestamp,value\n2026-03-01T00:00:00,1", 0, "timestamp"),
        ("timestamp,value\n2026-03-01T00:00:00Z,1\nsoon,1", 1, "timestamp"),
        ("timestamp,value\n2026-03-01T00:00:00Z,much", 0, "value"),
        ("time,value\n", None, "timestamp"),
        ("", None, "timestamp"),
    ],
)
def test_what_is_wrong_with_a_csv_is_named(text, row, field) -> None:
    with pytest.raises(InputError) as refusal:
        custom_forecast.from_csv(text)

    assert (refusal.value.problems[0].row, refusal.value.problems[0].field) == (row, field)

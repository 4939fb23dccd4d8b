"""Readings in other people's buckets, under their names, brought in without a gap or a double."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from wattbook.clients.influxdb import server
from wattbook.clients.influxdb.server import Influx, Place
from wattbook.core.errors import UnavailableError
from wattbook.core.periods import Period
from wattbook.core.readings.influx_mapping import Naming, parse_fields
from wattbook.sources.influxdb import points
from wattbook.sources.influxdb.bucket import Bucket

T = datetime(2026, 3, 1, tzinfo=UTC)
"""A Sunday: the next midnight is the border of a shard."""
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EVER = Period(T - 400 * DAY, T + 400 * DAY)


@pytest.fixture
async def theirs(influxdb, bucket) -> AsyncIterator[Influx]:
    place = Place(url=influxdb.url, token=influxdb.token, org=influxdb.org, bucket=bucket)
    async with server.opened(place) as opened:
        yield opened


async def put(theirs: Influx, *lines: str) -> None:
    """Lines whose stamps are seconds after `T`."""
    stamped = []
    for line in lines:
        point, after = line.rsplit(" ", 1)
        stamped.append(f"{point} {int(T.timestamp()) + int(after)}")
    await theirs.write("\n".join(stamped).encode(), precision="s")


async def read(theirs: Influx, naming: Naming | None = None, **options) -> pl.DataFrame:
    period = options.pop("period", EVER)
    bucket = Bucket(theirs, naming or Naming(), **options)
    return pl.concat(
        [stretch.raw async for stretch in bucket.stretches(period)], how="diagonal_relaxed"
    )


async def test_points_are_rows_under_our_names(theirs) -> None:
    naming = Naming(
        measurement="power", meter_tag="meter", fields=parse_fields("power_kw=kw,quality=q")
    )
    await put(
        theirs,
        'power,meter=m\\ 1,host=a kw=1.5,temperature_c=20i,q="estimated",other=3 0',
        "power,meter=m2 kw=2 900",
        "other,meter=m2 kw=9 900",
    )

    raw = (await read(theirs, naming)).sort("timestamp")

    assert raw.select("meter_id", "timestamp", "power_kw", "temperature_c", "quality").rows() == [
        ("m 1", T, 1.5, 20.0, "estimated"),
        ("m2", T + 900 * SECOND, 2.0, None, None),
    ]


async def test_without_the_meter_s_tag_the_device_and_then_the_site_is_meant(theirs) -> None:
    await put(
        theirs,
        "a,meter_id=m,device_id=d,site_id=s power_kw=1 0",
        "a,device_id=d,site_id=s power_kw=2 1",
        "a,site_id=s power_kw=3 2",
        "a power_kw=4 3",
    )

    raw = (await read(theirs)).sort("timestamp")

    assert raw["meter_id"].to_list() == ["m", "d", None, None]
    assert raw["site_id"].to_list() == ["s", "s", "s", None]


async def test_fields_of_one_meter_and_instant_are_one_row_wherever_they_are(theirs) -> None:
    await put(
        theirs,
        "power,meter_id=m,phase=1 power_kw=1 0",
        "climate,meter_id=m temperature_c=20 0",
        "climate,meter_id=m temperature_c=21 60",
    )

    raw = (await read(theirs)).sort("timestamp")

    assert raw.select("power_kw", "temperature_c").rows() == [(1.0, 20.0), (None, 21.0)]


async def test_two_values_of_one_field_are_two_rows_of_which_none_is_lost(theirs) -> None:
    await put(theirs, "p,meter_id=m,host=a power_kw=1 0", "p,meter_id=m,host=b power_kw=2 0")

    raw = await read(theirs)

    assert sorted(raw["power_kw"]) == [1.0, 2.0]
    assert raw["row"].to_list() == [0, 1]


async def test_what_is_no_number_is_refused_with_what_was_sent(theirs) -> None:
    await put(theirs, 'p,meter_id=m power_kw="n/a",energy_kwh=1 0', "q,meter_id=m power_kw=true 1")

    raw = (await read(theirs)).sort("timestamp")

    assert raw.select("reason", "detail").rows() == [
        ("not_a_number", "power_kw: must be a number, but is n/a"),
        ("not_a_number", "power_kw: must be a number, but is true"),
    ]
    assert '"power_kw":"n/a"' in raw["raw"][0]


async def test_a_field_that_changes_its_type_with_the_week_loses_no_value(theirs) -> None:
    """InfluxDB leaves out the values of the second type, of every series, and does not say so."""
    await put(
        theirs,
        "p,meter_id=a power_kw=1.5 86399",
        "p,meter_id=a power_kw=2i 86400",
        "p,meter_id=b power_kw=3i 86401",
    )

    raw = (await read(theirs, period=Period(T, T + 3 * DAY))).sort("timestamp")

    assert raw["power_kw"].to_list() == [1.5, 2.0, 3.0]


async def test_much_is_read_in_stretches_of_about_the_wanted_size(theirs) -> None:
    await put(theirs, *(f"p,meter_id=m{at % 7} power_kw={at} {at}" for at in range(20_000)))
    bucket = Bucket(theirs, Naming(), wanted=20_000)

    stretches = [stretch async for stretch in bucket.stretches(Period(T, T + 20_000 * SECOND))]

    assert max(stretch.raw.height for stretch in stretches) < 2000  # 4 × 20 kB
    assert sum(stretch.raw.height for stretch in stretches) == 20_000
    assert stretches[-1].until_utc == T + 20_000 * SECOND
    every = pl.concat([stretch.raw for stretch in stretches], how="diagonal_relaxed")
    assert every["power_kw"].sum() == sum(range(20_000))
    assert len({stretch.sha256 for stretch in stretches}) == len(stretches)


async def test_the_period_holds_its_start_and_not_its_end(theirs) -> None:
    await put(theirs, *(f"p,meter_id=m power_kw={at} {at}" for at in range(4)))

    raw = await read(theirs, period=Period(T + SECOND, T + 3 * SECOND))

    assert raw["power_kw"].to_list() == [1.0, 2.0]


async def test_the_earliest_is_that_of_all_fields_and_types(theirs) -> None:
    bucket = Bucket(theirs, Naming())
    assert await bucket.earliest() is None
    await put(theirs, "p,meter_id=a power_kw=1.5 604800", 'q,meter_id=b power_kw="x" 0')
    await put(theirs, "p,meter_id=a power_kw=2i -604800", "p,meter_id=a other=1 -999999")

    assert await bucket.earliest() == T - 604_800 * SECOND


def test_a_bucket_is_named_by_its_place() -> None:
    def name(url: str, measurement: str | None = None) -> str:
        place = Place(url=url, token="secret", org="o", bucket="b")
        return Bucket(Influx(place), Naming(measurement=measurement)).name

    assert name("http://user:pw@influx:8086/") == "influxdb:influx:8086/o/b"
    assert name("https://influx", "power") == "influxdb:influx/o/b/power"


async def test_who_stops_reading_halfway_leaves_nothing_behind(theirs) -> None:
    await put(theirs, *(f"p,meter_id=m power_kw={at} {3600 * at}" for at in range(50)))
    bucket = Bucket(theirs, Naming())

    stretches = bucket.stretches(Period(T, T + 2 * DAY))
    await anext(stretches)
    await stretches.aclose()

    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("wrong", [{"token": "wrong"}, {"bucket": "nothing"}, {"org": "nobody"}])
async def test_what_is_set_wrong_is_told(theirs, wrong: dict[str, str]) -> None:
    about = {name: getattr(theirs.place, name) for name in ("url", "token", "org", "bucket")}
    (setting,) = wrong
    async with server.opened(Place(**(about | wrong))) as opened:
        bucket = Bucket(opened, Naming())
        with pytest.raises(UnavailableError, match=f"see INFLUXDB_{setting.upper()}"):
            await bucket.earliest()
        with pytest.raises(UnavailableError, match=f"see INFLUXDB_{setting.upper()}"):
            async for _ in bucket.stretches(EVER):
                pass


async def test_a_server_that_is_stopped_and_started_goes_on_where_it_was(own_influxdb) -> None:
    own = own_influxdb()
    with own.fresh() as name:
        place = Place(url=own.url, token=own.token, org=own.org, bucket=name)
        async with server.opened(place, patience_s=30) as theirs:
            await put(theirs, *(f"p,meter_id=m power_kw={at} {3600 * at}" for at in range(100)))
            found: list[pl.DataFrame] = []
            async for stretch in Bucket(theirs, Naming()).stretches(Period(T, T + 5 * DAY)):
                if not found:
                    await asyncio.to_thread(own.server.stop)
                    starting = asyncio.create_task(asyncio.to_thread(own.server.start))
                found.append(stretch.raw)
            await starting
        every = pl.concat(found, how="diagonal_relaxed")
        assert sorted(every["power_kw"]) == [float(at) for at in range(100)]


async def test_every_question_is_valid_flux(flux_is_valid) -> None:
    asked: list[str] = []

    class Silent(Influx):
        async def query(self, flux: str, **options: Any) -> bytes:
            asked.append(flux)
            return b""

        async def shard_s(self) -> int:
            return 86_400

    naming = Naming(measurement='m "1"', meter_tag="my ${tag}", fields={'f\\"': "power_kw"})
    silent = Silent(Place(url="http://127.0.0.1:9", token="t", org="o", bucket='a"b'))
    bucket = Bucket(silent, naming)
    await bucket.earliest()
    async for _ in bucket.stretches(Period(T, T + DAY)):
        pass
    await silent.close()

    assert len(asked) > 2
    for query in asked:
        assert flux_is_valid(query)


def test_an_answer_without_rows_has_the_columns_of_raw_readings() -> None:
    assert points.rows(b"\r\n", Naming()).is_empty()

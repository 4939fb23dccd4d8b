"""What fails in passing is tried again; what does not is told with the setting to look at."""

import asyncio
import gzip
import json
import time

import pytest
from tests.clients.conftest import answer

from wattbook.clients.influxdb import answers, server
from wattbook.clients.influxdb.server import Place
from wattbook.clients.influxdb.steps import TooLongError
from wattbook.core.errors import UnavailableError

POINT = b"m,a=b v=1 1767225600000000"
ALL = 'from(bucket: "{}") |> range(start: 2000-01-01T00:00:00Z)'
DONE = answer("204 No Content")


def refusal(status: str, message: str, *headers: str) -> bytes:
    return answer(status, json.dumps({"code": "x", "message": message}).encode(), *headers)


async def test_points_are_sent_compressed_and_can_be_asked_for(influx) -> None:
    await influx.write(POINT)

    told = await influx.query(ALL.format(influx.place.bucket))

    found = answers.decode(
        told, ["_time", "_value", "_field", "_measurement", "a", "_start", "_stop"]
    )
    assert found.select("_time", "_value", "_field", "a").rows() == [
        ("2026-01-01T00:00:00Z", "1", "v", "b")
    ]


# --- a real server -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"token": "wrong"}, "INFLUXDB_TOKEN"),
        ({"org": "nobody"}, "INFLUXDB_ORG"),
        ({"bucket": "nothing"}, "INFLUXDB_BUCKET"),
    ],
)
async def test_a_setting_that_is_wrong_is_named_at_once(influx, wrong, setting: str) -> None:
    about = {"url": influx.place.url, "token": influx.place.token, "org": influx.place.org}
    place = Place(**{**about, "bucket": influx.place.bucket, **wrong})
    began, patience_s = time.monotonic(), 60
    async with server.opened(place, patience_s=patience_s) as opened:
        with pytest.raises(UnavailableError, match=f"see {setting}"):
            await opened.query(ALL.format(place.bucket))
        with pytest.raises(UnavailableError, match=f"see {setting}"):
            await opened.write(POINT)
    assert time.monotonic() - began < patience_s  # neither of the two was tried again


async def test_a_failure_after_the_first_rows_is_noticed_though_http_says_success(influx) -> None:
    await influx.write(b'm v=1 1767225600000000\nm t="text" 1767225600000000')

    told = await influx.query(ALL.format(influx.place.bucket) + " |> group()")

    with pytest.raises(UnavailableError, match=r"cannot group .* types together"):
        answers.decode(told, ["_start", "_stop", "_time", "_value", "_field", "_measurement"])


async def test_an_answer_that_is_too_long_is_given_up(influx) -> None:
    await influx.write(b"\n".join(b"m v=1 %d" % (1767225600000000 + at) for at in range(1000)))

    with pytest.raises(TooLongError):
        await influx.query(ALL.format(influx.place.bucket), most=10_000)
    assert len(await influx.query(ALL.format(influx.place.bucket), most=10_000_000)) > 10_000


async def test_a_wrong_query_is_told_in_the_server_s_words(influx) -> None:
    with pytest.raises(UnavailableError, match="undefined identifier nonsense"):
        await influx.query("nonsense")


# --- a server that is not well -----------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        None,
        answer("503 Service Unavailable"),
        refusal("500 Internal Server Error", "unexpected EOF"),
        refusal("429 Too Many Requests", "slow down"),
        b"HTTP/1.1 204 No Content\r\nContent-Le",
    ],
    ids=["cut off", "503", "500", "429", "torn"],
)
async def test_what_fails_in_passing_is_tried_again_and_nobody_hears_of_it(scripted, first) -> None:
    script, way = scripted
    script.answers = [first, first, DONE]

    await way().write(POINT)

    assert len(script.requests) == 3
    bodies = {request.partition(b"\r\n\r\n")[2] for request in script.requests}
    assert [gzip.decompress(body) for body in bodies] == [POINT]


async def test_an_answer_that_ends_halfway_is_asked_for_again(scripted) -> None:
    script, way = scripted
    whole = b",result,table,_value\r\n,_result,0,1\r\n"
    torn = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n,resu\r\n"
    script.answers = [torn, answer("200 OK", whole)]

    assert await way().query("q") == whole


async def test_a_server_that_asks_for_time_gets_it(scripted) -> None:
    script, way = scripted
    script.answers = [refusal("429 Too Many Requests", "later", "Retry-After: 1"), DONE]
    began = time.monotonic()

    await way().write(POINT)

    assert time.monotonic() - began >= 1


async def test_patience_ends_with_the_server_s_words(scripted) -> None:
    script, way = scripted
    script.answers = [refusal("503 Service Unavailable", "the disk is full")] * 99

    with pytest.raises(UnavailableError, match="503: the disk is full"):
        await way(patience_s=0.3).write(POINT)
    assert len(script.requests) > 1


async def test_nobody_waits_longer_than_their_patience_for_what_a_server_asks(scripted) -> None:
    script, way = scripted
    script.answers = [refusal("503 Service Unavailable", "maintenance", "Retry-After: 3600")]

    with pytest.raises(UnavailableError, match="maintenance"):
        await asyncio.wait_for(way(patience_s=1).write(POINT), 600)


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "413 Payload Too Large", "422 Unprocessable"]
)
async def test_what_will_be_refused_again_is_not_sent_again(scripted, status: str) -> None:
    script, way = scripted
    script.answers = [refusal(status, "partial write: field type conflict dropped=1")]

    with pytest.raises(UnavailableError, match="field type conflict"):
        await way().write(POINT)
    assert len(script.requests) == 1


async def test_who_is_no_influxdb_is_told_as_such(scripted) -> None:
    script, way = scripted
    script.answers = [answer("404 Not Found", b"<html>not\n here</html>")]

    with pytest.raises(UnavailableError, match=r"404: <html>not here</html>; see INFLUXDB_URL"):
        await way().query("q")


@pytest.mark.parametrize("status", ["520 Web Server Returned", "799 Odd"])
async def test_a_status_that_nobody_knows_is_told_too(scripted, status: str) -> None:
    script, way = scripted
    script.answers = [answer(status, b"odd")] * 9

    with pytest.raises(UnavailableError, match=f"{status[:3]}: odd"):
        await way(patience_s=0.1).write(POINT)


@pytest.mark.parametrize("token", ["s3cret\nx", "s3crét"])
async def test_a_token_that_cannot_be_sent_is_named_and_not_shown(scripted, token: str) -> None:
    _, way = scripted
    place = Place(url=way().place.url, token=token, org="o", bucket="b")
    with pytest.raises(UnavailableError, match="INFLUXDB_TOKEN") as caught:
        async with server.opened(place, patience_s=0.1) as opened:
            await opened.write(POINT)
    assert "s3cr" not in str(caught.value)


async def test_an_address_that_cannot_be_meant_is_named() -> None:
    with pytest.raises(UnavailableError, match="INFLUXDB_URL"):
        async with server.opened(Place(url="http://a:b:c", token="t", org="o", bucket="b")):
            pass


async def test_nobody_at_the_address_is_told_with_the_address() -> None:
    place = Place(url="http://127.0.0.1:9", token="secret", org="o", bucket="b")
    async with server.opened(place, patience_s=0.1) as nobody:
        with pytest.raises(UnavailableError, match=r"127.0.0.1:9 .*see INFLUXDB_URL") as caught:
            await nobody.query("q")
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(place)

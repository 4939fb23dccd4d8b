"""A cursor goes on where a page of the same list, under the same filters, left off."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import permutations

import httpx
import pytest
from tests.api.test_jobs import JOBS, serving, take_in

from wattbook.core.paging import Listing
from wattbook.core.periods import EPOCH

A = "/api/v1"
SPAN = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "grain": "15min"}
LISTS = {
    "sites": f"{A}/sites",
    "jobs": JOBS,
    "reports": f"{A}/reports",
    "forecasts": f"{A}/forecast/runs",
    "tombstones": f"{A}/tombstones",
    "rollups": f"{A}/metrics",
}


@pytest.fixture
async def client(tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(tmp_path) as client:
        await take_in(client, 10, 20, 30)
        for _ in range(3):
            await client.post(JOBS, json={"kind": "aggregate"})
        yield client


def asked(name: str) -> dict[str, str]:
    return dict(SPAN) if name == "rollups" else {}


def cursor_of(name: str) -> str:
    words = {"sites": 0, "tombstones": 3}.get(name, 1)
    listing = Listing(name, {}, words)
    return listing.after("a") if name == "sites" else listing.after(EPOCH, *"abc"[:words])


@pytest.mark.slow
async def test_a_cursor_of_one_list_is_none_of_another(client) -> None:
    for name, other in permutations(LISTS, 2):
        answer = await client.get(LISTS[other], params=asked(other) | {"cursor": cursor_of(name)})

        assert answer.status_code == 422, (name, other)
        (fault,) = answer.json()["errors"]
        assert (fault["field"], fault["reason"]) == ("cursor", "bad_cursor")
        assert f"list of {name}, not of {other}" in fault["detail"]


@pytest.mark.slow
async def test_a_cursor_of_the_list_itself_is_taken(client) -> None:
    for name in LISTS.keys() - {"rollups"}:  # which cannot be asked without a filter, the period
        answer = await client.get(LISTS[name], params={"cursor": cursor_of(name)})

        assert answer.status_code == 200, answer.text


NEW_YEAR = {"since": "2026-01-01T00:00:00Z"}
SAME = {"since": "2026-01-01T01:00:00+01:00"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "filters", "same", "others"),
    [
        (JOBS, {}, {"limit": 2}, {"kind": "aggregate"}),
        (JOBS, {"kind": "aggregate"}, {"kind": "aggregate"}, {}),
        (JOBS, NEW_YEAR, SAME, {"since": "2026-01-02T00:00:00Z"}),
        (LISTS["rollups"], SPAN, SPAN, {**SPAN, "grain": "hour"}),
    ],
)
async def test_a_cursor_belongs_to_its_filters(client, path, filters, same, others) -> None:
    cursor = (await client.get(path, params={**filters, "limit": 1})).json()["cursor"]

    again = await client.get(path, params={**same, "cursor": cursor})
    other = await client.get(path, params={**others, "cursor": cursor})

    assert cursor is not None
    assert (again.status_code, other.status_code) == (200, 422)
    assert other.json()["errors"][0]["field"] == "cursor"
    assert "other filters" in other.json()["detail"]


def test_what_a_cursor_says_can_be_read_again() -> None:
    listing = Listing("tombstones", {"owner": "a\nb", "since": None}, 2)
    at = EPOCH + timedelta(microseconds=1)

    assert listing.read_dated(listing.after(at, "a", "b\nc ⚡")) == (at, "a", "b\nc ⚡")

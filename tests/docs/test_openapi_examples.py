"""What `/docs` shows as an example of a body or an answer is what the service takes and gives.

The examples are recorded anew, from the requests of `docs/api.md`, by
`UPDATE_DOCS=1 pytest tests/docs/test_openapi_examples.py`.
"""

import asyncio
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.docs.test_api_examples import Message, MinuteClock, Story, client_of, pairs

import wattbook.api
from wattbook.api import description
from wattbook.api.app import create_app
from wattbook.settings import Settings

FILE = Path(wattbook.api.__file__).parent / description.FILE
MAX_ITEMS: Final = 2
"""So many items of a list make an example."""
MAX_TEXT: Final = 400
JSON: Final = "application/json"
BINARY: Final = ("application/vnd.apache.parquet", "application/vnd.apache.arrow.stream")
DAY: Final = datetime(2025, 12, 1, tzinfo=UTC)
LINES: Final = [
    json.dumps(
        {
            "site_id": "hill-1",
            "timestamp": f"{DAY + timedelta(hours=hour):%FT%TZ}",
            "energy_kwh": 1000 + hour,
        }
    )
    for hour in range(3)
]
GRID: Final = {
    "text/csv": "zone,start,price_per_mwh,currency\nNO1,2026-01-01T00:00:00Z,41.5,EUR\n",
    "application/x-ndjson": '{"zone": "NO1", "start": "2026-01-01T01:00:00Z", "load_mw": 4100}\n',
}
REVIEW: Final = {"state": "explained", "note": "works on the grid", "by": "control room"}
COMPUTED: Final = (
    "GET /api/v1/forecast/backtest",
    "GET /api/v1/forecast/hashrate",
    "GET /api/v1/forecast/runs/{run_id}/history",
    "GET /api/v1/anomalies/{finding_id}",
    "PATCH /api/v1/anomalies/{finding_id}",
)
"""Their answers come from models that take a while; `docs/api.md` describes their fields."""
pytestmark = pytest.mark.slow


def short(value: Any) -> Any:
    """The beginning of a document."""
    if isinstance(value, dict):
        return {name: short(each) for name, each in value.items()}
    if isinstance(value, list):
        return [short(each) for each in value[:MAX_ITEMS]]
    return value[:MAX_TEXT] if isinstance(value, str) else value


def alike(one: Any, other: Any) -> bool:
    """Whether two documents have the same fields; values change from run to run."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return all(map(alike, one, other))
    return True  # a number, a text, or null: a job may have ended by now, or not


def read(media: str, text: str) -> Any:
    return short(json.loads(text)) if media == JSON else text[:MAX_TEXT]


def route_of(names: list[str], asked: str) -> str:
    """The operation that a request is for: the one with the fewest parameters that fits."""
    method, path = asked.split("?", maxsplit=1)[0].split(" ", 1)
    fits = [
        name
        for name in sorted(names, key=lambda each: each.count("{"))
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", name), f"{method} {path}")
    ]
    assert fits, asked
    return fits[0]


def media_of(headers: httpx.Headers | dict[str, str], default: str = "") -> str:
    named = {name.lower(): value for name, value in headers.items()}
    return named.get("content-type", default).split(";")[0]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The first good answer of each operation, and the body that it was for."""
    return asyncio.run(record(tmp_path_factory.mktemp("examples")))


async def record(folder: Path) -> dict[str, dict[str, Any]]:
    clock, story = MinuteClock(), Story()
    app = create_app(Settings(data_dir=folder, rollup_idle_s=600), clock)
    names = [name for name, _ in description.operations(app.openapi())]
    found: dict[str, dict[str, Any]] = {}
    async with client_of(app) as client:
        for asked, _ in pairs():
            answer = await sent(client, asked, story)
            clock.at += timedelta(minutes=1)
            story.keep(answer)
            keep(found, names, asked, answer, story)
        async for asked, answer in beyond(client, story):
            keep(found, names, asked, answer, story)
    return found


async def beyond(
    client: httpx.AsyncClient, story: Story
) -> AsyncIterator[tuple[Message, httpx.Response]]:
    """Bodies of more types than the page shows."""

    async def ask(first: str, body: str = "", media: str = JSON) -> tuple[Message, httpx.Response]:
        asked = Message(0, first, {"Content-Type": media}, body)
        answer = await sent(client, asked, story)
        assert answer.is_success, (first, answer.text)
        story.keep(answer)
        return asked, answer

    site = {"id": "hill-1", "name": "Hill 1", "operator": "alder", "timezone": "UTC"}
    about = {"zone": "NO1", "telemetry": "interval", "expected_interval_s": 3600}
    yield await ask("POST /api/v1/sites", json.dumps(site | about | {"capacity_kw": 2000}))
    yield await ask("POST /api/v1/ingest/telemetry", "\n".join(LINES), "application/x-ndjson")
    for media, rows in GRID.items():
        yield await ask("POST /api/v1/ingest/grid", rows, media)
    review = Message(
        0, f"PATCH /api/v1/anomalies/{'0' * 32}", {"Content-Type": JSON}, json.dumps(REVIEW)
    )
    yield review, await sent(client, review, story)


def keep(
    found: dict[str, dict[str, Any]],
    names: list[str],
    asked: Message,
    answer: httpx.Response,
    story: Story,
) -> None:
    if answer.is_success or answer.status_code == HTTPStatus.NOT_FOUND:
        own = found.setdefault(
            route_of(names, story.fill(asked.first)), {"bodies": {}, "answers": {}}
        )
        add(own, asked, answer)


async def sent(client: httpx.AsyncClient, asked: Message, story: Story) -> httpx.Response:
    method, path = story.fill(asked.first).split(" ", 1)
    headers = {name: story.fill(value) for name, value in asked.headers.items()}
    return await client.request(method, path, headers=headers, content=asked.body.encode())


def add(own: dict[str, Any], asked: Message, answer: httpx.Response) -> None:
    if asked.body:
        media = media_of(asked.headers, JSON)
        own["bodies"].setdefault(media, read(media, asked.body))
    media = media_of(answer.headers)
    if answer.is_success and answer.content and (media == JSON or media.startswith("text/")):
        status = own["answers"].setdefault(str(answer.status_code), {})
        status.setdefault(media, read(media, answer.text.replace(socket.gethostname(), "host")))


def test_the_examples_are_what_the_service_takes_and_gives(recorded) -> None:
    if os.environ.get("UPDATE_DOCS"):
        FILE.write_text(
            json.dumps(recorded, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8"
        )

    shown = json.loads(FILE.read_text(encoding="utf-8"))

    assert shown.keys() == recorded.keys()
    assert [name for name in shown if not alike(shown[name], recorded[name])] == []


def without_example(schema: dict[str, Any]) -> Iterator[str]:
    """Bodies of text and answers as JSON that have no example."""
    for name, operation in description.operations(schema):
        places = [("body", operation.get("requestBody", {}))]
        places += [
            (status, answer)
            for status, answer in operation["responses"].items()
            if status.startswith("2")
        ]
        for place, each in places:
            for media, content in each.get("content", {}).items():
                text = media == JSON if place != "body" else media not in BINARY
                computed = name in COMPUTED and place != "body"
                if text and "example" not in content and not computed:
                    yield f"{name} {place} {media}"


def test_every_body_and_answer_has_an_example(tmp_path: Path) -> None:
    schema = create_app(Settings(data_dir=tmp_path)).openapi()

    assert sorted(without_example(schema)) == []


def test_every_part_of_the_api_is_described(tmp_path: Path) -> None:
    schema = create_app(Settings(data_dir=tmp_path)).openapi()

    used = {tag for _, operation in description.operations(schema) for tag in operation["tags"]}
    assert used == set(description.TAGS)
    summaries = dict(description.operations(schema))["POST /api/v1/ingest/telemetry"]["summary"]
    assert summaries.startswith("Ingest a batch of readings"), summaries
    assert [each["name"] for each in schema["tags"]] == list(description.TAGS)

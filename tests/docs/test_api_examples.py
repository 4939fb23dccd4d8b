"""Every request in docs/api.md gets the answer that stands below it."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from wattbook.api.app import create_app
from wattbook.api.problems import STATUS
from wattbook.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
START = datetime(2026, 1, 2, tzinfo=UTC)
ANY = "…"
KEPT = ("batch_id", "cursor", "etag", "job_id", "run_id")


@dataclass
class MinuteClock:
    """Goes on by one minute with each request, as the page says."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at


@dataclass
class Message:
    """A request or an answer as the page shows it."""

    line: int
    first: str
    headers: dict[str, str]
    body: str


@dataclass
class Story:
    """What the answers so far have given, for the requests to come."""

    known: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        for name, value in self.known.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def keep(self, answer: httpx.Response) -> None:
        if "etag" in answer.headers:
            self.known["etag"] = answer.headers["etag"]
        if answer.headers.get("content-type", "").startswith("application/json"):
            document = answer.json()
            if isinstance(document, dict):
                self.known |= {name: document[name] for name in KEPT if document.get(name)}


def messages() -> list[Message]:
    found = []
    for block in BLOCK.finditer(PAGE):
        head, _, body = block[1].partition("\n\n")
        first, *lines = head.strip().split("\n")
        headers = dict(line.split(": ", 1) for line in lines)
        found.append(Message(PAGE.count("\n", 0, block.start()) + 1, first, headers, body))
    return found


def pairs() -> list[tuple[Message, Message]]:
    every = messages()
    asked, told = every[::2], every[1::2]
    assert len(asked) == len(told)
    return list(zip(asked, told, strict=True))


def fits(want: Any, have: Any) -> bool:
    """Whether `have` is what is wanted; `…` stands for anything, or for more of the same."""
    if want == ANY:
        return True
    if isinstance(want, dict) and isinstance(have, dict):
        more = ANY in want
        named = {name: value for name, value in want.items() if name != ANY}
        if not more and named.keys() != have.keys():
            return False
        return all(name in have and fits(value, have[name]) for name, value in named.items())
    if isinstance(want, list) and isinstance(have, list):
        if want and want[-1] == ANY:
            want, have = want[:-1], have[: len(want) - 1]
        return len(want) == len(have) and all(map(fits, want, have))
    if isinstance(want, float | int) and isinstance(have, float | int):
        return bool(want == pytest.approx(have, rel=1e-12))
    return bool(want == have)


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service in this process, from its start to its end."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://wattbook",
        ) as client,
    ):
        yield client


def difference(told: Message, answer: httpx.Response, story: Story) -> str | None:
    """What about the answer is not as the page says."""
    if f"{answer.status_code} {answer.reason_phrase}" != told.first:
        return "status"
    for name, value in told.headers.items():
        if not fits(story.fill(value), answer.headers.get(name)):
            return f"{name}: {answer.headers.get(name)}"
    if "json" in answer.headers.get("content-type", ""):
        return None if fits(json.loads(told.body), answer.json()) else "body"
    return None if told.body.strip() in (ANY, answer.text.strip()) else "body"


@pytest.mark.slow
async def test_every_request_gets_the_answer_below_it(tmp_path: Path) -> None:
    clock, story, wrong = MinuteClock(), Story(), []
    app = create_app(Settings(data_dir=tmp_path, rollup_idle_s=600), clock)
    async with client_of(app) as client:
        for asked, told in pairs():
            method, path = story.fill(asked.first).split(" ", 1)
            headers = {name: story.fill(value) for name, value in asked.headers.items()}
            answer = await client.request(
                method, path, headers=headers, content=asked.body.encode()
            )
            clock.at += timedelta(minutes=1)
            if what := difference(told, answer, story):
                wrong.append(f"docs/api.md:{told.line}: {what}: {answer.status_code} {answer.text}")
            story.keep(answer)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_every_endpoint_has_an_example(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path))
    shown = [tuple(asked.first.split("?")[0].split(" ", 1)) for asked, _ in pairs()]
    missing = [
        f"{method.upper()} {path}"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if not any(
            method.upper() == how and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), where)
            for how, where in shown
        )
    ]
    assert missing == []


def test_the_status_table_is_that_of_the_code() -> None:
    section = PAGE.split("## Errors", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", section, re.MULTILINE)
    listed = {
        name: int(status) for status, names in rows for name in re.findall(r"`(\w+Error)`", names)
    }
    assert listed == {error.__name__: status for error, status in STATUS.items()}

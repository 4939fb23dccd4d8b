"""A bucket of a real server, and a server that answers as a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from wattbook.clients.influxdb import server
from wattbook.clients.influxdb.server import Influx, Place


@pytest.fixture
async def influx(influxdb, bucket) -> AsyncIterator[Influx]:
    place = Place(url=influxdb.url, token=influxdb.token, org=influxdb.org, bucket=bucket)
    async with server.opened(place) as opened:
        yield opened


@dataclass
class Script:
    """Answers to come, each as it goes over the wire; none: the connection is cut off."""

    answers: list[bytes | None] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    talks: set[asyncio.Task[None] | None] = field(default_factory=set)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.talks.add(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                )
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
                if b"content-length" not in answer.lower():
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[Script, Callable[..., Influx]]]:
    """What the server is to answer, and a way to it."""
    script = Script()
    listening = await asyncio.start_server(script.talk, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    place = Place(url=f"http://127.0.0.1:{port}", token="t", org="o", bucket="b")
    made: list[Influx] = []

    def way(patience_s: float = 5.0) -> Influx:
        made.append(Influx(place, patience_s=patience_s))
        return made[-1]

    yield script, way
    for each in made:
        await each.close()
    listening.close()
    await asyncio.gather(*filter(None, script.talks))

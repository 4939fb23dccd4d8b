"""HTTP/1.1 as uvicorn speaks it, with limits on the head and the pace of a request.

A request that never ends would hold its connection, and what was read of it, for ever.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 << 10
"""Of the request line and all headers; browsers and proxies stay below 32 KiB."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long [s] a client may take to send a request."""

    head_s: float
    """From its first byte, or from connecting, to the end of its headers."""
    idle_s: float
    """Between two pieces of its body, while the service waits for them."""
    body_s: float
    """From its first byte to the end of its body."""


class LimitedProtocol(HttpToolsProtocol):
    """Answers 431 to a head that is too long, and 408 to a request that stops half-way."""

    deadlines: ClassVar[Deadlines]
    _head_bytes = 0
    _in_head = True
    _in_body = False
    _began = _latest = 0.0
    _check: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a client that connects and says nothing is waited for as well."""
        super().connection_made(transport)
        self._began = self._latest = self.loop.time()
        self._check = self.loop.call_later(self.deadlines.head_s, self._check_pace)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of the head while they come."""
        self._latest = self.loop.time()
        if not (self._in_head or self._in_body):
            self._begin_head()
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431)

    def on_message_begin(self) -> None:
        """Begin another request: several may come in one piece of data."""
        super().on_message_begin()
        if not self._in_head:
            self._begin_head()

    def on_headers_complete(self) -> None:
        """Refuse a head that came in one piece and is too long."""
        self._in_head, self._in_body = False, True
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD_BYTES:
            self._refuse(431)
            raise ValueError("the head is too long")  # ends the parser; nothing is answered twice
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the clock until the next request."""
        self._in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless another answer was given."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _begin_head(self) -> None:
        self._in_head, self._head_bytes, self._began = True, 0, self._latest

    def _check_pace(self) -> None:
        """Close the connection where a deadline has passed; else look again at the next one."""
        if self.transport.is_closing():
            return
        now = self.loop.time()
        due = now + self.deadlines.head_s
        if self._in_head:
            due = self._began + self.deadlines.head_s
        elif self._in_body and not self.flow.read_paused:  # paused: it is us who are slow
            due = min(self._latest + self.deadlines.idle_s, self._began + self.deadlines.body_s)
        if due <= now:
            self._refuse(408)
        else:
            self._check = self.loop.call_at(due, self._check_pace)

    def _refuse(self, status: int) -> None:
        """Answer where nothing was answered yet, and close."""
        if self.transport.is_closing():
            return
        if self._head_bytes and not getattr(self.cycle, "response_started", False):
            document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
            body = orjson.dumps(document | {"detail": DETAILS[status], "errors": []})
            head = f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
            rest = f"{head}connection: close\r\n\r\n".encode()
            self.transport.write(STATUS_LINE[status] + rest + body)
        self.transport.close()


DETAILS: Final = {
    408: "the rest of the request did not come in time",
    431: f"request line and headers are longer than {MAX_HEAD_BYTES >> 10} KiB",
}


def limited(deadlines: Deadlines) -> type[LimitedProtocol]:
    """The protocol with these deadlines, as uvicorn takes it."""
    return type("LimitedProtocol", (LimitedProtocol,), {"deadlines": deadlines})

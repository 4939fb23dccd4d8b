"""Between a client and PostgreSQL: passes everything on, and cuts the connection where it hurts."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, Self
from urllib.parse import urlsplit

When = Literal["before", "after", "meanwhile"]
"""A connection is cut before a commit reaches the server; after it was carried out, before the
client hears of it; or at once, and the server carries it out a moment later."""
MOMENT_S = 0.6
PIECE = 1 << 16
SYNC = b"S\0\0\0\4"
ENCRYPTION = (80877103, 80877104)
"""Requests for it come before the first message proper."""


def cut(connection: socket.socket) -> None:
    """End it as a broken wire would."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
    connection.close()


class Messages:
    """What a client says, put together from pieces."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False

    def of(self, piece: bytes) -> Iterator[bytes]:
        self._rest += piece
        while message := self._next():
            yield message

    def _next(self) -> bytes:
        kind = int(self._begun)  # the first message has no letter before its length
        if len(self._rest) < kind + 4:
            return b""
        (length,) = struct.unpack_from("!I", self._rest, kind)
        if len(self._rest) < kind + length:
            return b""
        message, self._rest = self._rest[: kind + length], self._rest[kind + length :]
        if not self._begun:
            self._begun = struct.unpack_from("!I", message, 4)[0] not in ENCRYPTION
        return message


class Wire:
    """One connection through the proxy, in a thread for each direction."""

    def __init__(self, proxy: "Proxy", client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self._silent = False
        self._committed = threading.Event()
        self._said = b""
        """The beginnings of what was said since the transaction began."""
        self._parsed = b""
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for run in (self._ask, self._answer):
            threading.Thread(target=run, daemon=True).start()

    def cut(self) -> None:
        cut(self.client)
        cut(self.server)

    def _ask(self) -> None:
        messages = Messages()
        with suppress(OSError):
            while piece := self.client.recv(PIECE):
                for message in messages.of(piece):
                    if when := self._is_due(message):
                        self._commit(when, message)
                        return
                    self.server.sendall(message)
        self.cut()

    def _is_due(self, message: bytes) -> When | None:
        """How the connection is to be cut at this message, if at all."""
        if message[:1] == b"P":  # parse: a name, a statement, each ended by zero
            self._parsed = message[5:].split(b"\0")[1]
        if self._parsed == b"begin":
            self._said = b""
        self._said += message[:200]
        carry_out = message[:1] == b"E" and self._parsed == b"commit"
        return self.proxy.due(self._said) if carry_out else None

    def _commit(self, when: When, message: bytes) -> None:
        self._silent = True
        if when == "meanwhile":
            cut(self.client)
            time.sleep(MOMENT_S)
        if when != "before":
            self.server.sendall(message + SYNC)
            assert self._committed.wait(30)
        self.cut()

    def _answer(self) -> None:
        with suppress(OSError):
            while piece := self.server.recv(PIECE):
                if self._silent:
                    if b"COMMIT\0" in piece:
                        self._committed.set()
                    continue
                self.client.sendall(self.proxy.let_through(piece))
        if not self._silent:
            self.cut()


class Proxy:
    """Takes on a port of its own what is meant for the server at a URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.port is not None
        self._port = parts.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        login = parts.netloc.rpartition("@")[0]
        place = f"{login}@127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = parts._replace(netloc=place, query="sslmode=disable").geturl()
        self.cuts = 0
        """How many connections were cut as it was asked for."""
        self._plan: tuple[When, bytes] | None = None
        self._bytes: int | None = None
        self._refuses = False
        self._wires: list[Wire] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_commit(self, when: When, *, of: str) -> None:
        """Cut the next connection that commits a transaction in which it said `of`."""
        self._plan = (when, of.encode())

    def cut_answers(self, *, after_bytes: int) -> None:
        """Cut the connection that gets the last of so many more bytes."""
        self._bytes = after_bytes

    def refuse(self) -> None:
        """Cut every connection, and those that come."""
        self._refuses = True
        self.cut_all()

    def accept(self) -> None:
        """Let connections through again."""
        self._refuses = False

    def cut_all(self) -> None:
        """Cut every connection that there is."""
        for wire in self._wires:
            wire.cut()

    def due(self, said: bytes) -> When | None:
        if self._plan is None or self._plan[1] not in said:
            return None
        (when, _), self._plan = self._plan, None
        self.cuts += 1
        return when

    def let_through(self, piece: bytes) -> bytes:
        if self._bytes is not None:
            self._bytes -= len(piece)
            if self._bytes <= 0:
                self._bytes = None
                self.cuts += 1
                raise OSError("cut")
        return piece

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._refuses:
                    cut(client)
                    continue
                server = socket.create_connection(("127.0.0.1", self._port))
                self._wires.append(Wire(self, client, server))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()

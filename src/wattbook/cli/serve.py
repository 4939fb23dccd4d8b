"""Serves the HTTP API in the foreground."""

import logging
import os
import signal
import socket
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from wattbook import settings
from wattbook.cli import show
from wattbook.cli.http_protocol import Deadlines, limited
from wattbook.core.errors import UnavailableError
from wattbook.wiring import service_file

APP = "wattbook.api.app:from_environment"
GRACE_S = 10
"""Requests that run when the service is told to stop have so long to finish."""
BACKLOG = 2048


def listen_on(host: str | None, port: int | None) -> None:
    """Let these go before the environment; the application reads it when it starts."""
    if host is not None:
        os.environ["API_HOST"] = host
    if port is not None:
        os.environ["API_PORT"] = str(port)
    settings.load()  # a wrong one is told before any work is done


def serve() -> None:
    """Serve until SIGINT or SIGTERM.

    Raises
    ------
    UnavailableError
        The port or a store is taken.
    """
    wanted = settings.load()
    with _bound(wanted.api_host, wanted.api_port) as listener:
        host = f"[{wanted.api_host}]" if ":" in wanted.api_host else wanted.api_host
        config = uvicorn.Config(
            APP,
            factory=True,
            loop="auto",  # uvloop where there is one
            http=limited(_deadlines(wanted)),
            lifespan="on",
            access_log=False,
            log_config=None,
            log_level="warning",
            timeout_graceful_shutdown=GRACE_S,
            backlog=BACKLOG,
        )
        note = wanted.service_path if wanted.postgresql_url is None else None
        server = Server(config, f"http://{host}:{listener.getsockname()[1]}", note)
        try:
            server.run(sockets=[listener])
        finally:
            if note is not None:
                service_file.forget(note)
        if server.failure is not None:
            raise server.failure


def _deadlines(wanted: settings.Settings) -> Deadlines:
    return Deadlines(
        head_s=wanted.request_head_timeout_s,
        idle_s=wanted.request_idle_timeout_s,
        body_s=wanted.request_body_timeout_s,
    )


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        raise UnavailableError(
            f"cannot listen on {host} port {port}: {_why(error)}; stop what does,"
            " or choose another port with --port (0: any)"
        ) from error


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno is None:
        return str(error.strerror)
    return os.strerror(error.errno).lower()


class Server(uvicorn.Server):
    """Says when it is ready, and why it is not; stops quietly."""

    def __init__(self, config: uvicorn.Config, url: str, note: Path | None) -> None:
        super().__init__(config)
        self.url = url
        self.note = note
        self.failure: BaseException | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the stores, then say where the service is."""
        self.config.loaded_app = self._remembering(self.config.loaded_app)
        uvicorns_own = logging.getLogger("uvicorn.error")
        uvicorns_own.disabled = True  # a failure is ours to tell, in one line
        try:
            await super().startup(sockets)
        except SystemExit:
            self.should_exit = True
            return
        uvicorns_own.disabled = False
        if self.note is not None:
            service_file.note(self.note, self.url)
        show.say(f"wattbook serves {self.url} · try {self.url}/docs · Ctrl-C stops it")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- uvicorn's
        """Stop; at the second Ctrl-C without waiting for anybody."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    def _remembering(self, app: Any) -> Any:  # noqa: ANN401 -- ASGI applications have no one type
        async def remembering(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
            if scope["type"] != "lifespan":
                await app(scope, receive, send)
                return
            try:
                await app(scope, receive, send)
            except BaseException as error:
                self.failure = error
                raise

        return remembering

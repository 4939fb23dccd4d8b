"""One line of the log for each request, where events are logged at DEBUG."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()


class RequestLog:
    """Logs method, path, status and duration; never the query, which may hold a token."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log it when its answer begins."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()

        async def logged(message: Message) -> None:
            if message["type"] == "http.response.start":
                log.debug(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=message["status"],
                    seconds=round(time.perf_counter() - begun, 4),
                )
            await send(message)

        await self.app(scope, receive, logged)

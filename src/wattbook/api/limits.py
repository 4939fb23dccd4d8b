"""How large the body of a request may be, by route."""

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from wattbook.api import deps

MAX_DOCUMENT_BYTES: Final = 2 << 20
"""Of a site, a tariff, a job: a site with a thousand meters has some 200 KiB."""
MAX_SERIES_BYTES: Final = 8 << 20
"""Of a series that a caller sends: two years of quarter-hours have some 4 MiB."""


class DocumentRoute(APIRoute):
    """Reads a body within the limit, decompressed, before FastAPI parses it.

    FastAPI parses on the event loop, where every other request waits meanwhile.
    """

    max_bytes: ClassVar = MAX_DOCUMENT_BYTES

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler behind the limit."""
        handle = super().get_route_handler()

        async def within_limit(request: Request) -> Response:
            settings = (await deps.runtime(request)).settings
            whole = await deps.read_body(request, min(self.max_bytes, settings.body_limit))

            async def replay() -> dict[str, Any]:
                return {"type": "http.request", "body": whole, "more_body": False}

            return await handle(Request(request.scope, replay))

        return within_limit


class SeriesRoute(DocumentRoute):
    """The same for routes that take a series."""

    max_bytes: ClassVar = MAX_SERIES_BYTES

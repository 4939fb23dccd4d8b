"""Speaks to a service that runs elsewhere: what it answers, and its refusals as our errors."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

from wattbook import __version__
from wattbook.core import errors
from wattbook.core.errors import InputError, Problem, UnavailableError, WattbookError

Document = dict[str, Any]

CONNECT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 120.0
"""Seconds that an answer may take: a year of quarter-hours of a large site."""
ATTEMPTS: Final = 5
FIRST_DELAY_S: Final = 0.5
TOO_LARGE: Final = 413
UNPROCESSABLE: Final = 422
REFUSALS: Final[dict[int, type[WattbookError]]] = {
    400: errors.UndecodableError,
    404: errors.UnknownEntityError,
    409: errors.ConflictError,
    410: errors.RemovedError,
    413: errors.TooLargeError,
    415: errors.UnknownFormatError,
    422: InputError,
    501: errors.UnsupportedError,
    502: UnavailableError,  # of a proxy, before a service that is away
    503: UnavailableError,
    504: UnavailableError,
}
JSON: Final = "application/json"
CSV: Final = "text/csv"


class Service:
    """A service at an address. Its connection is kept until the block ends.

    Raises
    ------
    UnavailableError
        Nothing answers at the address, or no wattbook service does.
    """

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            detail = f"invalid --url {url!r}: must be the address of a service, as in {EXAMPLE}"
            raise InputError(detail, [Problem("bad_option", detail, field="url")])
        self.url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=f"{self.url}/api/v1",
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_S),
            headers={"User-Agent": f"wattbook/{__version__}"},
            follow_redirects=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Document:
        """The document at `path`; parameters that are None are left out."""
        document: Document = self._json(self.request("GET", path, query=query))
        return document

    def get_bytes(self, path: str, query: Mapping[str, object], accept: str) -> bytes:
        """What is at `path`, in the format `accept`."""
        return self.request("GET", path, query=query, accept=accept).content

    def send(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        """The JSON that the service answers to a body of JSON."""
        return self._json(self.request(method, path, body=json.dumps(body).encode()))

    def delete(self, path: str, query: Mapping[str, object]) -> Any:  # noqa: ANN401
        """The JSON that the service answers where something is deleted."""
        return self._json(self.request("DELETE", path, query=query))

    def upload(
        self,
        path: str,
        query: Mapping[str, object],
        body: bytes,
        media_type: str,
        say: Callable[[str], None],
    ) -> Document:
        """The receipt of a batch, also where all of its rows were refused.

        Sent again where the connection breaks or the service is away: a row that is known
        already counts as a duplicate and is not stored twice.
        """
        pause_s = FIRST_DELAY_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._ask("POST", path, query=query, body=body, media_type=media_type)
                if answer.status_code == UNPROCESSABLE and "batch_id" in answer.text:
                    receipt: Document = answer.json()
                    return receipt
                document: Document = self._json(self._checked(answer))
            except UnavailableError as error:
                if attempt == ATTEMPTS:
                    raise
                say(f"{error}; sending the batch again in {pause_s:g} s")
                time.sleep(pause_s)
                pause_s *= 2
            else:
                return document
        raise AssertionError  # the last attempt returned or raised

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
        accept: str = JSON,
    ) -> httpx.Response:
        """The answer to a request that was not refused."""
        return self._checked(
            self._ask(method, path, query=query, body=body, media_type=JSON, accept=accept)
        )

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None,
        body: bytes | None,
        media_type: str,
        accept: str = JSON,
    ) -> httpx.Response:
        named = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = media_type
        with self._reached():
            return self._client.request(method, path, params=named, content=body, headers=headers)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise UnavailableError(f"{self.url} did not answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnavailableError(f"no service answers at {self.url}: {error}") from error

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        detail, problems = _told(answer)
        raise REFUSALS.get(answer.status_code, WattbookError)(detail, problems)

    def _json(self, answer: httpx.Response) -> Any:  # noqa: ANN401 -- whatever JSON can hold
        try:
            return answer.json()
        except ValueError as error:
            raise UnavailableError(
                f"{self.url} is not a wattbook service: its answer is not JSON"
            ) from error


EXAMPLE: Final = "http://127.0.0.1:8000"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _told(answer: httpx.Response) -> tuple[str, list[Problem]]:
    """What is wrong, in the words of the service, or of a proxy before it."""
    try:
        document = answer.json()
        faults = document.get("errors", [])
        problems = [
            Problem(each["reason"], each["detail"], each.get("field"), each.get("row"))
            for each in faults
        ]
        return str(document["detail"]), problems
    except (ValueError, LookupError, TypeError, AttributeError):
        return f"{answer.request.url} answered {answer.status_code} {answer.reason_phrase}", []

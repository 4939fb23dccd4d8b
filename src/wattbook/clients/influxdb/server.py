"""One bucket of an InfluxDB 2: what it is asked, and what its refusals mean."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from wattbook.clients.influxdb.steps import TooLongError
from wattbook.core.errors import UnavailableError

RECONNECT_TIMEOUT_S: Final = 10.0
CONNECT_S: Final = 5.0
ANSWER_TIMEOUT_S: Final = 60.0
PAUSE_S: Final = 0.05
MAX_DELAY_S: Final = 2.0
WORDS: Final = 500
"""So many letters of what a server says are repeated."""
DAY_S: Final = 86_400
FAST: Final = 1
"""Level of gzip: the lines are written once, and read once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a bucket is, and the token that opens it."""

    url: str
    token: str = field(repr=False)
    org: str
    bucket: str


class Influx:
    """A bucket.

    What fails in passing is tried again for `patience_s`; every request may be repeated.
    """

    def __init__(self, place: Place, *, patience_s: float = RECONNECT_TIMEOUT_S) -> None:
        self.place = place
        self._patience_s = patience_s
        self._http = httpx.AsyncClient(
            base_url=place.url,
            headers={"Authorization": f"Token {place.token}"},
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_S),
        )

    async def query(
        self, flux: str, *, most: int | None = None, patience_s: float | None = None
    ) -> bytes:
        """The answer to a query as CSV without annotations.

        Raises
        ------
        TooLongError
            It has more than `most` bytes.
        UnavailableError
            There is none.
        """
        dialect = {"header": True, "delimiter": ",", "annotations": []}
        request = self._http.build_request(
            "POST",
            "/api/v2/query",
            params={"org": self.place.org},
            headers={"Content-Type": "application/json", "Accept": "text/csv"},
            content=json.dumps({"query": flux, "dialect": dialect}).encode(),
        )
        return await self._send(request, most, patience_s)

    async def write(self, lines: bytes, *, precision: str = "us") -> None:
        """Have points stored, on disk before this returns.

        Raises
        ------
        UnavailableError
            Not all of them are; those that are can be written again.
        """
        request = self._http.build_request(
            "POST",
            "/api/v2/write",
            params={"org": self.place.org, "bucket": self.place.bucket, "precision": precision},
            headers={"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"},
            content=await asyncio.to_thread(gzip.compress, lines, FAST),
        )
        await self._send(request)

    async def delete(self, span: tuple[str, str], **tags: str) -> None:
        """Have the points of a span (ends included) dropped that have `_measurement` and tags.

        Raises
        ------
        UnavailableError
            Not all of them are; the rest can be dropped again.
        """
        start, stop = span
        said = " AND ".join(f"{name}={_quoted(value)}" for name, value in tags.items())
        request = self._http.build_request(
            "POST",
            "/api/v2/delete",
            params={"org": self.place.org, "bucket": self.place.bucket},
            json={"start": start, "stop": stop, "predicate": said},
        )
        await self._send(request)

    async def shard_s(self) -> int:
        """Length [s] of the bucket's shards; a day where the token may not know it."""
        place = {"org": self.place.org, "name": self.place.bucket}
        request = self._http.build_request("GET", "/api/v2/buckets", params=place)
        try:
            told = json.loads(await self._send(request))
            (rule,) = told["buckets"][0]["retentionRules"]
            return int(rule["shardGroupDurationSeconds"]) or DAY_S
        except (UnavailableError, ValueError, LookupError):
            return DAY_S

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def _send(
        self, request: httpx.Request, most: int | None = None, patience_s: float | None = None
    ) -> bytes:
        patience_s = self._patience_s if patience_s is None else patience_s
        end, pause_s = time.monotonic() + patience_s, PAUSE_S
        while True:
            try:
                return await self._once(request, most)
            except _PassingError as error:
                pause_s = max(pause_s, error.wait_s)
                if time.monotonic() + pause_s > end:
                    raise UnavailableError(str(error)) from error.__cause__
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, MAX_DELAY_S)

    async def _once(self, request: httpx.Request, most: int | None) -> bytes:
        try:
            answer = await self._http.send(request, stream=True)
            try:
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if most is not None and len(body) > most:
                        raise TooLongError
            finally:
                await answer.aclose()
        except httpx.LocalProtocolError:
            # What it says may show the token.
            raise UnavailableError(
                "INFLUXDB_TOKEN has characters that an HTTP header cannot hold"
            ) from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            said = str(error) or type(error).__name__
            message = f"InfluxDB at {self.place.url} does not answer ({said}): see INFLUXDB_URL"
            raise _PassingError(message) from error
        if answer.is_success:
            return bytes(body)
        raise self._refusal(answer, bytes(body))

    def _refusal(self, answer: httpx.Response, body: bytes) -> Exception:
        """What a status other than success means, and which setting to look at."""
        said = _words(body) or answer.reason_phrase
        message = f"InfluxDB at {self.place.url} answers {answer.status_code}: {said}"
        status = answer.status_code
        if status == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            return _PassingError(message, _wait_s(answer))
        setting = ""
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            setting = "INFLUXDB_TOKEN"
        elif "organization" in said:
            setting = f"INFLUXDB_ORG, {self.place.org}"
        elif status == httpx.codes.NOT_FOUND and "bucket" in said:
            setting = f"INFLUXDB_BUCKET, {self.place.bucket}, and what INFLUXDB_TOKEN may read"
        elif status == httpx.codes.NOT_FOUND:
            setting = "INFLUXDB_URL: there is no InfluxDB 2"
        return UnavailableError(f"{message}; see {setting}" if setting else message)


def _quoted(text: str) -> str:
    """A value within the predicate of a deletion."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


class _PassingError(Exception):
    """What may be over in a while."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


def _words(body: bytes) -> str:
    text = body.decode(errors="replace")
    try:
        said: Any = json.loads(text)["message"]
    except (ValueError, TypeError, KeyError):
        said = text
    return " ".join(str(said).split())[:WORDS]


def _wait_s(answer: httpx.Response) -> float:
    try:
        return max(0.0, float(answer.headers.get("Retry-After", 0)))
    except ValueError:  # a date
        return 0.0


@asynccontextmanager
async def opened(place: Place, *, patience_s: float = RECONNECT_TIMEOUT_S) -> AsyncIterator[Influx]:
    """A bucket, whose connections are closed at the end."""
    try:
        influx = Influx(place, patience_s=patience_s)
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        wrong = "INFLUXDB_URL" if isinstance(error, httpx.InvalidURL) else "INFLUXDB_TOKEN"
        raise UnavailableError(f"{wrong} is invalid") from None
    try:
        yield influx
    finally:
        await influx.close()

"""Where decoded rows of files go: into the stores here, or to a service."""

import asyncio
from collections.abc import Collection
from datetime import datetime
from typing import Protocol

import polars as pl

from wattbook.cli import show
from wattbook.cli.client import Service
from wattbook.core import frames
from wattbook.core.readings import validation
from wattbook.core.readings.checks import IntervalLabel
from wattbook.core.readings.rejects import Rejects
from wattbook.flows import ingest as flow
from wattbook.flows.ingest import Origin
from wattbook.ports.readings import Receipt
from wattbook.sources.codecs import raw as codec
from wattbook.wiring.runtime import Runtime

METERS = {"meter_id": pl.String, "expected_interval_s": pl.Int64}


class Intake(Protocol):
    """Takes rows in, or only validates them."""

    async def meters(self, meter_ids: Collection[str]) -> pl.DataFrame:
        """`meter_id` and `expected_interval_s` of these meters, where known."""
        ...

    async def validate(self, raw: pl.DataFrame, label: IntervalLabel) -> pl.DataFrame:
        """The rows that would be rejected: `frames.REJECTS`."""
        ...

    async def take_in(self, raw: pl.DataFrame, origin: Origin, label: IntervalLabel) -> Receipt:
        """Keep what can be kept of the rows, on disk before this returns."""
        ...


class Here:
    """The stores that the settings name."""

    def __init__(self, runtime: Runtime, *, grid: bool) -> None:
        self._runtime = runtime
        self._grid = grid

    async def meters(self, meter_ids: Collection[str]) -> pl.DataFrame:
        """What is registered of these meters."""
        meters = await self._runtime.registry.meters()
        return meters.filter(pl.col("meter_id").is_in(list(meter_ids))).select(*METERS)

    async def validate(self, raw: pl.DataFrame, label: IntervalLabel) -> pl.DataFrame:
        """The rows that would be rejected."""
        now = self._runtime.clock.now()
        if self._grid:
            return (
                await asyncio.to_thread(validation.validate_grid, raw, now=now, label=label)
            ).rejects
        meters = await self._runtime.registry.meters()
        sorted_ = await asyncio.to_thread(
            validation.validate, raw, meters=meters, now=now, label=label
        )
        return sorted_.rejects

    async def take_in(self, raw: pl.DataFrame, origin: Origin, label: IntervalLabel) -> Receipt:
        """Keep what can be kept of the rows."""
        runtime = self._runtime
        if self._grid:
            written = await flow.ingest_grid(
                raw, origin, label=label, grid=runtime.grid, clock=runtime.clock
            )
        else:
            written = await flow.ingest_readings(
                raw,
                origin,
                label=label,
                registry=runtime.registry,
                readings=runtime.readings,
                clock=runtime.clock,
            )
        return written.receipt


class There:
    """A service, which is sent what was decoded here."""

    def __init__(self, service: Service, *, grid: bool) -> None:
        self._service = service
        self._path = "/ingest/grid" if grid else "/ingest/telemetry"
        self._query = {"evidence": True}

    async def meters(self, meter_ids: Collection[str]) -> pl.DataFrame:
        """What is registered of these meters."""
        found: list[tuple[str, int]] = []
        cursor = None
        while True:
            page = await asyncio.to_thread(
                self._service.get, "/sites", {"limit": 1000, "cursor": cursor}
            )
            found += [
                (meter["id"], meter["expected_interval_s"])
                for site in page["sites"]
                for meter in site["meters"]
                if meter["id"] in meter_ids
            ]
            cursor = page["cursor"]
            if cursor is None:
                return pl.DataFrame(found, schema=METERS, orient="row")

    async def validate(self, raw: pl.DataFrame, label: IntervalLabel) -> pl.DataFrame:
        """The rows that would be rejected."""
        return (await self._send(raw, label, dry_run=True)).rejects.frame()

    async def take_in(
        self,
        raw: pl.DataFrame,
        origin: Origin,  # noqa: ARG002 -- the service names the caller
        label: IntervalLabel,
    ) -> Receipt:
        """Keep what can be kept of the rows."""
        return await self._send(raw, label, dry_run=False)

    async def _send(self, raw: pl.DataFrame, label: IntervalLabel, *, dry_run: bool) -> Receipt:
        body = await asyncio.to_thread(codec.encode, raw)
        found = await asyncio.to_thread(
            self._service.upload,
            self._path,
            self._query | {"dry_run": dry_run, "interval_label": str(label)},
            body,
            codec.MEDIA_TYPE,
            lambda text: show.say(text, err=True),
        )
        return Receipt(
            batch_id=found["batch_id"],
            source=f"service:{self._service.url}",
            sha256=found["sha256"],
            received_utc=datetime.fromisoformat(found["received_utc"]),
            **{name: found[name] for name in COUNTS},
            rejects=Rejects.of(
                pl.DataFrame(found["rejects"], schema=frames.REJECTS.schema, orient="row")
            ),
            warnings=tuple(found["warnings"]),
        )


COUNTS = ("received", "accepted", "duplicates", "corrected", "rejected")

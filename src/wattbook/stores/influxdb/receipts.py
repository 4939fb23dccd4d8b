"""Receipts and rejects as points.

A receipt is on one of 256 shelves, as the hash of its batch says: a tag, so that a receipt is
looked for among a 256th of all, and the series stay few. Its time is the second in which the batch
came, and nanoseconds from the same hash: two batches of one second do not meet.
"""

import asyncio
import hashlib
import io
from datetime import timedelta
from typing import Any, Final

import polars as pl

from wattbook.clients.influxdb import answers, flux
from wattbook.clients.influxdb.server import Influx
from wattbook.core import frames
from wattbook.core.errors import UnknownEntityError
from wattbook.core.periods import EPOCH
from wattbook.core.readings.rejects import Rejects
from wattbook.core.units import US_PER_SECOND
from wattbook.ports.readings import Receipt
from wattbook.stores.influxdb.points import EVER, coded, decoded

RECEIPTS: Final = "receipts"
REJECTS: Final = "rejects"
NS_PER_SECOND: Final = 1_000_000_000
TEXT_LENGTH: Final = 200_000
"""Letters in one field, which may have a mebibyte; the rejects of a batch are cut in parts."""
MAX_PARTS: Final = 1_000_000
TEXTS: Final = ("batch_id", "source", "sha256")
COUNTS: Final = ("received", "accepted", "duplicates", "corrected", "rejected")
MICROSECOND: Final = timedelta(microseconds=1)


def lines(receipt: Receipt) -> list[bytes]:
    """The rejects and then the receipt in line protocol, with stamps in nanoseconds."""
    shelf, place = _place(receipt.batch_id)
    received_us = (receipt.received_utc - EPOCH) // MICROSECOND
    stamp = received_us // US_PER_SECOND * NS_PER_SECOND + place
    fields = [
        *(f"{name}={_quoted(_kept(getattr(receipt, name)))}" for name in TEXTS),
        f"received_us={received_us}i",
        *(f"{name}={getattr(receipt, name)}i" for name in COUNTS),
    ]
    text = receipt.rejects.frame().write_json() if receipt.rejects.height else ""
    cuts = [text[at : at + TEXT_LENGTH] for at in range(0, len(text), TEXT_LENGTH)]
    points = [
        f"{REJECTS},shelf={shelf} {fields[0]},text={_quoted(cut)} {stamp + part}"
        for part, cut in enumerate(cuts)
    ]
    points.append(f"{RECEIPTS},shelf={shelf} {','.join(fields)} {stamp}")
    return [point.encode() for point in points]


async def find(influx: Influx, batch_id: str) -> Receipt:
    """The receipt of a batch, with its rejects.

    Raises
    ------
    UnknownEntityError
        No such batch was received.
    """
    shelf, place = _place(batch_id)
    on_shelf = f'{flux.column("shelf")} == "{shelf}"'
    wanted = f'r._field == "batch_id" and r._value == {flux.text(_kept(batch_id))}'
    conditions = [f'r._measurement == "{RECEIPTS}"', on_shelf, wanted]
    query = flux.select(influx.place.bucket, EVER, conditions, keep=["_time"])
    found = answers.decode(await influx.query(query), ["_time"])
    if found.is_empty():
        raise UnknownEntityError(f"no batch {batch_id} was received")

    second = answers.instants(found["_time"]).to_physical()[0] // US_PER_SECOND
    stamp = second * NS_PER_SECOND + place
    span = (flux.nanosecond(stamp), flux.nanosecond(stamp + MAX_PARTS))
    either = f'(r._measurement == "{RECEIPTS}" or r._measurement == "{REJECTS}")'
    columns = ["_time", "_measurement", "_field", "_value"]
    query = flux.select(influx.place.bucket, span, [either, on_shelf], keep=columns)
    answer = await influx.query(query)
    return await asyncio.to_thread(
        lambda: _receipt(answers.decode(answer, columns), found["_time"][0], _kept(batch_id))
    )


def _receipt(fields: pl.DataFrame, stamp: str, kept_id: str) -> Receipt:
    own = fields.filter(_measurement=RECEIPTS, _time=stamp)
    said = dict(own.select("_field", "_value").iter_rows())
    about: dict[str, Any] = {name: decoded(pl.Series([said[name] or ""]))[0] for name in TEXTS}
    about |= {name: int(said[name]) for name in COUNTS}
    return Receipt(
        **about,
        received_utc=EPOCH + int(said["received_us"]) * MICROSECOND,
        rejects=Rejects.of(_rejects(fields.filter(_measurement=REJECTS), kept_id)),
    )


def _rejects(fields: pl.DataFrame, kept_id: str) -> pl.DataFrame:
    mine = fields.filter(_field="batch_id", _value=kept_id).select("_time")
    texts = fields.filter(_field="text").join(mine, on="_time", how="semi")
    if texts.is_empty():
        return frames.REJECTS.empty()
    ordered = texts.sort(pl.col("_time").str.to_datetime("%+", time_unit="ns"))
    text = "".join(ordered["_value"].fill_null(""))
    return pl.read_json(io.BytesIO(text.encode()), schema=frames.REJECTS.schema)


def _place(batch_id: str) -> tuple[str, int]:
    """The shelf of a batch, and its nanosecond within the second."""
    digest = hashlib.sha256(batch_id.encode()).hexdigest()
    return digest[:2], int(digest[2:18], 16) % (NS_PER_SECOND - MAX_PARTS)


def _kept(text: str) -> str:
    kept: str = coded(pl.Series([text]))[0]
    return kept


def _quoted(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'

"""What is being written, so that a crash hides no reading from the rollups.

Readings and the marks of what they changed are in two databases. Before the readings, a process
notes here in which span of time they lie and since when they are known; after the marks, that it
is done. What an ended process has left open is looked up among the readings and marked.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from wattbook.clients.influxdb import answers, flux
from wattbook.clients.influxdb.server import Influx

MEASUREMENT: Final = "writes"
SLOTS: Final = 1_000_000_000
"""A process has one point, at a nanosecond of the first second of 1970."""
FIELDS: Final = ("from_us", "to_us", "known_us", "begun_us", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Readings with stamps in [from, to], known since `known_us`, that were about to be written."""

    slot: int
    from_us: int
    to_us: int
    known_us: int
    begun_us: int


class Journal:
    """What this process writes."""

    def __init__(self) -> None:
        self.slot = secrets.randbelow(SLOTS)

    def begun(self, from_us: int, to_us: int, known_us: int, begun_us: int) -> bytes:
        """The line that says what is about to be written."""
        fields = zip(FIELDS, (from_us, to_us, known_us, begun_us), strict=False)
        said = ",".join(f"{name}={value}i" for name, value in fields)
        return f"{MEASUREMENT} {said},open=true {self.slot}".encode()

    def done(self) -> bytes:
        """The line that says that it is written, and marked."""
        return closed(self.slot)


def closed(slot: int) -> bytes:
    """The line that says that nothing is left of what a process wrote."""
    return f"{MEASUREMENT} open=false {slot}".encode()


async def left_open(influx: Influx) -> list[Entry]:
    """What was begun and is not said to be done, by whatever process."""
    columns = ["_time", "_field", "_value"]
    query = flux.select(
        influx.place.bucket,
        (flux.nanosecond(0), flux.nanosecond(SLOTS)),
        [f'r._measurement == "{MEASUREMENT}"'],
        keep=columns,
    )
    entries: dict[str, dict[str, str]] = {}
    for stamp, field, value in answers.decode(await influx.query(query), columns).iter_rows():
        entries.setdefault(stamp, {})[field] = value
    return [
        Entry(
            slot=_nanosecond(stamp),
            **{name: int(fields[name]) for name in FIELDS if name != "open"},
        )
        for stamp, fields in entries.items()
        if fields.get("open") == "true" and len(fields) == len(FIELDS)
    ]


def _nanosecond(stamp: str) -> int:
    """Nanoseconds of an instant within the first second of 1970."""
    digits = stamp.removesuffix("Z").partition(".")[2]
    return int(digits.ljust(9, "0")) if digits else 0

"""The note that a service leaves beside the stores it holds: how to ask it."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Service:
    """A process that serves the stores of a folder, and its address."""

    pid: int
    url: str


def note(path: Path, url: str) -> None:
    """Write down that this process serves the stores beside `path`."""
    path.write_text(json.dumps(asdict(Service(os.getpid(), url))) + "\n", "utf-8")


def running(path: Path) -> Service | None:
    """The service that noted itself last; None where none did."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return Service(int(found["pid"]), str(found["url"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def forget(path: Path) -> None:
    """Take back the note of this process; that of another stays."""
    mine = running(path)
    if mine is not None and mine.pid == os.getpid():
        path.unlink(missing_ok=True)

"""A server of our own, with a folder, a port and a log; it may be stopped and killed."""

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

PREFIX = "wattbook-test-"
START_S = 600
STOP_S = 300
# Outside the ports that outgoing connections take: one of those could meet itself on the port of
# a server that is stopped.
PORTS = range(15000, 32000)


class NoServerError(Exception):
    """It cannot be had; the text says why."""


def free_port() -> int:
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NoServerError("no port is free")


def wait(done: Callable[[], bool], limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {limit_s} s")
        time.sleep(0.02)


def processes(folder: Path) -> list[int]:
    """Those that run in a folder or beneath it; none where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            place = (entry / "cwd").readlink()
        except OSError:
            continue
        if place.is_relative_to(folder):
            found.append(int(entry.name))
    return found


def kill_all(folder: Path) -> None:
    """End whatever runs in a folder, and what that begins meanwhile."""

    def none_left() -> bool:
        left = processes(folder)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    wait(none_left, STOP_S)


def remove(folder: Path) -> None:
    """A folder, with what runs in it and the disk that is mounted there."""
    kill_all(folder)
    if (folder / "disk").is_mount():
        subprocess.run(["umount", folder / "disk"], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove what runs that were killed have left: nobody holds its lock any more."""
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/lock"):
        try:
            with lock.open("rb") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(lock.parent)
        except OSError:  # it is held, or somebody else's
            continue


class Server(ABC):
    """What every server of our own can do; what it is, its own file says."""

    stop_signal = signal.SIGTERM

    def __init__(self, **account: Any) -> None:
        self._account = account
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = (self.folder / "lock.new").open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        (self.folder / "lock.new").rename(self.folder / "lock")  # no sweep sees it unlocked
        self.log = self.folder / "log"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What starts it in the foreground."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it takes requests now; asked while the process runs."""

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of ours: what a variable says here is not meant for the server."""
        return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), "LC_ALL": "C"}

    def run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as the one as whom the server runs."""
        return subprocess.run(
            command,
            **self._account,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )

    @property
    def pid(self) -> int:
        assert self.process is not None, "the server is stopped"
        return self.process.pid

    def start(self) -> None:
        """Start, and return when it takes requests."""
        assert self.process is None, "the server runs"
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                **self._account,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest
            )
        try:
            wait(lambda: self._is_up(before), START_S)
        except TimeoutError as error:
            raise NoServerError(f"it has not come up within {START_S} s") from error

    def _is_up(self, before: int) -> bool:
        assert self.process is not None
        if self.process.poll() is None:
            return self.ready()
        self.process = None
        said = self.log.read_bytes()[before:].decode(errors="replace").splitlines()
        wrong = [line for line in said if "FATAL" in line or "PANIC" in line]
        raise NoServerError("; ".join(wrong or said[-3:]) or "it ended without a word")

    def stop(self, signal_: signal.Signals | None = None) -> None:
        """End it as an operator would."""
        if self.process is not None:
            self.process.send_signal(signal_ or self.stop_signal)
            self.process.wait(STOP_S)
            self.process = None

    def kill(self) -> None:
        """End it as a power cut would, its children too."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_S)
            self.process = None
        kill_all(self.folder)

    def remove(self) -> None:
        """End it and leave nothing behind."""
        try:
            self.kill()
        finally:
            remove(self.folder)
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

"""The service as a person meets it: a process of its own, on a port, with files in a folder."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


def limited_to(largest_file: int | None) -> Callable[[], None] | None:
    """Makes writing beyond so many bytes of a file fail, as on a full disk."""
    if largest_file is None:
        return None
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))


class Service:
    """A running `wattbook serve`."""

    def __init__(self, data_dir: Path, *, largest_file: int | None = None, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("COV_")
        }
        environment |= {"DATA_DIR": str(data_dir), "API_PORT": str(self.port), **settings}
        self.log = data_dir.parent / f"serve-{self.port}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "wattbook", "serve"],
                env=environment,
                stdout=log,
                stderr=log,
                preexec_fn=limited_to(largest_file),  # noqa: PLW1509  no threads are running yet
            )
        self._wait()

    def _wait(self) -> None:
        for _ in range(600):
            if self.process.poll() is not None:
                pytest.fail(f"the service ended: {self.log.read_text()}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        pytest.fail(f"the service did not start: {self.log.read_text()}")

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        media_type: str = "application/json",
        **headers: str,
    ) -> tuple[int, Any]:
        """Status and document of one request; bytes are sent as they are."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1{path}",
            method=method,
            data=body,
            headers={"Content-Type": media_type}
            | {name.replace("_", "-"): value for name, value in headers.items()},
        )
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read() or b"null")

    def register(self, site_id: str = "a", **more: object) -> None:
        status, document = self.call(
            "POST",
            "/sites",
            {
                "id": site_id,
                "name": site_id,
                "operator": "op",
                "timezone": "UTC",
                "zone": "NO",
                "capacity_kw": 1000,
                "telemetry": "power",
                "expected_interval_s": 60,
                **more,
            },
        )
        assert status == 201, document

    def resident_mb(self, name: str = "VmHWM") -> float:
        """Highest resident memory so far."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
        raise LookupError(name)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        """End it as an operator would; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services over one data folder; all are stopped in the end."""
    started: list[Service] = []

    def one(*, largest_file: int | None = None, **settings: str) -> Service:
        started.append(Service(tmp_path / "data", largest_file=largest_file, **settings))
        return started[-1]

    yield one
    for service in started:
        service.stop()


@pytest.fixture
def run() -> Callable[..., tuple[int, str]]:
    """Runs a `wattbook` command to its end: exit code and all that it said."""

    def one(*command: str, **settings: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "wattbook", *command],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return one

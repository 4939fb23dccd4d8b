"""What Debian's own packages give, when root asks."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.services.server import NoServerError

UPDATE_S = 300
INSTALL_S = 600
NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/wattbook-tests.conf")


def apt_get(*arguments: str, limit_s: int) -> None:
    try:
        done = subprocess.run(
            ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=30", *arguments],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoServerError(f"apt-get {arguments[0]} took more than {limit_s} s") from None
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("E: ")]
        raise NoServerError(f"apt-get {arguments[0]}: {' '.join(told) or done.returncode}")


def install(package: str) -> None:
    """Install a package; no server of the system's starts with it."""
    if os.geteuid() or not shutil.which("apt-get"):
        raise NoServerError("only root on Debian can install it")
    NO_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
    NO_CLUSTER.write_text("create_main_cluster = false\n")
    try:
        with suppress(NoServerError):  # what the lists name already can be had all the same
            apt_get("update", limit_s=UPDATE_S)
        apt_get("install", "--yes", "--no-install-recommends", package, limit_s=INSTALL_S)
    finally:
        NO_CLUSTER.unlink(missing_ok=True)

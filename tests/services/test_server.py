"""What a run leaves behind when it is killed, the next one removes; it harms no other."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.services.server import NoServerError, Server, processes, sweep

ROOT = Path(__file__).parents[2]
LEFT = """
import os, signal
from tests.services.test_server import Sleep
server = Sleep()
server.start()
print(server.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


class Sleep(Server):
    seconds = "600"

    def command(self) -> Sequence[str]:
        return ["sleep", self.seconds]

    def ready(self) -> bool:
        return True


class Failing(Sleep):
    seconds = "a while"

    def ready(self) -> bool:
        return False


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="who runs where is not told here")
def test_what_a_killed_run_left_is_swept_away_and_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEFT],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    left = Path(done.stdout.strip())
    with Sleep() as other:
        other.start()
        assert len(processes(left)) == 1
        sweep()
        assert not left.exists()
        assert processes(left) == []
        assert processes(other.folder) == [other.pid]
    assert not other.folder.exists()


def test_a_server_that_does_not_start_says_why() -> None:
    with Failing() as server, pytest.raises(NoServerError, match="invalid time interval"):
        server.start()

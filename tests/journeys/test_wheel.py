"""What is shipped is enough: the wheel alone, without extras, in an environment of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not UV.exists(), reason="uv is not beside this Python: use `make test`")
def test_the_wheel_alone_answers_and_runs_the_library_example(tmp_path: Path) -> None:
    run(UV, "build", "--wheel", "--out-dir", tmp_path / "dist", ROOT, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("wattbook-*.whl")
    run(UV, "venv", "--python", sys.executable, tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    locked: list[str | Path] = ["--requirement", ROOT / "requirements.txt", "--require-hashes"]
    run(UV, "pip", "install", "--python", python, *locked, cwd=tmp_path)
    run(UV, "pip", "install", "--python", python, "--no-deps", wheel, cwd=tmp_path)

    said = run(python.with_name("wattbook"), "--help", cwd=tmp_path)
    figures = run(python, ROOT / "examples" / "library.py", cwd=tmp_path)
    demo = run(python.with_name("wattbook"), "demo", "--no-serve", cwd=tmp_path)

    assert "ingest" in said
    assert "energy" in figures
    assert "simulated" in demo

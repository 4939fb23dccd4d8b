"""How long whole processes of the command line take: wall time and CPU time, medians.

    .venv/bin/python bench/commands.py [--runs 9] [--data-dir wattbook-data/demo]

A data folder that is not there is made, with one site.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = (
    ("--version",),
    ("--help",),
    ("sites", "list"),
    ("sites", "list", "--json"),
    ("metrics", "--network", "--from", "2026-01-01", "--to", "2026-01-02"),
)
SITE = ("--id", "a", "--name", "A", "--operator", "b", "--timezone", "UTC", "--zone", "NO")


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(words: tuple[str, ...], runs: int) -> tuple[float, float]:
    """Medians of wall and CPU seconds."""
    walls, cpus = [], []
    for _ in range(runs):
        before, began = cpu_s(), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "wattbook", *words], check=True, stdout=subprocess.DEVNULL
        )
        walls.append(time.perf_counter() - began)
        cpus.append(cpu_s() - before)
    return statistics.median(walls), statistics.median(cpus)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--data-dir", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = asked.data_dir or Path(folder) / "data"
        if not home.exists():
            words = ("--data-dir", str(home), "sites", "add", *SITE)
            subprocess.run([sys.executable, "-m", "wattbook", *words], check=True)
        for words in COMMANDS:
            wall, cpu = measure(("--data-dir", str(home), *words), asked.runs)
            print(f"{' '.join(words):<70} {wall:6.2f} s wall {cpu:6.2f} s CPU")


if __name__ == "__main__":
    main()

"""A large CSV file through `wattbook ingest`: rows per second and the highest resident memory."""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from service import machine, readings

METERS, ROWS = 100, 1_000_000


def write(path: Path, size_gb: float) -> int:
    """A file of about that size; how many rows it has."""
    rows = number = 0
    with path.open("wb") as file:
        while file.tell() < size_gb * 1e9:
            frame = readings(number, meters=METERS, rows=ROWS, interval_s=1)
            frame.write_csv(file, include_header=number == 0, datetime_format="%Y-%m-%dT%H:%M:%SZ")
            rows += ROWS
            number += 1
    return rows


def main(size_gb: float) -> None:
    print(machine())
    folder = Path(tempfile.mkdtemp())
    environment = os.environ | {"DATA_DIR": str(folder / "data")}
    command = [sys.executable, "-m", "wattbook"]
    try:
        rows = write(folder / "large.csv", size_gb)
        sites = [
            {
                "id": f"site-{meter:03d}",
                "name": "x",
                "operator": "o",
                "timezone": "UTC",
                "zone": "Z",
                "expected_interval_s": 1,
            }
            for meter in range(METERS)
        ]
        (folder / "sites.json").write_text(json.dumps(sites))
        add = [*command, "sites", "add", str(folder / "sites.json")]
        subprocess.run(add, env=environment, check=True, capture_output=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        begin = time.perf_counter()
        subprocess.run(
            [*command, "ingest", str(folder / "large.csv")],
            env=environment,
            check=True,
            capture_output=True,
        )
        taken = time.perf_counter() - begin
        peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
        print(
            f"{rows:,} rows, {size_gb} GB: {rows / taken / 1e6:.2f} M rows/s with the roll-up,"
            f" {taken:.0f} s   peak {peak:.0f} MB   asked < 1000 MB"
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gb", type=float, default=5.0)
    main(options.parse_args().gb)

"""Refuse staged files over 500 kB; sample data has a licence to be large."""

import sys
from pathlib import Path

LIMIT_BYTES = 500_000
SAMPLES = Path("src/wattbook/samples/data")


def main(names: list[str]) -> int:
    """Count of the files that are too large, each named on the terminal."""
    paths = [Path(name) for name in names]
    large = [
        path
        for path in paths
        if path.is_file() and not path.is_relative_to(SAMPLES) and path.stat().st_size > LIMIT_BYTES
    ]
    for path in large:
        print(f"{path}: {path.stat().st_size:,} bytes, the limit is {LIMIT_BYTES:,}")
    return min(len(large), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

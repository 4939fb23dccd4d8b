"""Refuse staged files that hold a private key."""

import re
import sys
from pathlib import Path

KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----|PuTTY-User-Key-File-\d:")


def main(names: list[str]) -> int:
    """1 where any file holds a key, each named on the terminal."""
    found = [path for path in map(Path, names) if path.is_file() and KEY.search(path.read_bytes())]
    for path in found:
        print(f"{path}: holds a private key")
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

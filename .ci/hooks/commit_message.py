"""Refuse a commit message whose first line is no conventional commit."""

import re
import sys
from pathlib import Path

TYPES = ("feat", "fix", "perf", "refactor", "docs", "test", "data", "build", "ci", "chore", "style")
HEADER = re.compile(rf"({'|'.join(TYPES)})(\([a-z0-9,/_-]+\))?!?: \S.*[^.\s]")
BY_GIT = ("Merge ", "Revert ", "fixup! ", "squash! ")
LIMIT = 72


def fault(message: str) -> str | None:
    """What is wrong with the message, or None."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    header = lines[0] if lines else ""
    if header.startswith(BY_GIT):
        return None
    if not HEADER.fullmatch(header):
        return f"want 'type(scope): what it does', type one of {', '.join(TYPES)}; no full stop"
    if len(header) > LIMIT:
        return f"the first line has {len(header)} characters, the limit is {LIMIT}"
    if len(lines) > 1 and lines[1].strip():
        return "leave the second line empty"
    return None


def main(names: list[str]) -> int:
    """1 where the message has a fault, told on the terminal."""
    found = fault(Path(names[0]).read_text(encoding="utf-8"))
    if found:
        print(found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

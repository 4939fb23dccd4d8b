"""Lines of InfluxDB's protocol decoded per second on one core, beside a parser written in C."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from service import machine

from wattbook.sources.codecs import decode_line_protocol

try:  # not a dependency: uv pip install --target SOMEWHERE line-protocol-parser, then PYTHONPATH
    from line_protocol_parser import parse_line
except ImportError:
    parse_line = None

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAMP = 1_767_225_600_000_000_000
TELEGRAF = 4
"""Shapes in a mixed body."""


def uniform(n: int) -> str:
    return (
        f"power,meter_id=pecos-{n % 100}.main,site=pecos power_kw={18250.5 + n % 977},"
        f"hashrate_th={612000 + n % 31}.25 {STAMP + n * 10**9}"
    )


def quoted(n: int) -> str:
    return uniform(n).replace(" 17", ',quality="measured" 17')


def prose(n: int) -> str:
    return uniform(n).replace(" 17", ',note="shift one, hall A" 17')


def mixed(n: int) -> str:
    stamp = STAMP + n * 10**9
    return (
        uniform(n),
        f"cpu,host=h{n % 9},cpu=cpu{n % 8} usage_user={n % 100}.5,usage_idle={n % 99} {stamp}",
        f"mem,host=h{n % 9} free={n}i,total=99i,used_percent=9.5 {stamp}",
        f'disk,host=h{n % 9},device=sda free={n}i,mode="rw" {stamp}',
    )[n % TELEGRAF]


def escaped(n: int) -> str:
    return uniform(n).replace("site=pecos", r"site=pecos\ one")


def odd(n: int) -> str:
    """Read line by line."""
    return uniform(n).replace(" 17", r',note="shift \"one\"" 17')


FORMS = {
    "uniform": uniform,
    "with a quoted word": quoted,
    "with a quoted sentence": prose,
    "four shapes in turn": mixed,
    "with an escape": escaped,
    "with a quotation mark escaped": odd,
}


def seconds(work: Callable[[], object], times: int) -> float:
    """Least processor time of some runs: others on the machine do not count."""
    least = float("inf")
    for _ in range(times):
        begin = time.process_time()
        work()
        least = min(least, time.process_time() - begin)
    return least


def main(count: int) -> None:
    print(machine())
    print(f"{count} lines a body, one core, processor time; peer: line-protocol-parser, into dicts")
    for name, form in FORMS.items():
        lines = [form(n) for n in range(count)]
        body = ("\n".join(lines) + "\n").encode()
        decoded = decode_line_protocol(body, received=NOW)
        assert decoded.frame.height == count
        assert "reason" not in decoded.frame.columns
        rate = count / seconds(lambda: decode_line_protocol(body, received=NOW), 3)  # noqa: B023
        beside = ""
        if parse_line:
            some = lines[: count // 5]
            peer = len(some) / seconds(lambda: [parse_line(line) for line in some], 3)  # noqa: B023
            beside = f"   peer {peer / 1e6:5.2f} M/s   ratio {rate / peer:5.1f}"
        goal = "   asked ≥ 1 M/s" if form is uniform else ""
        print(f"{name:30s} {rate / 1e6:5.2f} M/s{beside}{goal}", flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=300_000)
    chosen = options.parse_args()
    if os.environ.get("POLARS_MAX_THREADS") != "1":  # Polars has read it by now
        os.environ["POLARS_MAX_THREADS"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    main(chosen.lines)

#!/usr/bin/env bash
# Values and units of an IEC 62056-21 readout in the package iec62056-21.
#
# Package    iec62056-21 0.0.2
# Guess      A data set "(0.110*kW)" is 0.110 in kW wherever it stands in a line.
# Seen       Only behind an address is the unit split off. In rows that carry values alone, as those
#            of a load profile do, the value is the text "0.110*kW" and the unit is None; and the time
#            of a maximum, in the second bracket of its line, is a data set of its own without address.
# Matters    A program that filters by unit or address keeps the registers and drops the whole load
#            profile and the times of the peaks, without an error.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check iec62056-21==0.0.2

"$work/venv/bin/python" - <<'PY'
from iec62056_21 import utils
from iec62056_21.messages import ReadoutDataMessage

lines = (
    "1.8.0(001234.5*kWh)",
    "1.6.1(0.480*kW)(2611120915)",
    "(0.110*kW)(0.120*kvar)",
    "!",
)
frame = utils.add_bcc("\x02" + "".join(f"{line}\r\n" for line in lines) + "\x03")
block = ReadoutDataMessage.from_representation(frame).data_block
seen = [[(item.address, item.value, item.unit) for item in row.data_sets] for row in block.data_lines]
for row in seen:
    print(row)

assert seen == [
    [("1.8.0", "001234.5", "kWh")],
    [("1.6.1", "0.480", "kW"), (None, "2611120915", None)],
    [(None, "0.110*kW", None), (None, "0.120*kvar", None)],
], seen
PY

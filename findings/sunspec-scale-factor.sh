#!/usr/bin/env bash
# A SunSpec value whose scale factor the meter does not provide.
#
# Package    pysunspec2 1.3.7
# Guess      With the scale factor at 0x8000 (not implemented) the scaled value is unknown: None.
# Seen       The raw register is answered as the scaled value: 3425, as if the factor were 10^0. The
#            factor itself is None. With the factor 1 the same register is 34250 W.
# Matters    A meter that answers "not implemented" once, while it starts, gives a power that is wrong
#            by powers of ten and plausible. Read the scale factor with the value, and keep neither
#            when it is None.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pysunspec2==1.3.7

"$work/venv/bin/python" - <<'PY'
from sunspec2.device import Model

meter = Model(model_id=203)
seen = {}
meter.W.set_mb(bytes.fromhex("0d61"))
for factor in ("0001", "8000"):
    meter.W_SF.set_mb(bytes.fromhex(factor))
    seen[factor] = meter.W_SF.value, meter.W.cvalue
    print(f"W 0x0d61, W_SF 0x{factor}: factor {seen[factor][0]}, scaled value {seen[factor][1]} W")

assert seen == {"0001": (1, 34250), "8000": (None, 3425)}, seen
PY

#!/usr/bin/env bash
# kWh and kW of a P1 telegram in amshan, which answers in whole Wh and W.
#
# Package    amshan 2.1.1
# Guess      A P1 value has three decimals, so kWh x 1000 is a whole number of Wh and nothing is lost;
#            and S or W at the end of the time tells the two hours of the October night apart.
# Seen       The product is made in binary and cut, not rounded: 1.001 kW is 1000 W, 001024.003 kWh is
#            1024002 Wh. Between 1000 and 1100 kWh one register value in 17 is 1 Wh low. S and W are
#            ignored: 02:30 S and 02:30 W are the same time, without an offset.
# Matters    Registers that rise by 1 Wh seem to stand still and then to jump, a difference can be
#            1 Wh off either way, and the repeated hour overwrites the first.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check amshan==2.1.1

"$work/venv/bin/python" - <<'PY'
from han.dlde import decode_p1_readout_content


def read(clock, kwh, kw):
    lines = f"0-0:1.0.0({clock})", f"1-0:1.8.0({kwh}*kWh)", f"1-0:1.7.0({kw}*kW)"
    return decode_p1_readout_content("".join(f"{line}\r\n" for line in lines).encode())


summer = read("261025023000S", "001024.003", "01.001")
winter = read("261025023000W", "001024.013", "01.002")
for seen in summer, winter:
    print(seen)

assert summer["active_power_import_total"] == 1024002
assert summer["active_power_import"] == 1000
assert summer["meter_datetime"] == winter["meter_datetime"]
assert summer["meter_datetime"].tzinfo is None

span = range(1_000_000, 1_100_000)
low = 0
for wh in span:
    seen = read("261025023000W", f"{wh / 1000:010.3f}", "00.000")["active_power_import_total"]
    assert seen in (wh, wh - 1), (wh, seen)
    low += seen != wh
print(f"{low} of {len(span)} registers between 1000 and 1100 kWh are 1 Wh low")
assert low == 5899, low
PY

#!/usr/bin/env bash
# Spain's 2.0TD periods on Good Friday.
#
# Packages   aiopvpc 4.3.1, e-data 1.3.3 (with holidays 0.109)
# Guess      11:00 on Good Friday is a peak hour (P1). The tariff (CNMC Circular 3/2020) puts national
#            holidays into the cheap period only where they have a fixed date, and Good Friday has none.
# Seen       Both packages answer P3, the cheapest period, for all of the day; e-data takes the list of
#            the package holidays as it is. The Thursday before at 11:00 is P1 in both.
# Matters    The day costs a site 8 peak and 8 shoulder hours that its forecast counts as cheap. A
#            public-holiday calendar is no tariff calendar: list the days that the tariff names.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check aiopvpc==4.3.1 e-data==1.3.3 holidays==0.109

"$work/venv/bin/python" - <<'PY'
from datetime import datetime
from zoneinfo import ZoneInfo

from aiopvpc.pvpc_tariff import get_current_and_next_tariff_periods
from edata.processors.utils import get_pvpc_tariff

MADRID = ZoneInfo("Europe/Madrid")
seen = {}
for name, day in (("Thursday", 17), ("Good Friday", 18)):
    hour = datetime(2025, 4, day, 11, tzinfo=MADRID)
    pvpc = get_current_and_next_tariff_periods(hour, zone_ceuta_melilla=False)[0]
    seen[name] = pvpc, get_pvpc_tariff(hour.replace(tzinfo=None)).upper()
    print(f"{hour:%Y-%m-%d %H:%M} {name}: aiopvpc {seen[name][0]}, e-data {seen[name][1]}")

assert seen == {"Thursday": ("P1", "P1"), "Good Friday": ("P3", "P3")}, seen
PY

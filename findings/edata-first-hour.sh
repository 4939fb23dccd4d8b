#!/usr/bin/env bash
# The filter of e-data, which keeps hours within two bounds and lists what is missing.
#
# Package    e-data 1.3.3
# Guess      24 hours within bounds that include both ends stay 24; the 25 hours of the October day stay
#            25, or the repeated one is listed as missing.
# Seen       The hour that begins at the lower bound is dropped as a duplicate of the bound: 24 become
#            23. Of the October day, with 02:00 twice, 23 of 25 are left. The list of gaps is empty
#            in both cases, and the day's total is short without a sign.
# Matters    An ordinary day of 1 kWh an hour is reported as 23 kWh. Check sums after a filter
#            against the file, and key hours by UTC, not by the clock.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check e-data==1.3.3 holidays==0.109

"$work/venv/bin/python" - <<'PY'
from datetime import datetime, timedelta

from edata.processors.consumption import ConsumptionProcessor
from edata.processors.utils import extract_dt_ranges


def kept(day, clock):
    rows = [
        {
            "datetime": day + timedelta(hours=hour),
            "delta_h": 1.0,
            "value_kWh": 1.0,
            "surplus_kWh": 0.0,
            "real": True,
        }
        for hour in clock
    ]
    left, missing = extract_dt_ranges(rows, day, day + timedelta(hours=23))
    (total,) = ConsumptionProcessor({"consumptions": left}).output["daily"]
    print(
        f"{day:%Y-%m-%d}: {len(rows)} hours in, {len(left)} out from {left[0]['datetime']:%H:%M}, "
        f"{total['value_kWh']} kWh, missing {missing}"
    )
    return len(left), total["value_kWh"], missing


assert kept(datetime(2025, 11, 3), range(24)) == (23, 23.0, [])
assert kept(datetime(2025, 10, 26), sorted([*range(24), 2])) == (23, 23.0, [])
PY

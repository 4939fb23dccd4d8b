#!/usr/bin/env bash
# What remains in a program after demandlib has made a standard load profile.
#
# Package    demandlib 0.2.2 (with pandas 2.3.3)
# Guess      ElecSlp(year) computes a table and leaves the program around it as it was.
# Seen       It sets Python's filter to "error" for every warning of the whole process and never puts
#            it back. A FutureWarning anywhere later, in a library that has nothing to do with it, is
#            an exception. The old profiles alone do so: the profiles of 2025 (H25) do not.
# Matters    A forecast that used the profile once fails hours later elsewhere, at the first warning.
#            Make profiles within warnings.catch_warnings(), which does put the filters back.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check demandlib==0.2.2 pandas==2.3.3

"$work/venv/bin/python" - <<'PY'
import warnings

import pandas as pd
from demandlib import bdew


def outcome():
    try:
        warnings.warn("a column will be renamed", FutureWarning, stacklevel=1)
    except FutureWarning:
        return "raised"
    return "only warned"


quarters = pd.date_range("2026-01-01", periods=96, freq="15min")
steps = {"before": outcome()}
bdew.H25(quarters)
steps["after H25"] = outcome()
with warnings.catch_warnings():
    bdew.ElecSlp(2026)
steps["after ElecSlp within catch_warnings"] = outcome()
bdew.ElecSlp(2026)
steps["after ElecSlp"] = outcome()
for step, seen in steps.items():
    print(f"{step}: a FutureWarning is {seen}")

assert list(steps.values()) == ["only warned", "only warned", "only warned", "raised"], steps
PY

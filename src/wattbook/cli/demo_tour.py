"""What the demo shows after its table: findings, a forecast and a report of the sample sites."""

from pathlib import Path
from typing import Final

from wattbook.answers import anomalies as documents
from wattbook.cli import anomalies, forecast, local, report, show
from wattbook.cli.ask import Document
from wattbook.core.carbon.factors import DEFAULT_SET
from wattbook.core.periods import Grain
from wattbook.ports.anomalies import FindingFilter
from wattbook.samples.load import END, START

SITE: Final = "pecos-1"
PLANT: Final = "cogen-plant"
HORIZON: Final = "7d"
LAST_MONTH: Final = ("2021-07-01", "2021-08-01")
REPORT: Final = f"{SITE}-2021-07.pdf"
SHOWN: Final = 5
"""Findings in the table."""
MAX_FINDINGS: Final = 1000


def _at_stake_kwh(finding: Document) -> float:
    return abs(float(finding["energy_at_stake_kwh"] or 0.0))


def run(folder: Path, *, is_detected: bool) -> None:
    """Show findings (detected first, unless they are there), a forecast, and write a report."""
    first, last = f"{START:%Y-%m-%d}", f"{END:%Y-%m-%d}"
    show.say(
        f"\nFindings at the mines with most at stake: wattbook anomalies --from {first} --to {last}"
    )
    wanted = FindingFilter(since=START, until=END)
    if not is_detected:
        anomalies.detect(wanted, None)
    found = local.run(lambda runtime: documents.document(wanted, runtime, limit=MAX_FINDINGS))
    mines = [each for each in found["findings"] if each["site_id"] != PLANT]
    anomalies.table(sorted(mines, key=_at_stake_kwh, reverse=True)[:SHOWN])
    show.say(f"\nThe week after the data ends: wattbook forecast {SITE} --horizon {HORIZON}")
    forecast.run(SITE, HORIZON, Grain.DAY, "auto", None, "table", None, hashrate=False, fresh=False)
    begin, end = LAST_MONTH
    show.say(f"\nJuly on paper: wattbook report {SITE} --from {begin} --to {end}")
    path = folder / REPORT
    if path.exists():
        show.say(str(path))
    else:
        report.run(SITE, begin, end, [], path, DEFAULT_SET, None, None)

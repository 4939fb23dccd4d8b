"""Findings: the documents of `/anomalies`."""

from typing import Any

from wattbook.ports.anomalies import FindingFilter
from wattbook.schemas.findings import FindingOut, FindingsOut
from wattbook.wiring.runtime import Runtime


async def page(
    wanted: FindingFilter, runtime: Runtime, *, after: str | None = None, limit: int
) -> FindingsOut:
    """Findings, the latest start first."""
    found = await runtime.anomalies.findings(wanted, after=after, limit=limit)
    findings = [FindingOut.of(each) for each in found.findings]
    return FindingsOut(findings=findings, cursor=found.cursor)


async def document(wanted: FindingFilter, runtime: Runtime, *, limit: int) -> dict[str, Any]:
    """The first page as it is sent."""
    return (await page(wanted, runtime, limit=limit)).model_dump(mode="json")

"""The parts of problem documents (RFC 9457)."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from wattbook.core.errors import Failure, Problem


class Fault(BaseModel):
    """One thing that is wrong, and where."""

    reason: str
    detail: str
    field: str | None = None
    row: int | None = None


def failure_from(job: Mapping[str, Any]) -> Failure | None:
    """Why a job failed, from the document of the job (`schemas.jobs.JobOut`)."""
    if job["error_kind"] is None:
        return None
    problems = tuple(Problem(**each) for each in job["errors"])
    return Failure(job["error_kind"], job["error"], problems)

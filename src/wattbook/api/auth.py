"""Who is calling. Today everybody is anonymous; routes ask here, so that this can change alone."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls, and what they may do."""

    name: str
    may_write: bool


ANONYMOUS: Final = Caller("anonymous", may_write=True)
"""May do everything: without authentication the service listens on its own machine only."""


async def caller() -> Caller:
    """The caller of this request."""
    return ANONYMOUS


CallerDep = Annotated[Caller, Depends(caller)]

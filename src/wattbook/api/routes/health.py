"""Whether the service is alive, and the parts that it needs."""

from fastapi import APIRouter, Response

from wattbook import __version__
from wattbook.api.deps import RuntimeDep
from wattbook.api.responses import json_response
from wattbook.flows import health as flow

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive: the process answers."""
    return {"status": "alive", "version": __version__}


@router.get("/readyz")
async def readyz(runtime: RuntimeDep) -> Response:
    """Ready: each part that an answer needs, by name; 503 where one of them fails."""
    parts = await flow.look(
        registry=runtime.registry,
        rollups=runtime.rollups,
        readings=runtime.readings,
        broker=runtime.bell,
    )
    fine = all(state == "ok" for state in parts.values())
    document = {"status": "ready" if fine else "not ready", "parts": parts}
    return json_response(document, 200 if fine else 503)

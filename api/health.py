"""Whether the process lives, and whether it can do its work."""

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api.callers import Audience, TheHub, audience
from api.problems import RETRY_AFTER_SECONDS
from hub.errors import Unavailable

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """One word per part; no version, no name, nothing to learn for a stranger."""

    status: Literal["ok", "unavailable"]
    parts: dict[str, Literal["ok", "unavailable"]] = {}


@router.get("/healthz", summary="Alive", openapi_extra=audience(Audience.ANYONE))
async def alive() -> Health:
    """Answer as long as the process runs."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Ready",
    responses={503: {"model": Health, "description": "Some part does not answer"}},
    openapi_extra=audience(Audience.ANYONE),
)
def ready(response: Response, hub: TheHub) -> Health:
    """Ask database and key service; without either nothing is taken."""
    parts = {name: _asked(check) for name, check in (("database", hub.store.ping), ("keys", hub.keys.ping))}
    well = all(answer == "ok" for answer in parts.values())
    if not well:
        response.status_code = 503
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return Health(status="ok" if well else "unavailable", parts=parts)


def _asked(check: Callable[[], object]) -> Literal["ok", "unavailable"]:
    try:
        check()
    except Unavailable:
        return "unavailable"
    return "ok"

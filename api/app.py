"""The application: routes, errors, guard and log around one hub."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from api import health, problems
from api.requests import RequestLog
from api.secrets import EdgeGuard
from api.uploads import Checks, UploadBudget
from api.v1 import inbox, participation, reports
from hub.wiring import Hub

DESCRIPTION = """\
The joint through which carriers share who attacks, from whose network, under secrecy of communications.

Every error is an RFC 9457 problem document: what was got, what was expected, what to do next. A success answer
is sent after commit; every push can be repeated with its Idempotency-Key and changes nothing the second time.
"""


ROUTERS = (
    health.router,
    reports.router,
    inbox.router,
    participation.recalls,
    participation.holdings,
    participation.about,
)


class Application(FastAPI):
    """The framework's application, describing its problem documents too."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description."""
        return problems.describe(super().openapi())


def create_app(hub: Hub) -> FastAPI:
    """Build the application around ``hub``; it is closed with the application."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = hub.settings.api.threads
        app.state.checks = Checks(CapacityLimiter(4), CapacityLimiter(1))
        yield
        hub.close()

    app = Application(
        title="Kessetsu",
        version="1",
        description=DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect goes where the Host header says, token and all
        lifespan=lifespan,
    )
    app.state.hub = hub
    app.state.uploads = UploadBudget(hub.settings.intake.max_bytes_in_flight)
    problems.install(app)
    for router in ROUTERS:
        _require_audiences(router)
        app.include_router(router)
    app.add_middleware(problems.ProblemsOnly)
    app.add_middleware(EdgeGuard)
    app.add_middleware(RequestLog)
    return app


def _require_audiences(router: APIRouter) -> None:
    """Refuse to start with a route that does not say whom it is for."""
    silent = [
        getattr(route, "path", "?")
        for route in router.routes
        if not isinstance(route, APIRoute) or "x-audience" not in (route.openapi_extra or {})
    ]
    if silent:
        raise RuntimeError(f"these routes declare no audience: {', '.join(silent)}")

"""Who calls: every route declares its audience here, and nobody else is let in.

One implementation for all routes, which later schemes (Basic, mTLS, OAuth) join.
"""

import asyncio
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from hub.errors import NotAuthenticated, Unavailable
from hub.members.credentials import require
from hub.records import Caller
from hub.vocabulary import Scope
from hub.wiring import Hub

_bearer = HTTPBearer(auto_error=False, description="A token issued by the hub's officer (`kst_…`).")


class Audience(StrEnum):
    """Whom a route is for."""

    ANYONE = "anyone"
    MEMBERS = "members"
    """Any member with a valid token, suspended ones included."""
    PUSHERS = "push"
    READERS = "inbox"
    ANSWERERS = "outcomes"
    HOLDERS = "holdings"


_SCOPES = {
    Audience.PUSHERS: Scope.PUSH,
    Audience.READERS: Scope.INBOX,
    Audience.ANSWERERS: Scope.OUTCOMES,
    Audience.HOLDERS: Scope.HOLDINGS,
}


def hub_of(request: Request) -> Hub:
    """Return the hub this application serves."""
    hub: Hub = request.app.state.hub
    return hub


TheHub = Annotated[Hub, Depends(hub_of)]


def caller_of(
    request: Request, hub: TheHub, presented: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Caller:
    """Return who presents the request's token.

    Raises:
        NotAuthenticated: no token, or one that is unknown, expired or revoked.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    return known or _authenticated(hub, presented)


def _authenticated(hub: Hub, presented: HTTPAuthorizationCredentials | None) -> Caller:
    if presented is None:
        raise NotAuthenticated(
            "This route needs a token.",
            expected="Authorization: Bearer kst_…",
            action="Send your member's token; ask the hub's officer if you have none.",
        )
    return hub.authenticate(presented.credentials)


class KnownCallersFirst(APIRoute):
    """Asks who calls before a body is read: the framework would first take in all that a stranger sends."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, behind the question where the route reads a body."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def known_first(request: Request) -> Response:
            hub = hub_of(request)
            request.state.caller = await run_in_threadpool(_authenticated, hub, await _bearer(request))
            await _read(request, hub.settings.intake.upload_timeout_seconds)
            return await handle(request)

        return known_first


async def _read(request: Request, timeout_seconds: float) -> None:
    """Take in a body, which the request then keeps; the route's limit holds."""
    try:
        async with asyncio.timeout(timeout_seconds):
            await request.body()
    except (TimeoutError, ClientDisconnect):
        raise Unavailable("The request did not end in time; nothing was taken.", action="Send it again.") from None


def _entitled(audience: Audience) -> Callable[[Caller], Caller]:
    scope = _SCOPES[audience]

    def entitled(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        require(caller, scope)
        return caller

    entitled.__name__ = f"caller_with_{scope.value}"
    return entitled


AnyMember = Annotated[Caller, Depends(caller_of)]
Pusher = Annotated[Caller, Depends(_entitled(Audience.PUSHERS))]
Reader = Annotated[Caller, Depends(_entitled(Audience.READERS))]
Answerer = Annotated[Caller, Depends(_entitled(Audience.ANSWERERS))]
Holder = Annotated[Caller, Depends(_entitled(Audience.HOLDERS))]


def audience(who: Audience, *, secret: bool = False) -> dict[str, object]:
    """Declare a route's audience, and whether its answers hold secrets; a route without this does not start."""
    return {"x-audience": who.value, "x-secret": secret}

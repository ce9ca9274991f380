"""Who calls: every route declares its audience here, and nobody else is let in.

One implementation for all routes, which later schemes (Basic, mTLS, OAuth) join.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hub.errors import NotAuthenticated
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


def caller_of(hub: TheHub, presented: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> Caller:
    """Return who presents the request's token.

    Raises:
        NotAuthenticated: no token, or one that is unknown, expired or revoked.
    """
    if presented is None:
        raise NotAuthenticated(
            "This route needs a token.",
            expected="Authorization: Bearer kst_…",
            action="Send your member's token; ask the hub's officer if you have none.",
        )
    return hub.authenticate(presented.credentials)


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

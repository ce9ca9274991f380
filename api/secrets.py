"""Answers that hold secrets: sent only with a stored grant for that caller, checked once more at the edge."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import StreamingResponse

from api.problems import MEDIA_TYPE, problem
from hub.disclosure.secret_body import SecretBody, open_secret
from hub.records import Caller, Grant

_CHECKED = "kessetsu.edge-checked"

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class SecretResponse(StreamingResponse):
    """The only response a secret leaves in. Building it checks body, stored grant and caller against each other."""

    def __init__(self, body: SecretBody, grant: Grant | None, caller: Caller, filename: str) -> None:
        """Open ``body`` for ``caller`` under the grant as it is stored now.

        Raises:
            NotPermitted: unless they agree in every respect.
        """
        super().__init__(
            open_secret(body, grant, caller.capacity_id),
            media_type=body.media_type,
            headers={
                "Cache-Control": "no-store",
                "Content-Disposition": f'attachment; filename="{filename}"',
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Send, marked as checked."""
        scope[_CHECKED] = True
        await super().__call__(scope, receive, send)


class EdgeGuard:
    """Fails closed: a route that declares secrets, or nothing, answers through :class:`SecretResponse` or not at all.

    Only problem documents pass besides, and the API's own description.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Stand between ``app`` and the network."""
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass everything through but an unchecked answer of a secret route."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        stopped = False

        async def guarded(message: Message) -> None:
            nonlocal stopped
            if stopped:
                return
            if message["type"] == "http.response.start" and _leaks(scope, message):
                stopped = True
                refusal = problem(500, "internal", "The hub stopped its own answer.", action="Report this to it.")
                await refusal(scope, receive, send)
                return
            await send(message)

        await self.app(scope, receive, guarded)


def _leaks(scope: MutableMapping[str, Any], message: Message) -> bool:
    if scope.get(_CHECKED):
        return False
    succeeded = 200 <= message["status"] < 300  # noqa: PLR2004 - the success class of RFC 9110
    return _declares_secrets(scope) and (succeeded or not _is_problem(message))


def _declares_secrets(scope: MutableMapping[str, Any]) -> bool:
    """Tell whether the route declares secrets; one that declares nothing is taken to."""
    declared: dict[str, object] | None = getattr(scope.get("route"), "openapi_extra", None)
    if declared is None:
        return bool(scope["path"] != scope["app"].openapi_url)
    return bool(declared.get("x-secret", True))


def _is_problem(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type") == MEDIA_TYPE

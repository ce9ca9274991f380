"""Around every request: an id, security headers, and one log line of method, route template and status."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any
from uuid import UUID, uuid4

from starlette.datastructures import Headers, MutableHeaders

from hub.logs import log_request, request_context

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

_request_id: ContextVar[UUID | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """Return the id of the request being answered."""
    request_id = _request_id.get()
    return None if request_id is None else str(request_id)


class RequestLog:
    """Names each request and logs how it ended; paths, queries and bodies never get near a log."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around ``app``."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, request_id, status = time.perf_counter(), uuid4(), 500
        read_whole = not _has_body(scope)
        _request_id.set(request_id)

        async def watched() -> Message:
            nonlocal read_whole
            message = await receive()
            read_whole = read_whole or not message.get("more_body", False)
            return message

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = str(request_id)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if not read_whole:  # answered early: what is still being sent is not waited for
                    headers["Connection"] = "close"
            await send(message)

        with request_context(request_id):
            try:
                await self.app(scope, watched, named)
            finally:
                template = getattr(scope.get("route"), "path", None)
                log_request(scope["method"], template, status, (time.perf_counter() - started) * 1000)


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

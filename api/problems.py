"""Errors on the wire: one table from the domain's tree to RFC 9457 problem documents.

What the table does not know becomes a 500 without any detail: an unforeseen error's text may hold anything.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.negotiation import NotAcceptable, WrongContentType
from api.requests import ASGIApp, Message, Receive, Scope, Send, current_request_id
from hub import errors

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
MAX_GOT = 200
"""No answer echoes more of an input than this."""
MAX_FAULTS = 100
"""Nor does it list more faults: a long list of wrong values would be answered by a longer one."""

_STATUS: tuple[tuple[type[errors.KessetsuError], int], ...] = (
    (WrongContentType, 415),
    (NotAcceptable, 406),
    (errors.TooLarge, 413),
    (errors.BadInput, 422),
    (errors.NotAuthenticated, 401),
    (errors.NotPermitted, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Gone, 410),
    (errors.KeyDestroyed, 410),
    (errors.StorageFull, 507),
    (errors.Unavailable, 503),
)


class FaultModel(BaseModel):
    """One thing that is wrong."""

    where: str = Field(description="JSON pointer, column or parameter")
    code: str
    expected: str
    got: str | None = None


class Problem(BaseModel):
    """An RFC 9457 problem document with what was got, what was expected and what to do next."""

    type: str = Field(examples=["urn:kessetsu:problem:bad-envelope"])
    title: str
    status: int
    detail: str
    code: str
    expected: str | None = None
    got: str | None = None
    action: str | None = Field(default=None, description="What to do next")
    errors: list[FaultModel] = []
    request_id: str | None = None


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare problem answers of a route for the OpenAPI description."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in (401, 403, 500, 503, *statuses)
    }


def install(app: FastAPI) -> None:
    """Answer every failure of ``app`` with a problem document, the framework's own included."""
    app.add_exception_handler(errors.KessetsuError, _domain)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Add the problem's schema, which :func:`responses` refers to, to an OpenAPI description."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = schema.pop("$defs", {})
    document.setdefault("components", {}).setdefault("schemas", {}).update({**parts, "Problem": schema})
    return document


class ProblemsOnly:
    """The last resort: errors nobody foresaw, and the framework's own answers to errors, become problem documents.

    It stands inside the middlewares that name and guard answers, so that these answers pass them too. An error
    after the answer began can only end the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Stand around ``app``."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = replaced = False

        async def checked(message: Message) -> None:
            nonlocal started, replaced
            if message["type"] == "http.response.start" and _is_foreign_error(message):
                replaced = True
                await _of_status(message["status"], {})(scope, receive, send)
            elif not replaced:
                await send(message)
            started = True

        try:
            await self.app(scope, receive, checked)
        except Exception as error:
            if started:
                raise
            structlog.get_logger().error("request-failed", exc_info=error)
            await _internal()(scope, receive, send)


def _is_foreign_error(message: Message) -> bool:
    content_type = Headers(raw=message["headers"]).get("content-type", "")
    return message["status"] >= HTTPStatus.BAD_REQUEST and content_type.startswith("text/")


def _of_status(status: int, headers: Mapping[str, str]) -> Response:
    if status == HTTPStatus.BAD_REQUEST:  # the framework's word for a body its parser gave up on
        return _unreadable([errors.Fault("/body", "json_invalid", expected="JSON (RFC 8259), not deeply nested")])
    phrase = HTTPStatus(status).phrase
    return problem(
        status,
        phrase.lower().replace(" ", "-"),
        f"{phrase}.",
        action="The API description is at /openapi.json.",
        headers=dict(headers),
    )


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    expected: str | None = None,
    got: str | None = None,
    action: str | None = None,
    faults: Sequence[errors.Fault] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """Return one problem as a response."""
    document = Problem(
        type=f"urn:kessetsu:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        expected=expected,
        got=None if got is None else got[:MAX_GOT],
        action=action,
        errors=[
            FaultModel(where=f.where[:MAX_GOT], code=f.code, expected=f.expected, got=_cut(f.got))
            for f in faults[:MAX_FAULTS]
        ],
        request_id=current_request_id(),
    )
    body = orjson.dumps(document.model_dump(exclude_none=True))
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def of_error(error: errors.KessetsuError) -> Response:
    """Return a domain error as a response."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _internal()
    headers = {}
    if status in {503, 507}:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="kessetsu"'
    return problem(
        status,
        error.code,
        error.message,
        expected=error.expected,
        got=error.got,
        action=error.action,
        faults=error.faults,
        headers=headers,
    )


async def _domain(_request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.KessetsuError):
        return _internal()
    return of_error(error)


async def _invalid(_request: Request, error: Exception) -> Response:
    """Name place and rule of each invalid part, never its value."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    faults = [
        errors.Fault("/" + "/".join(map(str, item["loc"])), str(item["type"]), expected=str(item["msg"]))
        for item in found[:MAX_FAULTS]
    ]
    return _unreadable(faults)


def _unreadable(faults: Sequence[errors.Fault]) -> Response:
    return problem(
        422,
        "bad-request",
        "The request is not of the form this route takes.",
        faults=faults,
        action="Mend the named parts; the API description is at /openapi.json.",
    )


async def _http(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return _internal()
    return _of_status(error.status_code, error.headers or {})


def _internal() -> Response:
    return problem(
        500,
        "internal",
        "The hub failed; what you sent may not have been taken.",
        action="Send the same request again; give the request id to the hub's operator if it fails again.",
    )


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:MAX_GOT]

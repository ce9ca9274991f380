"""From an answer that is not a success to the error that says so."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from kessetsu_client.errors import Fault, HubError, Problem, error_class
from kessetsu_client.wire import Answer


def error_of(answer: Answer) -> HubError | None:
    """Return the error that ``answer`` stands for, or ``None`` for a success or 304."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES or answer.status == HTTPStatus.NOT_MODIFIED:
        return None
    problem = _problem(answer.status, _document(answer), answer.headers)
    return error_class(answer.status)(problem, retry_after=_retry_after(answer.headers.get("retry-after")))


def _document(answer: Answer) -> Mapping[str, object]:
    """Read the body if it is JSON: a proxy in between may answer in HTML."""
    if "json" not in answer.headers.get("content-type", ""):
        return {}
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _problem(status: int, document: Mapping[str, object], headers: Mapping[str, str]) -> Problem:
    return Problem(
        status=status,
        title=_text(document, "title") or _phrase(status),
        type=_text(document, "type") or "about:blank",
        detail=_text(document, "detail"),
        code=_text(document, "code"),
        expected=_text(document, "expected"),
        got=_text(document, "got"),
        action=_text(document, "action"),
        errors=_faults(document.get("errors")),
        request_id=_text(document, "request_id") or headers.get("x-request-id"),
    )


def _text(document: Mapping[str, object], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _faults(value: object) -> tuple[Fault, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(
        Fault(
            where=_text(item, "where") or "",
            code=_text(item, "code") or "",
            expected=_text(item, "expected"),
            got=_text(item, "got"),
        )
        for item in value
        if isinstance(item, dict)
    )


def _retry_after(value: str | None) -> float | None:
    """Read Retry-After: seconds or a date (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        instant = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (instant.astimezone(UTC) - datetime.now(UTC)).total_seconds())

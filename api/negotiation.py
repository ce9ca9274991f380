"""Content negotiation as RFC 9110, section 12.5.1, says: ranges, quality, case, quotes."""

from collections.abc import Sequence
from email.message import Message

from hub.errors import BadInput

MAX_RANGES = 32


class NotAcceptable(BadInput):
    """Nothing this route serves is among what the caller accepts."""

    code = "not-acceptable"


class WrongContentType(BadInput):
    """The body, or a part of it, is of a type this route does not take."""

    code = "wrong-content-type"


def choose(accept: str | None, offered: Sequence[str]) -> str | None:
    """Return the offered type the caller likes best, the first offered among equals; ``None`` where none will do."""
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",")[:MAX_RANGES]]
    best = max(offered, key=lambda kind: _quality(kind, ranges))
    return best if _quality(best, ranges) > 0 else None


def _quality(kind: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Return the quality the most specific matching range gives a type; 0 where none matches."""
    matching = [(_specificity(pattern), quality) for pattern, quality in ranges if _matches(pattern, kind)]
    return max(matching, default=(0, 0.0))[1]


def _specificity(pattern: str) -> int:
    return 2 - pattern.count("*")


def _range(part: str) -> tuple[str, float]:
    message = Message()
    message["content-type"] = part
    quality = message.get_param("q", "1")
    try:
        return message.get_content_type() if "/" in part else "", float(str(quality))
    except ValueError:
        return message.get_content_type(), 0.0


def _matches(pattern: str, kind: str) -> bool:
    if pattern == "*/*":
        return True
    main, _, sub = pattern.partition("/")
    return pattern == kind or (sub == "*" and kind.startswith(f"{main}/"))

"""Canonical JSON: one spelling per value, so that a signature over it can be checked by anybody."""

import json
from collections.abc import Mapping

MAX_INTEGER = 2**53 - 1
"""Beyond this, readers that hold numbers as doubles would see another value."""


def canonical_json(value: object) -> bytes:
    """Return ``value`` as canonical JSON (RFC 8785).

    Takes ``None``, booleans, strings, integers up to 2^53 - 1, sequences and string-keyed mappings. Floats are
    refused: what we sign has none.

    Raises:
        TypeError: a value of another type.
        ValueError: an integer too large, or a string that is not Unicode text.
    """
    return json.dumps(_in_order(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _in_order(value: object) -> object:
    """Return a copy with keys sorted by UTF-16 code units (RFC 8785, 3.2.3), refusing what has no one spelling."""
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueError("canonical JSON holds integers up to 2^53 - 1")
        return int(value)
    if isinstance(value, Mapping):
        keys = sorted(map(_key, value), key=lambda key: key.encode("utf-16-be"))
        return {key: _in_order(value[key]) for key in keys}
    if isinstance(value, list | tuple):
        return [_in_order(item) for item in value]
    raise TypeError(f"canonical JSON takes no {type(value).__name__}")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError("canonical JSON takes string keys only")
    return str(key)

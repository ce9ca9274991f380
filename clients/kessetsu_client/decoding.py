"""JSON documents into the frozen records of :mod:`kessetsu_client.answers`, and back."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from kessetsu_client.errors import Problem, UnreadableAnswer
from kessetsu_client.wire import Answer

T = TypeVar("T")


class _Mismatch(Exception):
    """A value that is not of the expected shape; says where, never what."""


def read(kind: type[T], answer: Answer, *, under: str | None = None) -> T:
    """Read an answer's body as ``kind``; with ``under``, that member of the body's object.

    Members that the record does not know are ignored, so that a newer hub can be read.

    Raises:
        UnreadableAnswer: where the body is not JSON or lacks what the record needs.
    """
    try:
        document = json.loads(answer.body)
        if under is not None:
            document = _object(document, "").get(under)
        return cast("T", _value(kind, document, "" if under is None else f"/{under}"))
    except (ValueError, RecursionError, _Mismatch) as error:
        raise unreadable(answer, str(error)) from None


def unreadable(answer: Answer, why: str) -> UnreadableAnswer:
    """Describe an answer that no hub would give."""
    problem = Problem(
        status=answer.status,
        title="The answer is not one that a hub gives.",
        detail=f"status {answer.status}, {answer.headers.get('content-type', 'no content type')}: {why}",
        action="Check the hub's address, and whether a proxy stands in between.",
        request_id=answer.headers.get("x-request-id"),
    )
    return UnreadableAnswer(problem)


def to_json(value: object) -> object:
    """Turn records, instants, paths and tuples into what :mod:`json` can write."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: to_json(getattr(value, part.name)) for part in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def instant_text(instant: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _value(kind: object, value: object, where: str) -> object:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _either(get_args(kind), value, where)
    if origin is Literal:
        return _literal(get_args(kind), value, where)
    if origin is tuple:
        return _tuple(get_args(kind)[0], value, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        item = get_args(kind)[1]
        return {key: _value(item, part, f"{where}/{key}") for key, part in _object(value, where).items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _record(kind, _object(value, where), where)
    return _scalar(kind, value, where)


def _either(kinds: tuple[object, ...], value: object, where: str) -> object:
    if value is None and NoneType in kinds:
        return None
    failure = _Mismatch(f"{where or '/'} is missing")
    for kind in kinds:
        if kind is NoneType:
            continue
        try:
            return _value(kind, value, where)
        except _Mismatch as error:
            failure = error
    raise failure


def _literal(allowed: tuple[object, ...], value: object, where: str) -> object:
    if value not in allowed:
        raise _Mismatch(f"{where or '/'} is none of the expected words")
    return value


def _tuple(kind: object, value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise _Mismatch(f"{where or '/'} is not a list")
    if kind is int and set(map(type, value)) <= {int}:
        return tuple(value)
    return tuple(_value(kind, item, f"{where}/{place}") for place, item in enumerate(value))


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _Mismatch(f"{where or '/'} is not an object")
    return value


@cache
def _parts(kind: type) -> tuple[tuple[str, object, bool], ...]:
    hints = get_type_hints(kind)
    needed = dataclasses.MISSING
    return tuple(
        (part.name, hints[part.name], part.default is needed and part.default_factory is needed)
        for part in dataclasses.fields(kind)
    )


def _record(kind: type, value: Mapping[str, object], where: str) -> object:
    given: dict[str, object] = {}
    for name, hint, required in _parts(kind):
        if name in value:
            given[name] = _value(hint, value[name], f"{where}/{name}")
        elif required:
            raise _Mismatch(f"{where}/{name} is missing")
    return kind(**given)


def _scalar(kind: object, value: object, where: str) -> object:
    if kind is object:
        return value
    if kind is datetime:
        return _instant(value, where)
    if type(value) is not kind:
        raise _Mismatch(f"{where or '/'} is not {_NAMES.get(kind, 'of the expected type')}")
    return value


def _instant(value: object, where: str) -> datetime:
    if not isinstance(value, str):
        raise _Mismatch(f"{where or '/'} is not an instant")
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise _Mismatch(f"{where or '/'} is not an instant") from None
    if instant.tzinfo is None:
        raise _Mismatch(f"{where or '/'} is an instant without a zone")
    return instant.astimezone(UTC)


_NAMES: Mapping[object, str] = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}

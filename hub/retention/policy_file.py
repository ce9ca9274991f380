"""The retention file: what may stand in it, read strictly, all faults found at once."""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hub.errors import BadInput, Fault
from hub.vocabulary import DataClass, Purpose

Section = tuple[timedelta, timedelta, dict[Purpose, timedelta]]
"""Maximum, granularity, limits."""

_DURATION: Final = re.compile(r"([1-9][0-9]{0,5}) (s|min|h|d)")
_UNITS: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_HOUR, _SECOND = timedelta(hours=1), timedelta(seconds=1)
_GRANULARITIES: Final = {each: _SECOND if each is DataClass.DRILL_SHORT else _HOUR for each in DataClass}
_OWN: Final = frozenset({DataClass.INTAKE, DataClass.HELD})
_DRILLS: Final = frozenset({DataClass.DRILL, DataClass.DRILL_SHORT})


def read_policy(path: Path, ceilings: Mapping[DataClass, timedelta]) -> tuple[dict[DataClass, Section], timedelta]:
    """Return the sections by class, and the least time left at arrival.

    Raises:
        BadInput: with every fault found.
    """
    tree = _tree(path)
    faults = list(_faults(tree, ceilings))
    if faults:
        named = ", ".join(f"{fault.where} ({fault.expected})" for fault in faults)
        raise BadInput(
            f"The retention policy {path} cannot be used: {named}.",
            expected="what the file shipped with the program explains",
            action="Correct the keys named; the hub does not start until then.",
            faults=faults,
        )
    return {each: _section(tree[each.value]) for each in DataClass}, _duration(tree["minimum_left"]) or _SECOND


def _tree(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as trouble:
        reason = trouble.strerror if isinstance(trouble, OSError) else str(trouble)
        raise BadInput(
            f"The retention policy {path} cannot be read: {reason}.",
            expected="a TOML file",
            action="Restore the file, or unset the directory of policies to use those shipped with the program.",
        ) from None


def _section(section: Mapping[str, Any]) -> Section:
    limits = {Purpose(name): _required(text) for name, text in section.get("limits", {}).items()}
    return _required(section["maximum"]), _required(section["granularity"]), limits


def _required(text: object) -> timedelta:
    duration = _duration(text)
    if duration is None:
        raise ValueError("a duration was checked and is none")
    return duration


def _duration(text: object) -> timedelta | None:
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    return None if match is None else timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _faults(tree: Mapping[str, Any], ceilings: Mapping[DataClass, timedelta]) -> Iterator[Fault]:
    yield from _unknown("", tree, {"minimum_left", *DataClass})
    yield from _no_duration("minimum_left", tree.get("minimum_left"))
    for each in DataClass:
        section = tree.get(each.value)
        if isinstance(section, dict):
            yield from _section_faults(each, section, ceilings.get(each))
        else:
            yield Fault(each.value, "missing", f"a section [{each.value}]")


def _section_faults(each: DataClass, section: Mapping[str, Any], ceiling: timedelta | None) -> Iterator[Fault]:
    name = each.value
    known = {"maximum", "granularity"} if each in _OWN else {"maximum", "granularity", "limits"}
    yield from _unknown(f"{name}.", section, known)
    yield from _no_duration(f"{name}.maximum", section.get("maximum"))
    if _duration(section.get("granularity")) != _GRANULARITIES[each]:
        yield Fault(f"{name}.granularity", "fixed", "1 s" if each is DataClass.DRILL_SHORT else "1 h")
    maximum = _duration(section.get("maximum"))
    if maximum is not None:
        if ceiling is not None and maximum > ceiling:
            yield Fault(f"{name}.maximum", "too-long", f"at most {_hours(ceiling)}")
        if maximum <= _GRANULARITIES[each]:
            yield Fault(f"{name}.maximum", "too-short", "more than the granularity, or deadlines lie in the past")
    if each not in _OWN:
        yield from _limit_faults(each, section.get("limits"), maximum)


def _limit_faults(each: DataClass, limits: object, maximum: timedelta | None) -> Iterator[Fault]:
    where = f"{each.value}.limits"
    if not isinstance(limits, dict) or not limits:
        yield Fault(where, "missing", "a limit for at least one purpose")
        return
    allowed = {purpose for purpose in Purpose if (purpose is Purpose.DRILL) == (each in _DRILLS)}
    yield from _unknown(f"{where}.", limits, allowed)
    for purpose, text in limits.items():
        yield from _no_duration(f"{where}.{purpose}", text)
        limit = _duration(text)
        if limit is not None and maximum is not None and limit > maximum:
            yield Fault(f"{where}.{purpose}", "above-maximum", f"at most the maximum of the class, {_hours(maximum)}")
        if limit is not None and limit <= _GRANULARITIES[each]:
            yield Fault(f"{where}.{purpose}", "too-short", "more than the granularity, or deadlines lie in the past")


def _unknown(prefix: str, tree: Mapping[str, Any], known: Collection[str]) -> Iterator[Fault]:
    names = sorted(str(name) for name in known)
    for name in tree:
        if name not in names:
            yield Fault(f"{prefix}{name}", "unknown", "one of: " + ", ".join(names))


def _no_duration(where: str, value: object) -> Iterator[Fault]:
    if _duration(value) is None:
        yield Fault(
            where, "missing" if value is None else "no-duration", 'a duration as "30 s", "10 min", "72 h", "14 d"'
        )


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:g} h"

"""The members of an envelope's JSON object, read one by one; every fault is kept, none stops the reading."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from hub.addresses import parse_one, parse_prefix, render_one, render_prefix
from hub.errors import BadEnvelope, Fault, TooLarge
from hub.intake.times import instant_of

MAX_ENVELOPE = 65_536
"""Bytes of an envelope."""

REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,127}\Z")
"""References of mandates and consents."""
TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}\Z")
"""Names of malware families, detections and vulnerabilities."""

_V4_WITHIN = re.compile(r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\.?[0-9])")
_V6_WITHIN = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?![0-9A-Za-z:.])")
_MAX_SHOWN = 80

Word = TypeVar("Word", bound=StrEnum)


def load_members(raw: bytes) -> Mapping[str, object]:
    """Return the JSON object in ``raw`` (UTF-8, RFC 8259), refusing member names that come twice.

    Raises:
        TooLarge: past :data:`MAX_ENVELOPE`.
        BadEnvelope: where it is no JSON object, or a member comes twice.
    """
    if len(raw) > MAX_ENVELOPE:
        raise TooLarge(
            f"The envelope has {len(raw)} bytes.",
            expected=f"at most {MAX_ENVELOPE} bytes",
            action="Put the records into the body; the envelope only describes them.",
        )
    repeated: list[str] = []
    try:
        content = json.loads(
            raw.decode("utf-8-sig"),
            object_pairs_hook=lambda pairs: _object(pairs, repeated),
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise _not_an_object("The envelope is not JSON.") from error
    if not isinstance(content, dict):
        raise _not_an_object("The envelope is JSON, but not an object.")
    if repeated:
        faults = [Fault("", "duplicate-member", "each member once", got=shown(name)) for name in repeated]
        raise BadEnvelope("A member of the envelope comes twice.", action="Keep one of them.", faults=faults)
    return content


def shown(value: object) -> str:
    """Return ``value`` as short ASCII text, for the eyes of whoever sent it."""
    return json.dumps(value, default=repr)[:_MAX_SHOWN]


class Members:
    """Reads members of an envelope by name and remembers what was wrong with them.

    A reading that fails returns a stand-in of the right type, so that the rest can be read and told as well;
    where ``faults`` is not empty the readings are not to be used.
    """

    def __init__(self, content: Mapping[str, object]) -> None:
        """Read from ``content``; a member that is ``null`` counts as absent."""
        self._content = {name: value for name, value in content.items() if value is not None}
        self._known: set[str] = set()
        self.faults: list[Fault] = []
        self.unusable: set[str] = set()
        """Names of members that are absent though mandatory, or could not be read."""

    def word(self, name: str, words: type[Word], default: Word | None = None) -> Word:
        """Return a member of a closed list; mandatory unless there is a ``default``."""
        value = self._get(name)
        listed = list(words)
        if value is None and default is not None:
            return default
        if isinstance(value, str) and value in listed:
            return words(value)
        self._wrong(name, value, f"one of {', '.join(listed)}", code="unknown-value")
        return listed[0]

    def words(self, name: str, allowed: Collection[str]) -> tuple[str, ...]:
        """Return a list of distinct words out of ``allowed``, sorted; empty where absent."""
        value = self._get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._wrong(name, value, "a list of words", code="type")
            return ()
        for place, item in enumerate(value):
            if not isinstance(item, str) or item not in allowed:
                self._wrong(f"{name}/{place}", item, f"one of {', '.join(sorted(allowed))}", code="unknown-value")
                self.unusable.add(name)
        return tuple(sorted({item for item in value if isinstance(item, str)}))

    def token(self, name: str, pattern: re.Pattern[str], *, mandatory: bool = False) -> str | None:
        """Return a short text without an address in it, or ``None`` where absent."""
        expected = f"text like {pattern.pattern.removesuffix(chr(92) + 'Z')}"
        value = self.text(name, pattern.match, expected, mandatory=mandatory)
        if value is not None and _holds_address(value):
            self._wrong(name, value, "a text without an address: it is stored in the clear", code="holds-address")
        return value

    def text(self, name: str, accept: Callable[[str], object], expected: str, *, mandatory: bool = False) -> str | None:
        """Return a text that ``accept`` finds good, or ``None`` where absent."""
        value = self._get(name)
        if value is None and not mandatory:
            return None
        if isinstance(value, str) and value.isascii() and accept(value):
            return value
        self._wrong(name, value, expected)
        return None

    def instant(self, name: str) -> datetime | None:
        """Return an RFC 3339 time in UTC, or ``None`` where absent."""
        text = self.text(name, instant_of, "an RFC 3339 time with zone, such as 2026-03-01T12:00:00Z")
        return None if text is None else instant_of(text)

    def target(self, name: str) -> str | None:
        """Return an address or a prefix in canonical text, or ``None`` where absent."""
        text = self.text(name, canonical_target, "an address, or a prefix without host bits")
        return None if text is None else canonical_target(text)

    def finish(self) -> None:
        """Count every member that was not asked for as a fault."""
        for name in self._content:
            if name not in self._known:
                expected = f"only {', '.join(sorted(self._known))}"
                self.faults.append(Fault("", "unknown-member", expected, got=shown(name)))

    def _get(self, name: str) -> object:
        self._known.add(name)
        return self._content.get(name)

    def _wrong(self, name: str, value: object, expected: str, *, code: str = "format") -> None:
        self.unusable.add(name)
        if value is None:
            self.faults.append(Fault(f"/{name}", "missing", expected))
        else:
            self.faults.append(Fault(f"/{name}", code, expected, got=shown(value)))


def canonical_target(text: str) -> str | None:
    """Return an address or a prefix in its one canonical text, or ``None`` where it is neither."""
    prefix, address = parse_prefix(text), parse_one(text)
    if prefix is not None:
        return render_prefix(*prefix)
    return None if address is None else render_one(*address)


def _holds_address(text: str) -> bool:
    return bool(_V4_WITHIN.search(text)) or any(parse_one(run) for run in _V6_WITHIN.findall(text))


def _object(pairs: Sequence[tuple[str, object]], repeated: list[str]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        repeated.extend(sorted({name for name in names if names.count(name) > 1}))
    return content


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _not_an_object(message: str) -> BadEnvelope:
    return BadEnvelope(
        message,
        expected="one JSON object in UTF-8",
        action='Send the envelope as JSON, for example {"kind": "attack", "legal_basis": "consent-terms", ...}.',
    )

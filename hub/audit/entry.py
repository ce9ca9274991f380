"""What the log says: who did what to what, when; ids and codes only.

An entry is inserted in the transaction of the act it tells of, as canonical bytes with their leaf hash, and is never
changed. Free text has no way in, because whatever lets an address be tested against it is as secret as the
address.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self
from uuid import UUID, uuid4

LEAF_PREFIX = b"\x00"
"""Before every leaf, so that no leaf can pass for an inner node (RFC 6962, section 2.1)."""

_NAME = re.compile(r"[a-z][a-z_]{0,31}")
_CODE = re.compile(r"[a-z][a-z-]{0,62}[a-z]")
"""A word of ours: without digits it can be no IPv4 address and no digest, without dots and colons no name or IPv6."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DIGESTS_ALLOWED = frozenset({"policy", "prefixes"})
"""Subjects that may be a SHA-256: of public rules and routing tables. A digest of anything else could be tested."""


class Act(StrEnum):
    """Everything the log speaks of."""

    PUSHED = "pushed"
    HELD = "held"
    HELD_DELIVERED = "held-delivered"
    REFUSED = "refused"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    RELEASED = "released"
    READ = "read"
    ACKNOWLEDGED = "acknowledged"
    OUTCOME = "outcome"
    RECALLED = "recalled"
    RECALL_CONFIRMED = "recall-confirmed"
    ERASED = "erased"
    MEMBER_ADDED = "member-added"
    CAPACITY_ADDED = "capacity-added"
    CONTACT_ADDED = "contact-added"
    AGREEMENT_ACCEPTED = "agreement-accepted"
    STANDING_CHANGED = "standing-changed"
    HOLDING_DECLARED = "holding-declared"
    HOLDING_APPROVED = "holding-approved"
    HOLDING_REJECTED = "holding-rejected"
    HOLDING_ENDED = "holding-ended"
    PREFIXES_IMPORTED = "prefixes-imported"
    TOKEN_ISSUED = "token-issued"  # noqa: S105 - an act
    TOKEN_ROTATED = "token-rotated"  # noqa: S105 - an act
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 - an act
    POLICY_LOADED = "policy-loaded"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the log."""

    id: UUID
    at: datetime
    act: Act
    actor: UUID | None
    """The credential that acted; ``None`` where the hub or its operator did."""
    subjects: tuple[tuple[str, str], ...]
    """Names and ids or codes of what it was done to, sorted by name."""

    def __post_init__(self) -> None:
        """Refuse what is neither id nor code; a defect of the caller, so nothing of it is repeated."""
        if self.at.utcoffset() is None:
            raise ValueError("a log entry's time has a zone")
        names = [name for name, _ in self.subjects]
        if names != sorted(set(names)):
            raise ValueError("subjects of a log entry are sorted by name, and each name stands once")
        for name, value in self.subjects:
            if not _NAME.fullmatch(name):
                raise ValueError("a subject of a log entry has a name of lower-case letters")
            if not _may_stand(name, value):
                raise ValueError(f"the subject {name!r} of a log entry is neither an id nor a code")

    @classmethod
    def of(cls, act: Act, *, at: datetime, actor: UUID | None, **subjects: UUID | str) -> Self:
        """Make an entry.

        Raises:
            ValueError: a subject that is neither an id nor a code.
        """
        spelled = ((name, str(value)) for name, value in sorted(subjects.items()))
        return cls(uuid4(), at, act, actor, tuple(spelled))

    @property
    def body(self) -> bytes:
        """The canonical bytes the log keeps: sorted keys, no spaces; all is ASCII, so RFC 8785 asks no more."""
        said = {
            "id": str(self.id),
            "at": f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "act": self.act.value,
            "actor": None if self.actor is None else str(self.actor),
            "subjects": dict(self.subjects),
        }
        return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def leaf_hash(body: bytes) -> bytes:
    """Return the hash a body has as a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(LEAF_PREFIX + body).digest()


def _may_stand(name: str, value: str) -> bool:
    if name in _DIGESTS_ALLOWED and _DIGEST.fullmatch(value):
        return True
    return _ID.fullmatch(value) is not None or _CODE.fullmatch(value) is not None

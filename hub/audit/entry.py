"""What the log says: who did what to what, when; ids and codes only.

An entry is inserted in the transaction of the act it tells of, as canonical bytes with their leaf hash, and is never
changed. Free text has no way in, because whatever lets an address be tested against it is as secret as the
address.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self
from uuid import UUID, uuid4

from hub.sealing.canonical import canonical_json

LEAF_PREFIX = b"\x00"
"""Before every leaf, so that no leaf can pass for an inner node (RFC 6962, section 2.1)."""

_NAME = re.compile(r"[a-z][a-z_]{0,31}")
_CODE = re.compile(r"[a-z][a-z-]{0,62}[a-z]|[0-9a-f]{64}")
"""A word of ours, which has no digits and so can be no address, or a SHA-256 of a policy set in hex."""


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

    @classmethod
    def of(cls, act: Act, *, at: datetime, actor: UUID | None, **subjects: UUID | str) -> Self:
        """Make an entry.

        Raises:
            ValueError: a subject that is neither an id nor a code; a defect of the caller, so nothing is repeated.
        """
        return cls(uuid4(), at, act, actor, tuple(sorted(_checked(name, subjects[name]) for name in subjects)))

    @property
    def body(self) -> bytes:
        """The canonical bytes the log keeps (RFC 8785)."""
        return canonical_json(
            {
                "id": str(self.id),
                "at": f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
                "act": self.act.value,
                "actor": None if self.actor is None else str(self.actor),
                "subjects": dict(self.subjects),
            }
        )


def leaf_hash(body: bytes) -> bytes:
    """Return the hash a body has as a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(LEAF_PREFIX + body).digest()


def _checked(name: str, value: UUID | str) -> tuple[str, str]:
    if not _NAME.fullmatch(name):
        raise ValueError("a subject of a log entry has a name of lower-case letters")
    if isinstance(value, UUID):
        return name, str(value)
    if not _CODE.fullmatch(value):
        raise ValueError(f"the subject {name!r} of a log entry is neither an id nor a code")
    return name, value

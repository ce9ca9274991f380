"""Bearer tokens: 256 random bits each, of which the hub keeps only a digest.

A digest without salt or stretching is enough because nobody can enumerate 256 random bits.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from hub.errors import NotAuthenticated, NotPermitted
from hub.records import Caller
from hub.vocabulary import Scope, Standing

TOKEN_PREFIX = "kst_"  # noqa: S105 - a public marker, so that leaked tokens can be searched for
_TOKEN = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token at the only moment it exists in the clear."""

    credential_id: UUID
    text: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """What the hub knows of a token, with what its capacity and member are at present."""

    caller: Caller
    expires_at: datetime
    revoked_at: datetime | None
    capacity_from: datetime
    capacity_to: datetime | None


class CredentialStore(Protocol):
    """Finds credentials by digest; implemented by :mod:`hub.store.credentials`."""

    def by_digest(self, digest: bytes) -> StoredCredential | None:
        """Return the credential whose token has this SHA-256."""
        ...


def new_token() -> str:
    """Make a token: a fixed prefix and 256 random bits in base64url."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def digest_of(token: str) -> bytes:
    """Return the SHA-256 of a token, the only form in which the hub stores it."""
    return hashlib.sha256(token.encode()).digest()


def authenticate(token: str, store: CredentialStore, now: datetime) -> Caller:
    """Return who presents ``token``.

    Raises:
        NotAuthenticated: malformed, unknown, expired or revoked; all four read the same from outside.
    """
    if _TOKEN.fullmatch(token) is None:
        raise refused()
    stored = store.by_digest(digest_of(token))
    if stored is None or not _in_force(stored, now):
        raise refused()
    return stored.caller


def _in_force(stored: StoredCredential, now: datetime) -> bool:
    if stored.revoked_at is not None or now >= stored.expires_at or now < stored.capacity_from:
        return False
    ended = stored.capacity_to is not None and now >= stored.capacity_to
    return not ended and stored.caller.standing is not Standing.LEFT


def require(caller: Caller, scope: Scope) -> None:
    """Refuse a caller whose credential lacks ``scope`` or whose member is suspended.

    Raises:
        NotPermitted: with what to do about it.
    """
    require_active(caller.standing)
    if scope not in caller.scopes:
        raise NotPermitted(
            "This token may not be used for this.",
            expected=f"a token with scope '{scope.value}'",
            got=", ".join(sorted(word.value for word in caller.scopes)) or "no scope",
            action="Use another token of yours, or ask the hub's officer to issue one with this scope.",
        )


def require_active(standing: Standing) -> None:
    """Refuse a member that may not take part at present.

    Raises:
        NotPermitted: with what to do about it.
    """
    if standing is not Standing.ACTIVE:
        raise NotPermitted(
            "Your membership is suspended: the hub takes nothing from you and gives you nothing until it is lifted.",
            expected=Standing.ACTIVE.value,
            got=standing.value,
            action="Ask the hub's officer for the reason and how to lift it.",
        )


def refused() -> NotAuthenticated:
    """Return the one answer to a token that is malformed, unknown, expired or revoked."""
    return NotAuthenticated(
        "The token is missing, unknown, expired or revoked.",
        expected="Authorization: Bearer kst_…",
        action="Check the token file; ask the hub's officer for a new token if it has expired.",
    )

"""Members, their capacities, contacts and agreements, as the hub's operator keeps them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hub.errors import BadInput, NotFound
from hub.vocabulary import CapacityKind, ContactRole, Standing

HOLDER_KINDS = frozenset({CapacityKind.CARRIER, CapacityKind.NETWORK_OPERATOR})
"""Capacities that operate networks and so can hold prefixes and AS numbers."""


@dataclass(frozen=True, slots=True)
class Member:
    """An organisation taking part."""

    id: UUID
    name: str
    name_ja: str | None
    country: str
    language: str
    standing: Standing
    standing_reason: str | None
    standing_since: datetime


@dataclass(frozen=True, slots=True)
class Capacity:
    """A role a member acts in, with the dates it does."""

    id: UUID
    member_id: UUID
    kind: CapacityKind
    delegator_id: UUID | None
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to reach, for what, in which language and when."""

    id: UUID
    member_id: UUID
    role: ContactRole
    name: str
    email: str
    phone: str | None
    language: str
    service_hours: dict[str, Any]
    """``{"zone": IANA zone, "mon": ["09:00", "17:30"], …}``; an empty mapping means around the clock."""


def require_holder(kind: CapacityKind) -> None:
    """Refuse a capacity that operates no networks.

    Raises:
        BadInput: for any capacity but a carrier's or network operator's.
    """
    if kind not in HOLDER_KINDS:
        raise BadInput(
            "Only a carrier or a network operator can hold networks.",
            expected=" or ".join(sorted(kind.value for kind in HOLDER_KINDS)),
            got=kind.value,
            action="Declare the holding in that capacity; a delegate's operator declares its own.",
        )


def unknown_member(name: str) -> NotFound:
    """Return the error for a member nobody knows."""
    return NotFound(
        "There is no such member.",
        expected="the name or id of a member",
        got=name,
        action="List members with: kessetsu member list",
    )

"""Members, capacities, contacts and agreements."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, exists, insert, or_, select, text, update

from hub.disclosure.question import CapacityFacts
from hub.members.directory import Capacity, Contact, Member
from hub.store.tables import agreements, capacities, contacts, members
from hub.vocabulary import CapacityKind, ContactRole, Standing

_RAISE_VERSION = text("UPDATE directory_version SET version = version + 1")
_LOCK_STANDING = text("SELECT standing FROM members WHERE id = :id FOR SHARE")


@dataclass(frozen=True, slots=True)
class Parties:
    """Capacities in force at one moment, and the delegates of each."""

    known: Mapping[UUID, CapacityFacts]
    delegates_of: Mapping[UUID, Sequence[CapacityFacts]]

    @classmethod
    def of(cls, rows: Iterable[Row[Any]]) -> Self:
        """Build from rows of the directory."""
        known: dict[UUID, CapacityFacts] = {}
        delegates: defaultdict[UUID, list[CapacityFacts]] = defaultdict(list)
        for row in rows:
            facts = CapacityFacts(
                capacity_id=row.capacity_id,
                member_id=row.member_id,
                kind=CapacityKind(row.kind),
                standing=Standing(row.standing),
                agreements_in_force=row.agreements_in_force,
            )
            if row.delegator_id is None:
                known[row.capacity_id] = facts
            else:
                delegates[row.delegator_id].append(facts)
        return cls(known, delegates)

    def facts(self, capacity_id: UUID) -> CapacityFacts | None:
        """Return what is known of a capacity; ``None`` where there is none in force."""
        return self.known.get(capacity_id)

    def delegates(self, capacity_id: UUID, at: datetime) -> Sequence[CapacityFacts]:  # noqa: ARG002 - fixed when read
        """Return the delegates whose delegation is in force at the moment these were read for."""
        return self.delegates_of.get(capacity_id, ())


class MemberRepository:
    """Keeps the directory; every change raises its version, which caches compare."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def add(self, name: str, *, name_ja: str | None, country: str, language: str, now: datetime) -> UUID:
        """Add a member in good standing."""
        member_id = uuid4()
        self._connection.execute(
            insert(members).values(
                id=member_id,
                name=name,
                name_ja=name_ja,
                country=country,
                language=language,
                standing=Standing.ACTIVE.value,
                standing_since=now,
                created_at=now,
            )
        )
        self._changed()
        return member_id

    def find(self, name_or_id: str) -> Member | None:
        """Return a member by its name or id."""
        match = members.c.name == name_or_id
        with suppress(ValueError):
            match = or_(match, members.c.id == UUID(name_or_id))
        row = self._connection.execute(select(members).where(match)).one_or_none()
        return None if row is None else _member(row)

    def all(self) -> list[Member]:
        """Return all members by name."""
        return [_member(row) for row in self._connection.execute(select(members).order_by(members.c.name))]

    def set_standing(self, member_id: UUID, standing: Standing, *, reason: str, now: datetime) -> None:
        """Change a member's standing; effective for every request that starts after the commit."""
        self._connection.execute(
            update(members)
            .where(members.c.id == member_id)
            .values(standing=standing.value, standing_reason=reason, standing_since=now)
        )
        self._changed()

    def standing_locked(self, member_id: UUID) -> Standing:
        """Return a member's standing and keep it from changing until this transaction ends."""
        return Standing(self._connection.execute(_LOCK_STANDING, {"id": member_id}).scalar_one())

    def add_capacity(
        self,
        member_id: UUID,
        kind: CapacityKind,
        *,
        valid_from: datetime,
        valid_to: datetime | None = None,
        delegator_id: UUID | None = None,
        now: datetime,
    ) -> UUID:
        """Let a member act in a role, from a date on."""
        capacity_id = uuid4()
        self._connection.execute(
            insert(capacities).values(
                id=capacity_id,
                member_id=member_id,
                kind=kind.value,
                delegator_id=delegator_id,
                valid_from=valid_from,
                valid_to=valid_to,
                created_at=now,
            )
        )
        self._changed()
        return capacity_id

    def capacities_of(self, member_id: UUID) -> list[Capacity]:
        """Return a member's capacities, oldest first."""
        query = select(capacities).where(capacities.c.member_id == member_id).order_by(capacities.c.created_at)
        return [_capacity(row) for row in self._connection.execute(query)]

    def kinds_in_force(self, now: datetime) -> dict[UUID, list[CapacityKind]]:
        """Return the kinds each member acts in at ``now``, by member id."""
        query = (
            select(capacities.c.member_id, capacities.c.kind)
            .where(capacities.c.valid_from <= now, or_(capacities.c.valid_to.is_(None), capacities.c.valid_to > now))
            .distinct()
            .order_by(capacities.c.kind)
        )
        kinds: defaultdict[UUID, list[CapacityKind]] = defaultdict(list)
        for member_id, kind in self._connection.execute(query):
            kinds[member_id].append(CapacityKind(kind))
        return kinds

    def capacity(self, capacity_id: UUID) -> Capacity | None:
        """Return one capacity."""
        row = self._connection.execute(select(capacities).where(capacities.c.id == capacity_id)).one_or_none()
        return None if row is None else _capacity(row)

    def add_contact(self, contact: Contact) -> None:
        """Add a person to reach."""
        self._connection.execute(
            insert(contacts).values(
                id=contact.id,
                member_id=contact.member_id,
                role=contact.role.value,
                name=contact.name,
                email=contact.email,
                phone=contact.phone,
                language=contact.language,
                service_hours=contact.service_hours,
            )
        )

    def contacts_of(self, member_id: UUID) -> list[Contact]:
        """Return whom to reach at a member."""
        query = select(contacts).where(contacts.c.member_id == member_id).order_by(contacts.c.role, contacts.c.name)
        return [
            Contact(
                row.id,
                row.member_id,
                ContactRole(row.role),
                row.name,
                row.email,
                row.phone,
                row.language,
                row.service_hours,
            )
            for row in self._connection.execute(query)
        ]

    def accept_agreement(self, member_id: UUID, document: str, version: str, *, by: str, at: datetime) -> None:
        """Record that a member accepted a version of an agreement."""
        self._connection.execute(
            insert(agreements).values(
                id=uuid4(), member_id=member_id, document=document, version=version, accepted_by=by, accepted_at=at
            )
        )
        self._changed()

    def agreements_of(self, member_id: UUID) -> list[tuple[str, str, datetime, datetime | None]]:
        """Return (document, version, accepted, ended) of a member."""
        query = (
            select(agreements.c.document, agreements.c.version, agreements.c.accepted_at, agreements.c.ended_at)
            .where(agreements.c.member_id == member_id)
            .order_by(agreements.c.accepted_at)
        )
        return [tuple(row) for row in self._connection.execute(query)]

    def parties(self, capacity_ids: Sequence[UUID], now: datetime) -> Parties:
        """Return these capacities and their delegates as the rules may know them at ``now``."""
        in_force = exists().where(
            agreements.c.member_id == members.c.id,
            agreements.c.accepted_at <= now,
            or_(agreements.c.ended_at.is_(None), agreements.c.ended_at > now),
        )
        wanted = list(set(capacity_ids))
        query = (
            select(
                capacities.c.id.label("capacity_id"),
                members.c.id.label("member_id"),
                capacities.c.kind,
                members.c.standing,
                in_force.label("agreements_in_force"),
                capacities.c.delegator_id,
            )
            .join(members, members.c.id == capacities.c.member_id)
            .where(
                or_(capacities.c.id.in_(wanted), capacities.c.delegator_id.in_(wanted)),
                capacities.c.valid_from <= now,
                or_(capacities.c.valid_to.is_(None), capacities.c.valid_to > now),
            )
            .order_by(capacities.c.id)
        )
        return Parties.of(self._connection.execute(query))

    def _changed(self) -> None:
        self._connection.execute(_RAISE_VERSION)


def _member(row: Row[Any]) -> Member:
    return Member(
        row.id,
        row.name,
        row.name_ja,
        row.country,
        row.language,
        Standing(row.standing),
        row.standing_reason,
        row.standing_since,
    )


def _capacity(row: Row[Any]) -> Capacity:
    return Capacity(row.id, row.member_id, CapacityKind(row.kind), row.delegator_id, row.valid_from, row.valid_to)

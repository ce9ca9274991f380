"""Acts on members: joining, roles, contacts, agreements, standing."""

import re
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from hub.audit.entry import Act
from hub.cli.acts.finding import lasts, member_of, operator_of
from hub.cli.acts.noting import note
from hub.cli.catalogue import say
from hub.clock import Clock
from hub.errors import BadInput, Conflict
from hub.members.directory import Contact, Member
from hub.store.unit import Store, Unit
from hub.vocabulary import CapacityKind, ContactRole, Standing

_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_MOST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class NewMember:
    """An organisation that joins, with the roles it will act in."""

    name: str
    name_ja: str | None
    country: str
    language: str
    kinds: tuple[CapacityKind, ...]
    agreement: tuple[str, str] | None
    """Document and version it accepted."""
    accepted_by: str | None


@dataclass(frozen=True, slots=True)
class NewContact:
    """A person to reach."""

    role: ContactRole
    name: str
    email: str
    phone: str | None
    language: str
    hours: dict[str, Any]


def add(store: Store, clock: Clock, new: NewMember) -> tuple[UUID, list[UUID]]:
    """Let a member join; returns its id and its capacities' ids.

    Raises:
        BadInput: a value cannot be used.
        Conflict: there is a member of this name.
    """
    refuse_bad_member(new)
    with store.writing() as unit:
        if unit.members.find(new.name) is not None:
            raise _taken(new.name)
        return join(unit, clock, new)


def join(unit: Unit, clock: Clock, new: NewMember) -> tuple[UUID, list[UUID]]:
    """Let a checked member join in the caller's transaction."""
    now = clock.now()
    member_id = unit.members.add(new.name, name_ja=new.name_ja, country=new.country, language=new.language, now=now)
    note(unit, clock, Act.MEMBER_ADDED, member=member_id)
    made = [unit.members.add_capacity(member_id, kind, valid_from=now, now=now) for kind in new.kinds]
    for capacity_id, kind in zip(made, new.kinds, strict=True):
        note(unit, clock, Act.CAPACITY_ADDED, member=member_id, capacity=capacity_id, kind=kind.value)
    if new.agreement is not None:
        document, version = new.agreement
        unit.members.accept_agreement(member_id, document, version, by=new.accepted_by or "", at=now)
        note(unit, clock, Act.AGREEMENT_ACCEPTED, member=member_id)
    return member_id, made


def refuse_bad_member(new: NewMember) -> None:
    """Refuse values nobody could use later.

    Raises:
        BadInput: with what is wrong.
    """
    name = new.name.strip()
    if not name or len(name) > _MOST_TEXT or name != new.name or not name.isprintable():
        raise BadInput(say("The name cannot be used."), got=new.name, expected=say("1 to 200 printable characters"))
    if not _COUNTRY.fullmatch(new.country):
        raise BadInput(say("The country cannot be used."), got=new.country, expected=say("two capitals, as JP"))
    if not _LANGUAGE.fullmatch(new.language):
        raise BadInput(say("The language cannot be used."), got=new.language, expected=say("two letters, as ja"))
    if CapacityKind.DELEGATE in new.kinds:
        raise BadInput(
            say("A delegate acts for an operator and until a date."),
            action=say("Add the member as a vendor, then: kessetsu member capacity add MEMBER delegate --delegator …"),
        )
    if (new.agreement is None) != (new.accepted_by is None):
        raise BadInput(
            say("An agreement has somebody who accepted it."),
            expected=say("--agreement DOCUMENT:VERSION together with --accepted-by NAME"),
        )


def agreement_of(text: str) -> tuple[str, str]:
    """Return document and version of ``DOCUMENT:VERSION``.

    Raises:
        BadInput: of another form.
    """
    document, colon, version = text.strip().rpartition(":")
    if not (colon and document and version) or len(text) > _MOST_TEXT:
        raise BadInput(
            say("The agreement cannot be used."), got=text, expected=say("DOCUMENT:VERSION, as rules:2026-04")
        )
    return document, version


def overview(store: Store, standing: Standing | None, kind: CapacityKind | None, now: datetime) -> list[dict[str, Any]]:
    """Return members by name with the kinds they act in at present."""
    with store.reading() as unit:
        kinds = unit.members.kinds_in_force(now)
        members = unit.members.all()
    rows = [{**_facts(member), "kinds": [one.value for one in kinds.get(member.id, [])]} for member in members]
    return [
        row
        for row in rows
        if (standing is None or row["standing"] is standing) and (kind is None or kind.value in row["kinds"])
    ]


def details(store: Store, name: str) -> dict[str, Any]:
    """Return everything about one member but its tokens and networks."""
    with store.reading() as unit:
        member = member_of(unit, name)
        return {
            **_facts(member),
            "standing_reason": member.standing_reason,
            "standing_since": member.standing_since,
            "capacities": unit.members.capacities_of(member.id),
            "contacts": unit.members.contacts_of(member.id),
            "agreements": [
                {"document": document, "version": version, "accepted_at": accepted, "ended_at": ended}
                for document, version, accepted, ended in unit.members.agreements_of(member.id)
            ],
        }


def change_standing(store: Store, clock: Clock, name: str, standing: Standing, reason: str) -> Member:
    """Suspend, reinstate or see off a member; who leaves loses its tokens.

    Raises:
        NotFound: nobody knows it.
        Conflict: its standing is that already.
    """
    with store.writing() as unit:
        member = member_of(unit, name)
        if unit.members.standing_locked(member.id) is standing:
            raise Conflict(say("The member's standing is that already."), got=standing.value, expected=say("a change"))
        unit.members.set_standing(member.id, standing, reason=reason, now=clock.now())
        note(unit, clock, Act.STANDING_CHANGED, member=member.id, standing=standing.value)
        if standing is Standing.LEFT:
            for credential_id, *_, revoked in unit.credentials.of_member(member.id):
                if revoked is None and unit.credentials.revoke(credential_id, clock.now()):
                    note(unit, clock, Act.TOKEN_REVOKED, member=member.id, credential=credential_id)
    return member


def add_capacity(
    store: Store,
    clock: Clock,
    name: str,
    kind: CapacityKind,
    *,
    delegator: str | None,
    valid_from: datetime | None,
    valid_to: datetime | None,
) -> UUID:
    """Let a member act in a further role; returns the capacity's id.

    Raises:
        NotFound: nobody knows the member or the operator.
        BadInput: a delegate without operator or end, another kind with one, or dates out of order.
        Conflict: it acts in that role already.
    """
    now = clock.now()
    begins = valid_from or now
    _refuse_bad_delegation(kind, delegator, begins, valid_to)
    with store.writing() as unit:
        member = member_of(unit, name)
        operator = None if delegator is None else operator_of(unit, delegator, now).id
        existing = unit.members.capacities_of(member.id)
        if any(one.kind is kind and one.delegator_id == operator and lasts(one, begins) for one in existing):
            raise Conflict(say("The member acts in that role already."), got=kind.value, expected=say("another role"))
        capacity_id = unit.members.add_capacity(
            member.id, kind, valid_from=begins, valid_to=valid_to, delegator_id=operator, now=now
        )
        note(unit, clock, Act.CAPACITY_ADDED, member=member.id, capacity=capacity_id, kind=kind.value)
    return capacity_id


def _refuse_bad_delegation(kind: CapacityKind, delegator: str | None, begins: datetime, ends: datetime | None) -> None:
    delegate = kind is CapacityKind.DELEGATE
    if delegate != (delegator is not None) or (delegate and ends is None):
        raise BadInput(
            say("A delegate, and nobody else, acts for an operator and until a date."),
            expected=say("delegate with --delegator and --to; any other kind without --delegator"),
        )
    if ends is not None and ends <= begins:
        raise BadInput(say("It ends before it begins."), expected=say("--to later than --from"))


def add_contact(store: Store, clock: Clock, name: str, new: NewContact) -> UUID:
    """Add a person to reach at a member; returns the contact's id.

    Raises:
        NotFound: nobody knows the member.
        BadInput: no mail address, or an unknown zone.
        Conflict: the person is there in that role.
    """
    if not _EMAIL.fullmatch(new.email):
        raise BadInput(say("The mail address cannot be used."), got=new.email, expected=say("name@example.jp"))
    _refuse_unknown_zone(new.hours)
    with store.writing() as unit:
        member = member_of(unit, name)
        if any((one.role, one.email) == (new.role, new.email) for one in unit.members.contacts_of(member.id)):
            raise Conflict(say("That contact is there already."), got=f"{new.role.value}: {new.email}")
        contact = Contact(uuid4(), member.id, new.role, new.name, new.email, new.phone, new.language, new.hours)
        unit.members.add_contact(contact)
        note(unit, clock, Act.CONTACT_ADDED, member=member.id, contact=contact.id)
    return contact.id


def _refuse_unknown_zone(hours: Mapping[str, Any]) -> None:
    zone = hours.get("zone")
    if zone is not None and zone not in zoneinfo.available_timezones():
        raise BadInput(say("The time zone is unknown."), got=str(zone), expected=say("an IANA zone, as Asia/Tokyo"))


def contacts(store: Store, name: str) -> Sequence[Contact]:
    """Return whom to reach at a member."""
    with store.reading() as unit:
        return unit.members.contacts_of(member_of(unit, name).id)


def accept(store: Store, clock: Clock, name: str, agreement: tuple[str, str], *, by: str) -> None:
    """Record that a member accepted a version of an agreement.

    Raises:
        NotFound: nobody knows the member.
        Conflict: it accepted that version before.
    """
    with store.writing() as unit:
        member = member_of(unit, name)
        if agreement in [(document, version) for document, version, *_ in unit.members.agreements_of(member.id)]:
            raise Conflict(say("The member accepted that version before."), got=":".join(agreement))
        unit.members.accept_agreement(member.id, *agreement, by=by, at=clock.now())
        note(unit, clock, Act.AGREEMENT_ACCEPTED, member=member.id)


def _facts(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "name": member.name,
        "name_ja": member.name_ja,
        "country": member.country,
        "language": member.language,
        "standing": member.standing,
    }


def _taken(name: str) -> Conflict:
    return Conflict(
        say("There is a member of this name."),
        got=name,
        expected=say("a name of its own"),
        action=say("Look at it with: kessetsu member show MEMBER"),
    )

"""Members and capacities as an operator names them."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from hub.cli.catalogue import say
from hub.errors import BadInput, NotFound
from hub.members.directory import HOLDER_KINDS, Capacity, Member, unknown_member
from hub.store.unit import Unit
from hub.vocabulary import CapacityKind


def member_of(unit: Unit, name: str) -> Member:
    """Return a member by name or id.

    Raises:
        NotFound: nobody knows it.
    """
    member = unit.members.find(name)
    if member is None:
        raise unknown_member(name)
    return member


def capacity_of(
    unit: Unit, member: Member, wanted: str | None, now: datetime, kinds: Collection[CapacityKind] = tuple(CapacityKind)
) -> Capacity:
    """Return the one capacity in force that ``wanted`` (a kind or an id; ``None``: the only one) names.

    Raises:
        BadInput: none, or several.
    """
    in_force = [
        one
        for one in unit.members.capacities_of(member.id)
        if one.kind in kinds and one.valid_from <= now and lasts(one, now)
    ]
    found = [one for one in in_force if wanted is None or wanted in {one.kind.value, str(one.id)}]
    if len(found) != 1:
        listed = ", ".join(f"{one.kind.value} ({one.id})" for one in found or in_force)
        raise BadInput(
            say("It is not clear in which capacity."),
            got=wanted,
            expected=listed or say("a member with a capacity among: {kinds}", kinds=", ".join(sorted(kinds))),
            action=say("Name one with --capacity; a new one comes from: kessetsu member capacity add"),
        )
    return found[0]


def operator_of(unit: Unit, name: str, now: datetime) -> Capacity:
    """Return the capacity of the operator that delegates, named by its member or by its own id.

    Raises:
        NotFound: nobody knows it.
        BadInput: the member holds networks in no capacity, or in several.
    """
    member = unit.members.find(name)
    if member is not None:
        return capacity_of(unit, member, None, now, HOLDER_KINDS)
    capacity = unit.members.capacity(id_of(name, unknown_member(name)))
    if capacity is None or capacity.kind not in HOLDER_KINDS:
        raise unknown_member(name)
    return capacity


def lasts(capacity: Capacity, instant: datetime) -> bool:
    """Tell whether a capacity has not ended by then."""
    return capacity.valid_to is None or capacity.valid_to > instant


def id_of(text: str, otherwise: NotFound) -> UUID:
    """Return an id as it was typed; what is none names nothing that is there."""
    try:
        return UUID(text)
    except ValueError:
        raise otherwise from None

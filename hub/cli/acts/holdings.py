"""Acts on holdings: declaring, reviewing, deciding, ending. What others hold is for the officer's eyes only."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from hub.addresses import parse_prefix, render_prefix
from hub.attribution.prefix_table import PrefixTable
from hub.audit.entry import Act
from hub.cli.acts.finding import capacity_of, member_of
from hub.cli.acts.noting import note
from hub.cli.catalogue import say
from hub.clock import Clock
from hub.errors import BadInput, Conflict, NotFound
from hub.members.directory import HOLDER_KINDS
from hub.members.holdings import Holding, HoldingConflict, Prefix, conflicts
from hub.store.networks import DeclaredHolding
from hub.store.unit import Store, Unit
from hub.vocabulary import HoldingState

_LARGEST_ASN: Final = (1 << 32) - 1
BARRING: Final = "other-member"
"""The conflict that would leave the network with nobody: two members hold the same."""


def declare(
    store: Store,
    clock: Clock,
    name: str,
    *,
    prefix: str | None,
    asn: int | None,
    valid_from: datetime,
    valid_to: datetime | None,
    shared: bool,
    capacity: str | None,
) -> UUID:
    """Store a declaration for a member, as a proposal; returns its id.

    Raises:
        NotFound: nobody knows the member.
        BadInput: no network, two, a broken one, dates out of order, or no capacity that holds networks.
        Conflict: the member declared the same before.
    """
    network = network_of(prefix, asn)
    refuse_bad_dates(valid_from, valid_to)
    with store.writing() as unit:
        member = member_of(unit, name)
        holder = capacity_of(unit, member, capacity, clock.now(), HOLDER_KINDS)
        holding = Holding(uuid4(), member.id, holder.id, *network, valid_from, valid_to, shared)
        for earlier in unit.networks.declared(capacity_id=holder.id):
            if earlier.state is not HoldingState.REJECTED and same_network(earlier.holding, holding):
                raise Conflict(
                    say("The member declared that network for that time before."),
                    got=str(earlier.holding.id),
                    expected=say("another network, or dates that do not overlap"),
                )
        unit.networks.declare(holding, clock.now())
        note(unit, clock, Act.HOLDING_DECLARED, holding=holding.id, member=member.id)
    return holding.id


def network_of(prefix: str | None, asn: int | None) -> tuple[Prefix | None, int | None]:
    """Return what a declaration names.

    Raises:
        BadInput: neither prefix nor AS number, both, or a broken one.
    """
    if (prefix is None) == (asn is None):
        raise BadInput(say("A holding is one network."), expected=say("either a prefix or an AS number"))
    if asn is not None and not 1 <= asn <= _LARGEST_ASN:
        raise BadInput(say("The AS number cannot be used."), got=str(asn), expected="1 to 4294967295")
    parsed = None if prefix is None else parse_prefix(prefix)
    if prefix is not None and parsed is None:
        raise BadInput(
            say("The prefix cannot be used."),
            got=prefix,
            expected=say("address/length with no bits past the length, as 198.51.100.0/24 or 2001:db8::/32"),
        )
    return parsed, asn


def refuse_bad_dates(valid_from: datetime, valid_to: datetime | None) -> None:
    """Refuse a span that ends before it begins.

    Raises:
        BadInput: it does.
    """
    if valid_to is not None and valid_to <= valid_from:
        raise BadInput(say("It ends before it begins."), expected=say("an end later than the beginning"))


def same_network(one: Holding, other: Holding) -> bool:
    """Tell whether two holdings name the same network at any common time."""
    return (one.prefix, one.asn) == (other.prefix, other.asn) and one.overlaps(other)


def listed(store: Store, *, state: HoldingState | None, member: str | None) -> list[dict[str, Any]]:
    """Return declarations in the order they came, of one member or of all."""
    with store.reading() as unit:
        member_id = None if member is None else member_of(unit, member).id
        declared = unit.networks.declared(state=state)
    return [facts(one) for one in declared if member_id is None or one.holding.member_id == member_id]


def review(store: Store, clock: Clock, holding_id: UUID) -> dict[str, Any]:
    """Return a declaration with what an officer should know before deciding.

    Raises:
        NotFound: there is none of this id.
    """
    with store.reading() as unit:
        declared = _declaration(unit, holding_id)
        found = _conflicts(unit, clock, declared.holding)
        names = {member.id: member.name for member in unit.members.all()}
    return {
        **facts(declared),
        "conflicts": [
            {
                "kind": one.kind,
                "member": None if one.other_member_id is None else names[one.other_member_id],
                "asn": one.asn,
                "overlap": one.overlap,
            }
            for one in found
        ],
    }


def approve(store: Store, clock: Clock, holding_id: UUID, *, by: str, reason: str, despite_conflicts: bool) -> None:
    """Let a declaration attribute sources from this commit on.

    Raises:
        NotFound: there is no proposal of this id.
        Conflict: another member holds the same network; approved nevertheless, it would be nobody's.
    """
    with store.writing() as unit:
        declared = _declaration(unit, holding_id)
        barring = [one for one in _conflicts(unit, clock, declared.holding) if one.kind == BARRING]
        if barring and not despite_conflicts:
            raise Conflict(
                say("Another member holds the same network; what two hold is attributed to nobody."),
                expected=say("one holder at a time"),
                action=say("Look at both with `kessetsu holding review`, end the other's, or add --despite-conflicts."),
            )
        _decide(unit, clock, declared, HoldingState.APPROVED, by=by, reason=reason)


def reject(store: Store, clock: Clock, holding_id: UUID, *, by: str, reason: str) -> None:
    """Refuse a declaration.

    Raises:
        NotFound: there is no proposal of this id.
    """
    with store.writing() as unit:
        _decide(unit, clock, _declaration(unit, holding_id), HoldingState.REJECTED, by=by, reason=reason)


def end(store: Store, clock: Clock, holding_id: UUID, at: datetime) -> None:
    """Date the end of an approved holding.

    Raises:
        NotFound: there is no approved holding of this id.
        Conflict: it ends before that already, or begins later.
    """
    with store.writing() as unit:
        declared = _declaration(unit, holding_id)
        holding = declared.holding
        if declared.state is not HoldingState.APPROVED:
            raise _no_such(holding_id, HoldingState.APPROVED)
        if at <= holding.valid_from or (holding.valid_to is not None and holding.valid_to < at):
            span = f"{holding.valid_from.isoformat()} / {holding.valid_to.isoformat() if holding.valid_to else '-'}"
            raise Conflict(
                say("A holding is only ever cut shorter, within its time."),
                got=at.isoformat(),
                expected=span,
                action=say("To lengthen it, declare the network again from its end on."),
            )
        unit.networks.end(holding_id, at)
        note(unit, clock, Act.HOLDING_ENDED, holding=holding_id, member=holding.member_id)


def facts(declared: DeclaredHolding) -> dict[str, Any]:
    """Return a declaration as it is shown."""
    holding = declared.holding
    return {
        "id": holding.id,
        "member": declared.member_name,
        "network": f"AS{holding.asn}" if holding.prefix is None else render_prefix(*holding.prefix),
        "valid_from": holding.valid_from,
        "valid_to": holding.valid_to,
        "shared": holding.shared_space,
        "state": declared.state,
        "proposed_at": declared.proposed_at,
        "decided_at": declared.decided_at,
        "decided_by": declared.decided_by,
        "decision_reason": declared.decision_reason,
    }


def routes_at(unit: Unit, instant: datetime) -> PrefixTable | None:
    """Return the prefix table in force at an instant; ``None`` where there is none."""
    in_force = [table for table in unit.networks.tables() if table.valid_from <= instant]
    return PrefixTable.from_bytes(unit.networks.table_content(in_force[-1].id)) if in_force else None


def _decide(unit: Unit, clock: Clock, declared: DeclaredHolding, state: HoldingState, *, by: str, reason: str) -> None:
    holding = declared.holding
    if not unit.networks.decide(holding.id, state, by=by, reason=reason, at=clock.now()):
        raise _no_such(holding.id, HoldingState.PROPOSED)
    act = Act.HOLDING_APPROVED if state is HoldingState.APPROVED else Act.HOLDING_REJECTED
    note(unit, clock, act, holding=holding.id, member=holding.member_id)


def _conflicts(unit: Unit, clock: Clock, holding: Holding) -> list[HoldingConflict]:
    return conflicts(holding, unit.networks.approved(), routes_at(unit, clock.now()))


def _declaration(unit: Unit, holding_id: UUID) -> DeclaredHolding:
    declared = unit.networks.declaration(holding_id)
    if declared is None:
        raise _no_such(holding_id, None)
    return declared


def _no_such(holding_id: UUID, state: HoldingState | None) -> NotFound:
    expected = say("the id of a declaration") if state is None else say("the id of one that is {state}", state=state)
    return NotFound(
        say("There is no such declaration."),
        got=str(holding_id),
        expected=expected,
        action=say("List them with: kessetsu holding list"),
    )

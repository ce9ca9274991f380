"""Take whole files of members and holdings, each in one transaction."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from hub.attribution.prefix_table import PrefixTable
from hub.audit.entry import Act
from hub.cli.acts.finding import capacity_of, member_of
from hub.cli.acts.holdings import BARRING, routes_at, same_network
from hub.cli.acts.members import join
from hub.cli.acts.noting import note_all
from hub.cli.acts.table_files import Faults, HoldingLine, read_holdings, read_members
from hub.cli.catalogue import say
from hub.clock import Clock
from hub.errors import Conflict
from hub.members.directory import HOLDER_KINDS
from hub.members.holdings import Holding, HoldingConflict, conflicts
from hub.store.networks import DeclaredHolding
from hub.store.unit import Store, Unit
from hub.vocabulary import HoldingState

Tick: TypeAlias = Callable[[int], None]
Network: TypeAlias = tuple[Any, int | None]

_APPROVED_BY_FILE = "imported"


@dataclass(frozen=True, slots=True)
class HoldingsTaken:
    """What became of a file of holdings."""

    declared: int
    approved: int
    already_there: int
    remarks: tuple[tuple[int, HoldingConflict], ...]
    """Line, and what the routing table says otherwise: no reason to refuse, but to look."""


def import_members(store: Store, clock: Clock, path: Path, tick: Tick) -> list[UUID]:
    """Let all members of a file join, or none; returns their ids in the file's order.

    Raises:
        BadInput: any line is wrong, or names a member that is there already.
    """
    rows = read_members(path)
    faults, made = Faults(), []
    with store.writing() as unit:
        taken = {member.name for member in unit.members.all()}
        for line, new in rows:
            with faults.at(line):
                if new.name in taken:
                    raise Conflict(say("There is a member of this name."), got=new.name)
                taken.add(new.name)
                made.append(join(unit, clock, new)[0])
                tick(len(made))
        faults.refuse(path)
    return made


def import_holdings(store: Store, clock: Clock, path: Path, *, approved_by: str | None, tick: Tick) -> HoldingsTaken:
    """Declare all holdings of a file, or none; with ``approved_by`` they are approved at once.

    Lines that were declared before are passed over, so that a file can be imported again after it has grown.

    Raises:
        BadInput: any line is wrong, names an unknown member, or a network that another member holds.
    """
    rows = read_holdings(path)
    with store.writing() as unit:
        work = _Import.begun(unit, clock)
        faults = Faults()
        for done, (line, row) in enumerate(rows, start=1):
            with faults.at(line):
                work.take(line, row, approved_by)
            tick(done)
        faults.refuse(path)
        note_all(unit, clock, work.entries)
    return HoldingsTaken(len(work.declared), work.approved, work.passed, tuple(work.remarks))


@dataclass
class _Import:
    """One file on its way into the directory."""

    unit: Unit
    clock: Clock
    routes: PrefixTable | None
    known: defaultdict[Network, list[DeclaredHolding]]
    own: defaultdict[UUID, list[Holding]]
    """Approved holdings by member: what its own AS originates contradicts nothing."""
    holders: dict[str, Any] = field(default_factory=dict)
    declared: list[Holding] = field(default_factory=list)
    fresh: defaultdict[Network, list[Holding]] = field(default_factory=lambda: defaultdict(list))
    approved: int = 0
    passed: int = 0
    remarks: list[tuple[int, HoldingConflict]] = field(default_factory=list)
    entries: list[tuple[Act, dict[str, UUID | str]]] = field(default_factory=list)

    @classmethod
    def begun(cls, unit: Unit, clock: Clock) -> "_Import":
        known: defaultdict[Network, list[DeclaredHolding]] = defaultdict(list)
        own: defaultdict[UUID, list[Holding]] = defaultdict(list)
        for declared in unit.networks.declared():
            if declared.state is HoldingState.REJECTED:
                continue
            known[_network(declared.holding)].append(declared)
            if declared.state is HoldingState.APPROVED:
                own[declared.holding.member_id].append(declared.holding)
        return cls(unit, clock, routes_at(unit, clock.now()), known, own)

    def take(self, line: int, row: HoldingLine, approved_by: str | None) -> None:
        holding = self._holding(row)
        earlier = self._earlier(holding)
        if earlier is None:
            self._refuse_taken(holding)
            self.unit.networks.declare(holding, self.clock.now())
            self.declared.append(holding)
            self.fresh[_network(holding)].append(holding)
            self._entry(Act.HOLDING_DECLARED, holding)
        else:
            self.passed += 1
            holding = earlier.holding
        if approved_by is not None and (earlier is None or earlier.state is HoldingState.PROPOSED):
            self._approve(line, holding, approved_by)

    def _holding(self, row: HoldingLine) -> Holding:
        if row.member not in self.holders:
            member = member_of(self.unit, row.member)
            holder = capacity_of(self.unit, member, None, self.clock.now(), HOLDER_KINDS)
            self.holders[row.member] = (member.id, holder.id)
        member_id, capacity_id = self.holders[row.member]
        return Holding(uuid4(), member_id, capacity_id, row.prefix, row.asn, row.valid_from, row.valid_to, row.shared)

    def _earlier(self, holding: Holding) -> DeclaredHolding | None:
        same = [
            one
            for one in self.known[_network(holding)]
            if one.holding.member_id == holding.member_id
            and (one.holding.valid_from, one.holding.valid_to) == (holding.valid_from, holding.valid_to)
        ]
        return same[0] if same else None

    def _refuse_taken(self, holding: Holding) -> None:
        network = _network(holding)
        approved = [one.holding for one in self.known[network] if one.state is HoldingState.APPROVED]
        for other in [*approved, *self.fresh[network]]:
            if same_network(other, holding):
                raise Conflict(
                    say("The network is held for that time already."),
                    got=str(other.id) if other in approved else None,
                    expected=say("one holder at a time"),
                )

    def _approve(self, line: int, holding: Holding, by: str) -> None:
        now = self.clock.now()
        self.unit.networks.decide(holding.id, HoldingState.APPROVED, by=by, reason=_APPROVED_BY_FILE, at=now)
        self.own[holding.member_id].append(holding)
        self.approved += 1
        self._entry(Act.HOLDING_APPROVED, holding)
        found = conflicts(holding, self.own[holding.member_id], self.routes)
        self.remarks.extend((line, one) for one in found if one.kind != BARRING)

    def _entry(self, act: Act, holding: Holding) -> None:
        self.entries.append((act, {"holding": holding.id, "member": holding.member_id}))


def _network(holding: Holding) -> Network:
    return holding.prefix, holding.asn


def remark_rows(remarks: Sequence[tuple[int, HoldingConflict]]) -> list[dict[str, Any]]:
    """Return remarks as they are shown."""
    return [{"line": line, "kind": one.kind, "asn": one.asn, "overlap": one.overlap} for line, one in remarks]

"""Who plays: real operators of the prefix table as member carriers, and a few made-up members for the other parts.

A real name stands for that operator's networks and for nothing else: none of them takes part or sent anything.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from hub.audit.entry import Act, AuditEntry
from hub.clock import Clock
from hub.demo.world import Operator, World
from hub.settings import Settings
from hub.vocabulary import CapacityKind, Scope
from hub.wiring import open_store

HOME_COUNTRY: Final = "JP"
MEMBERS: Final = 1_500
"""Carriers that take part: all of the home country that originate anything, then those with most sources."""
FLOWS_PER_MEMBER: Final = 10
"""A small attack needs no large membership to be shown."""
ACTORS: Final = 8
"""Carriers that are shown at work."""
AGREEMENT: Final = "handling-rules:2026-04"
OFFICER: Final = "Drill Officer"
TOKEN_LIFE: Final = timedelta(days=1)

REPORTER: Final = "Drill Reporter"
SUSPENDED: Final = "Drill Suspended Carrier"
VENDOR: Final = "Drill Security Vendor"
DELEGATE: Final = "Drill Managed Security"
MAKER: Final = "Drill Device Maker"
RESEARCHER: Final = "Drill Researcher"
AUTHORITY: Final = "Drill Authority"
_MADE_UP: Final = (
    (REPORTER, CapacityKind.CARRIER),
    (SUSPENDED, CapacityKind.CARRIER),
    (VENDOR, CapacityKind.VENDOR),
    (MAKER, CapacityKind.MAKER),
    (RESEARCHER, CapacityKind.RESEARCHER),
    (AUTHORITY, CapacityKind.AUTHORITY),
)
_SHOWN: Final = 44
_BYSTANDER: Final = 12
"""Place, by sources, of the system that the suspended carrier holds: large enough that something is withheld."""


@dataclass(frozen=True, slots=True)
class Part:
    """A member of the drill in one capacity."""

    name: str
    kind: CapacityKind
    country: str
    asn: int | None = None
    sources: int = 0
    """Addresses of its network among the attack's."""


@dataclass(frozen=True, slots=True)
class Player:
    """A part with what its member needs to act."""

    name: str
    kind: CapacityKind
    asn: int | None
    capacity_id: UUID
    token: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The name, short enough for a table."""
        return self.name if len(self.name) <= _SHOWN else f"{self.name[: _SHOWN - 13]}… (AS{self.asn})"


@dataclass(frozen=True, slots=True)
class Cast:
    """All parts."""

    carriers: Sequence[Part]
    """Real operators, most sources first."""
    others: Sequence[Part]
    operator: Part
    """The carrier that the delegate acts for."""

    @property
    def actors(self) -> Sequence[Part]:
        """The carriers that are shown at work: those with most sources, and the delegate's operator."""
        most = list(self.carriers[:ACTORS])
        return most if self.operator in most else [*most[:-1], self.operator]

    @property
    def members(self) -> Iterator[Part]:
        """Everybody but the delegate, which joins by its operator's leave."""
        yield from self.others
        yield from self.carriers


def choose(world: World) -> Cast:
    """Cast the drill for this world and its attack."""
    found = {asn: sources for asn, sources, _ in world.systems_of_flows().iter_rows() if asn}
    held_by_suspended = list(found)[min(_BYSTANDER, len(found) - 1)]
    routed = set(world.table.systems.tolist())
    home = [asn for asn, who in world.operators.items() if who.country == HOME_COUNTRY and asn in routed]
    members = min(MEMBERS, max(world.flows.height // FLOWS_PER_MEMBER, ACTORS))
    wanted = dict.fromkeys([*home[: members // 2], *found])
    wanted.pop(held_by_suspended, None)
    known = [asn for asn in wanted if asn in world.operators][:members]
    carriers = [_carrier(world.operators[asn], found.get(asn, 0)) for asn in known]
    carriers.sort(key=lambda part: (-part.sources, part.asn))
    others = [
        Part(name, kind, HOME_COUNTRY, held_by_suspended if name == SUSPENDED else None) for name, kind in _MADE_UP
    ]
    at_home = [part for part in carriers if part.country == HOME_COUNTRY]
    return Cast(carriers, others, at_home[0] if at_home else carriers[0])


def _carrier(who: Operator, sources: int) -> Part:
    name = "".join(letter for letter in who.name if letter.isprintable())[:160].strip()
    return Part(f"{name} (AS{who.asn})", CapacityKind.CARRIER, who.country, who.asn, sources)


def write_members(file: Path, parts: Iterable[Part]) -> None:
    """Write the list that ``kessetsu member import`` reads."""
    with file.open("x", newline="", encoding="utf-8") as opened:
        lines = csv.writer(opened)
        lines.writerow(["name", "kind", "country", "language", "agreement", "accepted_by"])
        for part in parts:
            language = "ja" if part.country == HOME_COUNTRY else "en"
            lines.writerow([part.name, part.kind.value, part.country, language, AGREEMENT, OFFICER])


def write_holdings(file: Path, parts: Iterable[Part], since: datetime) -> None:
    """Write the list that ``kessetsu holding import`` reads."""
    with file.open("x", newline="", encoding="utf-8") as opened:
        lines = csv.writer(opened)
        lines.writerow(["member", "asn", "valid_from"])
        lines.writerows([part.name, part.asn, since.isoformat()] for part in parts if part.asn is not None)


def issue_tokens(settings: Settings, clock: Clock, parts: Iterable[Part]) -> dict[str, Player]:
    """Issue a token of all scopes to every capacity at once, as ``kessetsu token issue`` does one by one.

    All scopes, also for those who shall get nothing: what keeps it from them is then policy, not a missing scope.
    """
    wanted = {part.name: part for part in parts}
    wanted[DELEGATE] = Part(DELEGATE, CapacityKind.DELEGATE, HOME_COUNTRY)
    store = open_store(settings, "operator", pool_size=1)
    now = clock.now()
    players = {}
    try:
        with store.writing() as unit:
            for member in unit.members.all():
                if member.name not in wanted:
                    continue
                part = wanted[member.name]
                [capacity] = [one for one in unit.members.capacities_of(member.id) if one.kind is part.kind]
                issued = unit.credentials.issue(
                    capacity.id, label="demo", scopes=frozenset(Scope), expires_at=now + TOKEN_LIFE, now=now
                )
                entry = AuditEntry.of(
                    Act.TOKEN_ISSUED, at=now, actor=None, capacity=capacity.id, credential=issued.credential_id
                )
                unit.audit.append(entry)
                players[part.name] = Player(part.name, part.kind, part.asn, capacity.id, issued.text)
    finally:
        store.close()
    return players


def by_name(players: Mapping[str, Player], parts: Iterable[Part]) -> list[Player]:
    """Return the players of some parts."""
    return [players[part.name] for part in parts]

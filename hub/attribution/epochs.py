"""What is true between two changes: one prefix table, and the holdings in force, compiled for columns."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
import numpy.typing as npt

from hub.attribution.intervals import U32, U64, Bools, Intervals
from hub.attribution.prefix_table import PrefixTable
from hub.attribution.special_use import is_special
from hub.members.holdings import Holding
from hub.records import Recipient
from hub.vocabulary import SourceOutcome

NOBODY = -1
_Key = TypeVar("_Key", bound=Hashable)
Holders = npt.NDArray[np.int32]
"""Places in the list of all recipients; :data:`NOBODY` where there is none."""


@dataclass(frozen=True, slots=True)
class DatedTable:
    """A prefix table version, in force from ``valid_from`` until a newer one is."""

    id: UUID
    valid_from: datetime
    table: PrefixTable


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Where some addresses were, one entry per address."""

    outcome: npt.NDArray[np.uint8]
    holder: Holders
    asn: U32
    shared: Bools
    systems: tuple[int, ...]
    """The ASes that occur, ascending."""
    undecided: int
    """Addresses neither declared nor special use, at a time for which there is no prefix table."""


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """Per place (of a system, or of a declared prefix): its holder, and whether it is shared space."""

    outcome: npt.NDArray[np.uint8]
    holder: Holders
    shared: Bools

    @classmethod
    def nobodys(cls, places: int) -> "_Held":
        outcome = np.full(places, SourceOutcome.NON_MEMBER, np.uint8)
        outcome[0] = SourceOutcome.UNROUTED
        return cls(outcome, np.full(places, NOBODY, np.int32), np.zeros(places, np.bool_))

    def give(self, place: int, holder: int, *, shared: bool) -> None:
        self.outcome[place] = SourceOutcome.MEMBER
        self.holder[place] = holder
        self.shared[place] = shared


@dataclass(frozen=True, slots=True, eq=False)
class Epoch:
    """One stretch of time in which neither table nor holdings change."""

    dated: DatedTable | None
    _by_system: _Held
    _prefixes: Intervals | None
    _by_prefix: _Held

    @classmethod
    def compile(cls, dated: DatedTable | None, holdings: Sequence[Holding], places: Mapping[Recipient, int]) -> "Epoch":
        """Prepare the holdings in force; ``places`` numbers all recipients."""
        by_asn = _grouped(holdings, lambda holding: holding.asn)
        by_prefix = _grouped(holdings, lambda holding: holding.prefix)
        prefix_held = _Held.nobodys(len(by_prefix) + 1)
        for place, holders in enumerate(by_prefix.values(), start=1):
            _assign(prefix_held, place, holders, places)
        intervals = _intervals(list(by_prefix)) if by_prefix else None
        return cls(dated, _systems_held(dated, by_asn, places), intervals, prefix_held)

    def answer(self, hi: U64, lo: U64) -> Answer:
        """Tell where addresses were. Declared prefixes win over the table, special use over everything."""
        special = np.flatnonzero(is_special(hi, lo))
        place = np.zeros(len(hi), np.uint32) if self.dated is None else self.dated.table.place(hi, lo)
        place[special] = 0
        outcome, holder, shared = (part[place] for part in self._parts(self._by_system))
        if self._prefixes is not None:
            declared = self._prefixes.locate(hi, lo)
            at = np.flatnonzero(declared)
            for part, kept in zip((outcome, holder, shared), self._parts(self._by_prefix), strict=True):
                part[at] = kept[declared[at]]
        outcome[special], holder[special], shared[special] = SourceOutcome.SPECIAL_USE, NOBODY, False
        undecided = 0 if self.dated else int(np.count_nonzero(outcome == SourceOutcome.UNROUTED))
        asn, systems = self._systems(place)
        return Answer(outcome, holder, asn, shared, systems, undecided)

    def _systems(self, place: U32) -> tuple[U32, tuple[int, ...]]:
        if self.dated is None:
            return place, ()
        systems = self.dated.table.systems
        seen = np.flatnonzero(np.bincount(place, minlength=1))
        return systems[place], tuple(systems[seen[seen > 0]].tolist())

    @staticmethod
    def _parts(held: _Held) -> tuple[npt.NDArray[Any], ...]:
        return held.outcome, held.holder, held.shared


def _grouped(holdings: Sequence[Holding], key: Callable[[Holding], _Key | None]) -> dict[_Key, list[Holding]]:
    groups: dict[_Key, list[Holding]] = {}
    for holding in holdings:
        if (found := key(holding)) is not None:
            groups.setdefault(found, []).append(holding)
    return groups


def _assign(held: _Held, place: int, holders: Sequence[Holding], places: Mapping[Recipient, int]) -> None:
    """Give a network to its member; one that two members hold at once goes to nobody rather than to a wrong one.

    Where one member holds it in two capacities, the declaration in force for longer counts.
    """
    if len({holding.member_id for holding in holders}) > 1:
        return
    oldest = min(holders, key=lambda holding: (holding.valid_from, holding.id))
    recipient = Recipient(oldest.capacity_id, oldest.member_id)
    held.give(place, places[recipient], shared=any(holding.shared_space for holding in holders))


def _systems_held(
    dated: DatedTable | None, by_asn: Mapping[int, Sequence[Holding]], places: Mapping[Recipient, int]
) -> _Held:
    systems = np.zeros(1, np.uint32) if dated is None else dated.table.systems
    held = _Held.nobodys(len(systems))
    wanted = np.fromiter(by_asn, np.uint32, len(by_asn))
    at = np.minimum(np.searchsorted(systems, wanted), len(systems) - 1)
    for place, known, holders in zip(at.tolist(), (systems[at] == wanted).tolist(), by_asn.values(), strict=True):
        if known:
            _assign(held, place, holders, places)
    return held


def _intervals(prefixes: Sequence[tuple[int, int, int]]) -> Intervals:
    hi, lo = (np.array([prefix[half] for prefix in prefixes], np.uint64) for half in (0, 1))
    length = np.array([prefix[2] for prefix in prefixes], np.uint8)
    return Intervals.build(hi, lo, length, np.arange(1, len(prefixes) + 1, dtype=np.uint32))

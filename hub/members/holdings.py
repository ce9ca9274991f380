"""Holdings: which member operated which network, from when to when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from hub.addresses import V4_BASE, V4_PREFIX_BITS, render_prefix

Prefix = tuple[int, int, int]
"""Upper and lower half of the first address, and the length of 128; IPv4 is IPv4-mapped."""

ConflictKind = Literal["other-member", "routing-table", "sub-allocation"]


@dataclass(frozen=True, slots=True)
class Holding:
    """A network a member operates in one capacity, in force during [``valid_from``, ``valid_to``).

    Exactly one of ``prefix`` and ``asn`` is set. It attributes sources only once an officer approved it.
    """

    id: UUID
    member_id: UUID
    capacity_id: UUID
    prefix: Prefix | None
    asn: int | None
    valid_from: datetime
    valid_to: datetime | None
    shared_space: bool
    """Whether subscribers share addresses in it (CGNAT, MAP-E, DS-Lite)."""

    def in_force(self, instant: datetime) -> bool:
        """Tell whether the member operated it at this instant."""
        return self.valid_from <= instant and (self.valid_to is None or instant < self.valid_to)

    def overlaps(self, other: "Holding") -> bool:
        """Tell whether the two are in force at any common instant."""
        begins_in_time = other.valid_to is None or self.valid_from < other.valid_to
        return begins_in_time and (self.valid_to is None or other.valid_from < self.valid_to)


class Routes(Protocol):
    """What a routing table says; :class:`hub.attribution.prefix_table.PrefixTable` is one."""

    def origins(self, prefix: Prefix) -> Sequence[tuple[int, str]]:
        """Return the ASes that originate parts of ``prefix``, each with a block it originates there."""
        ...

    def originates(self, asn: int) -> bool:
        """Tell whether an AS originates anything."""
        ...


@dataclass(frozen=True, slots=True)
class HoldingConflict:
    """What an officer should know before approving. Never for the member: it says who else holds what."""

    kind: ConflictKind
    """``other-member``: the same network is another's; ``sub-allocation``: one lies inside the other, and the
    longer prefix will win; ``routing-table``: the table says another AS, or knows nothing of it."""
    other_member_id: UUID | None
    asn: int | None
    overlap: str | None
    """The prefix both claim; where an AS number is concerned, there may be none."""


def conflicts(proposed: Holding, approved: Sequence[Holding], routes: Routes | None) -> list[HoldingConflict]:
    """Return what speaks against approving ``proposed``, for the officer only.

    ``approved`` are all approved holdings, the proposer's too: what its own AS originates contradicts nothing.
    Without ``routes`` (no prefix table yet) only members are compared.
    """
    concurrent = [holding for holding in approved if holding.overlaps(proposed)]
    others = [holding for holding in concurrent if holding.member_id != proposed.member_id]
    if proposed.prefix is None:
        return [*_same_asn(proposed, others), *_asn_against_routes(proposed, others, routes)]
    return [
        *_shared_prefix(proposed.prefix, others),
        *_prefix_against_routes(proposed, proposed.prefix, concurrent, routes),
    ]


def _same_asn(proposed: Holding, others: Sequence[Holding]) -> Iterator[HoldingConflict]:
    for holding in others:
        if holding.asn is not None and holding.asn == proposed.asn:
            yield HoldingConflict("other-member", holding.member_id, holding.asn, None)


def _asn_against_routes(
    proposed: Holding, others: Sequence[Holding], routes: Routes | None
) -> Iterator[HoldingConflict]:
    if routes is None or proposed.asn is None:
        return
    if not routes.originates(proposed.asn):
        yield HoldingConflict("routing-table", None, proposed.asn, None)
    for holding in others:
        if holding.prefix is not None and proposed.asn in dict(routes.origins(holding.prefix)):
            yield HoldingConflict("sub-allocation", holding.member_id, proposed.asn, render_prefix(*holding.prefix))


def _shared_prefix(prefix: Prefix, others: Sequence[Holding]) -> Iterator[HoldingConflict]:
    for holding in others:
        if holding.prefix == prefix:
            yield HoldingConflict("other-member", holding.member_id, None, render_prefix(*prefix))
        elif holding.prefix is not None and _nested(prefix, holding.prefix):
            inner = max(prefix, holding.prefix, key=lambda either: either[2])
            yield HoldingConflict("sub-allocation", holding.member_id, None, render_prefix(*inner))


def _prefix_against_routes(
    proposed: Holding, prefix: Prefix, concurrent: Sequence[Holding], routes: Routes | None
) -> Iterator[HoldingConflict]:
    if routes is None:
        return
    own_last = sorted(concurrent, key=lambda holding: holding.member_id == proposed.member_id)
    holders = {holding.asn: holding.member_id for holding in own_last if holding.asn is not None}
    origins = routes.origins(prefix)
    if not origins:
        yield HoldingConflict("routing-table", None, None, render_prefix(*prefix))
    for asn, overlap in origins:
        holder = holders.get(asn)
        if holder != proposed.member_id:
            yield HoldingConflict("routing-table", holder, asn, overlap)


def _nested(one: Prefix, other: Prefix) -> bool:
    """Tell whether one of two prefixes lies within the other; IPv6 never holds IPv4."""
    outer, inner = sorted((one, other), key=lambda prefix: prefix[2])
    shift = 128 - outer[2]
    same_start = (outer[0] << 64 | outer[1]) >> shift == (inner[0] << 64 | inner[1]) >> shift
    return same_start and _is_v4(outer) == _is_v4(inner)


def _is_v4(prefix: Prefix) -> bool:
    hi, lo, length = prefix
    return hi == 0 and lo >> 32 == V4_BASE >> 32 and length >= V4_PREFIX_BITS

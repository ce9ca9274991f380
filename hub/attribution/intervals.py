"""Nested prefixes flattened once into disjoint intervals, so that longest match becomes one binary search.

An address is two ``uint64`` halves, IPv4 as IPv4-mapped (RFC 4291 section 2.5.5.2). The families are kept
apart: an IPv6 prefix that covers ``::ffff:0:0/96`` never answers for an IPv4 address.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hub.addresses import V4_BASE, V4_PREFIX_BITS

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
Halves = tuple[U64, U64]
"""Upper and lower halves of many addresses."""
Places = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_BASE = np.uint64(V4_BASE)
_MAPPED = np.uint64(V4_BASE >> 32)
_V4_SPACE = np.uint64(1 << 32)
_WORTH_SORTING = 4_096
"""From about so many addresses and starts on, sorting the addresses first makes the search three times faster:
it walks memory in order instead of missing the cache at every step."""

HOST_HI = np.array([(1 << (64 - n)) - 1 for n in range(65)] + [0] * 64, np.uint64)
"""Per prefix length of 128: the bits of the upper half past the prefix."""
HOST_LO = np.array([(1 << 64) - 1] * 64 + [(1 << (128 - n)) - 1 for n in range(64, 129)], np.uint64)
"""The same of the lower half."""


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """A value for every address: each start holds up to the next start of its family; 0 means no prefix.

    ``value`` has the IPv4 starts first, then the IPv6 ones; both families begin at their lowest address.
    """

    v4_start: U32
    v6_hi: U64
    v6_lo: U64
    value: U32
    _his: U64 = field(init=False, repr=False)
    _last: Places = field(init=False, repr=False)
    _deep: Bools = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the upper halves: only where one holds several starts need the lower half be looked at."""
        his, first, count = np.unique(self.v6_hi, return_index=True, return_counts=True)
        object.__setattr__(self, "_his", his)
        object.__setattr__(self, "_last", first + count - 1)
        object.__setattr__(self, "_deep", (count > 1) | (self.v6_lo[first] != 0))

    @classmethod
    def build(cls, hi: U64, lo: U64, length: npt.NDArray[Any], value: U32) -> "Intervals":
        """Flatten prefixes, each (``hi``, ``lo``, ``length`` of 128) once, with values above 0; the longest wins."""
        v4 = (hi == 0) & (lo >> np.uint64(32) == _MAPPED) & (length >= V4_PREFIX_BITS)
        _, start, v4_value = _flattened(hi[v4], lo[v4] - _BASE, length[v4], value[v4])
        below = start < _V4_SPACE
        v6_hi, v6_lo, v6_value = _flattened(hi[~v4], lo[~v4], length[~v4], value[~v4])
        return cls(start[below].astype(np.uint32), v6_hi, v6_lo, np.concatenate([v4_value[below], v6_value]))

    def find(self, hi: U64, lo: U64) -> Places:
        """Return for each address the index of its interval, into :attr:`value`."""
        v4 = is_v4(hi, lo)
        if v4.all():
            return _search(self.v4_start, lo.astype(np.uint32))
        found = np.empty(len(hi), np.int64)
        found[v4] = _search(self.v4_start, lo[v4].astype(np.uint32))
        v6 = ~v4
        found[v6] = self._find_v6(hi[v6], lo[v6]) + len(self.v4_start)
        return found

    def within(self, hi: int, lo: int, length: int) -> range:
        """Return the indices of the intervals that a prefix (length of 128) touches."""
        ends_hi = np.array([hi, hi | int(HOST_HI[length])], np.uint64)
        ends_lo = np.array([lo, lo | int(HOST_LO[length])], np.uint64)
        v4 = length >= V4_PREFIX_BITS and bool(is_v4(ends_hi, ends_lo).all())
        places = self.find(ends_hi, ends_lo) if v4 else self._find_v6(ends_hi, ends_lo) + len(self.v4_start)
        return range(int(places[0]), int(places[1]) + 1)

    def start(self, place: int) -> int:
        """Return the first address of an interval as a whole number of 128 bits."""
        if place < len(self.v4_start):
            return V4_BASE + int(self.v4_start[place])
        place -= len(self.v4_start)
        return int(self.v6_hi[place]) << 64 | int(self.v6_lo[place])

    def locate(self, hi: U64, lo: U64) -> U32:
        """Return for each address the value of the longest prefix that holds it; 0 where none does."""
        return self.value[self.find(hi, lo)]

    def _find_v6(self, hi: U64, lo: U64) -> Places:
        place = _search(self._his, hi)
        found = self._last[place]
        deep = np.flatnonzero(self._deep[place] & (self._his[place] == hi))
        if len(deep):
            found[deep] = self._find_deep(place[deep], lo[deep])
        return found

    def _find_deep(self, place: Places, lo: U64) -> Places:
        """Search the lower halves among the starts that share one upper half, all addresses in step."""
        after = self._last[place] + 1
        before = np.where(place > 0, self._last[place - 1], -1)
        while (open_ := after - before > 1).any():
            middle = (before + after) // 2
            at_or_past = open_ & (self.v6_lo[middle] <= lo)
            before = np.where(at_or_past, middle, before)
            after = np.where(open_ & ~at_or_past, middle, after)
        return before


def is_v4(hi: U64, lo: U64) -> Bools:
    """Tell which addresses are IPv4."""
    found: Bools = (hi == 0) & (lo >> np.uint64(32) == _MAPPED)
    return found


def after_end(hi: U64, lo: U64, length: npt.NDArray[Any]) -> Halves:
    """Return the first address after each prefix; 0 after the very last address."""
    return plus_one((hi | HOST_HI[length], lo | HOST_LO[length]))


def plus_one(address: Halves) -> Halves:
    """Return the next address; 0 after the very last one."""
    lo = address[1] + np.uint64(1)
    return address[0] + (lo == 0).astype(np.uint64), lo


def _flattened(hi: U64, lo: U64, length: npt.NDArray[Any], value: U32) -> tuple[U64, U64, U32]:
    return flatten((hi, lo), after_end(hi, lo, length), length, value)


def _search(starts: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> Places:
    if min(len(wanted), len(starts)) < _WORTH_SORTING:
        return np.searchsorted(starts, wanted, "right") - 1
    order = np.argsort(wanted)
    found = np.empty(len(wanted), np.int64)
    found[order] = np.searchsorted(starts, wanted[order], "right") - 1
    return found


def flatten(first: Halves, after: Halves, rank: npt.NDArray[Any], value: U32) -> tuple[U64, U64, U32]:
    """Return disjoint starts (hi, lo) with the value that holds from each on; 0 where no range does.

    The space is cut at every edge and the cells are painted, low ranks first, so that high ones win. Those of
    one rank are painted in one assignment, in the order given. An ``after`` of 0 stands past the very last address.
    """
    bounded = (after[0] != 0) | (after[1] != 0)
    cell_hi, cell_lo, cell = _ranked(
        np.concatenate([np.zeros(1, np.uint64), first[0], after[0][bounded]]),
        np.concatenate([np.zeros(1, np.uint64), first[1], after[1][bounded]]),
    )
    begin = cell[1 : 1 + len(rank)]
    end = np.full(len(rank), len(cell_hi), np.int64)
    end[bounded] = cell[1 + len(rank) :]
    painted = np.zeros(len(cell_hi), np.uint32)
    for level in np.unique(rank):
        some = rank == level
        _paint(painted, begin[some], end[some] - begin[some], value[some])
    changes = np.concatenate([[True], painted[1:] != painted[:-1]])
    return cell_hi[changes], cell_lo[changes], painted[changes]


def _ranked(hi: U64, lo: U64) -> tuple[U64, U64, Places]:
    """Return the distinct pairs in order, and for each given pair its place among them."""
    order = np.lexsort((lo, hi))
    hi, lo = hi[order], lo[order]
    fresh = np.concatenate([[True], (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1])])
    place = np.empty(len(order), np.int64)
    place[order] = np.cumsum(fresh) - 1
    return hi[fresh], lo[fresh], place


def _paint(cells: U32, first: Places, count: Places, value: U32) -> None:
    offsets = np.cumsum(count) - count
    cells[np.repeat(first - offsets, count) + np.arange(count.sum())] = np.repeat(value, count)

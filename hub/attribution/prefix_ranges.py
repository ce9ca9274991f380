"""Address ranges cut into the fewest prefixes, all ranges at once."""

import numpy as np
import numpy.typing as npt

from hub.attribution.intervals import HOST_HI, HOST_LO, U32, U64, Bools, Halves, Places, flatten, plus_one

Prefixes = tuple[U64, U64, npt.NDArray[np.uint8], Places]
"""Upper and lower halves, lengths of 128, and the index of the range each is part of."""


def overlap(first: Halves, last: Halves) -> bool:
    """Tell whether any two ranges have an address in common."""
    order = np.lexsort((first[1], first[0]))
    first_hi, first_lo, last_hi, last_lo = (half[order] for half in (*first, *last))
    return not _before((last_hi[:-1], last_lo[:-1]), (first_hi[1:], first_lo[1:])).all()


def disjoint(first: Halves, last: Halves) -> tuple[Halves, Halves, Places]:
    """Return the ranges without overlaps, and which range each piece is of: what is narrower wins.

    It is the longest match of ranges. Of two as wide that overlap in part, the one that begins later wins.
    """
    order = np.lexsort((first[1], first[0]))
    first, last = _some(first, order), _some(last, order)
    start_hi, start_lo, owner = flatten(first, plus_one(last), _narrowness(first, last), _numbers(len(order)))
    stop = _minus_one((np.append(start_hi[1:], np.uint64(0)), np.append(start_lo[1:], np.uint64(0))))
    owned = np.flatnonzero(owner)
    return _some((start_hi, start_lo), owned), _some(stop, owned), order[owner[owned] - 1]


def cover(first: Halves, last: Halves) -> Prefixes:
    """Return the prefixes that make up each range from ``first`` to ``last``, both included.

    From single addresses up to ever larger blocks: where a range begins with the right half of a larger block
    or ends with the left half of one, that block is cut off; where one block is left, that is the end.
    """
    taken = [_prefixes(first, 0, np.arange(0))]
    row = np.arange(len(first[0]))
    for length in range(128, -1, -1):
        last_block = _without(last, length)
        alone = (first[0] == last_block[0]) & (first[1] == last_block[1])
        right = _in_right_half(first, length) & ~alone
        left = ~_in_right_half(last, length) & ~alone
        taken.append(_prefixes(_some(first, right | alone), length, row[right | alone]))
        taken.append(_prefixes(_some(last_block, left), length, row[left]))
        first = _chosen(right, _after(first, length), first)
        last = _chosen(left, _minus_one(last_block), last)
        rest = ~alone & ~_before(last, first)
        first, last, row = _some(first, rest), _some(last, rest), row[rest]
    hi, lo, lengths, rows = (np.concatenate(parts) for parts in zip(*taken, strict=True))
    return hi, lo, lengths, rows


def _prefixes(block: Halves, length: int, row: Places) -> Prefixes:
    return block[0][: len(row)], block[1][: len(row)], np.full(len(row), length, np.uint8), row


def _before(one: Halves, other: Halves) -> Bools:
    found: Bools = (one[0] < other[0]) | ((one[0] == other[0]) & (one[1] < other[1]))
    return found


def _some(address: Halves, wanted: Bools | Places) -> Halves:
    return address[0][wanted], address[1][wanted]


def _chosen(where: Bools, one: Halves, other: Halves) -> Halves:
    return np.where(where, one[0], other[0]), np.where(where, one[1], other[1])


def _without(address: Halves, length: int) -> Halves:
    return address[0] & ~HOST_HI[length], address[1] & ~HOST_LO[length]


def _in_right_half(address: Halves, length: int) -> Bools:
    """Tell whether a block of this length is the right half of the block twice its size."""
    if length == 0:
        return np.zeros(len(address[0]), np.bool_)
    bit_hi, bit_lo = (host[length - 1] & ~host[length] for host in (HOST_HI, HOST_LO))
    found: Bools = ((address[0] & bit_hi) | (address[1] & bit_lo)) != 0
    return found


def _after(block: Halves, length: int) -> Halves:
    return plus_one((block[0] | HOST_HI[length], block[1] | HOST_LO[length]))


def _minus_one(address: Halves) -> Halves:
    return address[0] - (address[1] == 0), address[1] - np.uint64(1)


def _narrowness(first: Halves, last: Halves) -> Places:
    """Return ranks, higher for narrower ranges."""
    width_hi = last[0] - first[0] - (last[1] < first[1])
    width_lo = last[1] - first[1]
    order = np.lexsort((width_lo, width_hi))[::-1]
    wider = (np.diff(width_hi[order]) != 0) | (np.diff(width_lo[order]) != 0)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.concatenate([[0], np.cumsum(wider)])
    return rank


def _numbers(count: int) -> U32:
    return np.arange(1, count + 1, dtype=np.uint32)

"""Addresses that are nobody's network: what the IANA special-purpose registries and multicast take up.

RFC 6890 and its successors define the two registries. Their anycast and transition blocks are listed too:
who answers from them changes with the place one asks from, so such a source names no operator.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from hub.addresses import V4_BASE, parse_prefix
from hub.attribution.intervals import U64, Bools, Intervals


@dataclass(frozen=True, slots=True)
class SpecialBlock:
    """One block set aside, and the text that set it aside."""

    prefix: str
    use: str
    source: str

    @property
    def parsed(self) -> tuple[int, int, int]:
        """The block as (hi, lo, length of 128)."""
        parsed = parse_prefix(self.prefix)
        if parsed is None:
            raise ValueError(f"{self.prefix} in the special-use list is no prefix")
        return parsed


SPECIAL_BLOCKS = (
    SpecialBlock("0.0.0.0/8", "this network", "RFC 791 section 3.2"),
    SpecialBlock("10.0.0.0/8", "private use", "RFC 1918"),
    SpecialBlock("100.64.0.0/10", "shared address space behind carrier-grade NAT", "RFC 6598"),
    SpecialBlock("127.0.0.0/8", "loopback", "RFC 1122 section 3.2.1.3"),
    SpecialBlock("169.254.0.0/16", "link local", "RFC 3927"),
    SpecialBlock("172.16.0.0/12", "private use", "RFC 1918"),
    SpecialBlock("192.0.0.0/24", "IETF protocol assignments", "RFC 6890 section 2.1"),
    SpecialBlock("192.0.2.0/24", "documentation", "RFC 5737"),
    SpecialBlock("192.31.196.0/24", "AS112 anycast", "RFC 7535"),
    SpecialBlock("192.52.193.0/24", "AMT relay anycast", "RFC 7450"),
    SpecialBlock("192.88.99.0/24", "former 6to4 relay anycast", "RFC 7526"),
    SpecialBlock("192.168.0.0/16", "private use", "RFC 1918"),
    SpecialBlock("192.175.48.0/24", "AS112 direct delegation", "RFC 7534"),
    SpecialBlock("198.18.0.0/15", "benchmarking", "RFC 2544"),
    SpecialBlock("198.51.100.0/24", "documentation", "RFC 5737"),
    SpecialBlock("203.0.113.0/24", "documentation", "RFC 5737"),
    SpecialBlock("224.0.0.0/4", "multicast", "RFC 5771"),
    SpecialBlock("240.0.0.0/4", "reserved, and limited broadcast", "RFC 1112 section 4, RFC 919"),
    SpecialBlock("::/8", "reserved; holds unspecified, loopback, NAT64", "RFC 4291, RFC 6052, RFC 8215"),
    SpecialBlock("100::/64", "discard only", "RFC 6666"),
    SpecialBlock("100:0:0:1::/64", "dummy prefix", "RFC 9780"),
    SpecialBlock("2001::/23", "IETF protocol assignments; holds Teredo, ORCHID, DRIP", "RFC 2928, RFC 4380, RFC 7343"),
    SpecialBlock("2001:db8::/32", "documentation", "RFC 3849"),
    SpecialBlock("2002::/16", "6to4", "RFC 3056"),
    SpecialBlock("2620:4f:8000::/48", "AS112 direct delegation", "RFC 7534"),
    SpecialBlock("3fff::/20", "documentation", "RFC 9637"),
    SpecialBlock("5f00::/16", "segment routing identifiers", "RFC 9602"),
    SpecialBlock("fc00::/7", "unique local", "RFC 4193"),
    SpecialBlock("fe80::/10", "link local", "RFC 4291 section 2.5.6"),
    SpecialBlock("fec0::/10", "former site local", "RFC 3879"),
    SpecialBlock("ff00::/8", "multicast", "RFC 4291 section 2.7"),
)
"""Outermost blocks only; what the registries list inside them is special use as well."""


def is_special(hi: U64, lo: U64) -> Bools:
    """Tell which addresses (two halves of 128 bits each) are special use."""
    found: Bools = _intervals().locate(hi, lo) != 0
    return found


@cache
def special_v4() -> tuple[tuple[int, int], ...]:
    """Return the IPv4 blocks as (first address, first address after), disjoint."""
    blocks = (block.parsed for block in SPECIAL_BLOCKS if ":" not in block.prefix)
    firsts = ((lo - V4_BASE, length) for _, lo, length in blocks)
    return tuple((first, first + (1 << (128 - length))) for first, length in firsts)


@cache
def _intervals() -> Intervals:
    parsed = [block.parsed for block in SPECIAL_BLOCKS]
    hi, lo = (np.array([block[half] for block in parsed], np.uint64) for half in (0, 1))
    length = np.array([block[2] for block in parsed], np.uint8)
    return Intervals.build(hi, lo, length, np.ones(len(parsed), np.uint32))

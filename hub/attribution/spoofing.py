"""Whether a report's sources are forged at random: then a count per carrier would accuse the wrong ones.

Who forges sources at random draws them from the whole IPv4 space. Three figures then come out as chance has
them, and all three are counted by *source*, so that bots that stand in many records do not hide the forged ones:

- nearly every source stands in one record only: drawing one of 3.7 thousand million twice is rare;
- it has sent no second packet;
- as many sources are unrouted as of the address space: real hosts need a route to send from.

The last one tells forged from real; the first two hold for most botnets and scans as well. Of real sources 1 to
3 % are unrouted in a table of another year, of the address space 12 % (2025) to 28 % (2014). A table many years
older than the report leaves more of the real sources without a route than chance would: that is not random either.

Half is enough: where half of the sources are drawn at random, each figure is about half of what a wholly random
report would show, and the report is held. Special-use sources do not count, many forgers leave them out. IPv6 is
not judged: nobody knows what random would look like.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
import polars as pl

from hub.attribution.intervals import is_v4
from hub.attribution.prefix_table import PrefixTable
from hub.records import SpoofingAssessment
from hub.vocabulary import SourceOutcome

MIN_SOURCES = 200
"""Below it chance decides. Of 200 random sources 25 are unrouted, fewer than 12 once in 900 reports; of 200 real
ones 2, and 12 or more once in a million."""
HALF = 0.45
"""The part of the wholly random figure from which on a report is held: half, less the play of a sample."""
MOST = 1.1
"""The part of the expected unrouted share up to which it is explained by random draws ..."""
DEVIATIONS = 4.0
"""... give or take so many standard deviations of a sample of that size."""
MIN_ROUTED_SHARE = 0.5
"""A table that routes less is not the internet's (which has routed over half since before 2010), but a part."""
MAX_ROUTED_SHARE = 0.98
"""With nearly everything routed, unrouted sources tell nothing."""


@dataclass(frozen=True, slots=True)
class _Figures:
    sources: int
    once: float
    unrouted: float
    single_packet: float | None


def assess(located: pl.DataFrame, table: PrefixTable | None) -> SpoofingAssessment:
    """Judge located records (with ``outcome``) against the table that located them.

    ``distinct_share`` of the result is the share of sources that stand in one record only,
    ``single_packet_share`` that of sources known to have sent one packet (null where no counts were given).
    """
    figures = _figures(located)
    routed = 0.0 if table is None else table.routed_share_v4()
    expected = 1 - routed
    unjudged = _cannot_judge(figures, routed)
    looks_spoofed = unjudged is None and _as_random(figures, expected)
    return SpoofingAssessment(
        looks_spoofed=looks_spoofed,
        distinct_share=figures.once,
        unrouted_share=figures.unrouted,
        expected_unrouted_share=expected,
        single_packet_share=figures.single_packet,
        reason=unjudged or _sentence(figures, expected, looks_spoofed=looks_spoofed),
    )


def _cannot_judge(figures: _Figures, routed: float) -> str | None:
    if figures.sources < MIN_SOURCES:
        return (
            f"{figures.sources} distinct IPv4 sources are too few to tell chance from intent; {MIN_SOURCES} are needed."
        )
    if not MIN_ROUTED_SHARE <= routed <= MAX_ROUTED_SHARE:
        return f"The prefix table routes {routed:.1%} of the IPv4 space: against it, unrouted sources tell nothing."
    return None


def _as_random(figures: _Figures, expected: float) -> bool:
    single = 1.0 if figures.single_packet is None else figures.single_packet
    play = DEVIATIONS * sqrt(expected * (1 - expected) / figures.sources)
    unrouted_as_random = HALF * expected <= figures.unrouted <= MOST * expected + play
    return figures.once >= HALF and single >= HALF and unrouted_as_random


def _sentence(figures: _Figures, expected: float, *, looks_spoofed: bool) -> str:
    packets = "" if figures.single_packet is None else f", {figures.single_packet:.1%} sent no second packet"
    verdict = "as from randomly forged sources" if looks_spoofed else "not as from randomly forged sources"
    return (
        f"Of {figures.sources} distinct IPv4 sources {figures.once:.1%} stand in one record only{packets}, and "
        f"{figures.unrouted:.1%} are unrouted where random addresses would be to {expected:.1%}: {verdict}."
    )


def _figures(located: pl.DataFrame) -> _Figures:
    """Count by source. One sort of integers that hold the address and, in their low bits, what is asked of it."""
    hi, lo = located["src_hi"].to_numpy(), located["src_lo"].to_numpy()
    judged = is_v4(hi, lo) & (located["outcome"] != SourceOutcome.SPECIAL_USE).to_numpy()
    unrouted = (located["outcome"] == SourceOutcome.UNROUTED).to_numpy()[judged]
    single = _single_packets(located)
    known = single is not None
    keys = (lo[judged] & np.uint64(0xFFFF_FFFF)) << np.uint64(2)
    keys |= unrouted.astype(np.uint64) << np.uint64(1)
    if single is not None:
        keys |= single[judged].astype(np.uint64)
    keys.sort()
    if not len(keys):
        return _Figures(0, 0.0, 0.0, None)
    address = keys >> np.uint64(2)
    first = np.flatnonzero(np.concatenate([[True], address[1:] != address[:-1]]))
    once = np.diff(first, append=len(keys)) == 1
    sole = keys[first]
    return _Figures(
        sources=len(first),
        once=float(once.mean()),
        unrouted=float((sole & np.uint64(2) != 0).mean()),
        single_packet=float((once & (sole & np.uint64(1) != 0)).mean()) if known else None,
    )


def _single_packets(located: pl.DataFrame) -> npt.NDArray[np.bool_] | None:
    """Tell which records count one packet; ``None`` where none says how many.

    Exporters that sample multiply their counts, so one packet is the smallest count of the report.
    """
    packets = located["packets"]
    fewest = packets.min()
    if fewest is None:
        return None
    return (packets == fewest).fill_null(True).to_numpy()

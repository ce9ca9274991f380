"""Reports to push: drawn from the world, the same for the same seed, with the counts every member must get of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from hub.addresses import render
from hub.attribution.intervals import HOST_HI, HOST_LO
from tests.benchmarks.data import World, counts
from tests.support.instance import attack

SPAN = timedelta(minutes=20)
SMALL = 100
"""Records of a small report."""
FEWEST, MOST = 26, 47
"""Recipients of a small report."""
_V6_OF = 5
"""One record in so many is IPv6."""
_TIME = "%Y-%m-%dT%H:%M:%S%.3fZ"


@dataclass(frozen=True)
class Drawn:
    """One report's records, and what must come of them."""

    csv: bytes = field(repr=False)
    rows: int
    expected: dict[int, int] = field(repr=False)
    """Records by member."""

    @property
    def delivered(self) -> int:
        """Return how many records go to somebody."""
        return sum(self.expected.values())


def start_of_events() -> datetime:
    """Return a whole hour, one to two hours ago: recent enough to be taken, and 20 minutes on it is the same day."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)


def envelope(start: datetime) -> dict[str, object]:
    """Return what is pushed with the records."""
    return attack(start=start.isoformat(), end=(start + SPAN).isoformat())


def large(world: World, rows: int, seed: int, start: datetime) -> Drawn:
    """Draw a report from all routed prefixes, each as likely as the other: 80 % IPv4, 20 % IPv6."""
    random = np.random.default_rng(seed)
    v4 = world.ordinary.filter("v4")
    v6 = world.ordinary.filter(~pl.col("v4"))
    places = random.integers(0, v4.height, rows - rows // _V6_OF), random.integers(0, v6.height, rows // _V6_OF)
    drawn = pl.concat([v4[places[0]], v6[places[1]]])[random.permutation(rows)]
    return _report(drawn, random, start)


def even(world: World, members: range, each: int, seed: int, start: datetime) -> Drawn:
    """Draw a report in which each of ``members`` gets ``each`` records."""
    random = np.random.default_rng(seed)
    own = [world.ordinary.filter(pl.col("member") == member) for member in members]
    drawn = pl.concat(prefixes[random.integers(0, prefixes.height, each)] for prefixes in own)
    return _report(drawn[random.permutation(drawn.height)], random, start)


def small(world: World, number: int, start: datetime) -> Iterator[Drawn]:
    """Take so many runs of consecutive flows to the honeypots that have the wanted number of recipients."""
    random = np.random.default_rng(number)
    members = world.members_of(world.flows["asn"]).to_numpy()
    taken = 0
    for first in range(0, len(members) - SMALL, SMALL):
        expected = counts(members[first : first + SMALL])
        if FEWEST <= len(expected) <= MOST:
            yield Drawn(_csv(world.flows["src"].slice(first, SMALL), random, start), SMALL, expected)
            taken += 1
            if taken == number:
                return
    raise ValueError(f"the flows hold {taken} such runs, {number} were asked for")


def _report(drawn: pl.DataFrame, random: np.random.Generator, start: datetime) -> Drawn:
    expected = counts(drawn["member"].to_numpy())
    return Drawn(_csv(_addresses(drawn, random), random, start), drawn.height, expected)


def _addresses(prefixes: pl.DataFrame, random: np.random.Generator) -> pl.Series:
    """Return one random address out of each prefix, as text."""
    length = 128 - prefixes["host_bits"].to_numpy()
    halves: list[npt.NDArray[np.uint64]] = []
    for name, host in (("hi", HOST_HI), ("lo", HOST_LO)):
        bits = random.integers(0, 2**64, prefixes.height, np.uint64, endpoint=False)
        halves.append(prefixes[name].to_numpy() | (bits & host[length]))
    return render(pl.Series("hi", halves[0]), pl.Series("lo", halves[1]))


def _csv(sources: pl.Series, random: np.random.Generator, start: datetime) -> bytes:
    rows = sources.len()
    begin = np.datetime64(start.replace(tzinfo=None), "us")
    first = begin + random.integers(0, int(SPAN.total_seconds()) // 2 * 10**6, rows).astype("timedelta64[us]")
    last = first + random.integers(0, 60 * 10**6, rows).astype("timedelta64[us]")
    frame = pl.DataFrame(
        {
            "src_ip": sources,
            "src_port": random.integers(1024, 65535, rows),
            "dst_ip": pl.select(
                pl.when(sources.str.contains(":", literal=True))
                .then(pl.lit("2001:db8::7"))
                .otherwise(pl.lit("198.51.100.7"))
            ).to_series(),
            "dst_port": np.full(rows, 443),
            "protocol": np.where(random.random(rows) < 0.9, "tcp", "udp"),
            "first_seen": pl.Series(first).dt.strftime(_TIME),
            "last_seen": pl.Series(last).dt.strftime(_TIME),
            "packets": random.integers(1, 100, rows),
            "bytes": random.integers(40, 90_000, rows),
            "tcp_flags": np.where(random.random(rows) < 0.5, "S", "SA"),
        }
    )
    return frame.write_csv().encode()

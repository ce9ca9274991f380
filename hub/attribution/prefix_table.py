"""One version of the routing table: which AS originates an address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO

import numpy as np
import polars as pl

from hub.addresses import render_prefix
from hub.attribution.intervals import U32, U64, Intervals
from hub.attribution.special_use import special_v4
from hub.errors import Unavailable

_V4_SPACE = 1 << 32
_LOW = (1 << 64) - 1
_ARRAYS = ("v4_start", "v6_hi", "v6_lo", "value", "systems")


@dataclass(frozen=True, eq=False)
class PrefixTable:
    """Disjoint intervals with an index into the systems that originate them; immutable.

    ``intervals.value`` is a place in ``systems``. Place 0 is nobody: ``systems[0]`` is 0, the others ascend.
    """

    intervals: Intervals
    systems: U32
    countries: Mapping[int, str] = field(repr=False)
    """ISO country by AS number, as far as the source gave one."""

    @classmethod
    def build(cls, rows: pl.DataFrame) -> "PrefixTable":
        """Flatten prefixes as :func:`~hub.attribution.prefix_file.read_prefix_file` returns them; longest wins."""
        asn = rows["asn"].to_numpy()
        systems = np.union1d(asn, np.zeros(1, np.uint32)).astype(np.uint32)
        intervals = Intervals.build(
            rows["hi"].to_numpy(),
            rows["lo"].to_numpy(),
            rows["length"].to_numpy(),
            np.searchsorted(systems, asn).astype(np.uint32),
        )
        known = rows.select("asn", "country").drop_nulls().unique("asn", keep="first", maintain_order=True)
        return cls(intervals, systems, dict(known.iter_rows()))

    @classmethod
    def from_bytes(cls, data: bytes) -> "PrefixTable":
        """Read what :meth:`to_bytes` wrote.

        Raises:
            Unavailable: where the bytes are not a compiled prefix table.
        """
        try:
            parts = {column.name: column[0] for column in pl.read_ipc_stream(BytesIO(data))}
            v4_start, v6_hi, v6_lo, value, systems = (parts[name].to_numpy() for name in _ARRAYS)
        except (pl.exceptions.PolarsError, OSError, LookupError) as error:
            raise Unavailable(
                "A stored prefix table cannot be read.",
                expected="an Arrow stream as PrefixTable.to_bytes writes it",
                action="Import the prefix table again under a new date, then look for damage in the database.",
            ) from error
        countries = dict(zip(parts["country_asn"], parts["country"], strict=True))
        return cls(Intervals(v4_start, v6_hi, v6_lo, value), systems, countries)

    def to_bytes(self) -> bytes:
        """Return the compiled table as one Arrow IPC stream, zstd-compressed."""
        kept = self.intervals
        columns = (
            pl.Series("v4_start", kept.v4_start),
            pl.Series("v6_hi", kept.v6_hi),
            pl.Series("v6_lo", kept.v6_lo),
            pl.Series("value", kept.value),
            pl.Series("systems", self.systems),
            pl.Series("country_asn", list(self.countries), pl.UInt32),
            pl.Series("country", list(self.countries.values()), pl.String),
        )
        buffer = BytesIO()
        pl.DataFrame([column.implode() for column in columns]).write_ipc_stream(buffer, compression="zstd")
        return buffer.getvalue()

    def place(self, hi: U64, lo: U64) -> U32:
        """Return for each address the place of its AS in :attr:`systems`; 0 where it is unrouted."""
        return self.intervals.locate(hi, lo)

    def locate(self, hi: U64, lo: U64) -> U32:
        """Return for each address the AS that originates its longest prefix; 0 where it is unrouted."""
        return self.systems[self.place(hi, lo)]

    def country_of(self, asn: int) -> str | None:
        """Return the ISO country of an AS, where the source gave one."""
        return self.countries.get(asn)

    def originates(self, asn: int) -> bool:
        """Tell whether an AS originates anything in this table."""
        place = int(np.searchsorted(self.systems, asn))  # they ascend; a file of holdings asks once a line
        return asn != 0 and place < len(self.systems) and int(self.systems[place]) == asn

    def origins(self, prefix: tuple[int, int, int]) -> list[tuple[int, str]]:
        """Return who originates parts of ``prefix`` (hi, lo, length of 128): AS and its widest block, widest first.

        For an officer's screen, not for bulk: one Python object per interval.
        """
        widest: dict[int, tuple[int, int, int]] = {}
        for asn, block in self._blocks(prefix):
            if asn and (asn not in widest or block[2] < widest[asn][2]):
                widest[asn] = block
        ordered = sorted(widest.items(), key=lambda item: (item[1][2], item[0]))
        return [(asn, render_prefix(*block)) for asn, block in ordered]

    def routed_share_v4(self) -> float:
        """Return which share of the IPv4 space that is not special use is routed, 0 to 1."""
        return self._routed_share_v4

    @cached_property
    def _routed_share_v4(self) -> float:
        start = self.intervals.v4_start.astype(np.int64)
        routed = self.intervals.value[: len(start)] != 0
        upto = np.concatenate([[0], np.cumsum(np.diff(start, append=_V4_SPACE) * routed)])

        def routed_below(address: int) -> int:
            at = int(np.searchsorted(start, address, "right")) - 1
            return int(upto[at] + routed[at] * (address - start[at]))

        special = sum(after - first for first, after in special_v4())
        both = sum(routed_below(after) - routed_below(first) for first, after in special_v4())
        return (int(upto[-1]) - both) / (_V4_SPACE - special)

    def _blocks(self, prefix: tuple[int, int, int]) -> list[tuple[int, tuple[int, int, int]]]:
        first, after = _span(prefix)
        places = self.intervals.within(*prefix)
        starts = [max(first, self.intervals.start(place)) for place in places]
        values = self.systems[self.intervals.value[places.start : places.stop]].tolist()
        return [
            (asn, _widest_block(start, stop))
            for asn, start, stop in zip(values, starts, [*starts[1:], after], strict=True)
        ]


def _span(prefix: tuple[int, int, int]) -> tuple[int, int]:
    """Return the first address of a prefix and the first after it, as whole numbers of 128 bits."""
    hi, lo, length = prefix
    first = hi << 64 | lo
    return first, first + (1 << (128 - length))


def _widest_block(start: int, stop: int) -> tuple[int, int, int]:
    """Return the widest prefix (hi, lo, length) that fits between two addresses; the lowest of several."""
    for bits in range((stop - start).bit_length() - 1, -1, -1):
        first = -(-start >> bits) << bits
        if first + (1 << bits) <= stop:
            return first >> 64, first & _LOW, 128 - bits
    raise ValueError("an interval holds at least one address")

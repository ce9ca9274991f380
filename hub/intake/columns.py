"""The columns of a report: what each may hold, and how it is read.

Values are read as whole columns; a cell that cannot be read is null in the result and gets a reason code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from hub.addresses import V4_BASE, parse
from hub.intake.times import INSTANT, TimeColumn
from hub.records import Envelope
from hub.vocabulary import ReportKind

REQUIRED = ("src_ip", "first_seen")
"""Columns every report needs."""

REQUIRED_BY_KIND: Mapping[ReportKind, tuple[str, ...]] = {ReportKind.ATTACK: ("protocol",)}

COLUMNS = (
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "protocol",
    "first_seen",
    "last_seen",
    "packets",
    "bytes",
    "tcp_flags",
)
"""Every column a report may have, in the order faults are told."""

PARCEL_COLUMNS = frozenset({"row", "marks", "dst_prefix"})
"""Columns of ours in a downloaded parcel: read past, so that a parcel can be pushed on as a report."""

IGNORED_PREFIX = "x_"
"""Columns of the member's own begin so; they are not read."""

RECORD_TYPES: Mapping[str, pl.DataType] = {
    "row": pl.UInt32(),
    "src_hi": pl.UInt64(),
    "src_lo": pl.UInt64(),
    "src_port": pl.UInt16(),
    "dst_hi": pl.UInt64(),
    "dst_lo": pl.UInt64(),
    "dst_port": pl.UInt16(),
    "protocol": pl.UInt8(),
    "first_seen": INSTANT,
    "last_seen": INSTANT,
    "packets": pl.UInt64(),
    "bytes": pl.UInt64(),
    "tcp_flags": pl.UInt8(),
}
"""Columns and types of checked records; :mod:`hub.records` says what they mean."""

PROTOCOLS: Mapping[str, int] = {
    "icmp": 1,
    "tcp": 6,
    "udp": 17,
    "gre": 47,
    "esp": 50,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "sctp": 132,
}
"""Names understood besides the IANA protocol numbers."""

FLAG_BITS: Mapping[str, int] = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128}
"""TCP flags by letter (RFC 9293 section 3.1), as flow tools print them."""

_LAST_V4 = V4_BASE + 0xFFFF_FFFF


class Column(Protocol):
    """Reads the cells of one column."""

    def value(self, cell: pl.Expr, /) -> pl.Expr:
        """Return what the cells say, null where they cannot be read."""
        ...

    def reason(self, cell: pl.Expr, /) -> pl.Expr:
        """Return the reason code of cells that could not be read."""
        ...


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """Decimal digits, below a limit."""

    limit: int
    code: str

    def value(self, cell: pl.Expr) -> pl.Expr:
        """Return the number, null where there is none or it is too large."""
        number = cell.cast(pl.UInt64, strict=False)
        return pl.when(cell.str.contains(r"^[0-9]{1,19}$") & (number < self.limit)).then(number)

    def reason(self, _cell: pl.Expr, /) -> pl.Expr:
        """Return the one reason there is."""
        return pl.lit(self.code)


@dataclass(frozen=True, slots=True)
class ProtocolColumn:
    """IANA protocol numbers, and the names of those that matter here."""

    def value(self, cell: pl.Expr) -> pl.Expr:
        """Return the protocol number, null where it is unknown."""
        named = cell.str.to_lowercase().replace_strict(PROTOCOLS, default=None, return_dtype=pl.UInt8)
        numbered = pl.when(cell.str.contains(r"^[0-9]{1,3}$")).then(cell.cast(pl.UInt8, strict=False))
        return pl.coalesce(named, numbered)

    def reason(self, _cell: pl.Expr, /) -> pl.Expr:
        """Return the one reason there is."""
        return pl.lit("protocol-unknown")


@dataclass(frozen=True, slots=True)
class FlagsColumn:
    """TCP flags as letters with dots for those not set, or as one number, decimal or ``0x`` hexadecimal."""

    def value(self, cell: pl.Expr) -> pl.Expr:
        """Return the union of the flags as bits, null where it cannot be read."""
        bits = [
            pl.when(cell.str.contains(letter, literal=True)).then(pl.lit(bit, pl.UInt8)).otherwise(pl.lit(0, pl.UInt8))
            for letter, bit in FLAG_BITS.items()
        ]
        lettered = pl.when(cell.str.contains(r"^[.FSRPAUEC]{1,16}$")).then(pl.sum_horizontal(bits))
        decimal = pl.when(cell.str.contains(r"^[0-9]{1,3}$")).then(cell.cast(pl.UInt8, strict=False))
        digits = cell.str.extract("^0[xX]([0-9A-Fa-f]{1,2})$")
        return pl.coalesce(lettered, decimal, digits.str.to_integer(base=16, dtype=pl.UInt8, strict=False))

    def reason(self, _cell: pl.Expr, /) -> pl.Expr:
        """Return the one reason there is."""
        return pl.lit("flags-format")


def columns_of(envelope: Envelope) -> Mapping[str, Column]:
    """Return how to read each column but the addresses, which :func:`read_values` reads in pairs of halves."""

    def times(name: str) -> TimeColumn:
        return TimeColumn(epoch=name in envelope.epoch_columns, zone=envelope.time_zone)

    port, count = NumberColumn(0x1_0000, "port-range"), NumberColumn(2**63, "count-range")
    return {
        "src_port": port,
        "dst_port": port,
        "protocol": ProtocolColumn(),
        "first_seen": times("first_seen"),
        "last_seen": times("last_seen"),
        "packets": count,
        "bytes": count,
        "tcp_flags": FlagsColumn(),
    }


def required_columns(kind: ReportKind) -> tuple[str, ...]:
    """Return the columns that a report of ``kind`` needs, filled in every row."""
    return (*REQUIRED, *REQUIRED_BY_KIND.get(kind, ()))


def read_values(text: pl.DataFrame, columns: Mapping[str, Column]) -> pl.DataFrame:
    """Read every column of ``text`` (``row`` and known columns, ``String``) into :data:`RECORD_TYPES`.

    A cell that is empty or cannot be read is null; a column that is not there is null throughout.
    """
    read = text.select(
        "row", *(columns[name].value(pl.col(name)).alias(name) for name in text.columns if name in columns)
    )
    for name, side in (("src_ip", "src"), ("dst_ip", "dst")):
        if name in text.columns:
            halves = parse(text[name])
            read = read.with_columns(halves["hi"].alias(f"{side}_hi"), halves["lo"].alias(f"{side}_lo"))
    return read.select(
        (pl.col(name) if name in read.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in RECORD_TYPES.items()
    )


def is_v4(side: str) -> pl.Expr:
    """Tell whether the address of ``side`` (``src`` or ``dst``) is an IPv4 one; null where there is none."""
    return (pl.col(f"{side}_hi") == 0) & pl.col(f"{side}_lo").is_between(V4_BASE, _LAST_V4)

"""Addresses as two 64-bit halves: text to bits and back, whole columns at a time.

Every address is held as 128 bits in two ``UInt64``, ``hi`` and ``lo``. An IPv4 address is its IPv4-mapped
IPv6 address (``::ffff:a.b.c.d``, RFC 4291 section 2.5.5.2), so both families sort, compare and look up
alike, and the two spellings of one host are one value.
"""

import re
import struct
from functools import cache
from socket import AF_INET6, inet_ntop, inet_pton

import polars as pl

V4_BASE = 0xFFFF_0000_0000
"""Lower half of ``::ffff:0.0.0.0``; an IPv4 address is this plus its 32 bits, with an upper half of 0."""

V4_PREFIX_BITS = 96
"""What an IPv4 prefix length grows by when it is written over 128 bits."""

_BITS = 128
_V4_LAST = V4_BASE + 0xFFFF_FFFF
_DOTTED_BY_LIBC = range(0x1_0000, 0x1_0000_0000)
"""Lower halves the C library still writes in the dotted form that RFC 4291 section 2.5.5.1 deprecates."""
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V4_PATTERN = rf"^{_OCTET}(?:\.{_OCTET}){{3}}$"
_V4_SCALAR = re.compile(_V4_PATTERN.replace("$", r"\Z"))
_V6_LIKELY = r"^[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*$"
"""What is worth a closer look; anything else with a colon is refused without leaving the column."""
_LENGTH = re.compile(r"0\Z|[1-9][0-9]{0,2}\Z")
_MAX_TEXT = 45
"""Longest spelling of an address: full IPv6 with a dotted tail."""
_HALVES = struct.Struct(">QQ")
_HALF_TYPES = {"hi": pl.UInt64, "lo": pl.UInt64}


def parse(texts: pl.Series) -> pl.DataFrame:
    """Return the addresses in ``texts`` as columns ``hi`` and ``lo``, null where there is none.

    IPv4 is the strict dotted quad (no leading zeros, no blanks); IPv6 is any spelling of RFC 4291
    section 2.2. Zone indices and prefix lengths are refused.

    Args:
        texts: ``String``; nulls stay null.
    """
    halves = texts.to_frame("text").select(
        hi=pl.when(pl.col("text").str.contains(_V4_PATTERN)).then(pl.lit(0, pl.UInt64)),
        octets=pl.col("text").str.split_exact(".", 3),
    )
    octet = [
        pl.col("octets").struct.field(f"field_{place}").cast(pl.UInt64, strict=False) * 256 ** (3 - place)
        for place in range(4)
    ]
    known = halves.select("hi", lo=pl.when(pl.col("hi").is_not_null()).then(pl.sum_horizontal(octet) + V4_BASE))
    longer = texts.str.contains(_V6_LIKELY).fill_null(value=False)
    if not longer.any():
        return known
    places = longer.arg_true()
    found = _parse_v6(texts.gather(places))
    return known.with_columns(known[half].scatter(places, found[half]) for half in ("hi", "lo"))


def render(hi: pl.Series, lo: pl.Series) -> pl.Series:
    """Return addresses as text (RFC 5952), null where either half is null.

    Args:
        hi: Upper halves, ``UInt64``.
        lo: Lower halves, same length.
    """
    high, low = hi.alias("hi"), lo.alias("lo")
    short = ((high == 0) & low.is_between(V4_BASE, _V4_LAST)).fill_null(value=False)
    number = (low - V4_BASE).set(~short, None)
    pairs = _octet_pairs()
    texts = pairs.gather(number // 65_536) + "." + pairs.gather(number % 65_536)
    longer = ~short & high.is_not_null() & low.is_not_null()
    if not longer.any():
        return texts.alias("address")
    places = longer.arg_true()
    return texts.scatter(places, _render_v6(high.gather(places), low.gather(places))).alias("address")


def parse_one(text: str) -> tuple[int, int] | None:
    """Return one address as (hi, lo), or ``None`` where ``text`` is not an address; grammar as in :func:`parse`."""
    if _V4_SCALAR.match(text):
        first, second, third, fourth = map(int, text.split("."))
        return 0, V4_BASE + (first << 24 | second << 16 | third << 8 | fourth)
    packed = _pack_v6(text)
    if packed is None:
        return None
    hi, lo = _HALVES.unpack(packed)
    return hi, lo


def render_one(hi: int, lo: int) -> str:
    """Return one address as text (RFC 5952)."""
    if hi == 0 and V4_BASE <= lo <= _V4_LAST:
        return ".".join(str(lo >> shift & 0xFF) for shift in (24, 16, 8, 0))
    return _text_of_v6(hi, lo)


def parse_prefix(text: str) -> tuple[int, int, int] | None:
    """Return ``address/length`` as (hi, lo, length over 128 bits), or ``None`` where it is not a prefix.

    Strict: no host bits, no leading zeros, the length must be there. An IPv4 length grows by 96.
    """
    address, slash, digits = text.partition("/")
    halves = parse_one(address)
    if not slash or halves is None or not _LENGTH.match(digits):
        return None
    length = int(digits) + (0 if ":" in address else V4_PREFIX_BITS)
    if length > _BITS or _whole(*halves) & _host_mask(length):
        return None
    return (*halves, length)


def render_prefix(hi: int, lo: int, length128: int) -> str:
    """Return a prefix as ``address/length``, IPv4 with its own length."""
    short = hi == 0 and V4_BASE <= lo <= _V4_LAST and length128 >= V4_PREFIX_BITS
    return f"{render_one(hi, lo)}/{length128 - V4_PREFIX_BITS if short else length128}"


def _whole(hi: int, lo: int) -> int:
    return hi << 64 | lo


def _host_mask(length: int) -> int:
    return (1 << (_BITS - length)) - 1


def _parse_v6(texts: pl.Series) -> pl.DataFrame:
    """Parse texts that may be IPv6; each distinct one is looked at once."""
    distinct = texts.unique()
    packed = pl.Series([_pack_v6(text) for text in distinct], dtype=pl.Binary).to_frame("packed")
    halves = packed.select(
        distinct.alias("text"),
        hi=pl.col("packed").bin.slice(0, 8).bin.reinterpret(dtype=pl.UInt64, endianness="big"),
        lo=pl.col("packed").bin.slice(8, 8).bin.reinterpret(dtype=pl.UInt64, endianness="big"),
    )
    return texts.to_frame("text").join(halves, on="text", how="left", maintain_order="left").select("hi", "lo")


def _pack_v6(text: str) -> bytes | None:
    if len(text) > _MAX_TEXT or ":" not in text:
        return None
    try:
        return inet_pton(AF_INET6, text)
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate in it
        return None


def _render_v6(hi: pl.Series, lo: pl.Series) -> pl.Series:
    """Render addresses that are not IPv4-mapped; each distinct one is looked at once."""
    halves = pl.DataFrame([hi, lo])
    distinct = halves.unique()
    texts = map(_text_of_v6, distinct["hi"].to_list(), distinct["lo"].to_list())
    named = distinct.with_columns(address=pl.Series(texts, dtype=pl.String))
    return halves.join(named, on=["hi", "lo"], how="left", maintain_order="left")["address"]


def _text_of_v6(hi: int, lo: int) -> str:
    if hi == 0 and lo in _DOTTED_BY_LIBC:
        return f"::{lo >> 16:x}:{lo & 0xFFFF:x}"
    return inet_ntop(AF_INET6, _HALVES.pack(hi, lo))


@cache
def _octet_pairs() -> pl.Series:
    """Return the text of every two octets, ``0.0`` to ``255.255``: two look-ups render an IPv4 address."""
    return pl.Series([f"{first}.{second}" for first in range(256) for second in range(256)], dtype=pl.String)

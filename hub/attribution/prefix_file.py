"""Prefix tables as they are published, read as columns: all of a file is taken, or none of it.

Read are (plain, gzip or zstd; blank lines and lines beginning with ``;`` or ``#`` are skipped):

- ``address<TAB>length<TAB>asn``: CAIDA's pfx2as. Of several origins (``1_2``) and of an AS set (``1,2``) the
  first is taken: it is the one most of the collectors' peers see;
- ``prefix<TAB>asn``: asmap text, and pyasn's ``.dat``;
- ``prefix,asn[,name[,country]]``, with or without a header;
- ``first,last,asn[,name]``: address ranges, with or without a header, cut into prefixes; where two overlap the
  narrower wins, as the longer of two prefixes does.
"""

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from hub.addresses import V4_BASE, V4_PREFIX_BITS, parse
from hub.attribution.intervals import HOST_HI, HOST_LO, U64, Bools, is_v4
from hub.attribution.prefix_ranges import cover, disjoint, overlap
from hub.decompress import decompress
from hub.errors import BadInput, Fault

DEFAULT_LIMIT = 512 * 1024 * 1024
REPORTED_LINES = 20
"""So many broken lines are named; one is enough to refuse the file."""
_PROBED_LINES = 100
_SHOWN = 80
_MAX_ASN = (1 << 32) - 1
_BITS = 128
_V4_SPACE = 1 << 32

_LENGTH = "(?P<length>0|[1-9][0-9]{0,2})"
_ASN = '"?(?:AS)?(?P<asn>[0-9]+)"?'
_NAME = r'(?:"(?:[^"]|"")*"|[^",]*)'


@dataclass(frozen=True, slots=True)
class _Layout:
    form: str
    pattern: str
    header: tuple[frozenset[str], ...]


_ASN_NAMES = frozenset({"asn", "as", "as_number", "autonomous_system_number"})
_ORG_NAMES = frozenset({"name", "org", "organisation", "organization", "as_name", "autonomous_system_organization"})
_COUNTRY_NAMES = frozenset({"country", "cc", "country_code"})
_PREFIX_NAMES = frozenset({"prefix", "network", "cidr", "ip_prefix"})
_FIRST_NAMES = frozenset({"start", "first", "ip_start", "start_ip", "ip_range_start"})
_LAST_NAMES = frozenset({"end", "last", "ip_end", "end_ip", "ip_range_end"})

_LAYOUTS = (
    _Layout(
        "address<TAB>length<TAB>asn",
        rf"^(?P<address>[^\t/]+)\t{_LENGTH}\t(?P<asn>[0-9]+)(?:[_,][0-9]+)*$",
        (_PREFIX_NAMES, frozenset({"length"}), _ASN_NAMES),
    ),
    _Layout(
        "prefix<TAB>asn",
        rf"^(?P<address>[^\t/]+)/{_LENGTH}\t(?P<asn>[0-9]+)$",
        (_PREFIX_NAMES, _ASN_NAMES),
    ),
    _Layout(
        "prefix,asn[,name[,country]]",
        rf'^"?(?P<address>[^",/]+)/{_LENGTH}"?,{_ASN}(?:,{_NAME}(?:,"?(?P<country>[A-Za-z]{{2}})?"?)?)?$',
        (_PREFIX_NAMES, _ASN_NAMES, _ORG_NAMES, _COUNTRY_NAMES),
    ),
    _Layout(
        "first,last,asn[,name]",
        rf'^"?(?P<address>[^",/]+)"?,"?(?P<last>[^",/]+)"?,{_ASN}(?:,{_NAME})?$',
        (_FIRST_NAMES, _LAST_NAMES, _ASN_NAMES, _ORG_NAMES),
    ),
)

_BROKEN = (
    ("form", "a line like the others of the file"),
    ("address", "an IPv4 or IPv6 address"),
    ("length", "a prefix length of 0 to 32 (IPv4) or 0 to 128 (IPv6)"),
    ("range", "a range within one family, the last address not before the first"),
    ("asn", "an AS number of 1 to 4294967295"),
    ("default-route", "a prefix longer than /0: a default route says nothing about whose an address is"),
    ("host-bits", "a prefix whose bits past its length are 0"),
    ("two-origins", "one AS each: an earlier line gives this very prefix or range to another AS"),
)
_CODES = {code: place for place, (code, _) in enumerate(_BROKEN, start=1)}


def read_prefix_file(data: bytes, *, limit: int = DEFAULT_LIMIT) -> pl.DataFrame:
    """Return a file's prefixes: ``hi``, ``lo`` (UInt64), ``length`` (UInt8, of 128), ``asn`` (UInt32), ``country``.

    Each prefix stands once; ``country`` (String, ISO, upper case) is null where the file gives none.
    ``limit`` is in decompressed bytes.

    Raises:
        BadInput: where the file is empty, not text, or any line is broken; names the first such lines and why.
        TooLarge: past ``limit``.
    """
    lines = _lines(decompress(data, limit=limit))
    layout, lines = _recognise(lines)
    fields = _fields(lines, layout)
    broken = _broken_ranges(fields) if "last" in fields.columns else _broken_prefixes(fields)
    _refuse(lines, broken, layout)
    _refuse(lines, _second_origins(fields), layout)
    fields = fields.unique(_key(fields), keep="first", maintain_order=True)
    if "last" in fields.columns:
        fields = _as_prefixes(fields)
    return fields.select(
        "hi",
        "lo",
        pl.col("length").cast(pl.UInt8),
        pl.col("asn").cast(pl.UInt32),
        pl.col("country").str.to_uppercase(),
    )


def count(rows: pl.DataFrame) -> tuple[int, int, int]:
    """Return how many IPv4 prefixes, IPv6 prefixes and systems a table has."""
    v4 = int(is_v4(rows["hi"].to_numpy(), rows["lo"].to_numpy()).sum())
    return v4, rows.height - v4, rows["asn"].n_unique()


def _lines(text: bytes) -> pl.DataFrame:
    """Return the lines that say something, numbered from 1 as an editor does."""
    try:
        lines = pl.read_lines(text.removeprefix(b"\xef\xbb\xbf"), row_index_name="number", row_index_offset=1)
    except pl.exceptions.ComputeError as error:
        raise BadInput(
            "The prefix file is not text.",
            expected="UTF-8 text, plain or compressed with gzip or zstd",
            action="Export the table as text, for instance as prefix,asn lines.",
        ) from error
    lines = lines.with_columns(pl.col("line").str.strip_chars(" \r"))
    lines = lines.filter(pl.col("line").str.contains("^[^;#]"))
    if lines.is_empty():
        raise _no_line("It is empty or holds comments only.")
    return lines


def _recognise(lines: pl.DataFrame) -> tuple[_Layout, pl.DataFrame]:
    """Tell the layout most of the first lines have, and take the header off."""
    probe = lines["line"].head(_PROBED_LINES)
    fits = [int(probe.str.contains(layout.pattern).sum()) for layout in _LAYOUTS]
    layout = _LAYOUTS[fits.index(max(fits))]
    if not max(fits):
        raise _no_line(f"None of its first {len(probe)} lines has a known form.")
    return layout, lines.slice(1) if _is_header(probe[0], layout) else lines


def _is_header(line: str, layout: _Layout) -> bool:
    names = [name.strip(' "').lower() for name in re.split("[\t,]", line)]
    return len(names) <= len(layout.header) and all(
        name in known for name, known in zip(names, layout.header, strict=False)
    )


def _fields(lines: pl.DataFrame, layout: _Layout) -> pl.DataFrame:
    """Cut the lines into columns: addresses as halves, the rest as text; null where a line does not fit."""
    cut = lines.select("number", pl.col("line").str.extract_groups(layout.pattern).alias("cut")).unnest("cut")
    cut = cut.with_columns(pl.col("asn").cast(pl.UInt64, strict=False))
    if "country" not in cut.columns:
        cut = cut.with_columns(pl.lit(None, pl.String).alias("country"))
    if "last" in cut.columns:
        return cut.with_columns(*parse(cut["address"]), *parse(cut["last"]).rename({"hi": "last_hi", "lo": "last_lo"}))
    offset = pl.when(pl.col("address").str.contains(":", literal=True)).then(0).otherwise(V4_PREFIX_BITS)
    length = pl.col("length").cast(pl.Int32, strict=False) + offset
    return cut.with_columns(*parse(cut["address"]), length.alias("length"))


def _broken_prefixes(fields: pl.DataFrame) -> pl.DataFrame:
    hi, lo = _halves(fields, "hi", "lo")
    length = fields["length"].fill_null(0).to_numpy()
    bounded = np.clip(length, 0, _BITS)
    host_bits = ((hi & HOST_HI[bounded]) | (lo & HOST_LO[bounded])) != 0
    mapped_all = (length == V4_PREFIX_BITS) & is_v4(hi, lo)
    return _marked(
        fields,
        length=length > _BITS,
        default_route=((length == 0) & (hi == 0) & (lo == 0)) | (mapped_all & ~host_bits),
        host_bits=host_bits,
    )


def _broken_ranges(fields: pl.DataFrame) -> pl.DataFrame:
    hi, lo = _halves(fields, "hi", "lo")
    last_hi, last_lo = _halves(fields, "last_hi", "last_lo")
    reversed_ = (last_hi < hi) | ((last_hi == hi) & (last_lo < lo))
    mixed = is_v4(hi, lo) != is_v4(last_hi, last_lo)
    around_v4 = (hi == 0) & (lo < V4_BASE) & ((last_hi != 0) | (last_lo >= V4_BASE + _V4_SPACE))
    whole_v4 = (hi == 0) & (lo == V4_BASE) & (last_hi == 0) & (last_lo == V4_BASE + _V4_SPACE - 1)
    return _marked(
        fields,
        address=fields["last_hi"].is_null().to_numpy(),
        range=reversed_ | mixed | around_v4,
        default_route=whole_v4,
    )


def _marked(fields: pl.DataFrame, **broken: Bools) -> pl.DataFrame:
    """Return number and code of the broken lines: the first thing wrong with each, in the order of the codes."""
    asn = fields["asn"].fill_null(0).to_numpy()
    found = {
        "form": fields["address"].is_null().to_numpy(),
        "address": fields["hi"].is_null().to_numpy() | broken.pop("address", np.False_),
        "asn": (asn == 0) | (asn > _MAX_ASN),
        **{name.replace("_", "-"): flags for name, flags in broken.items()},
    }
    ordered = sorted(found, key=lambda code: _CODES[code])
    code = np.select([found[name] for name in ordered], [_CODES[name] for name in ordered], 0)
    return fields.select("number", pl.Series("code", code)).filter(pl.col("code") != 0)


def _as_prefixes(ranges: pl.DataFrame) -> pl.DataFrame:
    first, last = _halves(ranges, "hi", "lo"), _halves(ranges, "last_hi", "last_lo")
    owner = np.arange(ranges.height)
    if overlap(first, last):
        first, last, owner = disjoint(first, last)
    hi, lo, length, piece = cover(first, last)
    prefixes = pl.DataFrame({"hi": hi, "lo": lo, "length": length})
    return prefixes.hstack(ranges[owner[piece]].select("asn", "country"))


def _second_origins(fields: pl.DataFrame) -> pl.DataFrame:
    key = _key(fields)
    repeated = fields.filter(fields.select(key).is_duplicated())
    contradicting = repeated.filter(pl.col("asn") != pl.col("asn").first().over(key))
    return contradicting.select("number", pl.lit(_CODES["two-origins"]).alias("code"))


def _key(fields: pl.DataFrame) -> list[str]:
    return ["hi", "lo", *(["last_hi", "last_lo"] if "last" in fields.columns else ["length"])]


def _halves(fields: pl.DataFrame, hi: str, lo: str) -> tuple[U64, U64]:
    return fields[hi].fill_null(0).to_numpy(), fields[lo].fill_null(0).to_numpy()


def _refuse(lines: pl.DataFrame, broken: pl.DataFrame, layout: _Layout) -> None:
    if broken.is_empty():
        return
    named = broken.head(REPORTED_LINES).join(lines, on="number", maintain_order="left")
    faults = [
        Fault(f"line {number}", _BROKEN[code - 1][0], _BROKEN[code - 1][1], got=line[:_SHOWN])
        for number, code, line in named.iter_rows()
    ]
    raise BadInput(
        f"Nothing was taken of the prefix file: broken lines, {broken.height}.",
        expected=f"lines of the form {layout.form}",
        got="; ".join(f"{fault.where}: {fault.code}" for fault in faults),
        action="Mend or remove these lines, or take another file; the table in force stays as it is.",
        faults=faults,
    )


def _no_line(what: str) -> BadInput:
    return BadInput(
        f"The prefix file has no line that can be read. {what}",
        expected="lines of one of the forms " + "; ".join(layout.form for layout in _LAYOUTS),
        action="Check that the download is complete and that it is a prefix table.",
    )

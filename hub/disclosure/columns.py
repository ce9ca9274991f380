"""Fields as columns: the one place that says what of a frame belongs to which field, and strips the rest."""

from collections.abc import Mapping

import polars as pl

from hub.addresses import V4_BASE, render, render_one
from hub.vocabulary import Field

PREFIX_V4 = 24
PREFIX_V6 = 48

COLUMNS: Mapping[Field, tuple[str, ...]] = {
    Field.SOURCE_ADDRESS: ("src_hi", "src_lo"),
    Field.SOURCE_PORT: ("src_port",),
    Field.TIMES: ("first_seen", "last_seen"),
    Field.DESTINATION_ADDRESS: ("dst_hi", "dst_lo"),
    Field.DESTINATION_PREFIX: ("dst_prefix",),
    Field.DESTINATION_PORT: ("dst_port",),
    Field.PROTOCOL: ("protocol", "tcp_flags"),
    Field.VOLUMES: ("packets", "bytes"),
    Field.VECTOR: (),
    Field.REPORTER: (),
    Field.MARKS: ("marks",),
}
"""Columns by field. Vector and reporter are said once per parcel and have none; ``dst_prefix`` is made here."""

_V4_SPAN = 1 << (32 - PREFIX_V4)
_V6_SPAN = 1 << (64 - PREFIX_V6)
_V6_KEYS = 1 << 48
"""Numbers of IPv6 networks start here, those of IPv4 networks stay below."""
_FEW = 64
"""Up to so many distinct networks, naming them one by one is quicker than as columns."""


def columns_for(fields: frozenset[Field]) -> tuple[str, ...]:
    """Return the columns ``fields`` make visible, in order of the vocabulary; ``row`` belongs to none."""
    return tuple(column for field in Field if field in fields for column in COLUMNS[field])


def narrow_frame(frame: pl.DataFrame, fields: frozenset[Field]) -> pl.DataFrame:
    """Leave ``row`` and the columns of ``fields``; every other column goes, known or not.

    A frame that was narrowed before can be narrowed again, keeping its row numbers: that is how a sealed
    parcel is read under today's rules. Without the source address there is nothing to tell anybody, so no
    row is left.
    """
    wanted = columns_for(fields)
    if "dst_prefix" in wanted:
        frame = with_prefixes(frame)
    kept = frame.select("row", *(column for column in wanted if column in frame.columns))
    return kept if Field.SOURCE_ADDRESS in fields else kept.clear()


def strip(records: pl.DataFrame, fields: frozenset[Field]) -> pl.DataFrame:
    """Narrow ``records`` to ``fields`` and number the rows anew from 1.

    The reporter's own numbering would tell how much it saw of others.
    """
    narrowed = narrow_frame(records, fields)
    return narrowed.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("row"))


def with_prefixes(frame: pl.DataFrame) -> pl.DataFrame:
    """Add ``dst_prefix`` where it is not there yet; done once for a report, it need not be done for each parcel."""
    return frame if "dst_prefix" in frame.columns else frame.with_columns(_prefixes(frame).alias("dst_prefix"))


def _prefixes(frame: pl.DataFrame) -> pl.Series:
    """Return the network of each destination as text: /24 of IPv4, /48 of IPv6; null where there is none.

    Attacks have few destinations, so networks are numbered, and each number is named once.
    """
    if "dst_hi" not in frame.columns:
        return pl.Series("dst_prefix", [None], dtype=pl.String).new_from_index(0, frame.height)
    hi, lo = pl.col("dst_hi"), pl.col("dst_lo")
    mapped = (hi == 0) & lo.is_between(V4_BASE, V4_BASE + 0xFFFF_FFFF)
    keys = frame.select(pl.when(mapped).then(lo // _V4_SPAN).otherwise(hi // _V6_SPAN + _V6_KEYS)).to_series()
    distinct = keys.drop_nulls().unique()
    if distinct.len() <= _FEW:
        names = pl.Series([_network_name(key) for key in distinct], dtype=pl.String)
    else:
        names = _network_names(distinct)
    return keys.replace_strict(distinct, names, default=None, return_dtype=pl.String)


def _network_name(key: int) -> str:
    """Name one network by its number."""
    if key < _V6_KEYS:
        return f"{render_one(0, key * _V4_SPAN)}/{PREFIX_V4}"
    return f"{render_one((key - _V6_KEYS) * _V6_SPAN, 0)}/{PREFIX_V6}"


def _network_names(keys: pl.Series) -> pl.Series:
    """Name many networks by their numbers, as :func:`_network_name` does one."""
    short = keys < _V6_KEYS
    hi = ((keys - _V6_KEYS) * _V6_SPAN).set(short, 0)
    lo = (keys * _V4_SPAN).set(~short, 0)
    lengths = pl.Series([f"/{PREFIX_V6}"], dtype=pl.String).new_from_index(0, keys.len()).set(short, f"/{PREFIX_V4}")
    return render(hi, lo) + lengths

"""A parcel's rows as text: the names and spellings members see, whatever form the columns have inside."""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

import orjson
import polars as pl

from hub.addresses import render
from hub.frames import to_arrow
from hub.vocabulary import Mark

PROTOCOL_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6", 132: "sctp"}
"""IANA protocol numbers that have a name here; others are shown as numbers."""

TCP_FLAGS = "FSRPAUEC"
"""Letters by bit, lowest first (RFC 9293, section 3.1)."""

_FORMULA_START = r"^[=+\-@\t\r]"
"""What a spreadsheet takes for a formula at the start of a cell; an apostrophe before it makes it text."""


class MediaType(StrEnum):
    """The forms a parcel's records are served in."""

    JSON = "application/json"
    CSV = "text/csv"
    ARROW = "application/vnd.apache.arrow.stream"


def readable(rows: pl.DataFrame) -> pl.DataFrame:
    """Return stripped rows in the columns members see; columns that were not granted are simply not there."""
    shown = [build(rows) for needs, build in _COLUMNS if needs in rows.columns]
    return rows.select(shown)


def to_body(media: MediaType, header: dict[str, object], frames: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    """Yield the answer's body, chunk by chunk where the form allows it."""
    return _WRITERS[media](header, frames)


def _json(header: dict[str, object], frames: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    yield orjson.dumps(header)[:-1] + b',"records":['
    first = True
    for frame in frames:
        if not frame.height:
            continue
        body = orjson.dumps(_instants_as_text(frame).to_dicts())[1:-1]
        yield body if first else b"," + body
        first = False
    yield b"]}"


def _csv(_header: dict[str, object], frames: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    for number, frame in enumerate(frames):
        flat = _instants_as_text(frame).with_columns(pl.col(pl.List(pl.String)).list.join(" "))
        guarded = flat.with_columns(_guarded(name) for name in flat.columns if flat.schema[name] == pl.String)
        yield guarded.write_csv(include_header=number == 0).encode()


def _arrow(_header: dict[str, object], frames: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    yield to_arrow(pl.concat(frames))


_WRITERS: dict[MediaType, Callable[[dict[str, object], Iterator[pl.DataFrame]], Iterator[bytes]]] = {
    MediaType.JSON: _json,
    MediaType.CSV: _csv,
    MediaType.ARROW: _arrow,
}


def _guarded(name: str) -> pl.Expr:
    text = pl.col(name)
    return pl.when(text.str.contains(_FORMULA_START)).then("'" + text).otherwise(text).alias(name)


def _instants_as_text(frame: pl.DataFrame) -> pl.DataFrame:
    instants = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    return frame.with_columns(pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ") for name in instants)


def _address(name: str) -> Callable[[pl.DataFrame], pl.Series]:
    def build(rows: pl.DataFrame) -> pl.Series:
        return render(rows[f"{name}_hi"], rows[f"{name}_lo"]).alias(f"{name}_ip")

    return build


def _as_it_is(name: str) -> Callable[[pl.DataFrame], pl.Series]:
    return lambda rows: rows[name]


def _protocol(rows: pl.DataFrame) -> pl.Series:
    numbers = rows["protocol"].cast(pl.String)
    names = {str(number): name for number, name in PROTOCOL_NAMES.items()}
    return numbers.replace(names).alias("protocol")


def _bit_names(column: str, names: Sequence[str]) -> Callable[[pl.DataFrame], pl.Series]:
    """Build a column of texts from a column of bits over the few values that occur."""

    def build(rows: pl.DataFrame) -> pl.Series:
        occurring = rows[column].drop_nulls().unique().to_list()
        spelled = {
            bits: "".join(name for bit, name in enumerate(names) if bits >> bit & 1) or "0" for bits in occurring
        }
        return rows[column].replace_strict(spelled, return_dtype=pl.String).alias(column)

    return build


def _marks(rows: pl.DataFrame) -> pl.Series:
    occurring = rows["marks"].unique().to_list()
    names = {bits: [mark.name.lower() for mark in Mark if mark.name and mark & bits] for bits in occurring}
    lists = pl.Series([names[bits] for bits in occurring], dtype=pl.List(pl.String))
    table = pl.DataFrame({"marks": pl.Series(occurring, dtype=pl.UInt8), "names": lists})
    return rows.select("marks").join(table, on="marks", how="left", maintain_order="left")["names"].alias("marks")


_COLUMNS: tuple[tuple[str, Callable[[pl.DataFrame], pl.Series]], ...] = (
    ("row", _as_it_is("row")),
    ("src_hi", _address("src")),
    ("src_port", _as_it_is("src_port")),
    ("first_seen", _as_it_is("first_seen")),
    ("last_seen", _as_it_is("last_seen")),
    ("protocol", _protocol),
    ("dst_hi", _address("dst")),
    ("dst_prefix", _as_it_is("dst_prefix")),
    ("dst_port", _as_it_is("dst_port")),
    ("packets", _as_it_is("packets")),
    ("bytes", _as_it_is("bytes")),
    ("tcp_flags", _bit_names("tcp_flags", TCP_FLAGS)),
    ("marks", _marks),
)
"""What makes each shown column, by the stripped column it needs."""

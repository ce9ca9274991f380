"""Where the demo's world comes from: a real prefix table, real operators, and the sources of a real attack.

The data set that ``KESSETSU_DATA`` names is read where it is; nothing of it is copied into the project. Without
it the installed package's table serves, and the attack's sources are drawn from its prefixes.
"""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from hub.addresses import parse
from hub.attribution.prefix_file import read_prefix_file
from hub.attribution.prefix_table import PrefixTable
from hub.decompress import decompress

DATA_VARIABLE: Final = "KESSETSU_DATA"
FLOW_COLUMNS: Final = ("moment", "src_ip", "src_port", "dst_port", "protocol", "bytes", "tcp_flags")
DEFAULT_DATA: Final = Path(__file__).resolve().parents[2].parent / "shared" / "data"

_HONEYPOTS: Final = "192.168."
"""The recorded side's own addresses; what comes from them is no attack."""
_LARGEST_FILE: Final = 256 * 1024 * 1024
"""Bytes of one file of the data set, decompressed."""
_FLAGS: Final = {"S0": "S", "S1": "SA", "S2": "SAF", "S3": "SAF", "SF": "SAF", "REJ": "S", "RSTO": "SAR", "SH": "SF"}
"""TCP flags the originator must have sent, by the connection state Zeek gives."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who originates a system's prefixes."""

    asn: int
    name: str
    country: str


@dataclass(frozen=True, slots=True)
class World:
    """Whom there is to tell, and what there is to tell them."""

    origin: str
    """What the data are, in one line."""
    drawn: bool
    """Whether the attack's sources were drawn at random from real prefixes instead of recorded."""
    table_file: Path
    """A prefix table in a form that ``kessetsu prefixes import`` reads."""
    table: PrefixTable = field(repr=False)
    operators: Mapping[int, Operator] = field(repr=False)
    flows: pl.DataFrame = field(repr=False)
    """``moment`` (0 to 1), ``src_ip``, ``src_port``, ``dst_port``, ``protocol``, ``bytes``, ``tcp_flags``."""

    def systems_of_flows(self) -> pl.DataFrame:
        """Return how many ``sources`` and ``flows`` come from each ``asn``, most sources first; 0 is unrouted."""
        halves = parse(self.flows["src_ip"])
        located = pl.DataFrame(
            {"asn": self.table.locate(halves["hi"].to_numpy(), halves["lo"].to_numpy()), "src": self.flows["src_ip"]}
        )
        counted = located.group_by("asn").agg(sources=pl.col("src").n_unique(), flows=pl.len())
        return counted.sort(["sources", "asn"], descending=[True, False])


def data_directory() -> Path | None:
    """Return where the real data set is, if it is here and has what the demo needs."""
    named = os.environ.get(DATA_VARIABLE)
    directory = Path(named) if named else DEFAULT_DATA
    complete = _newest(directory / "asn", "prefix2asn_*.tsv.zst") and _newest(directory / "asn", "asnames_*.txt.zst")
    return directory if complete and _recordings(directory) else None


def recorded_world(directory: Path, size: int) -> World:
    """Return the world as recorded under ``directory``, with about ``size`` flows of the attack."""
    table_file = _newest(directory / "asn", "prefix2asn_*.tsv.zst")
    names_file = _newest(directory / "asn", "asnames_*.txt.zst")
    if table_file is None or names_file is None:
        raise FileNotFoundError(directory / "asn")
    rows = read_prefix_file(table_file.read_bytes())
    return World(
        origin=f"{table_file.name}, {names_file.name}, attack_sources/ctu_honeypots",
        drawn=False,
        table_file=table_file,
        table=PrefixTable.build(rows),
        operators=_operators(_read(names_file)),
        flows=_recorded_flows(_recordings(directory), size),
    )


def _newest(directory: Path, pattern: str) -> Path | None:
    return max(directory.glob(pattern), default=None)


def _recordings(directory: Path) -> list[Path]:
    return sorted((directory / "attack_sources" / "ctu_honeypots").glob("conn_*.tsv.zst"))


def _read(file: Path) -> bytes:
    return decompress(file.read_bytes(), limit=_LARGEST_FILE)


def _operators(text: bytes) -> dict[int, Operator]:
    """Read lines of ``asn<TAB>NAME, CC``."""
    lines = pl.read_lines(text)["line"].str.extract_groups(r"^(?<asn>\d+)\t(?<name>.*), (?<country>[A-Z]{2})$")
    known = lines.struct.unnest().drop_nulls().filter(~pl.col("name").str.starts_with("-"))  # not "-Reserved AS-"
    numbers = known["asn"].cast(pl.UInt32)
    return {
        asn: Operator(asn, name, country)
        for asn, name, country in zip(numbers, known["name"], known["country"], strict=True)
    }


def _recorded_flows(files: list[Path], size: int) -> pl.DataFrame:
    """Read days until there are ``size`` flows towards the honeypots; they keep their order, not their spacing."""
    days: list[pl.DataFrame] = []
    for file in files:
        days.append(_day(_read(file)))
        if sum(day.height for day in days) >= size:
            break
    flows = pl.concat(days).sort("ts").head(size)
    return flows.with_columns(moment=np.linspace(0.0, 1.0, flows.height)).select(*FLOW_COLUMNS)


def _day(text: bytes) -> pl.DataFrame:
    read = pl.read_csv(io.BytesIO(text), separator="\t", null_values="-", infer_schema=False)
    attacks = read.filter(
        pl.col("dst").str.starts_with(_HONEYPOTS), ~pl.col("src").str.starts_with(_HONEYPOTS), pl.col("proto") != "-"
    )
    ported = pl.col("proto").is_in(["tcp", "udp"])  # of ICMP, Zeek writes type and code where ports stand
    return attacks.select(
        pl.col("ts").cast(pl.Float64),
        pl.col("src").alias("src_ip"),
        pl.when(ported).then(pl.col("sport").cast(pl.UInt16, strict=False)).alias("src_port"),
        pl.when(ported).then(pl.col("dport").cast(pl.UInt16, strict=False)).alias("dst_port"),
        pl.col("proto").alias("protocol"),
        pl.col("orig_bytes").cast(pl.UInt64, strict=False).alias("bytes"),
        pl.when(pl.col("proto") == "tcp")
        .then(pl.col("conn_state").replace_strict(_FLAGS, default=None, return_dtype=pl.String))
        .alias("tcp_flags"),
    )

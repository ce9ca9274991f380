"""Real networks and real attackers, from the directory that ``KESSETSU_DATA`` names, and which member holds what."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import zstandard

from hub.addresses import parse
from hub.attribution.intervals import is_v4
from hub.attribution.prefix_file import read_prefix_file
from hub.attribution.prefix_table import PrefixTable
from hub.attribution.special_use import is_special

MEMBERS: Final = 1_500
PREFIXES: Final = "asn/prefix2asn_20251204.tsv.zst"
HONEYPOTS: Final = "attack_sources/ctu_honeypots"
REPOSITORY: Final = Path(__file__).resolve().parents[2]


class NoData(Exception):
    """The real data are not on this machine."""


def directory() -> Path:
    """Return where the data are; raises :class:`NoData`."""
    path = Path(os.environ.get("KESSETSU_DATA") or REPOSITORY.parent / "shared/data")
    if not (path / PREFIXES).exists() or not any((path / HONEYPOTS).glob("conn_*.tsv.zst")):
        raise NoData(f"{PREFIXES} and {HONEYPOTS} are not under {path}: set KESSETSU_DATA to the real data's directory")
    return path


def unpacked(file: Path) -> bytes:
    """Return the content of a zstd file."""
    with file.open("rb") as packed:
        return zstandard.ZstdDecompressor().stream_reader(packed).read()


@dataclass(frozen=True)
class World:
    """A prefix table, flows of real attackers, and the members, who hold systems; a member is named by its index."""

    prefixes: pl.DataFrame
    """``hi``, ``lo``, ``length`` (of 128), ``asn`` of every routed prefix; none lies inside another."""
    table: PrefixTable
    flows: pl.DataFrame
    """``src`` and its ``asn`` for every flow from outside to the honeypots, by time; IPv4."""
    holder: dict[int, int]
    """Member by AS number."""

    @classmethod
    def read(cls, members: int = MEMBERS) -> Self:
        """Give the systems with most prefixes to a member each, and the others that attackers were in round robin."""
        prefixes = read_prefix_file((directory() / PREFIXES).read_bytes())
        table = PrefixTable.build(prefixes)
        flows = _flows(table)
        by_size = prefixes.group_by("asn").len().sort(["len", "asn"], descending=[True, False])
        holder = {asn: index for index, asn in enumerate(by_size["asn"].head(members).to_list())}
        others = sorted(set(flows["asn"].unique().to_list()) - holder.keys() - {0})
        holder.update((asn, number % members) for number, asn in enumerate(others))
        return cls(prefixes, table, flows, holder)

    @property
    def members(self) -> int:
        """Return how many members there are."""
        return max(self.holder.values()) + 1

    @cached_property
    def systems(self) -> list[list[int]]:
        """The systems each member holds."""
        systems: list[list[int]] = [[] for _ in range(self.members)]
        for asn, member in self.holder.items():
            systems[member].append(asn)
        return systems

    @cached_property
    def ordinary(self) -> pl.DataFrame:
        """Prefixes outside special-use space, with ``v4``, ``host_bits`` and ``member`` (-1: nobody's)."""
        hi, lo = self.prefixes["hi"].to_numpy(), self.prefixes["lo"].to_numpy()
        return self.prefixes.select(
            "hi",
            "lo",
            self.members_of(self.prefixes["asn"]).alias("member"),
            (128 - pl.col("length").cast(pl.Int64)).alias("host_bits"),
            pl.Series("v4", is_v4(hi, lo)),
        ).filter(pl.Series(~is_special(hi, lo)))

    def members_of(self, asn: pl.Series) -> pl.Series:
        """Return which member holds each system, -1 where none does."""
        return asn.replace_strict(self.holder, default=-1, return_dtype=pl.Int32)


def counts(members: Iterable[int] | npt.NDArray[np.int32]) -> dict[int, int]:
    """Return how many records each member must get."""
    found, number = np.unique(np.asarray(list(members), np.int32), return_counts=True)
    return {int(member): int(count) for member, count in zip(found, number, strict=True) if member >= 0}


def _flows(table: PrefixTable) -> pl.DataFrame:
    files = sorted((directory() / HONEYPOTS).glob("conn_*.tsv.zst"))
    flows = pl.concat(
        pl.read_csv(unpacked(file), separator="\t", columns=["ts", "src"], schema_overrides={"ts": pl.Float64})
        for file in files
    )
    outside = ~pl.col("src").str.starts_with("192.168.") & ~pl.col("src").str.contains(":", literal=True)
    flows = flows.filter(outside).sort("ts").select("src")
    halves = parse(flows["src"])
    return flows.with_columns(pl.Series("asn", table.locate(halves["hi"].to_numpy(), halves["lo"].to_numpy())))

"""What every benchmark is given: how much to do, the world, a hub, and where to put files."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from tests.benchmarks.data import PREFIXES, World, directory, unpacked
from tests.benchmarks.figures import Figure
from tests.benchmarks.instance import Instance, Threads
from tests.benchmarks.reports import Drawn, large, start_of_events


@dataclass(frozen=True)
class Amount:
    """How much is done; the targets are stated for the whole."""

    rows: int
    """Records of a large report."""
    rounds: int
    """Repetitions of a large report, each beside every baseline."""
    many: int
    """Reports in a row."""
    seconds: int
    """How long small reports are offered."""
    erased_reports: int
    """Reports of 100 parcels of 10,000 records each that are erased at once."""
    sweeps: int
    """Repetitions of the erasure, each of the same database."""


WHOLE = Amount(rows=1_000_000, rounds=5, many=10, seconds=50, erased_reports=10, sweeps=3)
QUICK = Amount(rows=200_000, rounds=2, many=3, seconds=10, erased_reports=1, sweeps=2)


@dataclass
class Setting:
    """One run of the benchmarks."""

    amount: Amount
    base: Path
    world: World
    instance: Instance
    threads: Threads

    def __post_init__(self) -> None:
        """Count reports from 1: each is drawn with a seed of its own, a hub takes the same report only once."""
        self._seeds = count(1)
        self.start: datetime = start_of_events()

    @property
    def title(self) -> str:
        """Return how a large report is called in the table."""
        rows = self.amount.rows
        return f"{rows // 1_000_000} M records" if rows % 1_000_000 == 0 else f"{rows:,} records"

    def fresh(self, rows: int | None = None) -> Drawn:
        """Return a large report that was not pushed before."""
        return large(self.world, rows or self.amount.rows, next(self._seeds), self.start)

    def tables(self) -> tuple[str, str]:
        """Return files with the prefixes and with the systems' holders, for the baselines."""
        prefixes, holders = self.base / "prefixes.tsv", self.base / "holders.csv"
        if not holders.exists():
            prefixes.write_bytes(unpacked(directory() / PREFIXES))
            holders.write_text("".join(f"{asn},{member}\n" for asn, member in self.world.holder.items()))
        return str(prefixes), str(holders)


Benchmark = Callable[[Setting], list[Figure]]

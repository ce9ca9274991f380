"""A log in memory that keeps the contract of :mod:`hub.audit.ports`, and the hub's key."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from hub.audit.entry import Act, AuditEntry, leaf_hash
from hub.audit.ports import StoredCheckpoint, StoredEntry
from hub.audit.sequencer import integrate
from hub.clock import SteppedClock
from hub.sealing.signing import Signer

NOW = datetime(2025, 12, 4, 9, 30, tzinfo=UTC)


@dataclass
class MemoryLog:
    """Entries in order of insertion, some of them numbered; every part can be tampered with."""

    signer: Signer
    entries: list[StoredEntry] = field(default_factory=list)
    points: list[StoredCheckpoint] = field(default_factory=list)

    def latest(self) -> StoredCheckpoint | None:
        """Return the newest checkpoint."""
        return max(self.points, key=lambda point: point.size, default=None)

    def unnumbered(self, limit: int) -> list[tuple[UUID, bytes]]:
        """Return entries without a number, in order of insertion."""
        waiting = [(each.id, each.leaf_hash) for each in self.entries if each.leaf is None]
        return [(key, leaf) for key, leaf in waiting if key is not None and leaf is not None][:limit]

    def number(self, first: int, entry_ids: Sequence[UUID]) -> None:
        """Give entries their numbers."""
        numbers = {entry_id: leaf for leaf, entry_id in enumerate(entry_ids, start=first)}
        self.entries = [
            each if each.id not in numbers else replace(each, leaf=numbers[each.id]) for each in self.entries
        ]

    def add_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Store a checkpoint."""
        self.points.append(checkpoint)

    def numbered(self) -> Iterator[StoredEntry]:
        """Yield numbered entries by number."""
        yield from sorted((each for each in self.entries if each.leaf is not None), key=lambda each: each.leaf or 0)

    def checkpoints(self) -> list[StoredCheckpoint]:
        """Return all checkpoints, smallest first."""
        return sorted(self.points, key=lambda point: point.size)

    def add(self, count: int = 1) -> list[UUID]:
        """Append entries as acts would."""
        made = [AuditEntry.of(Act.READ, at=NOW, actor=UUID(int=1), parcel=UUID(int=2)) for _ in range(count)]
        self.entries += [StoredEntry(None, entry.id, entry.body, leaf_hash(entry.body)) for entry in made]
        return [entry.id for entry in made]

    def integrate(self, batch: int = 10_000) -> int:
        """Run the sequencer once."""
        return integrate(self, self.signer, SteppedClock(NOW), batch=batch)


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """Make the hub's key."""
    return Signer.generate(Path(tmp_path_factory.mktemp("signing")) / "signing.pem")


@pytest.fixture
def log(signer: Signer) -> MemoryLog:
    """Begin a log."""
    return MemoryLog(signer)

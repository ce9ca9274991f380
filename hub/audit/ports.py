"""What the log needs of storage; :mod:`hub.store.audit` implements it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it stands."""

    leaf: int | None
    """Its number in the tree; ``None`` until the sequencer has been."""
    id: UUID | None
    """``None``, as the rest, where a number is left and the entry is not: somebody removed it."""
    body: bytes | None
    leaf_hash: bytes | None


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as it stands."""

    size: int
    root: bytes
    frontier: tuple[bytes, ...]
    note: str
    signed_at: datetime


class SequencerStore(Protocol):
    """What numbering the log needs; the caller holds the lock that makes it the only one."""

    def latest(self) -> StoredCheckpoint | None:
        """Return the newest checkpoint."""
        ...

    def unnumbered(self, limit: int) -> list[tuple[UUID, bytes]]:
        """Return (id, leaf hash) of committed entries without a number, in the order they were inserted."""
        ...

    def number(self, first: int, entry_ids: Sequence[UUID]) -> None:
        """Give entries their leaf numbers, from ``first`` on."""
        ...

    def add_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Store a signed checkpoint."""
        ...


class VerifierStore(Protocol):
    """What checking the log needs."""

    def numbered(self) -> Iterator[StoredEntry]:
        """Yield numbered entries in order of their leaf numbers, without holding them all."""
        ...

    def checkpoints(self) -> list[StoredCheckpoint]:
        """Return all checkpoints, smallest first."""
        ...

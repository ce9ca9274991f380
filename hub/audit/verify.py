"""Check the whole log: every entry's bytes and number, every checkpoint's root and signature.

Who holds the signing key could write another log and sign that. What shows it is a checkpoint that somebody else
kept: give those as ``remembered``.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from hub.audit.checkpoint import Checkpoint, NoteVerifier
from hub.audit.entry import leaf_hash
from hub.audit.ports import StoredCheckpoint, StoredEntry, VerifierStore
from hub.audit.tree import append, root_of

MOST_FAULTS = 100


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What checking the log found."""

    entries: int
    checkpoints: int
    faults: tuple[str, ...]
    """What is wrong, first found first; empty is well. At most :data:`MOST_FAULTS`."""

    def __bool__(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.faults


@dataclass(slots=True)
class _Regrown:
    """The log as its entries say it is."""

    size: int = 0
    next_leaf: int = 0
    frontier: list[bytes] = field(default_factory=list)

    def add(self, entry: StoredEntry) -> Iterator[str]:
        """Grow by one entry and yield what is wrong with it."""
        if entry.leaf != self.next_leaf:
            yield f"leaf {self.next_leaf} is missing, or another stands in its place"
        self.next_leaf = (self.next_leaf if entry.leaf is None else entry.leaf) + 1
        body = entry.body or b""
        if leaf_hash(body) != entry.leaf_hash:
            yield f"entry {entry.id} (leaf {entry.leaf}) was changed or removed: its bytes do not have its hash"
        elif _id_in(body) != str(entry.id):
            yield f"entry {entry.id} (leaf {entry.leaf}) stands under an id that is not its own"
        self.frontier = append(self.frontier, self.size, [leaf_hash(body)])
        self.size += 1


def verify(
    store: VerifierStore,
    public_text: str,
    check_signature: NoteVerifier,
    progress: Callable[[int], None] = lambda _: None,
    *,
    remembered: Sequence[str] = (),
) -> AuditReport:
    """Recompute the log from its entries and compare it with every checkpoint stored, and every note remembered."""
    checkpoints = store.checkpoints()
    faults: list[str] = []
    signed: dict[int, list[bytes]] = {}
    for size, root in _signed(checkpoints, remembered, public_text, check_signature, faults):
        signed.setdefault(size, []).append(root)
    log = _Regrown()
    for entry in store.numbered():
        faults.extend(log.add(entry))
        if any(root != root_of(log.frontier) for root in signed.pop(log.size, ())):
            faults.append(f"the log up to {log.size} is not the one that was signed then")
        if len(faults) >= MOST_FAULTS:
            break
        progress(log.size)
    faults += [
        f"the log ends at {log.size}, but {size} entries were signed" for size in sorted(signed) if size > log.size
    ]
    return AuditReport(log.size, len(checkpoints), tuple(faults[:MOST_FAULTS]))


def _signed(
    checkpoints: Iterable[StoredCheckpoint],
    remembered: Iterable[str],
    public_text: str,
    check_signature: NoteVerifier,
    faults: list[str],
) -> Iterator[tuple[int, bytes]]:
    """Yield size and root of everything that was signed, stored or remembered; faulty notes go to ``faults``."""
    for point in checkpoints:
        yield point.size, point.root
        said = Checkpoint.opened(point.note, public_text, check_signature)
        if said is None:
            faults.append(f"the checkpoint of size {point.size} is not signed by this hub's key")
        elif (said.size, said.root) != (point.size, point.root):
            faults.append(f"the checkpoint of size {point.size} says something else than was signed")
    for number, note in enumerate(remembered, start=1):
        said = Checkpoint.opened(note, public_text, check_signature)
        if said is None:
            faults.append(f"remembered checkpoint {number} is not signed by this hub's key")
        else:
            yield said.size, said.root


def _id_in(body: bytes) -> object:
    try:
        said = json.loads(body)
    except ValueError:
        return None
    return said.get("id") if isinstance(said, dict) else None

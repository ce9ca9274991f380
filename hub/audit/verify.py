"""Check the whole log: every entry's hash, every number, every checkpoint's root and signature."""

from collections.abc import Callable
from dataclasses import dataclass

from hub.audit.checkpoint import Checkpoint, NoteVerifier
from hub.audit.entry import leaf_hash
from hub.audit.ports import StoredCheckpoint, VerifierStore
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


def verify(
    store: VerifierStore,
    public_text: str,
    check_signature: NoteVerifier,
    progress: Callable[[int], None] = lambda _: None,
) -> AuditReport:
    """Recompute the log from its entries and compare it with every checkpoint ever signed."""
    checkpoints = store.checkpoints()
    faults = [fault for point in checkpoints if (fault := _note_fault(point, public_text, check_signature))]
    pending = {point.size: point for point in checkpoints}
    frontier: list[bytes] = []
    count = 0
    for entry in store.numbered():
        if entry.leaf != count:
            faults.append(f"leaf {count} is missing, or another stands in its place")
        if leaf_hash(entry.body) != entry.leaf_hash:
            faults.append(f"entry {entry.id} (leaf {count}) was changed: its bytes do not have its hash")
        frontier = append(frontier, count, [leaf_hash(entry.body)])
        count += 1
        point = pending.pop(count, None)
        if point is not None and root_of(frontier) != point.root:
            faults.append(f"the log up to {count} is not the one that was signed then")
        if len(faults) >= MOST_FAULTS:
            break
        progress(count)
    faults += [f"the log ends at {count}, but {size} entries were signed" for size in sorted(pending) if size > count]
    return AuditReport(count, len(checkpoints), tuple(faults[:MOST_FAULTS]))


def _note_fault(point: StoredCheckpoint, public_text: str, check_signature: NoteVerifier) -> str | None:
    said = Checkpoint.opened(point.note, public_text, check_signature)
    if said is None:
        return f"the checkpoint of size {point.size} is not signed by this hub's key"
    if (said.size, said.root) != (point.size, point.root):
        return f"the checkpoint of size {point.size} says something else than was signed"
    return None

"""The sequencer: gives committed entries their numbers, grows the tree and signs where it stands."""

from hub.audit.checkpoint import Checkpoint, NoteSigner
from hub.audit.ports import SequencerStore, StoredCheckpoint
from hub.audit.tree import append, root_of
from hub.clock import Clock

BATCH = 10_000


def integrate(store: SequencerStore, signer: NoteSigner, clock: Clock, *, batch: int = BATCH) -> int:
    """Number what has been committed since the last checkpoint and sign the next; returns how many entries.

    The caller's transaction makes it all or nothing, and its lock makes it the only sequencer.
    """
    waiting = store.unnumbered(batch)
    if not waiting:
        return 0
    before = store.latest()
    size, frontier = (0, ()) if before is None else (before.size, before.frontier)
    grown = append(frontier, size, [leaf for _, leaf in waiting])
    checkpoint = Checkpoint(size + len(waiting), root_of(grown))
    store.number(size, [entry_id for entry_id, _ in waiting])
    store.add_checkpoint(
        StoredCheckpoint(checkpoint.size, checkpoint.root, tuple(grown), checkpoint.signed(signer), clock.now())
    )
    return len(waiting)

"""The sequencer: gives committed entries their numbers, grows the tree and signs where it stands."""

from hub.audit.checkpoint import Checkpoint, NoteSigner
from hub.audit.ports import SequencerStore, StoredCheckpoint
from hub.audit.tree import append, root_of
from hub.clock import Clock
from hub.errors import Conflict

BATCH = 10_000


def integrate(store: SequencerStore, signer: NoteSigner, clock: Clock, *, batch: int = BATCH) -> int:
    """Give numbers to what has been committed since the last checkpoint and sign the next; tell how many.

    The caller's transaction makes it all or nothing, and its lock makes it the only sequencer.

    Raises:
        Conflict: the last checkpoint does not hold together, so nothing is signed on top of it.
    """
    waiting = store.unnumbered(batch)
    if not waiting:
        return 0
    size, frontier = _signed_so_far(store.latest())
    grown = append(frontier, size, [leaf for _, leaf in waiting])
    checkpoint = Checkpoint(size + len(waiting), root_of(grown))
    store.number(size, [entry_id for entry_id, _ in waiting])
    store.add_checkpoint(
        StoredCheckpoint(checkpoint.size, checkpoint.root, tuple(grown), checkpoint.signed(signer), clock.now())
    )
    return len(waiting)


def _signed_so_far(latest: StoredCheckpoint | None) -> tuple[int, tuple[bytes, ...]]:
    """Return size and frontier to go on from, after checking that they make the root that was signed."""
    if latest is None:
        return 0, ()
    if len(latest.frontier) != latest.size.bit_count() or root_of(latest.frontier) != latest.root:
        raise Conflict(
            f"The log's checkpoint of size {latest.size} does not have the root that was signed.",
            expected="a checkpoint as the sequencer stored it",
            action="See what was changed with: kessetsu audit verify",
        )
    return latest.size, latest.frontier

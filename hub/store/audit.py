"""The log's rows: inserted in the transaction of the act, numbered later, never changed."""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, text

from hub.audit.entry import AuditEntry, leaf_hash
from hub.audit.ports import StoredCheckpoint, StoredEntry
from hub.store.tables import audit_checkpoints, audit_entries, audit_leaves, audit_pending

_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('kessetsu/audit/sequencer'))")
_FETCH = 10_000


class AuditRepository:
    """Appends entries and gives them their numbers."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def append(self, entry: AuditEntry) -> None:
        """Write an entry in this transaction."""
        self.append_all([entry])

    def append_all(self, entries: Iterable[AuditEntry]) -> None:
        """Write entries in this transaction."""
        rows = [_row(entry) for entry in entries]
        if rows:
            self._connection.execute(insert(audit_entries), rows)
            self._connection.execute(insert(audit_pending), [{"entry_id": row["id"]} for row in rows])

    def lock_sequencer(self) -> None:
        """Wait to be the only sequencer until this transaction ends."""
        self._connection.execute(_LOCK)

    def latest(self) -> StoredCheckpoint | None:
        """Return the newest checkpoint."""
        query = select(audit_checkpoints).order_by(audit_checkpoints.c.size.desc()).limit(1)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return StoredCheckpoint(row.size, row.root, tuple(row.frontier), row.note, row.signed_at)

    def unnumbered(self, limit: int) -> list[tuple[UUID, bytes]]:
        """Return (id, leaf hash) of committed entries without a number, in the order they were inserted.

        Positions are given at insertion and seen at commit: an entry that commits late gets a later number.
        """
        query = (
            select(audit_entries.c.id, audit_entries.c.leaf_hash)
            .join(audit_pending, audit_pending.c.entry_id == audit_entries.c.id)
            .order_by(audit_entries.c.position)
            .limit(limit)
        )
        return [(row.id, row.leaf_hash) for row in self._connection.execute(query)]

    def number(self, first: int, entry_ids: Sequence[UUID]) -> None:
        """Give entries their leaf numbers, from ``first`` on."""
        rows = [{"leaf": leaf, "entry_id": entry_id} for leaf, entry_id in enumerate(entry_ids, start=first)]
        self._connection.execute(insert(audit_leaves), rows)
        self._connection.execute(delete(audit_pending).where(audit_pending.c.entry_id.in_(list(entry_ids))))

    def add_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Store a signed checkpoint."""
        self._connection.execute(
            insert(audit_checkpoints).values(
                size=checkpoint.size,
                root=checkpoint.root,
                frontier=list(checkpoint.frontier),
                note=checkpoint.note,
                signed_at=checkpoint.signed_at,
            )
        )

    def numbered(self) -> Iterator[StoredEntry]:
        """Yield numbered entries in order of their leaf numbers, without holding them all."""
        query = (
            select(audit_leaves.c.leaf, audit_entries.c.id, audit_entries.c.body, audit_entries.c.leaf_hash)
            .outerjoin(audit_entries, audit_entries.c.id == audit_leaves.c.entry_id)
            .order_by(audit_leaves.c.leaf)
            .execution_options(yield_per=_FETCH)
        )
        for row in self._connection.execute(query):
            yield StoredEntry(row.leaf, row.id, row.body, row.leaf_hash)

    def checkpoints(self) -> list[StoredCheckpoint]:
        """Return all checkpoints, smallest first."""
        rows = self._connection.execute(select(audit_checkpoints).order_by(audit_checkpoints.c.size))
        return [StoredCheckpoint(row.size, row.root, tuple(row.frontier), row.note, row.signed_at) for row in rows]

    def size(self) -> int:
        """Return how many entries there are, numbered or not."""
        return int(self._connection.execute(select(func.count()).select_from(audit_entries)).scalar_one())


def _row(entry: AuditEntry) -> dict[str, object]:
    body = entry.body
    return {"id": entry.id, "at": entry.at, "act": entry.act.value, "body": body, "leaf_hash": leaf_hash(body)}

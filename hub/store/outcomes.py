"""What recipients did, as codes by (parcel, row)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from hub.records import OutcomeBatch
from hub.store.tables import outcome_pushes, outcomes
from hub.vocabulary import OutcomeCode


class OutcomeRepository:
    """Adds outcomes and reads them back, in the order they came: the latest word on a row counts."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def earlier(self, capacity_id: UUID, idempotency_key: str) -> tuple[UUID, str, int] | None:
        """Return (parcel, content digest, recorded) of the push this key was used for, or ``None``."""
        query = select(outcome_pushes).where(
            outcome_pushes.c.capacity_id == capacity_id, outcome_pushes.c.idempotency_key == idempotency_key
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else (row.parcel_id, row.content_sha256, row.recorded)

    def add(
        self,
        parcel_id: UUID,
        capacity_id: UUID,
        batches: Sequence[OutcomeBatch],
        *,
        idempotency_key: str,
        content_sha256: str,
        recorded: int,
        at: datetime,
    ) -> bool:
        """Record one push of outcomes; ``False`` where its key was used before."""
        fresh = self._connection.execute(
            upsert(outcome_pushes)
            .on_conflict_do_nothing()
            .values(
                capacity_id=capacity_id,
                idempotency_key=idempotency_key,
                parcel_id=parcel_id,
                content_sha256=content_sha256,
                recorded=recorded,
                reported_at=at,
            )
            .returning(outcome_pushes.c.parcel_id)
        )
        if fresh.one_or_none() is None:
            return False
        self._connection.execute(
            insert(outcomes),
            [
                {
                    "parcel_id": parcel_id,
                    "capacity_id": capacity_id,
                    "code": batch.code.value,
                    "rows": None if batch.rows is None else list(batch.rows),
                    "reported_at": at,
                }
                for batch in batches
            ],
        )
        return True

    def of_parcel(self, parcel_id: UUID) -> list[OutcomeBatch]:
        """Return all batches on a parcel, oldest first."""
        query = select(outcomes.c.code, outcomes.c.rows).where(outcomes.c.parcel_id == parcel_id)
        found = self._connection.execute(query.order_by(outcomes.c.id))
        return [OutcomeBatch(OutcomeCode(code), None if rows is None else tuple(rows)) for code, rows in found]

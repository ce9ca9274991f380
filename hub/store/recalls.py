"""Recalled parcels and rows, and whether the recipient has erased them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, func, insert, select, update

from hub.records import Recall
from hub.store.tables import parcels, recalls
from hub.vocabulary import RecallReason


class RecallRepository:
    """The register of wrong and withdrawn deliveries."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def open(
        self,
        parcel_id: UUID,
        capacity_ids: Sequence[UUID],
        reason: RecallReason,
        rows: Sequence[int] | None,
        *,
        by: str,
        at: datetime,
    ) -> None:
        """Register one case per capacity that could read the parcel: each has its own copy to erase."""
        cases = [
            {
                "id": uuid4(),
                "parcel_id": parcel_id,
                "capacity_id": capacity_id,
                "reason": reason.value,
                "rows": None if rows is None else sorted(rows),
                "opened_at": at,
                "opened_by": by,
            }
            for capacity_id in capacity_ids
        ]
        self._connection.execute(insert(recalls), cases)

    def parcels_of_report(self, report_id: UUID) -> int:
        """Return how many parcels of a report were recalled, in whole or in part."""
        query = (
            select(func.count(recalls.c.parcel_id.distinct()))
            .join(parcels, parcels.c.id == recalls.c.parcel_id)
            .where(parcels.c.report_id == report_id)
        )
        return int(self._connection.execute(query).scalar_one())

    def of_capacity(self, capacity_id: UUID, *, only_open: bool) -> list[Recall]:
        """Return a capacity's recalls, newest first."""
        query = select(recalls).where(recalls.c.capacity_id == capacity_id)
        if only_open:
            query = query.where(recalls.c.confirmed_at.is_(None))
        found = self._connection.execute(query.order_by(recalls.c.opened_at.desc(), recalls.c.id))
        return [_recall(row) for row in found]

    def confirm(self, recall_id: UUID, capacity_id: UUID, credential_id: UUID, at: datetime) -> Recall | None:
        """Record that the recipient has erased its copy; the first word counts. ``None`` where it has no such case."""
        query = (
            update(recalls)
            .where(recalls.c.id == recall_id, recalls.c.capacity_id == capacity_id)
            .values(
                confirmed_at=func.coalesce(recalls.c.confirmed_at, at),
                confirmed_by=func.coalesce(recalls.c.confirmed_by, credential_id),
            )
            .returning(*recalls.c)
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _recall(row)

    def unconfirmed(self) -> list[Recall]:
        """Return all cases whose erasure no recipient has confirmed yet, oldest first; for the officer."""
        query = select(recalls).where(recalls.c.confirmed_at.is_(None)).order_by(recalls.c.opened_at)
        return [_recall(row) for row in self._connection.execute(query)]


def _recall(row: Row[tuple[object, ...]]) -> Recall:
    return Recall(
        id=row.id,
        parcel_id=row.parcel_id,
        capacity_id=row.capacity_id,
        reason=RecallReason(row.reason),
        rows=None if row.rows is None else tuple(row.rows),
        opened_at=row.opened_at,
        confirmed_at=row.confirmed_at,
    )

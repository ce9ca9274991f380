"""What dies with a bucket: rows go, counts stay, and the certificate comes in the same transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, text, union, update

from hub.audit.entry import Act, AuditEntry
from hub.clock import Clock
from hub.records import Bucket
from hub.retention.certificate import Certificate, DroppedCounts, statement, tally
from hub.retention.ports import KeptBucket
from hub.store.audit import AuditRepository
from hub.store.certificates import CertificateRepository
from hub.store.sealed import SealedRepository
from hub.store.tables import outcome_pushes, outcomes, parcels, report_targets, reports, sealed_objects
from hub.vocabulary import DataClass, ParcelState, ReportState

_WAITING = (ReportState.RECEIVED.value, ReportState.HELD.value)

_SUM_UP = text("""
    WITH batch AS (
        SELECT outcomes.id, outcomes.parcel_id, outcomes.code, outcomes.rows, parcels.report_id, parcels.record_count,
               max(outcomes.id) FILTER (WHERE outcomes.rows IS NULL) OVER (PARTITION BY outcomes.parcel_id) AS last_all
        FROM outcomes JOIN parcels ON parcels.id = outcomes.parcel_id
        WHERE outcomes.parcel_id = ANY (:parcels)
    ), single AS (
        SELECT DISTINCT ON (parcel_id, "row") parcel_id, report_id, "row", code
        FROM batch CROSS JOIN LATERAL unnest(batch.rows) AS "row"
        WHERE batch.rows IS NOT NULL AND (last_all IS NULL OR id > last_all)
        ORDER BY parcel_id, "row", id DESC
    ), standing AS (
        SELECT report_id, code, count(*) AS records FROM single GROUP BY report_id, code
        UNION ALL
        SELECT report_id, code,
               record_count - (SELECT count(*) FROM single WHERE single.parcel_id = batch.parcel_id)
        FROM batch WHERE id = last_all
    ), summed AS (
        SELECT report_id, code, sum(records)::integer AS records FROM standing GROUP BY report_id, code
    ), stored AS (
        INSERT INTO outcome_totals AS total (report_id, code, records)
        SELECT report_id, code, records FROM summed WHERE records >= :minimum
        ON CONFLICT (report_id, code) DO UPDATE SET records = total.records + excluded.records
    )
    SELECT coalesce(sum(records), 0)::integer FROM summed
""")
"""Adds the standing outcome of every answered row to its report's totals, without a row per record: where all rows
were answered at once, only the rows answered after that are looked at singly. What is too small to be kept is not."""

_DROP_PARTITION = text("SELECT drop_sealed_partition(:deadline)")


class ErasureRepository:
    """One erasure; see :class:`hub.retention.ports.Erasure`."""

    def __init__(self, connection: Connection, clock: Clock, minimum_cell: int) -> None:
        """Work over ``connection``."""
        self._connection = connection
        self._clock = clock
        self._minimum_cell = minimum_cell
        self._log = AuditRepository(connection)
        self._certificates = CertificateRepository(connection)
        self._owners: set[UUID] = set()

    def drop(self, bucket: Bucket) -> DroppedCounts:
        """Remove everything that stands under a bucket, and count it."""
        sealed = SealedRepository(self._connection)
        sealed.lock_against_inserts(bucket)
        gone = self._erase_parcels(
            parcels.c.data_class == bucket.data_class.value, parcels.c.deadline == bucket.deadline
        )
        lapsed = self._lapse(bucket)
        self._connection.execute(
            delete(report_targets).where(
                report_targets.c.data_class == bucket.data_class.value, report_targets.c.deadline == bucket.deadline
            )
        )
        if not self._connection.execute(_DROP_PARTITION, {"deadline": bucket.deadline}).scalar_one():
            sealed.delete_bucket(bucket)
        return DroppedCounts(gone.parcels, gone.records, lapsed, gone.outcomes)

    def drop_parcel(self, parcel_id: UUID) -> DroppedCounts:
        """Remove one parcel."""
        query = select(parcels.c.deadline).where(parcels.c.id == parcel_id)
        deadline = self._connection.execute(query).scalar_one_or_none()
        counts = self._erase_parcels(parcels.c.id == parcel_id)
        if deadline is not None:
            SealedRepository(self._connection).delete([parcel_id], deadline)
        return counts

    def certificate_of(self, bucket: Bucket) -> Certificate | None:
        """Return the certificate of a bucket erased before."""
        return self._certificates.of_bucket(bucket)

    def certificate_of_parcel(self, parcel_id: UUID) -> Certificate | None:
        """Return the certificate of a parcel erased early before."""
        return self._certificates.of_parcel(parcel_id)

    def record(self, certificate: Certificate) -> None:
        """Keep a certificate for everybody whose data it covers."""
        self._certificates.add(certificate, statement(certificate), tally(certificate), self._owners)

    def log(self, entry: AuditEntry) -> None:
        """Append to the audit log in this transaction."""
        self._log.append(entry)

    def _erase_parcels(self, *which: ColumnElement[bool]) -> DroppedCounts:
        query = (
            select(parcels.c.id, parcels.c.capacity_id, parcels.c.record_count)
            .where(*which, parcels.c.state != ParcelState.ERASED.value)
            .order_by(parcels.c.id)
            .with_for_update()
        )
        found = self._connection.execute(query).all()
        if not found:
            return DroppedCounts(0, 0, 0, 0)
        ids = [row.id for row in found]
        self._owners.update(row.capacity_id for row in found)
        summed = int(self._connection.execute(_SUM_UP, {"parcels": ids, "minimum": self._minimum_cell}).scalar_one())
        for table in (outcomes, outcome_pushes):
            self._connection.execute(delete(table).where(table.c.parcel_id.in_(ids)))
        self._connection.execute(
            update(parcels)
            .where(parcels.c.id.in_(ids))
            .values(
                state=ParcelState.ERASED.value,
                record_count=None,
                recalled_rows=[],
                ended_at=func.coalesce(parcels.c.ended_at, self._clock.now()),
            )
        )
        return DroppedCounts(len(found), sum(row.record_count or 0 for row in found), 0, summed)

    def _lapse(self, bucket: Bucket) -> int:
        """End reports that still waited under a bucket, and forget which rows of any push under it were refused."""
        under = (reports.c.blob_class == bucket.data_class.value, reports.c.blob_deadline == bucket.deadline)
        now = self._clock.now()
        lapsed: Sequence[Row[Any]] = self._connection.execute(
            update(reports)
            .where(*under, reports.c.state.in_(_WAITING))
            .values(state=ReportState.LAPSED.value, ended_at=now)
            .returning(reports.c.id, reports.c.capacity_id)
        ).all()
        self._owners.update(row.capacity_id for row in lapsed)
        self._log.append_all(AuditEntry.of(Act.LAPSED, at=now, actor=None, report=row.id) for row in lapsed)
        self._connection.execute(update(reports).where(*under).values(row_errors=[]))
        return len(lapsed)


class KeptRepository:
    """What is there by bucket, for sweep and preview."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def overdue(self, now: datetime) -> list[Bucket]:
        """Return buckets with a deadline up to ``now`` that still have rows, or parcels not marked erased."""
        rows = select(sealed_objects.c.data_class, sealed_objects.c.deadline).where(sealed_objects.c.deadline <= now)
        unmarked = select(parcels.c.data_class, parcels.c.deadline).where(
            parcels.c.deadline <= now, parcels.c.state != ParcelState.ERASED.value
        )
        waiting = select(reports.c.blob_class, reports.c.blob_deadline).where(
            reports.c.blob_deadline <= now, reports.c.state.in_(_WAITING)
        )
        found = self._connection.execute(union(rows, unmarked, waiting))
        return [Bucket(DataClass(row[0]), row[1]) for row in found]

    def kept(self) -> list[KeptBucket]:
        """Return what is there by bucket."""
        standing = (
            select(
                parcels.c.data_class,
                parcels.c.deadline,
                func.count().label("parcels"),
                func.coalesce(func.sum(parcels.c.record_count), 0).label("records"),
            )
            .where(parcels.c.state != ParcelState.ERASED.value)
            .group_by(parcels.c.data_class, parcels.c.deadline)
        )
        waiting = (
            select(reports.c.blob_class, reports.c.blob_deadline, func.count().label("blobs"))
            .where(reports.c.state.in_(_WAITING))
            .group_by(reports.c.blob_class, reports.c.blob_deadline)
        )
        kept = [
            KeptBucket(Bucket(DataClass(row.data_class), row.deadline), row.parcels, int(row.records), 0)
            for row in self._connection.execute(standing)
        ]
        blobs = [
            KeptBucket(Bucket(DataClass(row.blob_class), row.blob_deadline), 0, 0, row.blobs)
            for row in self._connection.execute(waiting)
        ]
        return kept + blobs

"""Deletion certificates, and whom they concern."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, insert, select

from hub.records import Bucket
from hub.retention.certificate import Certificate
from hub.store.tables import certificate_parties, certificates
from hub.vocabulary import DataClass


class CertificateRepository:
    """Stores certificates; they are never changed."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def add(
        self,
        certificate: Certificate,
        statement: Mapping[str, object],
        tally: Mapping[str, object],
        capacity_ids: Iterable[UUID],
    ) -> None:
        """Store a certificate with both its documents, for the capacities it concerns."""
        self._connection.execute(
            insert(certificates).values(
                id=certificate.id,
                data_class=certificate.bucket.data_class.value,
                deadline=certificate.bucket.deadline,
                parcel_id=certificate.parcel_id,
                key_destroyed_at=certificate.key_destroyed_at,
                rows_dropped_at=certificate.rows_dropped_at,
                statement=dict(statement),
                signature=certificate.signature,
                tally=dict(tally),
                tally_signature=certificate.tally_signature,
            )
        )
        concerned = [{"certificate_id": certificate.id, "capacity_id": each} for each in sorted(capacity_ids)]
        if concerned:
            self._connection.execute(insert(certificate_parties), concerned)

    def of_capacity(self, capacity_id: UUID, limit: int) -> list[tuple[UUID, dict[str, Any], str]]:
        """Return (id, statement, signature) of the certificates that concern a capacity, newest first."""
        query = (
            select(certificates.c.id, certificates.c.statement, certificates.c.signature)
            .join(certificate_parties, certificate_parties.c.certificate_id == certificates.c.id)
            .where(certificate_parties.c.capacity_id == capacity_id)
            .order_by(certificates.c.rows_dropped_at.desc(), certificates.c.id)
            .limit(limit)
        )
        return [(row.id, row.statement, row.signature) for row in self._connection.execute(query)]

    def of_bucket(self, bucket: Bucket) -> Certificate | None:
        """Return the certificate of a whole bucket."""
        return self._one(
            certificates.c.data_class == bucket.data_class.value,
            certificates.c.deadline == bucket.deadline,
            certificates.c.parcel_id.is_(None),
        )

    def of_parcel(self, parcel_id: UUID) -> Certificate | None:
        """Return the certificate of a parcel erased early."""
        return self._one(certificates.c.parcel_id == parcel_id)

    def all(self, limit: int) -> list[Certificate]:
        """Return certificates, newest first; for the officer."""
        query = select(certificates).order_by(certificates.c.rows_dropped_at.desc(), certificates.c.id).limit(limit)
        return [_certificate(row) for row in self._connection.execute(query)]

    def _one(self, *conditions: ColumnElement[bool]) -> Certificate | None:
        row = self._connection.execute(select(certificates).where(*conditions)).one_or_none()
        return None if row is None else _certificate(row)


def _certificate(row: Row[Any]) -> Certificate:
    return Certificate(
        id=row.id,
        bucket=Bucket(DataClass(row.data_class), row.deadline),
        parcel_id=row.parcel_id,
        key_destroyed_at=row.key_destroyed_at,
        rows_dropped_at=row.rows_dropped_at,
        parcels=row.tally["parcels"],
        records=row.tally["records"],
        intake_blobs=row.tally["intake_blobs"],
        outcomes=row.tally["outcomes"],
        signature=row.signature,
        tally_signature=row.tally_signature,
    )

"""Deletion certificates: what was erased, when its key died and when its rows went.

Two documents, each signed. The *statement* goes to every member whose data it covers and holds no count: a
bucket holds many members' data, and its totals would tell each of them about the others. The *tally* goes to
officers and auditors.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from hub.records import Bucket
from hub.sealing.canonical import canonical_json


class CertificateSigner(Protocol):
    """Signs canonical bytes; :class:`hub.sealing.signing.Signer`."""

    def sign(self, data: bytes) -> str:
        """Return an Ed25519 signature, base64."""
        ...


@dataclass(frozen=True, slots=True)
class DroppedCounts:
    """What an erasure removed."""

    parcels: int
    records: int
    """Records in those parcels."""
    intake_blobs: int
    """Reports that were still waiting: received or held."""
    outcomes: int
    """Outcomes by row, summed up by code and then deleted."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Proof of an erasure: of a bucket at its deadline, or of one parcel before it."""

    id: UUID
    bucket: Bucket
    parcel_id: UUID | None
    """Set where one parcel was erased early."""
    key_destroyed_at: datetime | None
    """When the bucket's key was certainly gone; ``None`` where one parcel went early and the key still lives."""
    rows_dropped_at: datetime
    parcels: int
    records: int
    intake_blobs: int
    outcomes: int
    signature: str
    """Of the canonical JSON of :func:`statement`."""
    tally_signature: str
    """Of the canonical JSON of :func:`tally`."""


def certify(
    certificate_id: UUID,
    bucket: Bucket,
    counts: DroppedCounts,
    *,
    parcel_id: UUID | None,
    key_destroyed_at: datetime | None,
    rows_dropped_at: datetime,
    signer: CertificateSigner,
) -> Certificate:
    """Return a signed certificate."""
    unsigned = Certificate(
        id=certificate_id,
        bucket=bucket,
        parcel_id=parcel_id,
        key_destroyed_at=key_destroyed_at,
        rows_dropped_at=rows_dropped_at,
        parcels=counts.parcels,
        records=counts.records,
        intake_blobs=counts.intake_blobs,
        outcomes=counts.outcomes,
        signature="",
        tally_signature="",
    )
    return replace(
        unsigned,
        signature=signer.sign(canonical_json(statement(unsigned))),
        tally_signature=signer.sign(canonical_json(tally(unsigned))),
    )


def statement(certificate: Certificate) -> Mapping[str, object]:
    """Return what members may read of a certificate, as it is signed."""
    said: dict[str, object] = {
        "certificate_id": str(certificate.id),
        "data_class": certificate.bucket.data_class.value,
        "deadline": _instant(certificate.bucket.deadline),
        "rows_deleted_at": _instant(certificate.rows_dropped_at),
    }
    if certificate.key_destroyed_at is not None:
        said["key_destroyed_at"] = _instant(certificate.key_destroyed_at)
        said["copies_unreadable_from"] = _instant(certificate.key_destroyed_at)
    else:
        said["copies_unreadable_from"] = _instant(certificate.bucket.deadline)
    if certificate.parcel_id is not None:
        said["parcel_id"] = str(certificate.parcel_id)
    return said


def tally(certificate: Certificate) -> Mapping[str, object]:
    """Return what officers and auditors may read besides, as it is signed."""
    return {
        "certificate_id": str(certificate.id),
        "parcels": certificate.parcels,
        "records": certificate.records,
        "intake_blobs": certificate.intake_blobs,
        "outcomes": certificate.outcomes,
    }


def _instant(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

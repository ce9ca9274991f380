"""What erasure needs of storage; :mod:`hub.store` implements it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from hub.audit.entry import AuditEntry
from hub.records import Bucket
from hub.retention.certificate import Certificate, DroppedCounts


class Erasure(Protocol):
    """One erasure: a transaction in which rows go and their certificate comes, both or neither."""

    def drop(self, bucket: Bucket) -> DroppedCounts:
        """Remove every sealed row of a bucket and what would still speak of single records.

        Marks its parcels erased, and reports that still wait under it lapsed; sums outcomes up per report and
        code, then deletes them row by row; deletes tags made under the bucket's key and row errors of pushes.
        Counts what this call removed: a second call in any transaction removes and counts nothing.

        Takes a lock that conflicts with inserting sealed rows of the bucket, and so waits for inserters that came
        before; inserters look at the clock under theirs, and refuse once the deadline has come. Hence nothing
        of the bucket can appear after this commits.
        """
        ...

    def drop_parcel(self, parcel_id: UUID) -> DroppedCounts:
        """Remove one parcel's sealed rows and outcomes in the same way; counts zero where that was done before."""
        ...

    def certificate_of(self, bucket: Bucket) -> Certificate | None:
        """Return the certificate of a bucket erased before."""
        ...

    def certificate_of_parcel(self, parcel_id: UUID) -> Certificate | None:
        """Return the certificate of a parcel erased early before."""
        ...

    def record(self, certificate: Certificate) -> None:
        """Keep a certificate, with the capacities it covers: owners of what this transaction dropped."""
        ...

    def log(self, entry: AuditEntry) -> None:
        """Append to the audit log in this transaction."""
        ...


@dataclass(frozen=True, slots=True)
class KeptBucket:
    """What storage holds under one bucket."""

    bucket: Bucket
    parcels: int
    records: int
    intake_blobs: int


class ErasureStore(Protocol):
    """Where sealed rows stand."""

    def erasing(self) -> AbstractContextManager[Erasure]:
        """Open one erasure; committed when the block ends well, rolled back when it raises."""
        ...

    def overdue(self, now: datetime) -> Sequence[Bucket]:
        """Return buckets with a deadline up to ``now`` that still have rows, or parcels not marked erased."""
        ...

    def kept(self) -> Sequence[KeptBucket]:
        """Return what is there by bucket."""
        ...

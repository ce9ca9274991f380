"""Erase: at the deadline the key dies first, then the rows go, and a certificate says when each happened.

The key comes first because it is what makes copies die: a wrapped key that stood in a row survives in
write-ahead logs and backups, and without the bucket's key it opens nothing. Killed at any point, the next sweep
finishes: the key store lists keys that are due and erasures that were not certified yet, storage lists rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from hub.audit.entry import Act, AuditEntry
from hub.clock import Clock
from hub.errors import Conflict, KessetsuError
from hub.records import Bucket
from hub.retention.certificate import Certificate, CertificateSigner, certify
from hub.retention.ports import Erasure, ErasureStore, KeptBucket
from hub.sealing.keystore import KeyService


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """What will be erased, and when."""

    kept: KeptBucket
    key_lives: bool
    """``False`` with a deadline ahead means that nobody can open these rows any more: the key is lost."""
    due: bool


def sweep(store: ErasureStore, keys: KeyService, signer: CertificateSigner, clock: Clock) -> list[Certificate]:
    """Erase everything whose deadline has come. Safe to run at any time, twice, or in two places at once.

    All keys die before the first row goes: that is the deadline, and dropping rows may take a while. A bucket
    that fails does not keep the others waiting.

    Raises:
        KessetsuError: the first failure, after everything else was erased.
    """
    now = clock.now()
    failures: list[KessetsuError] = []
    keyless: list[Bucket] = []
    certificates: list[Certificate] = []
    for bucket in _in_order({*keys.due(now), *keys.unfinished(now), *store.overdue(now)}):
        with _kept_for_later(failures):
            keys.destroy(bucket)
            if bucket.deadline <= now:  # else a destruction before the deadline that was cut short: only the key goes
                keyless.append(bucket)
    for bucket in keyless:
        with _kept_for_later(failures):
            certificates.append(erase(bucket, store, keys, signer, clock))
    if failures:
        raise failures[0]
    return certificates


def erase(
    bucket: Bucket, store: ErasureStore, keys: KeyService, signer: CertificateSigner, clock: Clock
) -> Certificate:
    """Erase one bucket; done again, it returns the same certificate.

    Raises:
        Conflict: the deadline is ahead; what was accepted is kept until then.
        Unavailable: the key store or the database does not answer; the next sweep tries again.
    """
    if clock.now() < bucket.deadline:
        raise Conflict(
            f"The bucket {bucket.name} is not due yet.",
            expected="a bucket whose deadline has come",
            action="Erase single parcels early where their ground is gone.",
        )
    key_destroyed_at = keys.destroy(bucket)
    with store.erasing() as erasure:
        counts = erasure.drop(bucket)
        certificate = erasure.certificate_of(bucket)
        if certificate is None:
            certificate = certify(
                uuid4(),
                bucket,
                counts,
                parcel_id=None,
                key_destroyed_at=key_destroyed_at,
                rows_dropped_at=clock.now(),
                signer=signer,
            )
            _record(erasure, certificate)
    keys.conclude(bucket)  # a bucket that held no rows is known here alone until it is certified
    return certificate


def erase_early(
    bucket: Bucket, parcel_id: UUID, store: ErasureStore, signer: CertificateSigner, clock: Clock
) -> Certificate:
    """Erase one parcel before its deadline; done again, it returns the same certificate.

    Its rows go now. Copies in write-ahead logs and backups die with the bucket's key at the deadline, and the
    certificate says so.

    Raises:
        Unavailable: the database does not answer.
    """
    with store.erasing() as erasure:
        counts = erasure.drop_parcel(parcel_id)
        earlier = erasure.certificate_of_parcel(parcel_id)
        if earlier is not None:
            return earlier
        certificate = certify(
            uuid4(),
            bucket,
            counts,
            parcel_id=parcel_id,
            key_destroyed_at=None,
            rows_dropped_at=clock.now(),
            signer=signer,
        )
        _record(erasure, certificate)
    return certificate


def preview(store: ErasureStore, keys: KeyService, now: datetime) -> Sequence[PreviewRow]:
    """Return what is kept and when each part of it dies, soonest first."""
    living = set(keys.live())
    rows = {row.bucket: row for row in store.kept()}
    for bucket in living - rows.keys():
        rows[bucket] = KeptBucket(bucket, parcels=0, records=0, intake_blobs=0)
    ordered = sorted(rows.values(), key=lambda row: (row.bucket.deadline, row.bucket.data_class.value))
    return [PreviewRow(row, row.bucket in living, row.bucket.deadline <= now) for row in ordered]


def _record(erasure: Erasure, certificate: Certificate) -> None:
    erasure.record(certificate)
    subjects = {"certificate": certificate.id}
    if certificate.parcel_id is not None:
        subjects["parcel"] = certificate.parcel_id
    entry = AuditEntry.of(Act.ERASED, at=certificate.rows_dropped_at, actor=None, **subjects)
    erasure.log(entry)


@contextmanager
def _kept_for_later(failures: list[KessetsuError]) -> Iterator[None]:
    try:
        yield
    except KessetsuError as failure:
        failures.append(failure)


def _in_order(buckets: Iterable[Bucket]) -> list[Bucket]:
    return sorted(buckets, key=lambda bucket: (bucket.deadline, bucket.data_class.value))

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from hub.audit.entry import AuditEntry
from hub.clock import SteppedClock
from hub.errors import Conflict, KeyDestroyed, KeyServiceDown, Unavailable
from hub.records import Binding, Bucket, Sealed
from hub.retention.certificate import Certificate, DroppedCounts, statement, tally
from hub.retention.ports import KeptBucket
from hub.retention.step import erase, erase_early, preview, sweep
from hub.sealing.boxes import open_all, seal_one
from hub.sealing.canonical import canonical_json
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.sealing.signing import Signer, verify
from hub.vocabulary import DataClass

NOW = datetime(2025, 12, 4, 9, 30, tzinfo=UTC)
FIRST = Bucket(DataClass.ATTACK_TRAFFIC, NOW + timedelta(minutes=30))
SECOND = Bucket(DataClass.INFECTED_HOST, NOW + timedelta(minutes=30))
LATER = Bucket(DataClass.ATTACK_TRAFFIC, NOW + timedelta(minutes=90))


class Killed(BaseException):
    """The process ended here."""


@dataclass
class Rows:
    """What a database would hold."""

    parcels: dict[UUID, Sealed] = field(default_factory=dict)
    certificates: list[Certificate] = field(default_factory=list)
    entries: list[AuditEntry] = field(default_factory=list)


@dataclass
class MemoryStore:
    """A store that keeps the contract of :mod:`hub.retention.ports`, and dies or fails where it is told to."""

    rows: Rows = field(default_factory=Rows)
    dies_at: str | None = None
    fails_for: Bucket | None = None

    @contextmanager
    def erasing(self) -> Iterator["MemoryErasure"]:
        """Work on a copy that replaces the rows only where the block ends well."""
        erasure = MemoryErasure(self, deepcopy(self.rows))
        yield erasure
        self.at("commit")
        self.rows = erasure.rows
        self.at("committed")

    def overdue(self, now: datetime) -> Sequence[Bucket]:
        """Return buckets that should be gone."""
        return [row.bucket for row in self.kept() if row.bucket.deadline <= now]

    def kept(self) -> Sequence[KeptBucket]:
        """Return what is there, three records a parcel."""
        buckets = [sealed.binding.bucket for sealed in self.rows.parcels.values()]
        return [KeptBucket(each, buckets.count(each), 3 * buckets.count(each), 0) for each in set(buckets)]

    def at(self, step: str) -> None:
        """Die here if told to."""
        if step == self.dies_at:
            raise Killed


@dataclass
class MemoryErasure:
    """One transaction."""

    store: MemoryStore
    rows: Rows

    def drop(self, bucket: Bucket) -> DroppedCounts:
        """Remove a bucket's parcels."""
        self.store.at("drop")
        if bucket == self.store.fails_for:
            raise Unavailable("The database does not answer.")
        return self._removed([key for key, sealed in self.rows.parcels.items() if sealed.binding.bucket == bucket])

    def drop_parcel(self, parcel_id: UUID) -> DroppedCounts:
        """Remove one parcel."""
        return self._removed([parcel_id] if parcel_id in self.rows.parcels else [])

    def certificate_of(self, bucket: Bucket) -> Certificate | None:
        """Find a bucket's certificate."""
        return next((c for c in self.rows.certificates if c.bucket == bucket and c.parcel_id is None), None)

    def certificate_of_parcel(self, parcel_id: UUID) -> Certificate | None:
        """Find a parcel's certificate."""
        return next((c for c in self.rows.certificates if c.parcel_id == parcel_id), None)

    def record(self, certificate: Certificate) -> None:
        """Keep a certificate."""
        self.store.at("record")
        self.rows.certificates.append(certificate)

    def log(self, entry: AuditEntry) -> None:
        """Keep an entry."""
        self.store.at("log")
        self.rows.entries.append(entry)

    def _removed(self, ids: list[UUID]) -> DroppedCounts:
        for key in ids:
            del self.rows.parcels[key]
        return DroppedCounts(parcels=len(ids), records=3 * len(ids), intake_blobs=0, outcomes=2 * len(ids))


@dataclass
class Place:
    """Everything an erasure works on."""

    store: MemoryStore
    keys: KeyService
    signer: Signer
    clock: SteppedClock
    root: Path

    def seal(self, bucket: Bucket) -> UUID:
        """Store one sealed parcel."""
        parcel = uuid4()
        self.store.rows.parcels[parcel] = seal_one(self.keys, Binding(parcel, uuid4(), bucket), [b"secret"])
        return parcel

    def sweep(self) -> list[Certificate]:
        """Sweep now."""
        return sweep(self.store, self.keys, self.signer, self.clock)

    def erase(self, bucket: Bucket) -> Certificate:
        """Erase one bucket now."""
        return erase(bucket, self.store, self.keys, self.signer, self.clock)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Make a store with two parcels in the first bucket, one in each other."""
    clock = SteppedClock(NOW)
    keys = KeyService(tmp_path / "keys", MasterKey(os.urandom(32)), clock)
    keys.initialise()
    made = Place(MemoryStore(), keys, Signer.generate(tmp_path / "signing.pem"), clock, tmp_path / "keys")
    for bucket in (FIRST, FIRST, SECOND, LATER):
        made.seal(bucket)
    return made


class TestErase:
    def test_key_and_rows_go(self, place: Place) -> None:
        """After an erasure no row is there, and a copy of one does not open, whatever the clock says."""
        copies = [each for each in place.store.rows.parcels.values() if each.binding.bucket == FIRST]
        place.clock.instant = FIRST.deadline
        place.erase(FIRST)
        place.clock.instant = NOW

        assert {each.binding.bucket for each in place.store.rows.parcels.values()} == {SECOND, LATER}
        for copy in copies:
            with pytest.raises(KeyDestroyed):
                list(open_all(place.keys, copy))

    def test_not_before_the_deadline(self, place: Place) -> None:
        """What was accepted is kept: an erasure asked for too early touches neither key nor rows."""
        place.clock.instant = FIRST.deadline - timedelta(microseconds=1)

        with pytest.raises(Conflict, match="not due yet"):
            place.erase(FIRST)
        for sealed in place.store.rows.parcels.values():
            assert list(open_all(place.keys, sealed)) == [b"secret"]

    def test_key_goes_before_the_rows(self, place: Place) -> None:
        """Killed before a row went, the key is gone already: that is the deadline."""
        place.clock.instant = FIRST.deadline
        place.store.dies_at = "drop"

        with pytest.raises(Killed):
            place.erase(FIRST)
        assert not (place.root / f"{FIRST.name}.key").exists()
        assert len(place.store.rows.parcels) == 4

    def test_without_the_key_gone_no_row_goes(self, place: Place) -> None:
        """Where the key service is down nothing is dropped and nothing certified."""
        place.clock.instant = FIRST.deadline
        place.root.rename(place.root.with_name("unmounted"))

        with pytest.raises(KeyServiceDown):
            place.erase(FIRST)
        assert len(place.store.rows.parcels) == 4
        assert place.store.rows.certificates == []

    def test_again_gives_the_same_certificate(self, place: Place) -> None:
        """An erasure done twice is certified and logged once."""
        place.clock.instant = FIRST.deadline
        first = place.erase(FIRST)
        place.clock.advance(timedelta(hours=1))

        assert place.erase(FIRST) == first
        assert place.store.rows.certificates == [first]
        assert len(place.store.rows.entries) == 1


class TestCertificate:
    def test_states_both_moments_and_counts(self, place: Place) -> None:
        """A certificate says when the key died, when the rows went, and how much that was."""
        place.clock.instant = FIRST.deadline
        place.store.dies_at = "drop"
        with pytest.raises(Killed):
            place.erase(FIRST)
        place.store.dies_at = None
        place.clock.advance(timedelta(minutes=7))
        certificate = place.erase(FIRST)

        assert certificate.key_destroyed_at == FIRST.deadline
        assert certificate.rows_dropped_at == FIRST.deadline + timedelta(minutes=7)
        assert (certificate.parcels, certificate.records, certificate.intake_blobs, certificate.outcomes) == (
            2,
            6,
            0,
            4,
        )

    def test_is_signed(self, place: Place) -> None:
        """Both documents of a certificate verify with the hub's key, and not once changed."""
        place.clock.instant = FIRST.deadline
        certificate = place.erase(FIRST)
        key = place.signer.public_text

        assert verify(key, canonical_json(statement(certificate)), certificate.signature)
        assert verify(key, canonical_json(tally(certificate)), certificate.tally_signature)
        assert not verify(key, canonical_json({**tally(certificate), "records": 7}), certificate.tally_signature)
        assert not verify(key, canonical_json({**statement(certificate), "deadline": "later"}), certificate.signature)

    def test_members_read_no_counts(self, place: Place) -> None:
        """What a member is shown has no number in it: a bucket's totals are others' volume."""
        place.clock.instant = FIRST.deadline
        said = statement(place.erase(FIRST))

        assert said == {
            "certificate_id": said["certificate_id"],
            "data_class": "attack-traffic",
            "deadline": "2025-12-04T10:00:00.000000Z",
            "key_destroyed_at": "2025-12-04T10:00:00.000000Z",
            "copies_unreadable_from": "2025-12-04T10:00:00.000000Z",
            "rows_deleted_at": "2025-12-04T10:00:00.000000Z",
        }

    def test_is_in_the_log(self, place: Place) -> None:
        """Each erasure is in the audit log, by the certificate's id."""
        place.clock.instant = FIRST.deadline
        certificate = place.erase(FIRST)

        [entry] = place.store.rows.entries
        assert dict(entry.subjects) == {"certificate": str(certificate.id)}


class TestEraseEarly:
    def test_only_that_parcel_goes(self, place: Place) -> None:
        """One parcel erased early leaves the others of its bucket readable."""
        parcel = place.seal(FIRST)
        erase_early(FIRST, parcel, place.store, place.signer, place.clock)

        assert parcel not in place.store.rows.parcels
        for sealed in place.store.rows.parcels.values():
            assert list(open_all(place.keys, sealed)) == [b"secret"]

    def test_says_when_copies_die(self, place: Place) -> None:
        """The certificate says that the row is gone now and that copies die with the bucket at its deadline."""
        parcel = place.seal(FIRST)
        certificate = erase_early(FIRST, parcel, place.store, place.signer, place.clock)

        said = statement(certificate)
        assert certificate.key_destroyed_at is None
        assert "key_destroyed_at" not in said
        assert said["parcel_id"] == str(parcel)
        assert said["rows_deleted_at"] == "2025-12-04T09:30:00.000000Z"
        assert said["copies_unreadable_from"] == "2025-12-04T10:00:00.000000Z"
        assert verify(place.signer.public_text, canonical_json(said), certificate.signature)

    def test_again_gives_the_same_certificate(self, place: Place) -> None:
        """Erasing a parcel twice is certified and logged once, and the bucket still gets its own certificate."""
        parcel = place.seal(FIRST)
        first = erase_early(FIRST, parcel, place.store, place.signer, place.clock)

        assert erase_early(FIRST, parcel, place.store, place.signer, place.clock) == first
        assert len(place.store.rows.entries) == 1
        place.clock.instant = FIRST.deadline
        assert place.erase(FIRST).parcel_id is None


class TestSweep:
    def test_takes_what_is_due_and_no_more(self, place: Place) -> None:
        """A sweep erases every bucket whose deadline has come and leaves the others."""
        assert place.sweep() == []
        place.clock.instant = FIRST.deadline
        certificates = place.sweep()

        assert [certificate.bucket for certificate in certificates] == [FIRST, SECOND]
        assert place.keys.live() == [LATER]
        assert place.sweep() == []

    def test_certifies_a_bucket_without_rows(self, place: Place) -> None:
        """A key whose rows went before, as an intake blob's at release, dies on time and is certified too."""
        empty = Bucket(DataClass.INTAKE, FIRST.deadline)
        place.keys.ensure(empty)
        place.clock.instant = FIRST.deadline

        assert empty in [certificate.bucket for certificate in place.sweep()]

    def test_one_failure_does_not_keep_the_others(self, place: Place) -> None:
        """Where one bucket's rows cannot go, its key is gone all the same, others are erased, and it is tried again."""
        place.clock.instant = FIRST.deadline
        place.store.fails_for = FIRST

        with pytest.raises(Unavailable):
            place.sweep()
        assert [certificate.bucket for certificate in place.store.rows.certificates] == [SECOND]
        assert place.keys.due(place.clock.now()) == []
        place.store.fails_for = None
        assert [certificate.bucket for certificate in place.sweep()] == [FIRST]

    def test_all_keys_die_before_the_first_row(self, place: Place) -> None:
        """Dropping rows may take long; no key waits for it."""
        place.clock.instant = FIRST.deadline
        place.store.dies_at = "drop"

        with pytest.raises(Killed):
            place.sweep()
        assert place.keys.due(place.clock.now()) == []
        assert place.store.rows.certificates == []

    @pytest.mark.parametrize("step", ["drop", "record", "log", "commit", "committed"])
    def test_killed_anywhere_the_next_one_finishes(self, place: Place, step: str) -> None:
        """After a kill at any step, sweeping again erases and certifies every bucket exactly once."""
        place.clock.instant = FIRST.deadline
        place.store.dies_at = step
        with pytest.raises(Killed):
            place.sweep()
        place.store.dies_at = None
        place.sweep()

        assert [certificate.bucket for certificate in place.store.rows.certificates] == [FIRST, SECOND]
        assert len(place.store.rows.entries) == 2
        assert place.store.overdue(place.clock.now()) == []
        assert sum(certificate.parcels for certificate in place.store.rows.certificates) == 3

    def test_finishes_an_early_destruction_of_a_key(self, place: Place) -> None:
        """A key brought back by a copy before its deadline goes again; the rows wait for their deadline."""
        content = (place.root / f"{LATER.name}.key").read_bytes()
        place.keys.destroy(LATER)
        (place.root / f"{LATER.name}.key").write_bytes(content)

        assert place.sweep() == []
        assert not (place.root / f"{LATER.name}.key").exists()


class TestPreview:
    def test_shows_what_dies_when(self, place: Place) -> None:
        """A preview lists every bucket by deadline, with what is in it and whether it is due."""
        place.keys.ensure(Bucket(DataClass.DRILL, LATER.deadline))
        rows = preview(place.store, place.keys, FIRST.deadline)

        assert [(row.kept.bucket.name, row.kept.parcels, row.kept.records, row.due) for row in rows] == [
            (FIRST.name, 2, 6, True),
            (SECOND.name, 1, 3, True),
            (LATER.name, 1, 3, False),
            ("drill/20251204T110000Z", 0, 0, False),
        ]
        assert all(row.key_lives for row in rows)

    def test_shows_a_lost_key(self, place: Place) -> None:
        """Rows ahead of their deadline whose key is missing stand out."""
        (place.root / f"{LATER.name}.key").unlink()
        rows = preview(place.store, place.keys, NOW)

        assert [row.kept.bucket for row in rows if not row.key_lives and not row.due] == [LATER]

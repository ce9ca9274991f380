"""An erasure that breaks off between the key and the certificate is finished, also where no row tells of it."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta

import pytest

from hub.errors import Gone, KeyDestroyed, Unavailable
from hub.records import Bucket
from hub.retention.step import sweep
from hub.store.erasure import ErasureRepository
from hub.store.unit import Store
from hub.vocabulary import DataClass
from tests.support.instance import Instance, attack, csv_of


class Interrupted:
    """A store whose database goes away when rows are to be dropped, or just before that is committed."""

    def __init__(self, store: Store, *, late: bool) -> None:
        self._store = store
        self._late = late

    @contextmanager
    def erasing(self) -> Iterator[ErasureRepository]:
        """Break off."""
        with self._store.erasing() as erasure:
            if self._late:
                yield erasure
            raise Unavailable("gone")

    def overdue(self, now: datetime) -> Sequence[Bucket]:
        """Answer as the store does."""
        return self._store.overdue(now)


def interrupted_sweep(instance: Instance, *, late: bool) -> None:
    """Sweep, and be cut off."""
    hub = instance.worker
    with pytest.raises(Unavailable):
        sweep(Interrupted(hub.store, late=late), hub.keys, hub.signer, hub.clock)  # type: ignore[arg-type]  # half of one


@pytest.mark.parametrize("late", [False, True])
class TestInterrupted:
    """At the deadline the key dies, then the rows go, and a certificate says so: each of it, whatever happens."""

    def test_empty_bucket_is_certified(self, instance: Instance, *, late: bool) -> None:
        """The key of a bucket without rows is known to the key store alone; its end is certified all the same."""
        bucket = Bucket(DataClass.INTAKE, instance.clock.now().replace(minute=0) + timedelta(hours=1))
        instance.worker.keys.ensure(bucket)
        instance.clock.instant = bucket.deadline
        interrupted_sweep(instance, late=late)
        gone_at = instance.worker.keys.destroy(bucket)
        instance.clock.advance(timedelta(seconds=1))

        [certificate] = sweep(instance.worker.store, instance.worker.keys, instance.worker.signer, instance.clock)
        assert (certificate.bucket, certificate.key_destroyed_at) == (bucket, gone_at)
        assert instance.erase() == 0
        assert instance.worker.keys.destroy(bucket) == gone_at

    def test_places_of_errors_are_forgotten(self, instance: Instance, *, late: bool) -> None:
        """Which rows of a push were refused is forgotten with its key, though its blob went at release already."""
        instance.prefixes({"60.1.0.0/16": 64500})
        reporter = instance.party("Alice Net")
        answer = instance.push(reporter, csv_of(["60.1.2.3", "60.1.2"]), attack())
        assert answer.json()["rows_refused"] == 1, answer.text
        instance.work()
        instance.clock.advance(timedelta(hours=25))
        instance.database.set_clock(instance.clock.now())
        interrupted_sweep(instance, late=late)
        instance.erase()

        with closing(instance.database.connect()) as connection:
            assert connection.execute("SELECT row_errors FROM reports").fetchall() == [([],)]


class TestClockSetBack:
    """A deadline that has come stays come."""

    def test_erased_stays_erased(self, instance: Instance) -> None:
        """With the clock set back before its deadline, an erased bucket neither opens nor takes anything."""
        bucket = Bucket(DataClass.DRILL, instance.clock.now().replace(minute=0) + timedelta(hours=1))
        keys = instance.worker.keys
        keys.ensure(bucket)
        wrapped = keys.wrap(bucket, b"k" * 32, b"context")
        instance.clock.instant = bucket.deadline
        assert instance.erase() == 1
        instance.clock.instant = bucket.deadline - timedelta(minutes=30)

        with pytest.raises(KeyDestroyed):
            keys.unwrap(bucket, wrapped, b"context")
        with pytest.raises(KeyDestroyed):
            keys.tag(bucket, "push", b"anything")
        with pytest.raises(Gone):
            keys.ensure(bucket)
        with pytest.raises(Gone):
            keys.wrap(bucket, b"k" * 32, b"context")
        assert keys.live() == []

    def test_delivered_stays_erased(self, instance: Instance) -> None:
        """A recipient whose parcel was erased cannot read it after the clock was set back."""
        instance.prefixes({"60.1.0.0/16": 64500})
        alice, bob = instance.party("Alice Net"), instance.party("Bob Cable", prefixes=["60.1.0.0/16"])
        assert instance.push(alice, csv_of(["60.1.2.3"]), attack(purpose="drill", data_class="drill")).is_success
        instance.work()
        [parcel] = instance.inbox(bob)
        before = instance.clock.now()
        instance.clock.instant = datetime.fromisoformat(parcel["deadline"])
        instance.database.set_clock(instance.clock.now())
        instance.erase()
        instance.clock.instant = before

        answer = instance.client.get(f"/v1/inbox/{parcel['parcel_id']}/records", headers=bob.headers)
        assert answer.status_code == 410
        assert instance.inbox(bob) == []

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from hub.clock import SteppedClock
from hub.errors import Gone, KeyDestroyed, Tampered
from hub.records import Binding, Bucket, Sealed
from hub.sealing.boxes import BoxRoom, open_all, open_chunk, seal_many, seal_one
from hub.sealing.keystore import KeyService
from hub.vocabulary import DataClass

CHUNKS = (b"header", b"rows of page one", b"", b"rows of page two")


@pytest.fixture
def binding(bucket: Bucket) -> Binding:
    """Bind some object of some owner to the bucket."""
    return Binding(uuid4(), uuid4(), bucket)


@pytest.fixture
def sealed(keys: KeyService, binding: Binding) -> Sealed:
    """Seal :data:`CHUNKS`."""
    return seal_one(keys, binding, CHUNKS)


class TestSeal:
    def test_round_trip(self, keys: KeyService, sealed: Sealed) -> None:
        """What was sealed comes back, chunk by chunk."""
        assert tuple(open_all(keys, sealed)) == CHUNKS

    def test_each_chunk_opens_alone(self, keys: KeyService, sealed: Sealed) -> None:
        """A page is read without the pages before it."""
        opened = [
            open_chunk(keys, sealed.binding, sealed.wrapped_key, chunk, index=number, count=len(CHUNKS))
            for number, chunk in enumerate(sealed.chunks)
        ]

        assert tuple(opened) == CHUNKS

    def test_makes_the_bucket_key(self, keys: KeyService, bucket: Bucket) -> None:
        """Sealing has the bucket's key on disk before it returns."""
        new = Bucket(DataClass.DRILL, bucket.deadline)
        sealed = seal_one(keys, Binding(uuid4(), uuid4(), new), CHUNKS)

        assert new in keys.live()
        assert tuple(open_all(keys, sealed)) == CHUNKS

    def test_equal_content_looks_different(self, keys: KeyService, binding: Binding) -> None:
        """Two objects of equal content share no ciphertext: each has a data key of its own."""
        one, two = seal_many(keys, [(binding, (b"same" * 100,)), (binding, (b"same" * 100,))])

        assert one.chunks != two.chunks
        assert one.wrapped_key != two.wrapped_key

    def test_chunks_of_equal_content_look_different(self, keys: KeyService, binding: Binding) -> None:
        """Within an object, equal chunks share no ciphertext: their nonces differ."""
        sealed = seal_one(keys, binding, (b"same" * 100, b"same" * 100))

        assert sealed.chunks[0] != sealed.chunks[1]

    def test_hides_content_in_repr(self, sealed: Sealed) -> None:
        """A sealed object in a log line shows neither key nor ciphertext."""
        assert repr(sealed.wrapped_key) not in repr(sealed)
        assert repr(sealed.chunks[0]) not in repr(sealed)

    def test_refuses_an_object_without_chunks(self, keys: KeyService, binding: Binding) -> None:
        """An empty object would open whatever is cut from it."""
        with pytest.raises(ValueError, match="at least one chunk"):
            seal_one(keys, binding, ())

    def test_refused_at_the_deadline(self, keys: KeyService, binding: Binding, clock: SteppedClock) -> None:
        """Nothing is sealed that nobody may keep."""
        clock.instant = binding.bucket.deadline

        with pytest.raises(Gone):
            seal_one(keys, binding, CHUNKS)


class TestBinding:
    def _others(self, binding: Binding) -> Iterator[Binding]:
        yield replace(binding, object_id=uuid4())
        yield replace(binding, owner_id=uuid4())
        yield replace(binding, bucket=replace(binding.bucket, deadline=binding.bucket.deadline + timedelta(hours=1)))
        yield replace(binding, bucket=replace(binding.bucket, data_class=DataClass.INFECTED_HOST))
        yield replace(binding, object_id=binding.owner_id, owner_id=binding.object_id)

    def test_opens_as_nothing_else(self, keys: KeyService, sealed: Sealed) -> None:
        """An object does not open for another id, owner, deadline or class."""
        for other in self._others(sealed.binding):
            keys.ensure(other.bucket)

            with pytest.raises(Tampered):
                list(open_all(keys, replace(sealed, binding=other)))

    def test_deadline_cannot_be_extended(self, keys: KeyService, sealed: Sealed, clock: SteppedClock) -> None:
        """Rewriting the stored deadline opens nothing, before and after the true one."""
        later = replace(sealed.binding.bucket, deadline=sealed.binding.bucket.deadline + timedelta(days=30))
        keys.ensure(later)
        clock.instant = sealed.binding.bucket.deadline

        with pytest.raises(Tampered):
            list(open_all(keys, replace(sealed, binding=replace(sealed.binding, bucket=later))))
        with pytest.raises(KeyDestroyed):
            list(open_all(keys, sealed))

    def test_keys_of_two_objects_do_not_exchange(self, keys: KeyService, bucket: Bucket) -> None:
        """A wrapped key copied onto another object of the same bucket opens neither."""
        one, two = seal_many(keys, [(Binding(uuid4(), uuid4(), bucket), CHUNKS) for _ in range(2)])

        with pytest.raises(Tampered):
            list(open_all(keys, replace(one, wrapped_key=two.wrapped_key)))


class TestCut:
    def test_every_shorter_or_longer_object_fails(self, keys: KeyService, sealed: Sealed) -> None:
        """An object that lost or gained chunks gives up not even its first one."""
        for chunks in (
            (),
            sealed.chunks[:1],
            sealed.chunks[:-1],
            sealed.chunks[1:],
            (*sealed.chunks, sealed.chunks[-1]),
        ):
            with pytest.raises(Tampered):
                next(open_all(keys, replace(sealed, chunks=chunks)))

    def test_number_out_of_range(self, keys: KeyService, sealed: Sealed) -> None:
        """A chunk number that cannot be is tampering, not a crash."""
        with pytest.raises(Tampered):
            open_chunk(keys, sealed.binding, sealed.wrapped_key, sealed.chunks[0], index=0, count=2**32)


class TestReading:
    def test_stops_at_the_deadline(self, keys: KeyService, sealed: Sealed, clock: SteppedClock) -> None:
        """A reader slower than the deadline gets no further chunk."""
        chunks = open_all(keys, sealed)
        assert next(chunks) == CHUNKS[0]
        clock.instant = sealed.binding.bucket.deadline

        with pytest.raises(KeyDestroyed):
            next(chunks)


class TestBoxRoom:
    def test_reads_each_key_once(self, keys: KeyService, bucket: Bucket, root: Path) -> None:
        """A batch opens a bucket once and needs its file no more."""
        with BoxRoom(keys) as boxes:
            first = boxes(bucket)
            content = (root / f"{bucket.name}.key").read_bytes()
            (root / f"{bucket.name}.key").unlink()
            sealed = boxes(bucket).seal(Binding(uuid4(), uuid4(), bucket), CHUNKS)
            assert boxes(bucket) is first
        (root / f"{bucket.name}.key").write_bytes(content)

        assert tuple(open_all(keys, sealed)) == CHUNKS

    def test_forgets_at_the_end(self, keys: KeyService, bucket: Bucket) -> None:
        """A box kept after its batch is of no use."""
        with BoxRoom(keys) as boxes:
            box = boxes(bucket)

        with pytest.raises(ValueError, match="closed"):
            box.tag("t", b"x")

    def test_box_takes_only_its_bucket(self, keys: KeyService, bucket: Bucket) -> None:
        """An object of another deadline is not sealed under this bucket's key."""
        other = replace(bucket, deadline=bucket.deadline + timedelta(hours=1))
        with BoxRoom(keys) as boxes, pytest.raises(ValueError, match="another bucket"):
            boxes(bucket).seal(Binding(uuid4(), uuid4(), other), CHUNKS)

    def test_tags_as_the_service_does(self, keys: KeyService, bucket: Bucket) -> None:
        """A tag made in a batch is recognised later."""
        with BoxRoom(keys) as boxes:
            assert boxes(bucket).tag("target", b"x") == keys.tag(bucket, "target", b"x")

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.clock import SteppedClock
from hub.errors import KeyServiceDown, Tampered
from hub.records import Binding, Bucket
from hub.sealing.boxes import open_all, open_chunk, seal_many, seal_one
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.vocabulary import DataClass

NOW = datetime(2025, 12, 4, 9, 30, tzinfo=UTC)
DEADLINE = NOW + timedelta(hours=1)
BUCKET = Bucket(DataClass.ATTACK_TRAFFIC, DEADLINE)
RAW_MASTER = bytes(range(32))

deadlines = st.integers(1, 90 * 24).map(lambda hours: NOW + timedelta(hours=hours))
buckets = st.builds(Bucket, st.sampled_from(DataClass), deadlines)
bindings = st.builds(Binding, st.uuids(), st.uuids(), buckets)
chunk_lists = st.lists(st.binary(max_size=200), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyService:
    """Initialise a key store."""
    service = _service(tmp_path_factory.mktemp("keys"))
    service.initialise()
    return service


def _service(root: Path, now: datetime = NOW) -> KeyService:
    return KeyService(root, MasterKey(RAW_MASTER), SteppedClock(now))


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


class TestSealedObjects:
    """A sealed object opens as exactly what it was sealed as, or not at all."""

    @given(binding=bindings, chunks=chunk_lists)
    def test_round_trip(self, keys: KeyService, binding: Binding, chunks: list[bytes]) -> None:
        """Any chunks under any binding come back."""
        assert list(open_all(keys, seal_one(keys, binding, chunks))) == chunks

    @given(chunks=chunk_lists, data=st.data())
    def test_any_bit_of_a_chunk_counts(self, keys: KeyService, chunks: list[bytes], data: st.DataObject) -> None:
        """One flipped bit anywhere in a chunk, and that chunk does not open."""
        sealed = seal_one(keys, Binding(UUID(int=1), UUID(int=2), BUCKET), chunks)
        index = data.draw(st.integers(0, len(chunks) - 1))
        bit = data.draw(st.integers(0, 8 * len(sealed.chunks[index]) - 1))
        changed = [*sealed.chunks]
        changed[index] = _flipped(changed[index], bit)

        with pytest.raises(Tampered):
            list(open_all(keys, replace(sealed, chunks=tuple(changed))))

    @given(length=st.integers(0, 300), cut=st.integers(1, 400), grown=st.binary(min_size=1, max_size=20))
    def test_any_cut_or_growth_counts(self, keys: KeyService, length: int, cut: int, grown: bytes) -> None:
        """A chunk with bytes missing or added at its end does not open."""
        sealed = seal_one(keys, Binding(UUID(int=1), UUID(int=2), BUCKET), [b"x" * length])
        for chunk in (sealed.chunks[0][:-cut], sealed.chunks[0] + grown):
            with pytest.raises(Tampered):
                list(open_all(keys, replace(sealed, chunks=(chunk,))))

    @given(bit=st.integers(0, 8 * 60 - 1))
    def test_any_bit_of_a_wrapped_key_counts(self, keys: KeyService, bit: int) -> None:
        """One flipped bit anywhere in the wrapped key, and nothing opens."""
        sealed = seal_one(keys, Binding(UUID(int=1), UUID(int=2), BUCKET), [b"secret"])

        with pytest.raises(Tampered):
            list(open_all(keys, replace(sealed, wrapped_key=_flipped(sealed.wrapped_key, bit))))

    @given(length=st.integers(0, 59))
    def test_any_cut_of_a_wrapped_key_counts(self, keys: KeyService, length: int) -> None:
        """A wrapped key cut anywhere opens nothing."""
        sealed = seal_one(keys, Binding(UUID(int=1), UUID(int=2), BUCKET), [b"secret"])

        with pytest.raises(Tampered):
            list(open_all(keys, replace(sealed, wrapped_key=sealed.wrapped_key[:length])))

    @given(count=st.integers(2, 6), data=st.data())
    def test_any_other_sequence_fails(self, keys: KeyService, count: int, data: st.DataObject) -> None:
        """Chunks reordered, left out, doubled or replaced by another object's do not open together."""
        one, two = (
            seal_one(keys, Binding(UUID(int=owner), UUID(int=owner), BUCKET), [b"same"] * count) for owner in (1, 2)
        )
        pool = [*one.chunks, *two.chunks]
        picked = tuple(data.draw(st.lists(st.sampled_from(pool), max_size=count + 1)))
        if picked == one.chunks:
            return

        with pytest.raises(Tampered):
            list(open_all(keys, replace(one, chunks=picked)))

    @given(index=st.integers(0, 2**33), count=st.integers(0, 2**33))
    def test_a_chunk_opens_in_its_place_only(self, keys: KeyService, index: int, count: int) -> None:
        """A chunk does not open under any other number or total."""
        sealed = seal_one(keys, Binding(UUID(int=1), UUID(int=2), BUCKET), [b"a", b"b", b"c"])
        if (index, count) == (1, 3):
            return

        with pytest.raises(Tampered):
            open_chunk(keys, sealed.binding, sealed.wrapped_key, sealed.chunks[1], index=index, count=count)

    @given(first=bindings, second=bindings)
    def test_bindings_do_not_cross(self, keys: KeyService, first: Binding, second: Binding) -> None:
        """What is sealed under one binding opens under no other."""
        one, two = seal_many(keys, [(first, (b"one",)), (second, (b"two",))])
        if first == second:
            return

        for borrowed in (replace(one, binding=second), replace(two, wrapped_key=one.wrapped_key)):
            with pytest.raises(Tampered):
                list(open_all(keys, borrowed))

    @given(later=deadlines)
    def test_no_other_deadline_opens(self, keys: KeyService, later: datetime) -> None:
        """Moving an object to another deadline, by any amount, opens nothing: nobody extends it."""
        sealed = seal_one(keys, Binding(UUID(int=1), UUID(int=2), BUCKET), [b"secret"])
        moved = replace(sealed, binding=replace(sealed.binding, bucket=replace(BUCKET, deadline=later)))
        keys.ensure(moved.binding.bucket)

        assert later == DEADLINE or _refused(lambda: list(open_all(keys, moved)))


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except Tampered:
        return True
    return False


class TestBucketKeyFiles:
    """A bucket key file that is not exactly what was written opens nothing."""

    @given(data=st.data())
    @settings(max_examples=60)
    def test_any_damage_is_seen(self, keys: KeyService, data: st.DataObject) -> None:
        """One flipped bit or any cut of the file, and the service says that the key is damaged."""
        keys.ensure(BUCKET)
        path = keys._root / f"{BUCKET.name}.key"
        good = path.read_bytes()
        bad = data.draw(
            st.one_of(
                st.integers(0, 8 * len(good) - 1).map(lambda bit: _flipped(good, bit)),
                st.integers(0, len(good) - 1).map(lambda length: good[:length]),
                st.binary(max_size=80).filter(lambda other: other != good),
            )
        )
        path.write_bytes(bad)
        try:
            with pytest.raises(KeyServiceDown):
                keys.wrap(BUCKET, bytes(32), b"context")
        finally:
            path.write_bytes(good)

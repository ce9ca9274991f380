import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from hub.clock import SteppedClock
from hub.errors import Gone, KeyDestroyed, KeyServiceDown, StorageFull, Tampered
from hub.records import Bucket
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.vocabulary import DataClass

DATA_KEY = bytes(range(32))
CONTEXT = b"object, owner, deadline"


def _key_file(root: Path, bucket: Bucket) -> Path:
    return root / f"{bucket.name}.key"


class TestEnsure:
    def test_again_keeps_the_key(self, keys: KeyService, bucket: Bucket) -> None:
        """A bucket gets one key, whoever asks and however often."""
        before = keys.tag(bucket, "t", b"x")
        keys.ensure(bucket)

        assert keys.tag(bucket, "t", b"x") == before

    def test_keys_are_random(self, tmp_path: Path, master: MasterKey, clock: SteppedClock, bucket: Bucket) -> None:
        """The same bucket under the same master key in another store has another key: nothing is derived."""
        tags = []
        for name in ("one", "two"):
            service = KeyService(tmp_path / name, master, clock)
            service.initialise()
            service.ensure(bucket)
            tags.append(service.tag(bucket, "t", b"x"))

        assert tags[0] != tags[1]

    def test_refused_at_the_deadline(self, keys: KeyService, bucket: Bucket, clock: SteppedClock) -> None:
        """No key is made for a bucket whose deadline has come."""
        clock.instant = bucket.deadline

        with pytest.raises(Gone):
            keys.ensure(Bucket(DataClass.INFECTED_HOST, bucket.deadline))
        assert keys.due(clock.now()) == [bucket]

    def test_refused_after_destruction(self, keys: KeyService, bucket: Bucket) -> None:
        """A destroyed bucket never gets a second key, not even before its deadline."""
        keys.destroy(bucket)

        with pytest.raises(Gone):
            keys.ensure(bucket)

    def test_a_destruction_in_the_middle_wins(
        self, keys: KeyService, bucket: Bucket, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A key linked just after a destroyer found none is taken back by its maker, who sees the tombstone."""
        new = Bucket(DataClass.DRILL, bucket.deadline)
        link = os.link

        def destroyed_first(*arguments: Path) -> None:
            monkeypatch.setattr(os, "link", link)
            keys.destroy(new)
            link(*arguments)

        monkeypatch.setattr(os, "link", destroyed_first)
        with pytest.raises(Gone):
            keys.ensure(new)
        assert not _key_file(root, new).exists()

    def test_zone_of_the_deadline_does_not_matter(self, keys: KeyService, bucket: Bucket) -> None:
        """A deadline read back in another zone names the same bucket."""
        in_japan = Bucket(bucket.data_class, bucket.deadline.astimezone(timezone(timedelta(hours=9))))

        assert keys.tag(in_japan, "t", b"x") == keys.tag(bucket, "t", b"x")

    @pytest.mark.parametrize(
        "deadline",
        [datetime(2099, 1, 1), datetime(2099, 1, 1, 0, 0, 0, 5, tzinfo=timezone.utc)],  # noqa: DTZ001, UP017 -- the fault tested
    )
    def test_deadline_without_zone_or_with_fraction_is_a_mistake(self, keys: KeyService, deadline: datetime) -> None:
        """A deadline that two programs could read as different buckets is refused."""
        with pytest.raises((ValueError, TypeError)):
            keys.ensure(Bucket(DataClass.DRILL, deadline))


class TestWrap:
    def test_round_trip(self, keys: KeyService, bucket: Bucket) -> None:
        """What was wrapped comes back for the same context."""
        assert keys.unwrap(bucket, keys.wrap(bucket, DATA_KEY, CONTEXT), CONTEXT) == DATA_KEY

    def test_bound_to_its_context(self, keys: KeyService, bucket: Bucket) -> None:
        """A data key wrapped for one object does not open for another."""
        wrapped = keys.wrap(bucket, DATA_KEY, CONTEXT)

        with pytest.raises(Tampered):
            keys.unwrap(bucket, wrapped, CONTEXT + b"!")

    def test_bound_to_its_bucket(self, keys: KeyService, bucket: Bucket) -> None:
        """A data key wrapped under one bucket does not open under another."""
        other = Bucket(bucket.data_class, bucket.deadline + timedelta(hours=1))
        keys.ensure(other)

        with pytest.raises(Tampered):
            keys.unwrap(other, keys.wrap(bucket, DATA_KEY, CONTEXT), CONTEXT)

    def test_needs_a_key_that_is_there(self, keys: KeyService, bucket: Bucket) -> None:
        """Wrapping makes no key on the side: that must be on disk before."""
        other = Bucket(DataClass.DRILL, bucket.deadline)

        with pytest.raises(KeyServiceDown, match="missing"):
            keys.wrap(other, DATA_KEY, CONTEXT)

    def test_no_key_lies_in_the_clear(self, bucket: Bucket, root: Path, master: MasterKey) -> None:
        """What stands on disk of a bucket key is wrapped by the master key."""
        wrapped = _key_file(root, bucket).read_bytes()
        plain = master.unwrap(bucket.name, wrapped)

        assert len(plain) == 32
        assert plain not in wrapped


class TestDeadline:
    def test_ends_everything_while_the_file_is_still_there(
        self, keys: KeyService, bucket: Bucket, root: Path, clock: SteppedClock
    ) -> None:
        """At the deadline nothing is wrapped, opened or tagged, even if the sweep has not come yet."""
        wrapped = keys.wrap(bucket, DATA_KEY, CONTEXT)
        clock.instant = bucket.deadline

        assert _key_file(root, bucket).exists()
        with pytest.raises(Gone):
            keys.wrap(bucket, DATA_KEY, CONTEXT)
        with pytest.raises(KeyDestroyed):
            keys.unwrap(bucket, wrapped, CONTEXT)
        with pytest.raises(KeyDestroyed):
            keys.tag(bucket, "t", b"x")

    def test_not_a_microsecond_early(self, keys: KeyService, bucket: Bucket, clock: SteppedClock) -> None:
        """Until the deadline everything works."""
        clock.instant = bucket.deadline - timedelta(microseconds=1)

        assert keys.unwrap(bucket, keys.wrap(bucket, DATA_KEY, CONTEXT), CONTEXT) == DATA_KEY

    def test_reaches_into_an_open_batch(self, keys: KeyService, bucket: Bucket, clock: SteppedClock) -> None:
        """A batch that is still running at the deadline seals and opens nothing more."""
        with keys.opened(bucket) as box:
            wrapped = box.wrap(DATA_KEY, CONTEXT)
            clock.instant = bucket.deadline

            with pytest.raises(Gone):
                box.wrap(DATA_KEY, CONTEXT)
            with pytest.raises(KeyDestroyed):
                box.unwrap(wrapped, CONTEXT)
            with pytest.raises(KeyDestroyed):
                box.tag("t", b"x")


class TestOpened:
    def test_forgets_at_the_end(self, keys: KeyService, bucket: Bucket) -> None:
        """After its block an open bucket is of no use."""
        with keys.opened(bucket) as box:
            pass

        with pytest.raises(ValueError, match="closed"):
            box.wrap(DATA_KEY, CONTEXT)

    def test_no_key_outlives_a_call(self, keys: KeyService, bucket: Bucket, root: Path) -> None:
        """The service keeps no key in memory: without the file the next call fails."""
        keys.wrap(bucket, DATA_KEY, CONTEXT)
        _key_file(root, bucket).unlink()

        with pytest.raises(KeyServiceDown):
            keys.wrap(bucket, DATA_KEY, CONTEXT)


class TestTag:
    def test_depends_on_bucket_label_and_data(self, keys: KeyService, bucket: Bucket) -> None:
        """Tags of different buckets, labels or data have nothing in common."""
        other = Bucket(DataClass.DRILL, bucket.deadline)
        keys.ensure(other)

        tags = {keys.tag(b, label, data) for b in (bucket, other) for label in ("a", "b") for data in (b"x", b"y")}

        assert len(tags) == 8
        assert {len(tag) for tag in tags} == {32}


class TestDestroy:
    def test_nothing_opens_afterwards(self, keys: KeyService, bucket: Bucket, root: Path) -> None:
        """A destroyed key is gone from disk and nothing it sealed opens, whatever the clock says."""
        wrapped = keys.wrap(bucket, DATA_KEY, CONTEXT)
        keys.destroy(bucket)

        assert not _key_file(root, bucket).exists()
        with pytest.raises(KeyDestroyed):
            keys.unwrap(bucket, wrapped, CONTEXT)
        with pytest.raises(Gone):
            keys.wrap(bucket, DATA_KEY, CONTEXT)

    def test_overwrites_in_place(self, keys: KeyService, bucket: Bucket, root: Path, master: MasterKey) -> None:
        """The bytes on disk are overwritten before the name goes: a second name shows it."""
        os.link(_key_file(root, bucket), root / "second-name")
        before = (root / "second-name").read_bytes()
        keys.destroy(bucket)

        assert len((root / "second-name").read_bytes()) == len(before)
        with pytest.raises(ValueError, match="not a key"):
            master.unwrap(bucket.name, (root / "second-name").read_bytes())

    def test_again_returns_the_same_moment(self, keys: KeyService, bucket: Bucket, clock: SteppedClock) -> None:
        """Destroying twice is destroying once."""
        clock.instant = bucket.deadline
        first = keys.destroy(bucket)
        clock.advance(timedelta(hours=5))

        assert first == bucket.deadline
        assert keys.destroy(bucket) == first

    def test_closes_a_bucket_that_never_had_a_key(self, keys: KeyService, bucket: Bucket) -> None:
        """A destroyed bucket gets no key later even if it had none before."""
        other = Bucket(DataClass.DRILL, bucket.deadline)
        keys.destroy(other)

        with pytest.raises(Gone):
            keys.ensure(other)

    def test_a_full_disk_keeps_no_key(
        self, keys: KeyService, bucket: Bucket, root: Path, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Past the deadline the key goes even where no tombstone can be written; the proof follows with the room."""

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        clock.instant = bucket.deadline
        with monkeypatch.context() as patch:
            patch.setattr(os, "link", full)
            with pytest.raises(StorageFull):
                keys.destroy(bucket)

        assert not _key_file(root, bucket).exists()
        clock.advance(timedelta(minutes=1))
        assert keys.destroy(bucket) == bucket.deadline + timedelta(minutes=1)

    def test_a_copy_brought_back_opens_nothing(
        self, keys: KeyService, bucket: Bucket, root: Path, tmp_path: Path, clock: SteppedClock
    ) -> None:
        """A key file restored from a copy is refused, listed as due, and destroyed again."""
        wrapped = keys.wrap(bucket, DATA_KEY, CONTEXT)
        shutil.copy(_key_file(root, bucket), tmp_path / "copy")
        keys.destroy(bucket)
        shutil.copy(tmp_path / "copy", _key_file(root, bucket))

        with pytest.raises(KeyDestroyed):
            keys.unwrap(bucket, wrapped, CONTEXT)
        assert keys.due(clock.now()) == [bucket]
        keys.destroy(bucket)
        assert not _key_file(root, bucket).exists()
        assert keys.due(clock.now()) == []

    def test_leaves_other_buckets_alone(self, keys: KeyService, bucket: Bucket) -> None:
        """Only the named bucket dies."""
        other = Bucket(bucket.data_class, bucket.deadline + timedelta(hours=1))
        keys.ensure(other)
        keys.destroy(bucket)

        assert keys.unwrap(other, keys.wrap(other, DATA_KEY, CONTEXT), CONTEXT) == DATA_KEY


class TestLists:
    def test_live_and_due(self, keys: KeyService, bucket: Bucket, clock: SteppedClock) -> None:
        """A bucket is live until its deadline, due from then on, and neither once destroyed."""
        later = Bucket(DataClass.INTAKE, bucket.deadline + timedelta(hours=3))
        keys.ensure(later)

        assert keys.live() == [bucket, later]
        assert keys.live(DataClass.INTAKE) == [later]
        assert keys.due(clock.now()) == []
        clock.instant = bucket.deadline
        assert keys.live() == [later]
        assert keys.due(clock.now()) == [bucket]
        keys.destroy(bucket)
        assert keys.due(clock.now()) == []

    def test_ignores_what_is_no_key(self, keys: KeyService, bucket: Bucket, root: Path) -> None:
        """Stray files are not taken for buckets."""
        for name in (
            "20991232T000000Z.key",
            "20990101.key",
            "notes.key",
            f"{bucket.name}.key.bak".split("/")[1],
            ".20990101T000000Z.key",
        ):
            (root / "drill" / name).write_bytes(b"x")

        assert keys.live() == [bucket]


class TestPrune:
    def test_tombstones_go_after_90_days(
        self, keys: KeyService, bucket: Bucket, root: Path, clock: SteppedClock
    ) -> None:
        """Tombstones stay 90 days past the deadline; after that the deadline alone keeps the bucket closed."""
        keys.destroy(bucket)
        clock.instant = bucket.deadline + timedelta(days=90) - timedelta(seconds=1)
        assert keys.prune() == 0
        clock.advance(timedelta(seconds=1))

        assert keys.prune() == 1
        assert list((root / "attack-traffic").iterdir()) == []
        with pytest.raises(Gone):
            keys.ensure(bucket)

    def test_takes_no_key(self, keys: KeyService, bucket: Bucket, clock: SteppedClock) -> None:
        """Pruning never removes a key, however old: that takes a destruction with its proof."""
        clock.instant = bucket.deadline + timedelta(days=1000)
        keys.prune()

        assert keys.due(clock.now()) == [bucket]

    def test_clears_what_killed_writers_left(self, keys: KeyService, root: Path, clock: SteppedClock) -> None:
        """Temporary files of dead writers go after a day; a living writer's stays."""
        (root / "drill" / ".a.key.0.tmp").write_bytes(b"x")
        young = root / "drill" / ".b.key.0.tmp"
        young.write_bytes(b"x")
        noon = clock.now().timestamp()
        os.utime(root / "drill" / ".a.key.0.tmp", (noon - 90_000, noon - 90_000))
        os.utime(young, (noon, noon))

        assert keys.prune() == 1
        assert list((root / "drill").iterdir()) == [young]


class TestBrokenStore:
    def _use(self, keys: KeyService, bucket: Bucket) -> Iterator[Callable[[], object]]:
        yield lambda: keys.ensure(bucket)
        yield lambda: keys.wrap(bucket, DATA_KEY, CONTEXT)
        yield lambda: keys.tag(bucket, "t", b"x")
        yield lambda: keys.destroy(bucket)
        yield keys.ping

    def test_missing_root(self, keys: KeyService, bucket: Bucket, root: Path) -> None:
        """Without its directory the service is down, whatever is asked of it."""
        root.rename(root.with_name("elsewhere"))

        for use in self._use(keys, bucket):
            with pytest.raises(KeyServiceDown):
                use()
        assert not root.exists()

    def test_unmounted_volume_is_an_outage_not_an_erasure(self, keys: KeyService, bucket: Bucket, root: Path) -> None:
        """An empty directory where the store should be never counts as keys destroyed, and takes no new ones."""
        root.rename(root.with_name("elsewhere"))
        root.mkdir()

        for use in self._use(keys, bucket):
            with pytest.raises(KeyServiceDown):
                use()
        assert list(root.iterdir()) == []

    def test_other_master_key(self, keys: KeyService, bucket: Bucket, root: Path, clock: SteppedClock) -> None:
        """A store of another master key is refused before anything is made in it or destroyed."""
        stranger = KeyService(root, MasterKey(os.urandom(32)), clock)

        for use in (*self._use(stranger, bucket), stranger.initialise):
            with pytest.raises(KeyServiceDown, match="master key"):
                use()
        assert keys.unwrap(bucket, keys.wrap(bucket, DATA_KEY, CONTEXT), CONTEXT) == DATA_KEY

    def test_lost_key_is_not_a_destroyed_one(self, keys: KeyService, bucket: Bucket, root: Path) -> None:
        """A key that is missing before its deadline without a tombstone is a fault, and said to be one."""
        wrapped = keys.wrap(bucket, DATA_KEY, CONTEXT)
        _key_file(root, bucket).unlink()

        with pytest.raises(KeyServiceDown, match="missing before its deadline"):
            keys.unwrap(bucket, wrapped, CONTEXT)

    @pytest.mark.parametrize("length", [0, 1, 12, 59])
    def test_cut_key_file(self, keys: KeyService, bucket: Bucket, root: Path, length: int) -> None:
        """A cut key file opens nothing and is said to be damaged."""
        wrapped = keys.wrap(bucket, DATA_KEY, CONTEXT)
        os.truncate(_key_file(root, bucket), length)

        with pytest.raises(KeyServiceDown, match="changed, cut, exchanged"):
            keys.unwrap(bucket, wrapped, CONTEXT)

    def test_exchanged_key_files(self, keys: KeyService, bucket: Bucket, root: Path) -> None:
        """A key file under another bucket's name, or another class's, is refused."""
        for other in (
            Bucket(bucket.data_class, bucket.deadline + timedelta(hours=1)),
            Bucket(DataClass.INFECTED_HOST, bucket.deadline),
        ):
            shutil.copy(_key_file(root, bucket), _key_file(root, other))

            with pytest.raises(KeyServiceDown, match="changed, cut, exchanged"):
                keys.wrap(other, DATA_KEY, CONTEXT)

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES])
    @pytest.mark.parametrize("call", ["open", "write", "fsync", "link"])
    def test_failing_disk(
        self, keys: KeyService, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, *, call: str, number: int
    ) -> None:
        """Whatever call fails, the answer is a domain error, and a bucket without a synced key is not usable."""
        new = Bucket(DataClass.DRILL, bucket.deadline)
        expected = StorageFull if number in {errno.ENOSPC, errno.EDQUOT} else KeyServiceDown

        def fail(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            for attempt in (lambda: keys.ensure(new), keys.ping, lambda: keys.destroy(new)):
                with pytest.raises(expected):
                    attempt()
        assert keys.live() == [bucket]


class TestFullDisk:
    @pytest.fixture
    def tiny(self, tmp_path: Path) -> Iterator[Path]:
        """Mount 64 KiB."""
        mounted = tmp_path / "tiny"
        mounted.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mounted)]
        if shutil.which("mount") is None or subprocess.run(command, check=False, capture_output=True).returncode != 0:
            pytest.skip("a small file system cannot be mounted here")
        yield mounted
        subprocess.run(["umount", str(mounted)], check=True)

    def test_refused_then_recovered(self, tiny: Path, master: MasterKey, clock: SteppedClock) -> None:
        """A full disk refuses new buckets, keeps the old ones, and takes new ones once there is room."""
        keys = KeyService(tiny, master, clock)
        keys.initialise()
        made = Bucket(DataClass.DRILL, clock.now().replace(minute=0) + timedelta(hours=1))
        keys.ensure(made)
        before = keys.tag(made, "t", b"x")
        refused = Bucket(DataClass.DRILL, made.deadline + timedelta(hours=1))
        with pytest.raises(OSError, match="No space"):
            (tiny / "filler").write_bytes(b"\0" * 100_000)

        with pytest.raises(StorageFull):
            keys.ensure(refused)
        with pytest.raises(StorageFull):
            keys.ping()
        assert keys.live() == [made]
        (tiny / "filler").unlink()
        keys.ensure(refused)
        keys.ping()
        assert keys.live() == [made, refused]
        assert keys.tag(made, "t", b"x") == before


class TestPing:
    def test_leaves_nothing(self, keys: KeyService, root: Path) -> None:
        """A probe is written, synced and removed."""
        before = sorted(root.rglob("*"))
        keys.ping()

        assert sorted(root.rglob("*")) == before

    def test_store_is_private(self, keys: KeyService, root: Path, bucket: Bucket) -> None:
        """Directories are for the owner alone, and so are key files."""
        keys.ping()

        assert {path.stat().st_mode & 0o777 for path in (root, root / "drill")} == {0o700}
        assert _key_file(root, bucket).stat().st_mode & 0o777 == 0o600

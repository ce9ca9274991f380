"""The key service: one random key per bucket, in a directory of its own, gone at the deadline.

    <root>/kessetsu-key-store                 marker: which master key this store belongs to
    <root>/<class>/<deadline>.key             the bucket key, wrapped by the master key
    <root>/<class>/<deadline>.destroyed       from here on no key is made or used for the bucket
    <root>/<class>/<deadline>.moment          when the key was certainly gone
    <root>/<class>/<deadline>.certified       the same, once the erasure of all it sealed was certified

Several processes use the directory at once without locks. What decides is the file system: a name is linked
once, the tombstone stands before the key goes, and whoever makes a key looks for the tombstone afterwards.

The directory belongs outside the database, its backups and every other backup: a copy of it kept past the
deadline is a copy of the keys, wrapped by the master key alone. The marker is there so that a volume that is
not mounted is taken for an outage, never for an empty store whose keys were all destroyed.
"""

import hmac
import os
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.clock import Clock
from hub.errors import Gone, KeyDestroyed, Tampered
from hub.records import Bucket
from hub.sealing.derive import KEY_BYTES, NONCE_BYTES, derived
from hub.sealing.files import TEMPORARY, key_store_down, key_store_troubles, place, shred, sync_directory
from hub.sealing.master import MasterKey
from hub.vocabulary import DataClass

TOMBSTONES_KEPT = timedelta(days=90)
"""After this a bucket's name is free again; its deadline alone keeps it closed."""

_MARKER = "kessetsu-key-store"
_KEY, _DESTROYED, _MOMENT, _CERTIFIED = ".key", ".destroyed", ".moment", ".certified"
_SUFFIXES = (_KEY, _DESTROYED, _MOMENT, _CERTIFIED)
_STALE = timedelta(days=1)
_MAX_FILE = 4096


class OpenBucket:
    """One bucket's key for the length of a ``with`` block: wraps, unwraps and tags, until the deadline."""

    def __init__(self, bucket: Bucket, key: bytes, clock: Clock) -> None:
        """Hold ``key``. Made by :meth:`KeyService.opened` only."""
        self.bucket = bucket
        self._clock = clock
        self._held: tuple[bytes, AESGCM] | None = (key, AESGCM(derived(key, b"kessetsu wrap v1")))

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """Return ``data_key`` encrypted (AES-256-GCM, random nonce), bound to ``context``.

        Raises:
            Gone: the deadline has come; nothing new is sealed under this key.
        """
        _, wrapping = self._keys()
        if self._passed():
            raise _closed(self.bucket)
        nonce = os.urandom(NONCE_BYTES)
        return nonce + wrapping.encrypt(nonce, data_key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return what :meth:`wrap` encrypted for the same context.

        Raises:
            KeyDestroyed: the deadline has come.
            Tampered: changed, cut, or wrapped for another context or under another bucket.
        """
        _, wrapping = self._keys()
        self.require_alive()
        try:
            return wrapping.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise Tampered("A wrapped key does not belong to this object, or was changed.") from None

    def tag(self, label: str, data: bytes) -> bytes:
        """Return HMAC-SHA256 of ``data`` under a key for ``label`` that dies with the bucket.

        Raises:
            KeyDestroyed: the deadline has come.
        """
        key, _ = self._keys()
        self.require_alive()
        return hmac.digest(derived(key, b"kessetsu tag v1\0" + label.encode()), data, "sha256")

    def require_alive(self) -> None:
        """Raise :class:`~hub.errors.KeyDestroyed` once the deadline has come."""
        if self._passed():
            raise _destroyed(self.bucket)

    def close(self) -> None:
        """Forget the key. Python may leave copies in freed memory: hence no core dumps and no swap in production."""
        self._held = None

    def _passed(self) -> bool:
        return self._clock.now() >= self.bucket.deadline

    def _keys(self) -> tuple[bytes, AESGCM]:
        if self._held is None:
            raise ValueError("this bucket is closed; use it inside its with block")
        return self._held


class KeyService:
    """Makes, uses and destroys bucket keys; keeps none in memory beyond one call or one ``with`` block."""

    def __init__(self, root: Path, master: MasterKey, clock: Clock) -> None:
        """Work over the store at ``root``, which :meth:`initialise` made once."""
        self._root = root
        self._master = master
        self._clock = clock

    def initialise(self) -> None:
        """Make the store where there is none; on one of the same master key this changes nothing.

        Raises:
            KeyServiceDown: a store of another master key is there, or nothing can be written.
        """
        with key_store_troubles():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for data_class in DataClass:
                (self._root / data_class.value).mkdir(mode=0o700, exist_ok=True)
            place(self._root / _MARKER, self._master.fingerprint.encode())
            self._require_store()

    def ensure(self, bucket: Bucket) -> None:
        """Have a key for ``bucket``: when this returns, whoever made it, it is on disk.

        Raises:
            Gone: the deadline has come, or the key was destroyed.
            StorageFull: no room.
            KeyServiceDown: the store is not there or broken.
        """
        path = self._path(bucket, _KEY)
        if self._clock.now() >= bucket.deadline:
            raise _closed(bucket)
        with key_store_troubles():
            self._require_store()
            if self._is_closed(bucket):
                raise _closed(bucket)
            if path.exists():
                sync_directory(path.parent)  # its maker may not have come so far
            else:
                place(path, self._master.wrap(_name(bucket), os.urandom(KEY_BYTES)))
            if self._is_closed(bucket):  # a destroyer that found no key has left its tombstone first
                shred(path)
                raise _closed(bucket)

    @contextmanager
    def opened(self, bucket: Bucket) -> Iterator[OpenBucket]:
        """Read a bucket's key once, for a batch, and forget it when the block ends.

        Raises:
            KeyDestroyed: the deadline has come, or the key was destroyed before it.
            KeyServiceDown: the key should be there and is not, or is not what the master key wrapped.
        """
        box = OpenBucket(bucket, self._read(bucket), self._clock)
        try:
            yield box
        finally:
            box.close()

    def wrap(self, bucket: Bucket, data_key: bytes, context: bytes) -> bytes:
        """Wrap one data key; see :meth:`OpenBucket.wrap`.

        Raises:
            Gone: the deadline has come, or the key was destroyed.
            KeyServiceDown: as :meth:`opened`.
        """
        try:
            with self.opened(bucket) as box:
                return box.wrap(data_key, context)
        except KeyDestroyed:
            raise _closed(bucket) from None

    def unwrap(self, bucket: Bucket, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap one data key; see :meth:`OpenBucket.unwrap` and :meth:`opened` for what it raises."""
        with self.opened(bucket) as box:
            return box.unwrap(wrapped, context)

    def tag(self, bucket: Bucket, label: str, data: bytes) -> bytes:
        """Return a keyed tag; see :meth:`OpenBucket.tag` and :meth:`opened` for what it raises."""
        with self.opened(bucket) as box:
            return box.tag(label, data)

    def destroy(self, bucket: Bucket) -> datetime:
        """Destroy a bucket's key for good and return when it was certainly gone; again returns the same.

        Killed at any point, the bucket is listed by :meth:`due` until this was done to its end.

        Raises:
            StorageFull: no room for the proof. A key past its deadline is gone all the same.
            KeyServiceDown: the store is not there or broken.
        """
        with key_store_troubles():
            self._require_store()
            with suppress(OSError) if self._clock.now() >= bucket.deadline else nullcontext():
                place(self._path(bucket, _DESTROYED), b"")  # past the deadline a full disk must not keep a key
            shred(self._path(bucket, _KEY))
            if not self._is_closed(bucket):
                place(self._path(bucket, _DESTROYED), b"")
            if not any(self._path(bucket, suffix).exists() for suffix in (_MOMENT, _CERTIFIED)):
                place(self._path(bucket, _MOMENT), self._clock.now().astimezone(UTC).isoformat().encode())
            return datetime.fromisoformat(self._moment(bucket).decode())

    def conclude(self, bucket: Bucket) -> None:
        """Note that what a destroyed key had sealed is erased and certified; again changes nothing.

        Raises:
            KeyServiceDown: the store is not there or broken.
        """
        with key_store_troubles(), suppress(FileNotFoundError):
            self._path(bucket, _MOMENT).replace(self._path(bucket, _CERTIFIED))
            sync_directory(self._path(bucket, _MOMENT).parent)

    def unfinished(self, now: datetime) -> list[Bucket]:
        """Return the buckets past their deadline whose key is gone and whose erasure is not yet certified."""
        found: set[Bucket] = set()
        with key_store_troubles():
            for each in DataClass:
                *_, moments, _ = self._stems(each)
                found |= _buckets(each, {stem for stem in moments if stem <= _stem(now)})
        return _in_order(found)

    def live(self, data_class: DataClass | None = None) -> list[Bucket]:
        """Return the buckets whose key can be used now, of one class or of all, by class and deadline."""
        now = _stem(self._clock.now())
        alive: set[Bucket] = set()
        with key_store_troubles():
            for each in DataClass if data_class is None else (data_class,):
                there, tombstones, *_ = self._stems(each)
                alive |= _buckets(each, {stem for stem in there - tombstones if stem > now})
        return _in_order(alive)

    def due(self, now: datetime) -> list[Bucket]:
        """Return the buckets to destroy: past their deadline, or half destroyed, or brought back by a copy."""
        found: set[Bucket] = set()
        with key_store_troubles():
            for each in DataClass:
                there, tombstones, moments, certified = self._stems(each)
                late = {stem for stem in there if stem <= _stem(now)}
                found |= _buckets(each, late | (there & tombstones) | (tombstones - moments - certified))
        return _in_order(found)

    def prune(self) -> int:
        """Remove tombstones :data:`TOMBSTONES_KEPT` past their deadline, and what killed writers left; count both."""
        now = self._clock.now()
        removed = 0
        with key_store_troubles():
            for each in DataClass:
                there, tombstones, moments, certified = self._stems(each)
                for bucket in _buckets(each, (tombstones | moments | certified) - there):
                    if bucket.deadline + TOMBSTONES_KEPT <= now:
                        self._path(bucket, _DESTROYED).unlink(missing_ok=True)  # first, or it would look half destroyed
                        for suffix in (_MOMENT, _CERTIFIED):
                            self._path(bucket, suffix).unlink(missing_ok=True)
                        removed += 1
            return removed + self._remove_leftovers(now - _STALE)

    def ping(self) -> None:
        """Write and sync a probe.

        Raises:
            StorageFull: no room.
            KeyServiceDown: the store is not there, not writable, or of another master key.
        """
        with key_store_troubles():
            self._require_store()
            probe = self._root / f".probe-{os.getpid()}-{os.urandom(8).hex()}{TEMPORARY}"
            place(probe, b"probe")
            probe.unlink()

    def _read(self, bucket: Bucket) -> bytes:
        path = self._path(bucket, _KEY)
        if self._clock.now() >= bucket.deadline:
            raise _destroyed(bucket)
        with key_store_troubles():
            wrapped = None
            with suppress(FileNotFoundError):
                wrapped = _content(path)
            if self._is_closed(bucket):  # looked up after the key: an erasure in between is seen
                raise _destroyed(bucket)
        if wrapped is None:
            raise key_store_down(f"The key of bucket {_name(bucket)} is missing before its deadline.")
        try:
            return self._master.unwrap(_name(bucket), wrapped)
        except ValueError:
            raise key_store_down(
                f"The key of bucket {_name(bucket)} was changed, cut, exchanged, or wrapped by another master key."
            ) from None

    def _require_store(self) -> None:
        try:
            fingerprint = _content(self._root / _MARKER).decode(errors="replace")
        except FileNotFoundError:
            raise key_store_down("There is no key store where the settings say; is its volume mounted?") from None
        if fingerprint != self._master.fingerprint:
            raise key_store_down("The key store belongs to another master key.")

    def _is_closed(self, bucket: Bucket) -> bool:
        return self._path(bucket, _DESTROYED).exists()

    def _path(self, bucket: Bucket, suffix: str) -> Path:
        return self._root / f"{_name(bucket)}{suffix}"

    def _moment(self, bucket: Bucket) -> bytes:
        try:
            return _content(self._path(bucket, _MOMENT))
        except FileNotFoundError:
            return _content(self._path(bucket, _CERTIFIED))

    def _stems(self, data_class: DataClass) -> tuple[set[str], set[str], set[str], set[str]]:
        """Return the names that have a file of each of the four kinds, in one pass: asked for every second."""
        found: tuple[set[str], set[str], set[str], set[str]] = (set(), set(), set(), set())
        with os.scandir(self._root / data_class.value) as entries:
            for entry in entries:
                stem, dot, suffix = entry.name.rpartition(".")
                if dot + suffix in _SUFFIXES:
                    found[_SUFFIXES.index(dot + suffix)].add(stem)
        return found

    def _remove_leftovers(self, before: datetime) -> int:
        stale = [
            path
            for path in (*self._root.glob(f".*{TEMPORARY}"), *self._root.glob(f"*/.*{TEMPORARY}"))
            if path.stat().st_mtime < before.timestamp()
        ]
        return sum(map(shred, stale))


def _closed(bucket: Bucket) -> Gone:
    """Return the error for sealing something new under a bucket whose deadline has come."""
    return Gone(
        f"The deadline {bucket.deadline:%Y-%m-%d %H:%M:%S} UTC of these data has come; they may not be kept.",
        expected="data whose deadline is ahead",
        action="Nothing: data past their deadline are neither taken nor shown.",
    )


def _destroyed(bucket: Bucket) -> KeyDestroyed:
    """Return the error for opening something whose key is gone, or counts as gone."""
    return KeyDestroyed(
        f"What was kept until {bucket.deadline:%Y-%m-%d %H:%M:%S} UTC was erased with its key.",
        action="Nothing: nobody can open it again.",
    )


def _name(bucket: Bucket) -> str:
    """Return the bucket's name in UTC, whatever zone the deadline came in."""
    if bucket.deadline.utcoffset() is None or bucket.deadline.microsecond:
        raise ValueError("a bucket's deadline is a whole second with a zone")
    return f"{bucket.data_class.value}/{_stem(bucket.deadline)}"


def _stem(deadline: datetime) -> str:
    return f"{deadline.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _buckets(data_class: DataClass, stems: AbstractSet[str]) -> set[Bucket]:
    """Return the buckets of file names, leaving out what is none of ours."""
    found = set()
    for stem in stems:
        with suppress(ValueError):
            bucket = Bucket(data_class, datetime.fromisoformat(stem))
            if _stem(bucket.deadline) == stem:
                found.add(bucket)
    return found


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_FILE)


def _in_order(buckets: AbstractSet[Bucket]) -> list[Bucket]:
    return sorted(buckets, key=lambda bucket: (bucket.data_class.value, bucket.deadline))

"""Sealed objects: encrypted in chunks that open separately, and only as what they were sealed as.

Every object has a 256-bit data key of its own, random, made here and used nowhere else. Each chunk is
AES-256-GCM (NIST SP 800-38D) with its number as the nonce: a nonce must not repeat under one key, and under this
key each number occurs once. What a chunk is bound to (associated data) is the object, its owner, class and
deadline, the chunk's number and how many there are; exchanged, reordered, cut or replayed chunks do not open.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import Tampered
from hub.records import Binding, Bucket, Sealed
from hub.sealing.derive import KEY_BYTES, NONCE_BYTES
from hub.sealing.keystore import KeyService, OpenBucket

MAX_CHUNKS = 2**32 - 1


class Box:
    """Seals and opens objects of one bucket, whose key it holds open."""

    def __init__(self, bucket: OpenBucket) -> None:
        """Work with an open bucket; of no use once that is closed."""
        self._bucket = bucket

    def seal(self, binding: Binding, chunks: Sequence[bytes]) -> Sealed:
        """Seal one object under a data key of its own.

        Raises:
            Gone: the deadline has come.
        """
        if binding.bucket != self._bucket.bucket:
            raise ValueError("this box is of another bucket")
        if not 0 < len(chunks) <= MAX_CHUNKS:
            raise ValueError("an object has at least one chunk: nothing would vouch for an empty one")
        bound = _spelled(binding)
        data_key = os.urandom(KEY_BYTES)
        cipher = AESGCM(data_key)
        count = len(chunks)
        sealed = (cipher.encrypt(_nonce(n), chunk, _place(bound, n, count)) for n, chunk in enumerate(chunks))
        return Sealed(binding, self._bucket.wrap(data_key, bound), tuple(sealed))

    def open_chunk(self, binding: Binding, wrapped_key: bytes, chunk: bytes, *, index: int, count: int) -> bytes:
        """Open chunk ``index`` (from 0) of ``count``.

        Raises:
            KeyDestroyed: the deadline has come.
            Tampered: anything about it is not as sealed.
        """
        bound = _spelled(binding)
        cipher = AESGCM(self._bucket.unwrap(wrapped_key, bound))
        return _opened(cipher, bound, chunk, index, count)

    def open_all(self, sealed: Sealed) -> Iterator[bytes]:
        """Open the chunks of an object one after the other; raises as :meth:`open_chunk`."""
        bound = _spelled(sealed.binding)
        cipher = AESGCM(self._bucket.unwrap(sealed.wrapped_key, bound))
        if not sealed.chunks:
            raise Tampered("A sealed object has lost its chunks.")
        for index, chunk in enumerate(sealed.chunks):
            self._bucket.require_alive()
            yield _opened(cipher, bound, chunk, index, len(sealed.chunks))

    def tag(self, label: str, data: bytes) -> bytes:
        """Return an HMAC that dies with the bucket; see :meth:`OpenBucket.tag`."""
        return self._bucket.tag(label, data)


class BoxRoom:
    """Boxes for one report: each bucket's key is read once, and all are forgotten when the block ends."""

    def __init__(self, keys: KeyService) -> None:
        """Take keys from ``keys``."""
        self._keys = keys
        self._boxes: dict[Bucket, Box] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Begin a batch."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget every key."""
        self._boxes.clear()
        self._open.close()

    def __call__(self, bucket: Bucket) -> Box:
        """Return the box of ``bucket``, whose key is on disk before this returns.

        Raises:
            Gone: the deadline has come.
            Unavailable: the key store has no room or does not answer.
        """
        if bucket not in self._boxes:
            self._keys.ensure(bucket)
            self._boxes[bucket] = Box(self._open.enter_context(self._keys.opened(bucket)))
        return self._boxes[bucket]


def seal_one(keys: KeyService, binding: Binding, chunks: Sequence[bytes]) -> Sealed:
    """Seal a single object; its bucket's key is on disk before this returns. Raises as :meth:`BoxRoom.__call__`."""
    with BoxRoom(keys) as boxes:
        return boxes(binding.bucket).seal(binding, chunks)


def seal_many(keys: KeyService, objects: Iterable[tuple[Binding, Sequence[bytes]]]) -> tuple[Sealed, ...]:
    """Seal a batch, reading each bucket's key once. Raises as :meth:`BoxRoom.__call__`."""
    with BoxRoom(keys) as boxes:
        return tuple(boxes(binding.bucket).seal(binding, chunks) for binding, chunks in objects)


def open_chunk(
    keys: KeyService, binding: Binding, wrapped_key: bytes, chunk: bytes, *, index: int, count: int
) -> bytes:
    """Open one chunk of one object; see :meth:`Box.open_chunk`."""
    with keys.opened(binding.bucket) as bucket:
        return Box(bucket).open_chunk(binding, wrapped_key, chunk, index=index, count=count)


def open_all(keys: KeyService, sealed: Sealed) -> Iterator[bytes]:
    """Open an object chunk by chunk. A reader that is slower than the deadline gets no further chunk.

    Raises:
        KeyDestroyed: the deadline has come, possibly between two chunks.
        Tampered: anything about it is not as sealed.
    """
    with keys.opened(sealed.binding.bucket) as bucket:
        yield from Box(bucket).open_all(sealed)


def _opened(cipher: AESGCM, bound: bytes, chunk: bytes, index: int, count: int) -> bytes:
    try:
        return cipher.decrypt(_nonce(index), chunk, _place(bound, index, count))
    except (InvalidTag, struct.error):
        raise Tampered("A sealed chunk was changed, cut, moved, or belongs to another object.") from None


def _nonce(index: int) -> bytes:
    return index.to_bytes(NONCE_BYTES, "big")


def _place(bound: bytes, index: int, count: int) -> bytes:
    return bound + struct.pack(">II", index, count)


def _spelled(binding: Binding) -> bytes:
    """Return the one spelling of a binding: fixed lengths first, the class last with its length before it."""
    data_class = binding.bucket.data_class.value.encode()
    return b"".join(
        (
            b"kessetsu box v1\0",
            binding.object_id.bytes,
            binding.owner_id.bytes,
            struct.pack(">q", int(binding.bucket.deadline.timestamp())),
            struct.pack(">H", len(data_class)),
            data_class,
        )
    )

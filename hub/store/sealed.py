"""Ciphertext of intake blobs and parcels, in partitions by deadline hour."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import psycopg
from sqlalchemy import Connection, Row, delete, select, text

from hub.clock import Clock
from hub.errors import Gone
from hub.records import Binding, Bucket, Sealed
from hub.store.tables import sealed_chunks, sealed_objects
from hub.vocabulary import DataClass

_ENSURE_PARTITION = text("SELECT ensure_sealed_partition(:deadline)")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('kessetsu/bucket/' || :bucket, 0))")
_LOCK_SHARED = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('kessetsu/bucket/' || :bucket, 0))")


class SealedRepository:
    """Puts, reads and deletes sealed objects. It has no key and can open nothing."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def ensure_partition(self, deadline: datetime) -> None:
        """Make the partition of this deadline's hour where it is missing."""
        self._connection.execute(_ENSURE_PARTITION, {"deadline": deadline})

    def lock_against_inserts(self, bucket: Bucket) -> None:
        """Wait for everybody who is inserting under ``bucket``, and keep others from it until this ends."""
        self._connection.execute(_LOCK, {"bucket": bucket.name})

    def put(self, objects: Sequence[Sealed], clock: Clock) -> None:
        """Insert objects with all their chunks by binary COPY, which neither parses nor logs values.

        The time is read under the lock an erasure waits for: nothing appears under a bucket after it was erased.

        Raises:
            Gone: a deadline has come.
        """
        for bucket in sorted({item.binding.bucket for item in objects}, key=lambda each: each.name):
            self._connection.execute(_LOCK_SHARED, {"bucket": bucket.name})
            if clock.now() >= bucket.deadline:
                raise Gone("The deadline of these data has come.", action="Nothing: they may not be kept.")
        cursor = driver_of(self._connection).cursor()
        with cursor.copy(
            "COPY sealed_objects (deadline, object_id, data_class, owner_id, wrapped_key, chunk_count)"
            " FROM STDIN (FORMAT BINARY)"
        ) as copy:
            copy.set_types(["timestamptz", "uuid", "text", "uuid", "bytea", "int4"])
            for item in objects:
                bucket = item.binding.bucket
                copy.write_row(
                    (
                        bucket.deadline,
                        item.binding.object_id,
                        bucket.data_class.value,
                        item.binding.owner_id,
                        item.wrapped_key,
                        len(item.chunks),
                    )
                )
        with cursor.copy(
            "COPY sealed_chunks (deadline, object_id, chunk, ciphertext) FROM STDIN (FORMAT BINARY)"
        ) as copy:
            copy.set_types(["timestamptz", "uuid", "int4", "bytea"])
            for item in objects:
                for number, chunk in enumerate(item.chunks):
                    copy.write_row((item.binding.bucket.deadline, item.binding.object_id, number, chunk))

    def get(self, object_id: UUID, deadline: datetime) -> Sealed:
        """Return one object with all chunks.

        Raises:
            Gone: it is not (any more) there.
        """
        head = self._head(object_id, deadline)
        query = (
            select(sealed_chunks.c.ciphertext)
            .where(sealed_chunks.c.deadline == deadline, sealed_chunks.c.object_id == object_id)
            .order_by(sealed_chunks.c.chunk)
        )
        chunks = tuple(bytes(row[0]) for row in self._connection.execute(query))
        if len(chunks) != head.chunk_count:
            raise _gone()
        binding = Binding(object_id, head.owner_id, Bucket(DataClass(head.data_class), deadline))
        return Sealed(binding, bytes(head.wrapped_key), chunks)

    def delete(self, object_ids: Sequence[UUID], deadline: datetime) -> None:
        """Delete objects and their chunks; copies in WAL and backups die with the bucket's key."""
        ids = list(object_ids)
        for table in (sealed_chunks, sealed_objects):
            self._connection.execute(delete(table).where(table.c.deadline == deadline, table.c.object_id.in_(ids)))

    def delete_bucket(self, bucket: Bucket) -> None:
        """Delete everything under a bucket, where its partition holds others' rows too."""
        under = (sealed_objects.c.deadline == bucket.deadline, sealed_objects.c.data_class == bucket.data_class.value)
        ids = list(self._connection.execute(select(sealed_objects.c.object_id).where(*under)).scalars())
        if ids:
            self.delete(ids, bucket.deadline)

    def _head(self, object_id: UUID, deadline: datetime) -> Row[Any]:
        query = select(sealed_objects).where(
            sealed_objects.c.deadline == deadline, sealed_objects.c.object_id == object_id
        )
        head = self._connection.execute(query).one_or_none()
        if head is None:
            raise _gone()
        return head


def _gone() -> Gone:
    return Gone("It was erased at its deadline or recalled.", action="Nothing: it cannot be had again.")


def driver_of(connection: Connection) -> psycopg.Connection[Any]:
    """Return the driver's own connection, for COPY in the same transaction."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)

"""Partitions of sealed rows: made where they are needed by anybody who seals, emptied on time and not before."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from hub.store.roles import Role
from tests.support.database import Database

HOUR = timedelta(hours=1)
DEADLINE = datetime(2026, 11, 20, 13, 30, tzinfo=UTC)
NAMES = ["sealed_chunks_p2026112013", "sealed_objects_p2026112013"]


@pytest.fixture
def worker(database: Database) -> Engine:
    """Give the worker's engine on a database whose present is a day before the deadline."""
    database.set_clock(DEADLINE - timedelta(days=1))
    return database.engine(Role.WORKER)


def ensure(engine: Engine, deadline: datetime) -> None:
    """Make the deadline's partition in a transaction of its own."""
    with engine.begin() as connection:
        connection.execute(text("SELECT ensure_sealed_partition(:deadline)"), {"deadline": deadline})


def drop(engine: Engine, deadline: datetime) -> bool:
    """Drop the deadline's partition in a transaction of its own; return what the function says."""
    with engine.begin() as connection:
        query = text("SELECT drop_sealed_partition(:deadline)")
        return bool(connection.execute(query, {"deadline": deadline}).scalar_one())


def put(engine: Engine, deadline: datetime, size: int = 10) -> UUID:
    """Store an object with one chunk."""
    values = {"deadline": deadline, "id": uuid4(), "bytes": b"\x17" * size}
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO sealed_objects VALUES (:deadline, :id, 'drill', :id, :bytes, 1)"), values)
        connection.execute(text("INSERT INTO sealed_chunks VALUES (:deadline, :id, 0, :bytes)"), values)
    return UUID(str(values["id"]))


def partitions(database: Database) -> list[str]:
    """Return the names of the partitions there are."""
    with closing(database.connect()) as admin:
        found = admin.execute(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname"
        ).fetchall()
    return [row[0] for row in found]


def rows(engine: Engine) -> int:
    """Return how many objects and chunks there are."""
    with engine.connect() as connection:
        query = text("SELECT (SELECT count(*) FROM sealed_objects) + (SELECT count(*) FROM sealed_chunks)")
        return int(connection.execute(query).scalar_one())


class TestEnsure:
    """A partition is there once it was asked for, whoever asks and however often."""

    def test_named_after_its_hour(self, database: Database, worker: Engine) -> None:
        """One partition per hour of the deadline and table, named in UTC, whatever zone the caller is in."""
        ensure(worker, DEADLINE.astimezone(tz=None))
        ensure(worker, DEADLINE + timedelta(minutes=29, seconds=59))

        assert partitions(database) == NAMES

    def test_holds_its_hour_and_no_other(self, worker: Engine) -> None:
        """The hour's first instant belongs to it; the next hour's does not."""
        begins = DEADLINE.replace(minute=0)
        ensure(worker, DEADLINE)
        put(worker, begins)
        put(worker, begins + HOUR - timedelta(microseconds=1))

        with pytest.raises(DBAPIError, match="23514"):
            put(worker, begins + HOUR)
        assert rows(worker) == 4

    def test_is_like_its_parent(self, database: Database, worker: Engine) -> None:
        """Keys, storage and NOT NULL come along; the check that helped to attach it does not stay."""
        ensure(worker, DEADLINE)
        with closing(database.connect()) as admin:
            storage = admin.execute(
                "SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'sealed_chunks_p2026112013'::regclass"
                " AND attname = 'ciphertext'"
            ).fetchone()
            constraints = admin.execute(
                "SELECT contype::text FROM pg_constraint WHERE conrelid = 'sealed_chunks_p2026112013'::regclass"
                " AND contype <> 'n'"
            ).fetchall()

        assert storage == ("e",)
        assert constraints == [("p",)]

    def test_many_at_once(self, database: Database, worker: Engine) -> None:
        """Workers that ask for the same hours at the same moment all succeed, and each hour is made once."""
        hours = [DEADLINE + HOUR * step for step in range(3)]
        start = Barrier(4)

        def one(_: int) -> None:
            start.wait(10)
            for hour in hours:
                ensure(worker, hour)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, range(4)))

        assert len(partitions(database)) == 2 * len(hours)

    def test_reading_and_writing_go_on(self, database: Database, worker: Engine) -> None:
        """Making one neither waits for nor stops those who read and write the others."""
        ensure(worker, DEADLINE)
        with worker.begin() as writing:
            writing.execute(text("SELECT count(*) FROM sealed_chunks")).all()
            writing.execute(text("DELETE FROM sealed_chunks WHERE deadline = :at"), {"at": DEADLINE})

            ensure(database.engine(Role.API), DEADLINE + HOUR)

            assert writing.execute(text("SELECT count(*) FROM sealed_objects")).scalar_one() == 0
        assert len(partitions(database)) == 4

    @pytest.mark.parametrize("deadline", ["infinity", "-infinity", "2126-01-01T00:00:00Z"])
    def test_no_sensible_deadline(self, worker: Engine, deadline: str) -> None:
        """What cannot be a deadline makes no partition."""
        with pytest.raises(DBAPIError, match="22023"), worker.begin() as connection:
            connection.execute(text("SELECT ensure_sealed_partition(CAST(:at AS timestamptz))"), {"at": deadline})

    def test_callers_path_does_not_matter(self, database: Database) -> None:
        """A caller cannot lead the function to tables of another schema."""
        with closing(database.connect()) as admin:
            admin.execute("CREATE SCHEMA elsewhere")
            admin.execute("CREATE TABLE elsewhere.sealed_chunks_p2026112013 ()")
            admin.execute("GRANT USAGE ON SCHEMA elsewhere TO kessetsu_worker")
        with database.engine(Role.WORKER).begin() as connection:
            connection.execute(text("SET LOCAL search_path = elsewhere, public"))
            connection.execute(text("SELECT ensure_sealed_partition(:deadline)"), {"deadline": DEADLINE})

        assert partitions(database) == NAMES


class TestDrop:
    """What is past its deadline goes, files and all; what still lives stays; nobody is kept waiting."""

    def test_hour_ahead(self, database: Database, worker: Engine) -> None:
        """Before the hour begins nothing is dropped, empty or not."""
        ensure(worker, DEADLINE)
        database.set_clock(DEADLINE.replace(minute=0) - timedelta(seconds=1))

        assert not drop(worker, DEADLINE)
        assert partitions(database) == NAMES

    def test_row_that_still_lives(self, database: Database, worker: Engine) -> None:
        """One row whose deadline has not come keeps the whole hour."""
        ensure(worker, DEADLINE)
        put(worker, DEADLINE)
        put(worker, DEADLINE - timedelta(minutes=10))
        database.set_clock(DEADLINE - timedelta(seconds=1))

        assert not drop(worker, DEADLINE)
        assert rows(worker) == 4

    def test_running_hour_is_emptied(self, database: Database, worker: Engine) -> None:
        """In the running hour the rows go and the partition stays for what is still to come in it."""
        ensure(worker, DEADLINE)
        put(worker, DEADLINE)
        database.set_clock(DEADLINE)

        assert drop(worker, DEADLINE)
        assert rows(worker) == 0
        put(worker, DEADLINE + timedelta(minutes=1))
        assert rows(worker) == 2

    def test_hour_that_is_over_is_dropped(self, database: Database, worker: Engine) -> None:
        """After the hour the partitions themselves are gone, the emptied ones of earlier hours too."""
        for hour in (DEADLINE - HOUR, DEADLINE, DEADLINE + HOUR):
            ensure(worker, hour)
        put(worker, DEADLINE)
        database.set_clock(DEADLINE + HOUR)

        assert drop(worker, DEADLINE)
        assert partitions(database) == ["sealed_chunks_p2026112014", "sealed_objects_p2026112014"]

    def test_rows_nobody_erased_yet_stay(self, database: Database, worker: Engine) -> None:
        """Another hour's rows go only when that hour is asked for: its key has to die first."""
        for hour in (DEADLINE - HOUR, DEADLINE):
            ensure(worker, hour)
            put(worker, hour)
        database.set_clock(DEADLINE + HOUR)

        assert drop(worker, DEADLINE)
        assert partitions(database) == ["sealed_chunks_p2026112012", "sealed_objects_p2026112012"]
        assert rows(worker) == 2

    def test_files_shrink(self, database: Database, worker: Engine) -> None:
        """Emptying frees the disk at once; nothing waits for a vacuum."""
        ensure(worker, DEADLINE)
        put(worker, DEADLINE, size=1_000_000)
        database.set_clock(DEADLINE)
        query = (
            "SELECT pg_total_relation_size('sealed_chunks_p2026112013') - pg_indexes_size('sealed_chunks_p2026112013')"
        )
        with closing(database.connect()) as admin:
            before = admin.execute(query).fetchone()
            drop(worker, DEADLINE)
            after = admin.execute(query).fetchone()

        assert before is not None
        assert before[0] > 1_000_000
        assert after is not None
        assert after[0] < 20_000

    def test_nothing_there(self, database: Database, worker: Engine) -> None:
        """An hour without a partition is as good as dropped: a sweep that was interrupted may go on."""
        database.set_clock(DEADLINE)

        assert drop(worker, DEADLINE)

    def test_reader_in_the_way(self, database: Database, worker: Engine) -> None:
        """While somebody reads the hour's rows the answer is no, soon; afterwards it is yes."""
        ensure(worker, DEADLINE)
        put(worker, DEADLINE)
        database.set_clock(DEADLINE + HOUR)
        with worker.connect() as reading:
            reading.execute(text("SELECT count(*) FROM sealed_chunks")).all()

            assert not drop(worker, DEADLINE)
        assert drop(worker, DEADLINE)
        assert partitions(database) == []

    def test_reader_of_another_hour(self, database: Database, worker: Engine) -> None:
        """A reader of other rows does not hold up erasing; only the empty shell waits for the next time."""
        for hour in (DEADLINE, DEADLINE + HOUR):
            ensure(worker, hour)
            put(worker, hour)
        database.set_clock(DEADLINE + HOUR)
        with worker.connect() as reading:
            reading.execute(text("SELECT count(*) FROM sealed_chunks WHERE deadline = '2026-11-20 14:30Z'")).all()

            assert drop(worker, DEADLINE)
            assert rows(worker) == 2
            assert len(partitions(database)) == 4
        assert drop(worker, DEADLINE)
        assert len(partitions(database)) == 2

    def test_writer_that_has_not_committed(self, database: Database, worker: Engine) -> None:
        """A row on its way into the hour is not swept away with it: the function waits, gives up, and says no."""
        ensure(worker, DEADLINE)
        database.set_clock(DEADLINE - timedelta(minutes=1))
        with worker.connect() as writing:
            writing.execute(text("INSERT INTO sealed_chunks VALUES (:at, :id, 0, '')"), {"at": DEADLINE, "id": uuid4()})

            assert not drop(worker, DEADLINE)
            writing.commit()
        assert not drop(worker, DEADLINE)
        assert rows(worker) == 1


class TestWhoMay:
    """The functions run as the owner, so who may call them is all there is."""

    @pytest.mark.parametrize("role", [Role.API, Role.OPERATOR])
    def test_only_the_worker_drops(self, database: Database, role: Role) -> None:
        """Neither the API nor the operator's commands can make sealed rows disappear by the hour."""
        with pytest.raises(ProgrammingError, match="permission denied for function drop_sealed_partition"):
            drop(database.engine(role), DEADLINE)

    def test_nobody_sets_the_clock(self, database: Database) -> None:
        """No program can call or replace the clock of these functions."""
        for role in (Role.API, Role.WORKER, Role.OPERATOR):
            with closing(psycopg.connect(**database.target(role).parameters("test"), autocommit=True)) as connection:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute("SELECT present()")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(
                        "CREATE OR REPLACE FUNCTION present() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'"
                    )

    def test_real_clock(self, database: Database) -> None:
        """Untouched, the present is the server's clock."""
        with closing(database.connect()) as admin:
            apart = admin.execute("SELECT abs(extract(epoch FROM present() - clock_timestamp())) < 1").fetchone()

        assert apart == (True,)

"""The job queue in its own schema works for each role as far as that role may."""

import asyncio
from contextlib import closing

import psycopg
import pytest
from procrastinate import App, PsycopgConnector
from sqlalchemy import text

from hub.store.outbox import Outbox
from hub.store.roles import Role
from tests.support.database import Database

TASK, QUEUE = "count", "counting"


def app_of(database: Database, role: Role, seen: list[int]) -> App:
    """Return the library's application over the role's connections, with one task."""
    app = App(connector=PsycopgConnector(kwargs=database.target(role).parameters("test"), min_size=1, max_size=3))

    @app.task(name=TASK, queue=QUEUE)
    def count(number: int) -> None:
        seen.append(number)

    return app


def work_off(database: Database, seen: list[int]) -> None:
    """Run a worker until nothing waits."""

    async def work() -> None:
        app = app_of(database, Role.WORKER, seen)
        async with app.open_async():
            assert await app.check_connection_async()
            await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)

    asyncio.run(work())


def events(database: Database) -> list[str]:
    """Return what the queue's triggers noted, in order."""
    with closing(database.connect()) as admin:
        return [row[0] for row in admin.execute("SELECT type::text FROM jobs.procrastinate_events ORDER BY id")]


@pytest.mark.parametrize("role", [Role.API, Role.OPERATOR, Role.WORKER])
def test_deferred_in_the_transaction(database: Database, role: Role) -> None:
    """A job exists if, and only if, the transaction that asked for it commits; the worker then runs it."""
    seen: list[int] = []
    with database.engine(role).connect() as connection:
        Outbox(connection).defer(TASK, queue=QUEUE, number="1")
        connection.rollback()
        Outbox(connection).defer(TASK, queue=QUEUE, number="2")
        connection.commit()

    work_off(database, seen)

    assert seen == ["2"]
    assert events(database) == ["deferred", "started", "succeeded"]


def test_deferred_by_the_library(database: Database) -> None:
    """The library's own way over a connection of ours works under the API's few verbs."""
    seen: list[int] = []

    async def defer() -> None:
        app = app_of(database, Role.API, seen)
        parameters = database.target(Role.API).parameters("test")
        async with app.open_async(), await psycopg.AsyncConnection.connect(**parameters) as connection:
            await app.configure_task(TASK, connection=connection).defer_async(number=3)

    asyncio.run(defer())
    work_off(database, seen)

    assert seen == [3]


def test_waiting_worker_is_told(database: Database) -> None:
    """A worker that listens learns of a job at its commit, across roles."""
    with closing(psycopg.connect(**database.target(Role.WORKER).parameters("test"), autocommit=True)) as listening:
        listening.execute('LISTEN "procrastinate_any_queue_v1"')
        with database.engine(Role.API).begin() as connection:
            Outbox(connection).defer(TASK, queue=QUEUE)

        assert [note.channel for note in listening.notifies(timeout=10, stop_after=1)] == ["procrastinate_any_queue_v1"]


def test_periodic_and_retried(database: Database) -> None:
    """The worker defers periodic jobs once per beat, and gives failed ones back."""
    with closing(psycopg.connect(**database.target(Role.WORKER).parameters("test"), autocommit=True)) as worker:
        beat = "SELECT procrastinate_defer_periodic_job_v2(%s, NULL, NULL, %s, 0, 'beat', %s, '{}')"
        first = worker.execute(beat, (QUEUE, TASK, 60)).fetchone()
        again = worker.execute(beat, (QUEUE, TASK, 60)).fetchone()
        registered = worker.execute("SELECT worker_id FROM procrastinate_register_worker_v1()").fetchone()
        taken = worker.execute("SELECT id FROM procrastinate_fetch_job_v2(NULL, %s)", registered).fetchone()
        worker.execute("SELECT procrastinate_retry_job_v2(%s, NULL, NULL, NULL, NULL)", taken)

    assert first == taken
    assert again == (None,)
    assert events(database) == ["deferred", "started", "deferred_for_retry"]


@pytest.mark.parametrize("role", [Role.API, Role.OPERATOR])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM procrastinate_fetch_job_v2(NULL, 1)",
        "SELECT procrastinate_finish_job_v1(1, 'succeeded', true)",
        "DELETE FROM procrastinate_jobs",
        "UPDATE procrastinate_jobs SET args = '{}'",
    ],
)
def test_only_the_worker_works(database: Database, role: Role, statement: str) -> None:
    """The others put jobs in; they neither take, change nor delete any."""
    parameters = database.target(role).parameters("test")
    with closing(psycopg.connect(**parameters)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_tables_are_in_their_schema(database: Database) -> None:
    """None of the queue's objects stands among ours."""
    with database.engine(Role.OWNER).connect() as connection:
        among = connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname LIKE '%procras%'"
                " UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
                " AND proname LIKE '%procras%'"
            )
        ).all()

    assert among == []

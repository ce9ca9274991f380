"""What a dead worker leaves behind goes back to the queue."""

from contextlib import closing
from datetime import timedelta

import pytest

from hub.jobs.worker import ORPHANED_AFTER, rescue
from tests.support.instance import Instance, Party, csv_of

SOURCES = ["60.1.2.3", "60.1.2.4"]


@pytest.fixture
def parties(instance: Instance) -> dict[str, Party]:
    """Give a reporter and a recipient."""
    return {"alice": instance.party("Alice Net"), "bob": instance.party("Bob Cable", prefixes=["60.1.0.0/16"])}


@pytest.fixture
def pushed(instance: Instance, parties: dict[str, Party]) -> Instance:
    """Give a hub that has taken one report and not begun with it."""
    instance.prefixes({"60.1.0.0/16": 64500})
    assert instance.push(parties["alice"], csv_of(SOURCES)).status_code == 202
    return instance


def run(instance: Instance, statement: str) -> None:
    """Do something to the queue that a worker did, or that happened to it."""
    with closing(instance.database.connect()) as connection:
        connection.execute("SET search_path = public, jobs")  # procrastinate's triggers name its tables so
        connection.execute(statement.encode())


class TestRescue:
    """A report is carried on until it is released or its deadline comes, whatever happens to who carries it."""

    def test_silent_workers_jobs_go_back(self, pushed: Instance, parties: dict[str, Party]) -> None:
        """The job of a worker that gave no sign of life for too long is done by another one."""
        run(pushed, "INSERT INTO jobs.procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')")
        run(pushed, "UPDATE jobs.procrastinate_jobs SET status = 'doing',"
                    " worker_id = (SELECT id FROM jobs.procrastinate_workers)")  # fmt: skip

        assert pushed.work() == 0
        assert rescue(pushed.worker) == 1
        assert pushed.work() == 1
        assert len(pushed.inbox(parties["bob"])) == 1

    def test_pruned_workers_jobs_go_back(self, pushed: Instance) -> None:
        """A job whose worker is not even listed any more is done by another one."""
        run(pushed, "UPDATE jobs.procrastinate_jobs SET status = 'doing', worker_id = NULL")

        assert rescue(pushed.worker) == 1
        assert pushed.work() == 1

    def test_living_workers_keep_theirs(self, pushed: Instance) -> None:
        """A job of a worker that lives is not taken from it."""
        run(pushed, "INSERT INTO jobs.procrastinate_workers DEFAULT VALUES")
        run(pushed, "UPDATE jobs.procrastinate_jobs SET status = 'doing',"
                    " worker_id = (SELECT id FROM jobs.procrastinate_workers)")  # fmt: skip

        assert rescue(pushed.worker) == 0

    def test_lost_job_is_made_anew(self, pushed: Instance, parties: dict[str, Party]) -> None:
        """A report that nobody carries gets a new job after a while, and just one."""
        run(pushed, "DELETE FROM jobs.procrastinate_jobs")
        assert rescue(pushed.worker) == 0
        pushed.clock.advance(ORPHANED_AFTER + timedelta(seconds=1))

        assert rescue(pushed.worker) == 1
        assert rescue(pushed.worker) == 0
        assert pushed.work() == 1
        assert len(pushed.inbox(parties["bob"])) == 1

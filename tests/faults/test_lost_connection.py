"""The database gone, and single connections lost in the middle of a transaction: told plainly, nothing half done."""

import random
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import psycopg
import pytest

from tests.faults.invariants import Watch, check_all, wait_quiet
from tests.faults.scenario import Members
from tests.support.instance import csv_of
from tests.support.processes import ProcessHub, log_tail, process_hub, wait_until

CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE usename IN ('kessetsu_api', 'kessetsu_worker') AND (state <> 'idle' OR random() < 0.2)
"""
"""Ends who is in the middle of something, and now and then who is not."""


@pytest.fixture
def hub() -> Iterator[ProcessHub]:
    """Give a hub of processes, not started."""
    with process_hub() as made:
        yield made


class TestDatabaseGone:
    """Nothing is taken that cannot be kept; when the database is back, so is the hub, by itself."""

    def test_says_so_and_comes_back(self, hub: ProcessHub) -> None:
        """Without the database pushes and polls get 503 and when to come again; API and worker outlive it."""
        members = Members(hub, 1)
        hub.start()
        processes = hub.api.process, hub.worker.process
        alice, bob = members.reporters["Alice Net"], members.recipients["Bob Cable"]
        with httpx.Client(base_url=hub.url, timeout=30, trust_env=False) as client:
            hub.server.stop()
            files = {
                "envelope": ("e.json", b"{}", "application/json"),
                "records": ("r.csv", csv_of(["60.1.2.3"]).encode(), "text/csv"),
            }
            push = client.post("/v1/reports", files=files, headers=alice.headers | {"Idempotency-Key": "k"})
            poll = client.get("/v1/inbox", headers=bob.headers)
            ready = client.get("/readyz")
            alive = client.get("/healthz")
            time.sleep(3)  # heartbeats fail meanwhile
            hub.server.start()
            wait_until(lambda: hub.api_ready() and hub.worker_alive(), "the hub does not come back")

        for answer in (push, poll):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) > 0
            assert "nothing was taken" in answer.json()["detail"]
        assert (ready.status_code, ready.json()["parts"]) == (503, {"database": "unavailable", "keys": "ok"})
        assert alive.status_code == 200
        assert [process.poll() for process in processes if process] == [None, None], log_tail(hub.worker)
        with members.working():
            wait_until(lambda: len(members.sent) >= 4, "nothing is taken any more")
            members.stop_pushing()
            wait_quiet(hub, members)
        assert not members.failures, members.failures
        check_all(hub, members)


class TestConnectionsLost:
    """A transaction is done as a whole or not at all."""

    def test_cut_in_the_middle(self, hub: ProcessHub) -> None:
        """With connections cut at random during push, release and erasure, nothing is lost, doubled or half visible."""
        members, watch = Members(hub, 2), Watch(hub)
        chance = random.Random(2)  # noqa: S311 - reproducible, guards nothing
        hub.start()
        cut = 0
        with watch.watching(), members.working():
            for _ in range(60):
                time.sleep(chance.uniform(0.05, 0.5))
                with suppress(psycopg.OperationalError):
                    cut += len(hub.rows(CUT))
            members.stop_pushing()
            wait_quiet(hub, members)

        assert cut >= 20
        assert not members.failures, members.failures
        assert not watch.wrong, watch.wrong[:5]
        assert 500 not in members.statuses, log_tail(hub.api)
        assert (hub.api.exits, hub.worker.exits) == ([], []), log_tail(hub.worker)
        check_all(hub, members)

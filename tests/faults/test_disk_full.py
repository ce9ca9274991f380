"""No room for the database or for keys, or the key store's volume gone: refused plainly, and all well afterwards."""

import errno
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.invariants import Watch, check_all, wait_quiet
from tests.faults.scenario import Members
from tests.support.database import Database, traversable_directory
from tests.support.instance import NOW, Instance, Party, attack, csv_of
from tests.support.processes import SMALL, log_tail, process_hub, wait_until

TIGHT = {**SMALL, "shared_buffers": "16MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}
SOURCES = ["60.1.2.3", "60.1.2.4"]
SHORT = {"purpose": "drill", "data_class": "drill-short"}


@contextmanager
def volume(at: Path, megabytes: int) -> Iterator[Path]:
    """Mount a file system of its own, so small that it can be filled."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount the small file system this test fills")
    at.mkdir()
    options = f"size={megabytes}m,mode=0711"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this machine does not let a file system be mounted: {done.stderr.decode().strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)
        at.rmdir()


def fill(at: Path) -> Path:
    """Take all the room there is; returns the file to remove."""
    ballast = at / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for size in (1 << 20, 1 << 12, 1):
            while took_all(descriptor, b"\0" * size):
                pass
    finally:
        os.close(descriptor)
    return ballast


def took_all(descriptor: int, content: bytes) -> bool:
    """Write, and tell whether there was room for all of it."""
    try:
        return os.write(descriptor, content) == len(content)
    except OSError as full:
        if full.errno != errno.ENOSPC:
            raise
        return False


class TestDatabaseFull:
    """A success answer is sent after commit; without room there is no commit and no such answer."""

    def test_refuses_and_recovers(self) -> None:
        """While the volume is full pushes get 507 or 503; with room again everything that was accepted is there."""
        with (
            traversable_directory() as base,
            volume(base / "volume", 192) as small,
            process_hub(data=small / "database", settings=TIGHT) as hub,
        ):
            members, watch = Members(hub, 3), Watch(hub)
            hub.start()
            with watch.watching(), members.working():
                wait_until(lambda: len(members.sent) >= 6, "nothing is taken")
                ballast = fill(small)
                wait_until(
                    lambda: hub.revive() or members.statuses.get(507, 0) + members.statuses.get(503, 0) >= 5,
                    f"a full volume does not show: {members.statuses}",
                )
                held = time.monotonic() + 3
                wait_until(lambda: hub.revive() or time.monotonic() > held, "three seconds do not pass")
                ballast.unlink()
                hub.wait_ready()
                members.stop_pushing()
                wait_quiet(hub, members)
            assert not members.failures, members.failures
            assert not watch.wrong, watch.wrong[:5]
            assert members.statuses.get(507, 0) > 0, members.statuses
            assert 500 not in members.statuses, log_tail(hub.api)
            check_all(hub, members)


@pytest.fixture
def keyed(database: Database) -> Iterator[tuple[Instance, Path]]:
    """Give a hub whose key store is a small volume of its own."""
    with traversable_directory() as base, volume(base / "keys", 1) as keys:
        made = Instance(database, base)
        made.prefixes({"60.1.0.0/16": 64500})
        yield made, keys
        made.close()


def push(instance: Instance, party: Party, key: str, sources: list[str] = SOURCES) -> Any:
    """Push a report that dies within 30 s of the hub's clock."""
    stamp = f"{instance.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    return instance.push(party, csv_of(sources, at=stamp), attack(start=stamp, end=stamp, **SHORT), key=key)


def stored(instance: Instance) -> int:
    """Return how many reports there are."""
    with closing(instance.database.connect()) as connection:
        row = connection.execute("SELECT count(*) FROM reports").fetchone()
    return row[0] if row else 0


def assert_refused(answer: Any, status: int, code: str) -> None:
    """Check a refusal that asks to come again."""
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0


class TestKeyStoreFull:
    """Without room for its key nothing is sealed; a full disk keeps no key past its deadline."""

    def test_refuses_and_recovers(self, keyed: tuple[Instance, Path]) -> None:
        """A push whose key finds no room gets 507 and leaves nothing; with room again the same push is taken once."""
        instance, keys = keyed
        alice, bob = instance.party("Alice Net"), instance.party("Bob Cable", prefixes=["60.1.0.0/16"])
        ballast = fill(keys)
        assert_refused(push(instance, alice, "k"), 507, "storage-full")
        assert instance.client.get("/readyz").json()["parts"] == {"database": "ok", "keys": "unavailable"}
        assert stored(instance) == 0
        ballast.unlink()

        assert push(instance, alice, "k").status_code == 202
        assert push(instance, alice, "k").json()["replayed"]
        instance.work()
        [parcel] = instance.inbox(bob)
        assert len(instance.records(bob, parcel["parcel_id"])) == 2
        assert [path for path in keys.rglob("*.tmp") if path.is_file()] == []

    def test_keys_die_on_a_full_disk(self, keyed: tuple[Instance, Path]) -> None:
        """An erasure needs no room: the key goes first, and what proves it takes the place the key had."""
        instance, keys = keyed
        alice, bob = instance.party("Alice Net"), instance.party("Bob Cable", prefixes=["60.1.0.0/16"])
        assert push(instance, alice, "k").status_code == 202
        instance.work()
        [parcel] = instance.inbox(bob)
        fill(keys)
        instance.clock.instant = NOW + timedelta(seconds=30)
        instance.database.set_clock(instance.clock.now())

        assert instance.erase() == 2
        assert list(keys.rglob("*.key")) == []
        assert instance.client.get(f"/v1/inbox/{parcel['parcel_id']}/records", headers=bob.headers).status_code == 410
        answer = instance.client.get("/v1/certificates", headers=bob.headers)
        assert len(answer.json()["certificates"]) == 1


class TestKeyStoreGone:
    """A volume that is not mounted is an outage, never an empty store whose keys were all destroyed."""

    def test_nothing_is_taken_and_nothing_is_forgotten(self, instance: Instance) -> None:
        """Without the key store pushes and reading get 503; when it is back, both go on as before."""
        instance.prefixes({"60.1.0.0/16": 64500})
        alice, bob = instance.party("Alice Net"), instance.party("Bob Cable", prefixes=["60.1.0.0/16"])
        assert push(instance, alice, "k1").status_code == 202
        instance.work()
        [parcel] = instance.inbox(bob)
        keys = instance.settings.keys.store
        away = keys.rename(keys.with_name("unmounted"))

        assert_refused(push(instance, alice, "k2", ["60.1.7.7"]), 503, "key-service-down")
        read = instance.client.get(f"/v1/inbox/{parcel['parcel_id']}/records", headers=bob.headers)
        assert_refused(read, 503, "key-service-down")
        assert instance.client.get("/readyz").status_code == 503
        assert stored(instance) == 1
        assert not keys.exists(), "a store was made in the place of the one that is gone"
        away.rename(keys)

        assert push(instance, alice, "k2", ["60.1.7.7"]).status_code == 202
        instance.work()
        assert len(instance.inbox(bob)) == 2
        assert len(instance.records(bob, parcel["parcel_id"])) == 2

    def test_empty_mount_point_is_no_store(self, instance: Instance) -> None:
        """An empty directory in its place, as a mount point without its volume, is an outage too."""
        alice = instance.party("Alice Net")
        keys = instance.settings.keys.store
        away = keys.rename(keys.with_name("unmounted"))
        keys.mkdir(mode=0o700)

        assert_refused(push(instance, alice, "k"), 503, "key-service-down")
        assert list(keys.iterdir()) == []
        keys.rmdir()
        away.rename(keys)
        assert push(instance, alice, "k").status_code == 202

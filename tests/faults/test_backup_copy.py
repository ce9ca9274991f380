"""A copy of everything, taken before the erasure, and the key service after it: no record opens.

What is claimed, and what is not. Claimed: data directory, WAL and key store as they were *before* the erasure, in the
hands of anybody who asks the key service *as it is after it*, open nothing; neither does the copied key store under a
key service of its own, which refuses by the clock. Not claimed: that mathematics forgets. A copied key store together
with the *raw master key* would still open the copy. Hence no backup of the key store is ever kept past the hour, and
the master key stays where no backup goes; the last test shows that remainder as it is, so that nobody relies on more.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hub.clock import SteppedClock, SystemClock
from hub.errors import KessetsuError, KeyDestroyed
from hub.frames import from_arrow
from hub.records import Binding, Bucket, Sealed
from hub.sealing.boxes import open_all
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.store import places
from hub.store.embedded import PORT, EmbeddedServer
from hub.store.engine import DatabaseTarget
from hub.store.roles import DATABASE
from hub.vocabulary import DataClass
from tests.faults.scenario import NETWORKS
from tests.support.instance import attack, csv_of
from tests.support.processes import SMALL, ProcessHub, postgres_program, process_hub, wait_until

SOURCES = ["60.77.177.201", "106.99.199.233", "2400:1234:dead:beef:77:88:99:aaaa", "2400:1234:feed:f00d:11:22:33:bbbb"]
TARGET = "198.51.100.77"


@dataclass
class Aftermath:
    """What is left: a hub after the erasure, and copies of all that it had before."""

    hub: ProcessHub
    data: tuple[Path, Path]
    """Of the database while the blob waited, and while the parcels were there."""
    keys: Path
    sealed: list[Sealed]
    """Every sealed object of the copied database."""
    deadline: datetime


@pytest.fixture(scope="module")
def aftermath() -> Iterator[Aftermath]:
    """Deliver a report that lives for 30 s, copy everything while it lives, and let the hub erase it."""
    with process_hub() as hub:
        made = hub.instance
        made.prefixes({prefix: 64500 + place for place, prefix in enumerate(NETWORKS.values())})
        for name, prefix in NETWORKS.items():
            made.party(name, prefixes=[prefix])
        alice = made.party("Alice Net")
        now = datetime.now(UTC).replace(microsecond=0)
        stamp = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        said = {"purpose": "drill", "data_class": "drill-short", "start": stamp, "end": stamp, "target": TARGET}
        assert made.push(alice, csv_of(SOURCES, at=stamp), attack(**said)).status_code == 202
        waiting = hub.base / "waiting"
        copy_database(hub, waiting)  # while the blob waits for the worker
        assert made.work() == 1
        data, keys = hub.base / "copy", hub.base / "copied-keys"
        copy_database(hub, data)
        shutil.copytree(hub.keys, keys)
        deadline = now + timedelta(seconds=30)
        assert datetime.now(UTC) < deadline, "the machine was too slow to copy what lived"
        wait_until(lambda: datetime.now(UTC) > deadline, "the deadline does not come")
        assert made.erase() > 0
        sealed = [each for copied in (waiting, data) for each in sealed_in(hub, copied)]
        yield Aftermath(hub, (waiting, data), keys, sealed, deadline)


def copy_database(hub: ProcessHub, target: Path) -> None:
    """Copy data directory and WAL of the running server, as a backup does."""
    account = places.unprivileged_account()
    target.mkdir(mode=0o700)
    if account is not None:
        shutil.chown(target, account.uid, account.gid)
    environment = {"PGPASSWORD": hub.password.read_text().strip(), "PATH": "/usr/bin:/bin"}
    command = [
        str(postgres_program("pg_basebackup")), "--pgdata", str(target), "--host", str(hub.server.socket_directory),
        "--port", str(PORT), "--username", "postgres", "--wal-method", "stream", "--checkpoint", "fast",
    ]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, check=False, cwd="/", **places.run_as(account))
    assert done.returncode == 0, done.stderr.decode()


def sealed_in(hub: ProcessHub, data: Path) -> list[Sealed]:
    """Start a server on the copy and read every sealed object from it."""
    home = hub.base / f"{data.name}-home"
    second = EmbeddedServer(home, settings=SMALL)
    second.initialise(hub.password)
    account = places.unprivileged_account()
    shutil.rmtree(second.data_directory)
    shutil.copytree(data, second.data_directory)
    for path in [second.data_directory, *second.data_directory.rglob("*")]:
        if account is not None:
            shutil.chown(path, account.uid, account.gid)
    try:
        with second:
            target = second.superuser(hub.password)
            return read_sealed(target.to(role=target.role, password_file=hub.password, name=DATABASE))
    finally:
        second.remove()


def read_sealed(target: DatabaseTarget) -> list[Sealed]:
    """Return every sealed object of a database, read around the hub."""
    parameters: dict[str, Any] = target.parameters("thief")
    with closing(psycopg.connect(**parameters)) as connection:
        heads = connection.execute("SELECT object_id, owner_id, data_class, deadline, wrapped_key FROM sealed_objects")
        return [
            Sealed(
                Binding(object_id, owner, Bucket(DataClass(data_class), deadline.astimezone(UTC))),
                bytes(wrapped),
                tuple(
                    bytes(row[0])
                    for row in connection.execute(
                        "SELECT ciphertext FROM sealed_chunks WHERE object_id = %s ORDER BY chunk", (object_id,)
                    )
                ),
            )
            for object_id, owner, data_class, deadline, wrapped in heads.fetchall()
        ]


def opened(keys: KeyService, sealed: list[Sealed]) -> list[Sealed]:
    """Return which objects a key service opens; the others it refuses as their key is gone, for no other reason."""
    found = []
    for each in sealed:
        with suppress(KeyDestroyed):
            list(open_all(keys, each))
            found.append(each)
    return found


def master_of(aftermath: Aftermath) -> MasterKey:
    """Return the hub's master key."""
    return MasterKey.from_file(aftermath.hub.instance.settings.keys.master_key_file)


class TestCopies:
    """At the deadline the key is destroyed, so that copies in backups die too."""

    def test_copy_held_records(self, aftermath: Aftermath) -> None:
        """The copies did hold the blob and every parcel: what follows is about something."""
        classes = sorted(each.binding.bucket.data_class.value for each in aftermath.sealed)
        assert classes == ["drill-short"] * 3 + ["intake"]

    def test_key_service_after_the_erasure_opens_nothing(self, aftermath: Aftermath) -> None:
        """The copied rows and the key service as it is now: no record opens."""
        assert opened(aftermath.hub.instance.worker.keys, aftermath.sealed) == []

    def test_nor_with_its_clock_set_back(self, aftermath: Aftermath) -> None:
        """A clock set back to before the deadline does not bring a destroyed key back."""
        clock = SteppedClock(aftermath.deadline - timedelta(seconds=20))
        assert opened(KeyService(aftermath.hub.keys, master_of(aftermath), clock), aftermath.sealed) == []

    def test_copied_key_store_is_refused_by_the_clock(self, aftermath: Aftermath) -> None:
        """A key service on the copied key store, master key and all, opens nothing either: the deadline has come."""
        assert opened(KeyService(aftermath.keys, master_of(aftermath), SystemClock()), aftermath.sealed) == []

    def test_keys_put_back_are_destroyed_again(self, aftermath: Aftermath) -> None:
        """Key files brought back from the copy open nothing beside their tombstones; the next sweep removes them."""
        for key in aftermath.keys.glob("*/*.key"):
            shutil.copy(key, aftermath.hub.keys / key.parent.name / key.name)
        service = aftermath.hub.instance.worker.keys
        assert opened(service, aftermath.sealed) == []
        aftermath.hub.instance.erase()
        back = [aftermath.hub.keys / key.parent.name / key.name for key in aftermath.keys.glob("*/*.key")]
        due = [key for key in back if key.with_suffix(".destroyed").exists()]
        assert due
        assert not [key for key in due if key.exists()]

    def test_other_master_key_opens_nothing(self, aftermath: Aftermath, tmp_path: Path) -> None:
        """The copied key store without the master key is noise, even with the clock set back."""
        clock = SteppedClock(aftermath.deadline - timedelta(seconds=20))
        stolen = KeyService(aftermath.keys, MasterKey.generate(tmp_path / "other.key"), clock)
        for each in aftermath.sealed:
            with pytest.raises(KessetsuError):
                list(open_all(stolen, each))

    def test_what_remains(self, aftermath: Aftermath) -> None:
        """Key-store copy, raw master key and a clock set back do open the copy together: nothing else is claimed."""
        clock = SteppedClock(aftermath.deadline - timedelta(seconds=20))
        thief = KeyService(aftermath.keys, master_of(aftermath), clock)
        assert opened(thief, aftermath.sealed) == aftermath.sealed
        parcels = [each for each in aftermath.sealed if each.binding.bucket.data_class is DataClass.DRILL_SHORT]
        frames = [from_arrow(chunk) for each in parcels for chunk in list(open_all(thief, each))[1:]]
        assert sum(frame.height for frame in frames) == len(SOURCES)

    def test_nothing_plain_in_the_copy(self, aftermath: Aftermath) -> None:
        """No file of the copied data directory, WAL included, holds a source or the target, as text or packed."""
        planted = [address.encode() for address in [*SOURCES, TARGET]]
        planted += [ip_address(source).packed for source in SOURCES if ":" in source]
        planted += [ip_address(source).packed[::-1] for source in SOURCES if ":" in source]
        files = [path for copy in aftermath.data for path in copy.rglob("*") if path.is_file()]
        assert any("pg_wal" in path.parts for path in files)
        contents = [path.read_bytes() for path in files]
        assert any(b"Alice Net" in content for content in contents), "what is not secret is found in this way"
        assert [needle for needle in planted if any(needle in content for content in contents)] == []

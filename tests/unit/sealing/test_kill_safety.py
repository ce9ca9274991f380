import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from hub.clock import SteppedClock
from hub.errors import Gone, KeyDestroyed
from hub.records import Binding, Bucket, Sealed
from hub.sealing.boxes import open_all, seal_one
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.vocabulary import DataClass

NOW = datetime(2025, 12, 4, 9, 30, tzinfo=UTC)
DEADLINE = NOW + timedelta(hours=1)
BUCKET = Bucket(DataClass.ATTACK_TRAFFIC, DEADLINE)


def _service(root: Path, now: datetime = NOW) -> KeyService:
    return KeyService(root, MasterKey(bytes(range(32))), SteppedClock(now))


KILLED = """
import os, shutil, signal, sys
from datetime import datetime
from pathlib import Path
from hub.clock import SteppedClock
from hub.records import Bucket
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.vocabulary import DataClass

work, prepared, action = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
now, deadline = map(datetime.fromisoformat, sys.argv[4:])
bucket = Bucket(DataClass.ATTACK_TRAFFIC, deadline)

def die_before(step):
    left = step
    def counted(real):
        def call(*args, **kwargs):
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*args, **kwargs)
        return call
    for name in ("open", "write", "fsync", "link", "unlink", "close"):
        setattr(os, name, counted(getattr(os, name)))

step, status = 0, None
while status != 0:
    root = work / f"{step:03}"
    shutil.copytree(prepared, root)
    child = os.fork()
    if child == 0:
        service = KeyService(root, MasterKey(bytes(range(32))), SteppedClock(now))
        die_before(step)
        getattr(service, action)(bucket)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    step += 1
"""


class TestKillSafety:
    """A process killed between any two system calls leaves nothing half done that is not finished later."""

    def _killed_everywhere(self, tmp_path: Path, prepared: Path, action: str, now: datetime) -> list[Path]:
        """Run ``action`` once per system call on a copy of ``prepared``, killed before that call; the last run ends."""
        work = tmp_path / "killed"
        work.mkdir()
        arguments = [str(work), str(prepared), action, now.isoformat(), DEADLINE.isoformat()]
        subprocess.run([sys.executable, "-c", KILLED, *arguments], check=True, timeout=60)
        return sorted(work.iterdir())

    def _prepared(self, tmp_path: Path, *, with_key: bool) -> Path:
        root = tmp_path / "prepared"
        service = _service(root)
        service.initialise()
        if with_key:
            service.ensure(BUCKET)
        return root

    def test_ensure(self, tmp_path: Path) -> None:
        """After a kill in the making of a key, there is a whole key or none, and the next attempt has one."""
        roots = self._killed_everywhere(tmp_path, self._prepared(tmp_path, with_key=False), "ensure", NOW)

        assert len(roots) > 8
        for root in roots:
            service = _service(root)
            before = [service.tag(bucket, "t", b"x") for bucket in service.live()]
            service.ensure(BUCKET)
            assert service.live() == [BUCKET]
            assert before in ([], [service.tag(BUCKET, "t", b"x")])

    def test_destroy(self, tmp_path: Path) -> None:
        """After a kill in a destruction, the bucket is listed as due until done, and never usable half way."""
        prepared = self._prepared(tmp_path, with_key=True)
        sealed = seal_one(_service(prepared), Binding(UUID(int=1), UUID(int=2), BUCKET), [b"secret"])
        roots = self._killed_everywhere(tmp_path, prepared, "destroy", DEADLINE)

        assert len(roots) > 20
        for number, root in enumerate(roots):
            done = number == len(roots) - 1
            assert _service(root).due(DEADLINE) == ([] if done else [BUCKET]) or self._finished(root)
            self._assert_opens_whole_or_not_at_all(root, sealed)
            assert _service(root, DEADLINE).destroy(BUCKET) == DEADLINE
            assert self._finished(root)
            assert _service(root).due(DEADLINE) == []
            with pytest.raises(KeyDestroyed):
                list(open_all(_service(root), sealed))

    def _assert_opens_whole_or_not_at_all(self, root: Path, sealed: Sealed) -> None:
        """Under a clock set back before the deadline, the key works or counts as destroyed; it is never damaged."""
        try:
            assert list(open_all(_service(root), sealed)) == [b"secret"]
        except KeyDestroyed:
            with pytest.raises(Gone):
                _service(root).ensure(BUCKET)

    def _finished(self, root: Path) -> bool:
        left = {path.suffix for path in (root / "attack-traffic").iterdir() if not path.name.startswith(".")}
        return left == {".destroyed", ".moment"}


class TestOrderOnDisk:
    """What is promised is on disk before the promise: content before its name, the name before the return."""

    @pytest.fixture
    def trace(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
        """Record which file each call worked on, by name."""
        calls: list[tuple[str, str]] = []

        def recorded(name: str, real: Callable[..., object]) -> Callable[..., object]:
            def call(first: object, *args: object, **kwargs: object) -> object:
                path = Path(f"/proc/self/fd/{first}").readlink() if isinstance(first, int) else Path(str(first))
                calls.append((name, path.name))
                return real(first, *args, **kwargs)

            return call

        for name in ("fsync", "link", "unlink", "write"):
            monkeypatch.setattr(os, name, recorded(name, getattr(os, name)))
        return calls

    def test_making_a_key(self, tmp_path: Path, trace: list[tuple[str, str]]) -> None:
        """A new key is synced, then named, then its name is synced."""
        service = _service(tmp_path / "keys")
        service.initialise()
        trace.clear()
        service.ensure(BUCKET)

        temporary = next(name for call, name in trace if call == "write")
        order = [trace.index(each) for each in (("write", temporary), ("fsync", temporary), ("link", temporary))]
        assert order == sorted(order)
        assert trace[-1] == ("fsync", "attack-traffic")

    def test_finding_a_key(self, tmp_path: Path, trace: list[tuple[str, str]]) -> None:
        """Whoever finds another's key syncs its name too: the maker may be dead before it could."""
        service = _service(tmp_path / "keys")
        service.initialise()
        service.ensure(BUCKET)
        trace.clear()
        service.ensure(BUCKET)

        assert trace == [("fsync", "attack-traffic")]

    def test_destroying_a_key(self, tmp_path: Path, trace: list[tuple[str, str]]) -> None:
        """The tombstone is on disk before the key is overwritten, that before its name goes, that before the moment."""
        service = _service(tmp_path / "keys")
        service.initialise()
        service.ensure(BUCKET)
        trace.clear()
        service.destroy(BUCKET)

        key = f"{BUCKET.name}.key".split("/")[1]
        overwritten, synced = trace.index(("write", key)), trace.index(("fsync", key))
        unlinked = trace.index(("unlink", key))
        directory_synced = [place for place, call in enumerate(trace) if call == ("fsync", "attack-traffic")]
        moment = next(place for place, (call, name) in enumerate(trace) if call == "link" and ".moment." in name)
        assert directory_synced[0] < overwritten < synced < unlinked < directory_synced[1] < moment
        assert trace[-1] == ("fsync", "attack-traffic")


RACING = """
import json, os, sys, time
from datetime import datetime, timedelta
from pathlib import Path
from hub.clock import SteppedClock
from hub.errors import Gone, KeyDestroyed
from hub.records import Bucket
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.vocabulary import DataClass

root, now = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
processes, destroying = int(sys.argv[3]), sys.argv[4] == "destroy"
buckets = [Bucket(DataClass.DRILL, now.replace(minute=0) + timedelta(hours=hours)) for hours in range(1, 31)]
start = time.monotonic() + 0.2
for process in range(processes):
    if os.fork() == 0:
        service = KeyService(root, MasterKey(bytes(range(32))), SteppedClock(now))
        while time.monotonic() < start:
            pass
        for bucket in buckets:
            try:
                if destroying and process == 0:
                    service.destroy(bucket)
                else:
                    service.ensure(bucket)
                    line = [bucket.name, service.tag(bucket, "t", b"x").hex()]
                    os.write(1, json.dumps(line).encode() + b"\\n")  # whole lines, or they mix
            except (Gone, KeyDestroyed):
                pass
        os._exit(0)
for _ in range(processes):
    assert os.wait()[1] == 0
"""


class TestRaces:
    """Several processes without locks: one key per bucket, and none after its destruction."""

    def _raced(self, tmp_path: Path, other: str) -> tuple[Path, list[list[str]]]:
        root = tmp_path / "keys"
        _service(root).initialise()
        command = [sys.executable, "-c", RACING, str(root), NOW.isoformat(), "4", other]
        output = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout
        return root, [json.loads(line) for line in output.splitlines()]

    def test_all_get_the_same_key(self, tmp_path: Path) -> None:
        """Four processes that make the same thirty keys at once end up with thirty, the same for all."""
        _, lines = self._raced(tmp_path, "ensure")

        assert len(lines) == 4 * 30
        assert len({tuple(line) for line in lines}) == 30

    def test_none_survives_destruction(self, tmp_path: Path) -> None:
        """Whatever the order, once a destruction has ended no key is there."""
        root, lines = self._raced(tmp_path, "destroy")

        assert len({tuple(line) for line in lines}) == len({name for name, _ in lines})
        assert sorted(path.suffix for path in (root / "drill").iterdir()) == [".destroyed"] * 30 + [".moment"] * 30

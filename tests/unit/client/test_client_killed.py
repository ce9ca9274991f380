import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import kessetsu_client
from tests.unit.client import small_hub
from tests.unit.client.small_hub import LoseAnswer, Slow

STATED = ("--kind", "attack", "--basis", "self-defence", "--purpose", "attack-response")
STATED += ("--class", "attack-traffic", "--mandate", "M-1")


@pytest.fixture
def environment(hub: small_hub.Hub, tmp_path: Path) -> Mapping[str, str]:
    """Return what a client in a process of its own needs."""
    token_file = tmp_path / "token"
    token_file.write_text(small_hub.TOKEN)
    token_file.chmod(0o600)
    return {
        "PYTHONPATH": str(Path(kessetsu_client.__file__).parents[1]),
        "KESSETSU_URL": hub.url,
        "KESSETSU_TOKEN_FILE": str(token_file),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "HOME": str(tmp_path),
    }


def push(file: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Begin a push in a process of its own."""
    arguments = [sys.executable, "-m", "kessetsu_client", "--json", "push", str(file), *STATED]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def big_file(tmp_path: Path, megabytes: int) -> Path:
    """Write a file of records that takes a while."""
    line = b"192.0.2.1,2026-01-31T00:00:00Z\n"
    path = tmp_path / f"big-{megabytes}.csv"
    path.write_bytes(b"src_ip,first_seen\n" + line * (megabytes * 1_000_000 // len(line)))
    return path


class TestKilled:
    def test_a_push_killed_on_its_way_is_repeated_with_the_same_key(
        self, hub: small_hub.Hub, environment: Mapping[str, str], tmp_path: Path
    ) -> None:
        """Kill -9 in the middle of the upload, then the same command: one key, one report, one receipt."""
        file = big_file(tmp_path, 20)
        hub.faults.append(Slow(0.05))
        with push(file, environment) as first:
            entry = wait_for_entry(tmp_path)
            key = json.loads(entry.read_text())["key"]
            time.sleep(0.3)
            first.kill()
        assert not hub.reports
        with push(file, environment) as second:
            out, err = second.communicate(timeout=60)
        assert second.returncode == 0, err
        assert list(hub.reports) == [key]
        assert hub.keys()[-1] == key
        assert json.loads(out)["receipt"]["report_id"] == hub.reports[key][1]["report_id"]

    def test_a_push_killed_after_the_hub_took_it_yields_the_first_receipt(
        self, hub: small_hub.Hub, environment: Mapping[str, str], attack: Path
    ) -> None:
        """Where the process died between commit and receipt, repeating brings the receipt and doubles nothing."""
        hub.faults += [LoseAnswer()] * 1000
        with push(attack, environment) as first:
            wait_until(lambda: bool(hub.reports))
            first.kill()
        hub.faults.clear()
        with push(attack, environment) as second:
            out, err = second.communicate(timeout=60)
        assert second.returncode == 0, err
        [(_, receipt)] = hub.reports.values()
        assert json.loads(out)["receipt"] == receipt | {"replayed": True, "received_at": "2026-01-31T00:00:00Z"}

    @pytest.mark.parametrize("delay", [0.02 * step for step in range(1, 11)])
    def test_killed_at_any_moment_leaves_nothing_half_written(
        self, hub: small_hub.Hub, environment: Mapping[str, str], attack: Path, tmp_path: Path, delay: float
    ) -> None:
        """Whenever it is killed, every file under its name is whole and the next run ends with one report."""
        with push(attack, environment) as first:
            time.sleep(delay + 0.15)
            first.kill()
        for path in (tmp_path / "state").rglob("*.json"):
            assert json.loads(path.read_text())
        with push(attack, environment) as second:
            assert second.wait(60) == 0
        assert len(hub.reports) == 1

    def test_two_processes_that_push_the_same_file_use_one_key(
        self, hub: small_hub.Hub, environment: Mapping[str, str], attack: Path
    ) -> None:
        """A timer and a person at the same moment make one report."""
        pushes = [push(attack, environment) for _ in range(4)]
        for process in pushes:
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            assert json.loads(out)
        assert len(hub.reports) == 1
        assert len(set(hub.keys())) == 1

    def test_an_interrupt_is_told_to_be_safe_to_repeat(
        self, hub: small_hub.Hub, environment: Mapping[str, str], tmp_path: Path
    ) -> None:
        """Ctrl-C ends with 130 and says how to go on, without a traceback."""
        hub.faults.append(Slow(0.05))
        with push(big_file(tmp_path, 20), environment) as process:
            wait_for_entry(tmp_path)
            time.sleep(0.3)
            process.send_signal(2)
            err = process.communicate(timeout=30)[1].decode()
        assert process.returncode == 130
        assert "Repeat the command" in err
        assert "Traceback" not in err


class TestMemory:
    def test_a_file_is_never_held_whole(
        self, hub: small_hub.Hub, environment: Mapping[str, str], tmp_path: Path
    ) -> None:
        """A push of 80 MB peaks where one of 1 MB does, within 8 MB."""
        if not Path("/proc/self/status").exists():
            pytest.skip("this system does not tell a process its peak of memory")
        code = (
            "import pathlib, re, sys\n"
            "from kessetsu_client import Client\n"
            "with Client.from_settings() as client:\n"
            "    client.push(sys.argv[1], {'kind': 'attack'})\n"
            "status = pathlib.Path('/proc/self/status').read_text()\n"
            "print(re.search(r'VmHWM:\\s*(\\d+) kB', status)[1])"
        )
        peaks = []
        for megabytes in (1, 80):
            file = big_file(tmp_path, megabytes)
            done = subprocess.run(
                [sys.executable, "-c", code, str(file)], env=environment, check=True, capture_output=True, timeout=120
            )
            peaks.append(int(done.stdout) * 1024)
            assert hashlib.sha256(file.read_bytes()).hexdigest() in {
                receipt["content_sha256"] for _, receipt in hub.reports.values()
            }
        assert peaks[1] - peaks[0] < 8_000_000


def wait_for_entry(tmp_path: Path) -> Path:
    """Wait until the journal holds a key."""
    journal = tmp_path / "state" / "kessetsu" / "receipts" / "journal"
    wait_until(lambda: any(journal.glob("*.json")))
    return next(journal.glob("*.json"))


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)

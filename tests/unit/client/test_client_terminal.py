import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.client.small_hub import TOKEN, Hub, Slow, problem

STATED = ("--kind", "attack", "--basis", "self-defence", "--purpose", "drill", "--class", "drill", "--mandate", "M-1")


@pytest.fixture
def environment(hub: Hub, tmp_path: Path) -> Mapping[str, str]:
    """Return what a client in a process of its own needs."""
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    named = {"KESSETSU_URL": hub.url, "KESSETSU_TOKEN_FILE": str(token_file), "XDG_STATE_HOME": str(tmp_path / "state")}
    return named | {"HOME": str(tmp_path), "TERM": "xterm", "COLUMNS": "100"}


def on_a_terminal(arguments: list[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a command whose stderr is a terminal: exit code, stdout, what the terminal got."""
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "kessetsu_client", *arguments], env=environment, stdout=subprocess.PIPE, stderr=end
    ) as process:
        os.close(end)
        shown = b"".join(iter(lambda: _read(terminal), b""))
        out = process.communicate(timeout=60)[0]
    os.close(terminal)
    return process.returncode, out.decode(), shown.decode()


def _read(terminal: int) -> bytes:
    """Read from a terminal; its last writer gone is its end."""
    assert select.select([terminal], [], [], 60)[0], "the terminal stays silent"
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


class TestProgress:
    def test_a_terminal_sees_a_bar_and_stdout_only_the_receipt(
        self, hub: Hub, environment: Mapping[str, str], tmp_path: Path
    ) -> None:
        """The bar moves on stderr; a wait is told on a line of its own beside it."""
        big = tmp_path / "big.csv"
        big.write_bytes(b"src_ip,first_seen\n" + b"192.0.2.1,2026-01-31T00:00:00Z\n" * 200_000)
        hub.faults += [problem(503, "storage-full"), Slow(0.01)]
        code, out, shown = on_a_terminal(["push", str(big), *STATED], environment)
        assert code == 0, shown
        assert "Sending" in shown
        assert re.search(r"[\d.]+/6\.2 MB", shown)
        assert re.search(r"(^|\n|\r|\x1b\[2K)Refused as storage-full\. Trying again in \d+ s\.\s*\r\n", shown)
        assert "Sending" not in out
        assert "200,000" in out

    def test_scripts_see_none(self, environment: Mapping[str, str], attack: Path) -> None:
        """With --json not even a terminal gets a bar."""
        code, _, shown = on_a_terminal(["--json", "push", str(attack), *STATED], environment)
        assert (code, shown) == (0, "")

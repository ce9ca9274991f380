"""The API in a process of its own, as the program serves it, so that its memory can be measured from outside."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.cli.acts.serving import serve
from hub.logs import configure
from hub.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Served:
    """A running API."""

    url: str
    pid: int
    log: Path

    def peak_memory(self) -> int:
        """Return the most bytes the process had resident since it was last asked, and begin to watch anew."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # resets VmHWM, proc(5)
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024

    def open_files(self) -> list[str]:
        """Return the regular files the process has open for writing."""
        opened = []
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            target = str(descriptor.readlink())
            flags = int(
                re.findall(r"flags:\s+(\d+)", Path(f"/proc/{self.pid}/fdinfo/{descriptor.name}").read_text())[0], 8
            )
            if target.startswith("/") and not target.startswith("/dev/") and flags & os.O_ACCMODE:
                opened.append(target)
        return opened


@contextmanager
def served(settings: Settings, directory: Path) -> Iterator[Served]:
    """Run the API under ``settings``; its log goes to ``directory``."""
    described = directory / "settings.json"
    described.write_text(settings.model_dump_json())
    log = directory / "log"
    command = [sys.executable, "-m", "tests.api.served", str(described)]
    with log.open("w") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, log.read_text()
        yield Served(url, process.pid, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def _main() -> None:
    configure("api")
    settings = Settings.model_validate_json(Path(sys.argv[1]).read_text())
    listener = socket.create_server(("127.0.0.1", 0))
    serve(settings, listener, lambda url: print(url, flush=True))  # noqa: T201 - how the parent learns where it is


if __name__ == "__main__":
    _main()

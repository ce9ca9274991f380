"""A hub of real processes on a PostgreSQL of its own: API and worker as they run in earnest, each to be killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from hub.clock import SystemClock
from hub.errors import Unavailable
from hub.settings import WorkerSettings, write_settings
from hub.store import places
from hub.store.embedded import EmbeddedServer
from hub.store.engine import ensure_password
from hub.store.migrate import upgrade
from hub.store.roles import DATABASE, Role, bootstrap
from tests.support.database import Database, traversable_directory
from tests.support.instance import Instance

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL: Mapping[str, str] = {"shared_buffers": "64MB", "max_wal_size": "256MB"}
"""What fits beside other tests. What keeps data safe stays as in earnest: fsync, full pages, synchronous commit."""
BRISK = WorkerSettings(heartbeat_seconds=1, stalled_after_seconds=3)
"""A dead worker's jobs come back within seconds, so that a test need not wait."""
START_SECONDS = 90
"""Much more than a start takes; the machine may be busy."""


_STANDING_BY = """
import importlib, sys
for name in ("api.app", "hub.cli.programs", "hub.cli.acts.listening", "hub.cli.acts.serving"):
    importlib.import_module(name)
if sys.stdin.readline():
    importlib.import_module("hub.cli.main").main(sys.argv[1:])
"""
"""Loads what takes seconds to load, and waits for the word: so killed programs are back at once."""


@dataclass
class Program:
    """One command of ``kessetsu`` in a process of its own, with the next process standing by."""

    arguments: Sequence[str]
    log: Path
    inherited: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    spare: subprocess.Popen[bytes] | None = None
    exits: list[int] = field(default_factory=list)
    """How it ended where nobody killed it."""

    def start(self) -> None:
        """Start it. From the main thread only: it ends with the thread that started it."""
        self.process = self.spare or self._stand_by()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin as words:
            words.write(b"go\n")
        self.spare = self._stand_by()

    def _stand_by(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-c", _STANDING_BY, *self.arguments, "--parent", str(os.getpid())]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=ROOT, pass_fds=self.inherited,
                start_new_session=True, env=os.environ | {"POLARS_MAX_THREADS": "1", "PYTHONPATH": str(ROOT)},
            )  # fmt: skip

    def kill(self) -> None:
        """Send SIGKILL and wait until the process is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self) -> None:
        """Ask it to end and wait; kill it where it does not."""
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
            self.kill()
        if self.spare is not None:
            self.spare.communicate()

    def revive(self) -> bool:
        """Start it again if it has ended; tell whether that was so."""
        if self.process is not None and self.process.poll() is None:
            return False
        if self.process is not None:
            self.exits.append(self.process.returncode)
        self.start()
        return True


class ProcessHub:
    """Database, API and worker; the instance behind them knows parties, keys and log without a process between."""

    def __init__(self, base: Path, *, data: Path | None = None, settings: Mapping[str, str] = SMALL) -> None:
        """Make everything and start the database; ``data`` is where its files go, ``base`` where all else does."""
        self.base = base
        self.server = EmbeddedServer(data or base / "database", settings=settings)
        self.password = ensure_password(base / "secrets" / "db-postgres.password")
        self.server.initialise(self.password)
        self.server.start()
        superuser = self.server.superuser(self.password)
        targets = bootstrap(superuser, base / "secrets")
        upgrade(targets[Role.OWNER])
        named = superuser.to(role=superuser.role, password_file=superuser.password_file, name=DATABASE)
        self.database = Database(DATABASE, named, targets)
        self.instance = Instance(self.database, base, clock=SystemClock())  # type: ignore[arg-type]  # time passes by itself
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.api, self.worker = self._programs()

    def _programs(self) -> tuple[Program, Program]:
        config = self.base / "kessetsu.toml"
        write_settings(config, self.instance.settings.model_copy(update={"worker": BRISK}))
        listening = self._listener.fileno()
        return (
            Program(["serve", "--config", str(config), "--fd", str(listening)], self.base / "api.log", (listening,)),
            Program(["worker", "--config", str(config)], self.base / "worker.log"),
        )

    @property
    def keys(self) -> Path:
        """Return the directory of the key store."""
        return self.instance.settings.keys.store

    def start(self) -> None:
        """Start API and worker and wait until both do their work."""
        self.api.start()
        self.worker.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the API is ready and a worker stands at the queue; starts again what gave up meanwhile."""
        wait_until(lambda: not self.revive() and self.api_ready() and self.worker_alive(), "the hub is not ready")

    def revive(self) -> bool:
        """Start again what has ended, database first; tell whether there was anything."""
        if not self.server.is_running():
            with contextlib.suppress(Unavailable):
                self.server.start()
            return True
        return self.api.revive() | self.worker.revive()

    def api_ready(self) -> bool:
        """Tell whether the API says that it can do its work."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def worker_alive(self) -> bool:
        """Tell whether a worker holds its connection to the queue: a killed one's is gone at once."""
        alive = "SELECT FROM pg_stat_activity WHERE application_name = 'kessetsu-queue'"
        try:
            return bool(self.rows(alive))
        except psycopg.OperationalError:
            return False

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return what a query as superuser finds."""
        with closing(self.database.connect()) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    def postmaster(self) -> int | None:
        """Return the process id of the server's first process, where it has one."""
        try:
            return int((self.server.data_directory / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def kill_database(self, *, whole: bool = True) -> None:
        """Send SIGKILL to the server's first process and, where ``whole``, to all its children at the same time."""
        first = self.postmaster()
        if first is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(first)
            if process.name() != "postgres":
                return
            for each in [process, *(process.children(recursive=True) if whole else [])]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.send_signal(signal.SIGKILL)
        wait_until(lambda: not self.server.is_running(), "the killed database leaves processes")

    def close(self) -> None:
        """End everything and remove the database's files."""
        self.worker.end()
        self.api.end()
        self.instance.close()
        self.database.close()
        self._listener.close()
        self.server.remove()


@contextmanager
def process_hub(**options: Any) -> Iterator[ProcessHub]:
    """Yield a hub of processes, not started yet, in a temporary directory; nothing is left of it."""
    with traversable_directory() as base:
        hub = ProcessHub(base, **options)
        try:
            yield hub
        finally:
            hub.close()


def postgres_program(name: str) -> Path:
    """Return one of the programs that come with the embedded server."""
    return places.programs(places.unprivileged_account(), places.SHELTERS) / name


def wait_until(
    holds: Callable[[], bool], complaint: str, *, seconds: float = START_SECONDS, pause: float = 0.1
) -> None:
    """Wait until ``holds``; fail with ``complaint`` where it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{complaint} after {seconds} s"
        time.sleep(pause)


def log_tail(program: Program, lines: int = 15) -> str:
    """Return the last lines a program wrote, for a failure's message."""
    text = program.log.read_text(errors="replace") if program.log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])

"""A PostgreSQL of our own, from the programs inside an installed wheel: no server needed to begin with.

It listens on a Unix socket in a private directory only, knows no authentication but SCRAM, leaves no core
dumps, and is told never to write a statement or a value to its log.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from hub.errors import Conflict, Unavailable
from hub.store import places
from hub.store.embedded_settings import DETACHED, SETTINGS, SUPERVISED
from hub.store.engine import DatabaseTarget, read_password

SUPERUSER = "postgres"
PORT = 5432
"""Names the socket file; no network port is opened."""

_POLL = 0.02
_FIRST_BEYOND_THE_SHELLS = 10  # a script can redirect 0 to 9 and would overwrite an inherited one there


class EmbeddedServer:
    """One PostgreSQL cluster with its files under ``home``.

    ``home`` holds ``places.json``, which tells where data and sockets stand: below it wherever the account
    that runs the server can reach it.
    """

    def __init__(
        self,
        home: Path,
        *,
        settings: Mapping[str, str] | None = None,
        shelters: Sequence[Path] = places.SHELTERS,
    ) -> None:
        """Name the server; touches nothing yet. ``settings`` override the built-in ones."""
        self.home = home.absolute()
        self._settings = {**SETTINGS, **(settings or {})}
        self._shelters = shelters
        self._account = places.unprivileged_account()
        self._places = places.load(self._record)
        self._supervisor: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start, supervised."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def data_directory(self) -> Path:
        """The cluster's data directory."""
        return self._known_places().data

    @property
    def socket_directory(self) -> Path:
        """Where the socket is: what a client names as host."""
        return self._known_places().sockets

    @property
    def initialised(self) -> bool:
        """Whether there is a cluster to start."""
        return self._places is not None and (self._places.data / "PG_VERSION").exists()

    def superuser(self, password_file: Path) -> DatabaseTarget:
        """Return the way in for the superuser, for bootstrap and backup only."""
        return DatabaseTarget(
            host=str(self.socket_directory), port=PORT, name="postgres", role=SUPERUSER, password_file=password_file
        )

    def initialise(self, superuser_password_file: Path) -> None:
        """Make the cluster; the superuser gets the password in the file.

        Raises:
            Conflict: there is one already.
            Unavailable: ``initdb`` failed; nothing is left of the attempt.
        """
        if self.initialised:
            raise Conflict(
                f"There is a database at {self.data_directory} already.",
                expected="a home without a database",
                action="Start it, or choose another home.",
            )
        if self._places is None:
            self._places = places.choose(self.home, self._account, self._shelters)
            places.save(self._record, self._places)
        fresh = self._places.data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        places.make_private(fresh, self._account)
        self._initdb(fresh, read_password(superuser_password_file))
        fresh.rename(self._places.data)

    def start(self, *, detached: bool = False, timeout: timedelta = timedelta(seconds=60)) -> None:
        """Start the server and wait until it answers; one that runs already is left as it is.

        Unless ``detached``, it stops when this process ends, however it ends.

        Raises:
            Conflict: no cluster, or one of another major version.
            Unavailable: it did not come up.
        """
        self._refuse_unusable()
        deadline = time.monotonic() + timeout.total_seconds()
        while not self._launch(detached=detached):
            if self._answers():
                return
            if self._supervisor is not None and self._supervisor.poll() is not None:
                self._reap()  # a killed one's other half lives as long as our end of the pipe
            self._sleep_until(deadline, "The last server on this data directory has not ended yet.")
        self._wait_ready(deadline)

    def wait_ready(self, timeout: timedelta = timedelta(seconds=60)) -> None:
        """Wait until the server accepts connections.

        Raises:
            Unavailable: it does not run, or not in time.
        """
        self._wait_ready(time.monotonic() + timeout.total_seconds())

    def is_running(self) -> bool:
        """Tell whether any process of this server is alive, starting and stopping ones included."""
        if not self._lock.exists():
            return False
        with self._locked(fcntl.LOCK_SH) as free:
            return free is None

    def stop(self, timeout: timedelta = timedelta(seconds=60)) -> None:
        """Stop the server: sessions are ended, data written out. Does nothing where none runs.

        Raises:
            Unavailable: a process of it is still there after ``timeout`` and an immediate shutdown.
        """
        if not self._signalled(signal.SIGINT, timeout) and not self._signalled(signal.SIGQUIT, timedelta(seconds=10)):
            raise Unavailable(
                "The embedded database does not stop.",
                action=f"Look into {self.data_directory / 'log'} and at the process in "
                f"{self.data_directory / 'postmaster.pid'}.",
            )
        self._reap()

    def remove(self) -> None:
        """Stop the server and delete all its files."""
        self.stop()
        if self._places is not None:
            for directory in (self._places.data, self._places.sockets, self._places.shelter):
                if directory is not None:
                    shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)
        self._places = None

    # --- what it stands on ------------------------------------------------------------------------------

    @property
    def _record(self) -> Path:
        return self.home / "places.json"

    @property
    def _lock(self) -> Path:
        return self.home / "server.lock"

    @property
    def _start_log(self) -> Path:
        return self.home / "start.log"

    @property
    def _logs(self) -> str:
        return f"{self._start_log} and {self.data_directory / 'log'}"

    def _known_places(self) -> places.Places:
        if self._places is None:
            raise Conflict(
                f"There is no database under {self.home}.",
                expected="a home that was initialised",
                action="Initialise it first: kessetsu init.",
            )
        return self._places

    def _refuse_unusable(self) -> None:
        data = self._known_places().data
        try:
            major = (data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise Conflict(
                f"There is no database at {data}.",
                expected="the data directory that was made by initialise",
                action="Restore it from a backup, or choose another home and initialise that.",
            ) from None
        if major != "18":
            raise Conflict(
                f"The data at {data} were written by PostgreSQL {major}.",
                expected="PostgreSQL 18",
                action="Move them with pg_upgrade or dump and restore, then start again.",
            )

    def _initdb(self, data: Path, password: str) -> None:
        program = places.programs(self._account, self._shelters) / "initdb"
        command = (
            str(program), f"--pgdata={data}", f"--username={SUPERUSER}", "--pwfile=/dev/stdin",
            "--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        )  # fmt: skip
        with _pipe_holding(password, self._account) as stdin:
            done = subprocess.run(  # noqa: S603 - our own program, our own arguments
                command, stdin=stdin, cwd="/", env=_ENVIRONMENT, capture_output=True, check=False,
                **places.run_as(self._account),
            )  # fmt: skip
        if done.returncode != 0:
            shutil.rmtree(data, ignore_errors=True)
            raise Unavailable(
                f"The database could not be made: {_last_line(done.stderr.decode(errors='replace'))}",
                action=f"Make room and permissions for {data.parent}, then initialise again.",
            )

    # --- its life ---------------------------------------------------------------------------------------

    def _launch(self, *, detached: bool) -> bool:
        """Start the processes unless some are alive. They inherit the lock and so hold it until the last has ended."""
        with self._locked() as free:
            if free is None:
                return False
            self._reap()
            # Nobody holds the lock, so these are what a killed server left; their process ids may be others' now.
            for left in (self.data_directory / "postmaster.pid", *self.socket_directory.glob(".s.PGSQL.*")):
                left.unlink(missing_ok=True)
            places.make_private(self.socket_directory, self._account)
            self._spawn(free, detached=detached)
        return True

    def _spawn(self, lock: int, *, detached: bool) -> None:
        program = places.programs(self._account, self._shelters) / "postgres"
        directory = str(self.socket_directory).replace('"', '""')
        settings = {**self._settings, "unix_socket_directories": f'"{directory}"', "port": str(PORT)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        script = DETACHED if detached else SUPERVISED
        with self._start_log.open("wb") as log:
            shell = subprocess.Popen(  # noqa: S603 - our own script and program; paths are arguments, not text
                ["/bin/sh", "-c", script, "sh", str(program), "-D", str(self.data_directory), *options],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd="/", env=_ENVIRONMENT,
                pass_fds=(lock,), start_new_session=True, **places.run_as(self._account),
            )  # fmt: skip
        if detached:
            _close_and_wait(shell)
        else:
            self._supervisor = shell

    def _wait_ready(self, deadline: float) -> None:
        while not self._answers():
            if not self.is_running():
                self._reap()
                raise Unavailable(
                    f"The embedded database did not start: {self._complaint()}",
                    action=f"Look into {self._logs}, mend the cause and start again.",
                )
            self._sleep_until(deadline, "The embedded database is not ready yet.")

    def _answers(self) -> bool:
        """Tell whether sessions can begin: the pid file says so (its eighth line) and it is no dead server's."""
        if [line.strip() for line in self._pid_file()[7:8]] != ["ready"]:
            return False
        parameters = make_conninfo(host=str(self.socket_directory), port=PORT, dbname="postgres", user=SUPERUSER)
        return PGconn.ping(parameters.encode()) == Ping.OK

    def _pid_file(self) -> list[str]:
        try:
            return (self.data_directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _signalled(self, number: signal.Signals, timeout: timedelta) -> bool:
        """Send the signal and tell whether all processes ended in time."""
        deadline = time.monotonic() + timeout.total_seconds()
        sent = False
        while self.is_running():
            lines = self._pid_file()
            if lines and not sent:
                with suppress(ProcessLookupError):
                    os.kill(int(lines[0]), number)
                sent = True
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        return True

    def _reap(self) -> None:
        if self._supervisor is not None:
            _close_and_wait(self._supervisor)
            self._supervisor = None

    @contextmanager
    def _locked(self, kind: int = fcntl.LOCK_EX) -> Iterator[int | None]:
        """Yield a descriptor that holds the server's lock, or ``None`` while any process of the server does."""
        low = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        descriptor = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _FIRST_BEYOND_THE_SHELLS)
        os.close(low)
        try:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield descriptor
        finally:
            os.close(descriptor)

    def _sleep_until(self, deadline: float, message: str) -> None:
        if time.monotonic() > deadline:
            raise Unavailable(message, action=f"Look into {self._logs}, or wait and try again.")
        time.sleep(_POLL)

    def _complaint(self) -> str:
        logs = sorted((self.data_directory / "log").glob("*.log"), key=lambda file: file.stat().st_mtime)
        for file in (self._start_log, *reversed(logs)):
            fatal = [line for line in file.read_text(errors="replace").splitlines() if "FATAL:" in line]
            if fatal:
                return fatal[-1].split("FATAL:", 1)[1].strip()
        return _last_line(self._start_log.read_text(errors="replace"))


_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _last_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def _close_and_wait(shell: subprocess.Popen[bytes]) -> None:
    if shell.stdin is not None:
        shell.stdin.close()
    shell.wait()


@contextmanager
def _pipe_holding(password: str, account: places.Account | None) -> Iterator[int]:
    """Yield the reading end of a pipe with the password, which only ``account`` can open again by name."""
    reading, writing = os.pipe()
    try:
        if account is not None:
            os.fchown(reading, account.uid, account.gid)
        os.write(writing, password.encode())
    finally:
        os.close(writing)
    try:
        yield reading
    finally:
        os.close(reading)

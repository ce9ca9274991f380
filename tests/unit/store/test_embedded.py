"""The embedded server: closed to all but its passwords, silent in its logs, gone with whoever started it."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hub.errors import Conflict, Unavailable
from hub.store.embedded import EmbeddedServer
from hub.store.engine import ensure_password
from tests.support.database import FAST, traversable_directory

SECRET = "203.0.113.77"


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """Give a directory for this module's servers."""
    with traversable_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def password(base: Path) -> Path:
    """Give the file with the superuser's password."""
    return ensure_password(base / "secrets" / "db-postgres.password")


@pytest.fixture(scope="module")
def home(base: Path, password: Path) -> Iterator[Path]:
    """Give the home of a cluster that several tests start and stop."""
    server = EmbeddedServer(base / "home", settings=FAST)
    server.initialise(password)
    yield server.home
    server.remove()


@pytest.fixture
def server(home: Path) -> Iterator[EmbeddedServer]:
    """Give the shared cluster, not running."""
    server = EmbeddedServer(home, settings=FAST)
    yield server
    server.stop()


@pytest.fixture
def own(base: Path, password: Path) -> Iterator[EmbeddedServer]:
    """Give a cluster that the test may spoil, not running."""
    server = EmbeddedServer(base / "own", settings=FAST)
    server.initialise(password)
    yield server
    server.remove()


@pytest.fixture(scope="module")
def running(base: Path, password: Path) -> Iterator[tuple[EmbeddedServer, Path]]:
    """Give a server as it runs in earnest, no setting changed."""
    server = EmbeddedServer(base / "earnest")
    server.initialise(password)
    with server:
        yield server, password


def connected(server: EmbeddedServer, password: Path) -> closing[psycopg.Connection[Any]]:
    """Return a connection as superuser."""
    return closing(psycopg.connect(**server.superuser(password).parameters("test"), autocommit=True))


def postmaster(server: EmbeddedServer) -> int:
    """Return the process id of the server's first process."""
    return int((server.data_directory / "postmaster.pid").read_text().split()[0])


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Wait until the condition holds; return whether it came to hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class TestClosed:
    """The server is reached over a private socket, with a password, and in no other way."""

    def test_every_way_in_asks_for_scram(self, running: tuple[EmbeddedServer, Path]) -> None:
        """No line of pg_hba.conf authenticates by anything but scram-sha-256."""
        with connected(*running) as connection:
            methods = connection.execute("SELECT DISTINCT auth_method, error FROM pg_hba_file_rules").fetchall()

        assert methods == [("scram-sha-256", None)]

    def test_wrong_password_is_refused(self, running: tuple[EmbeddedServer, Path]) -> None:
        """Knowing the socket is not enough."""
        server, password = running
        parameters = server.superuser(password).parameters("test") | {"password": "guess"}

        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(**parameters)

    def test_no_network_port_is_open(self, running: tuple[EmbeddedServer, Path]) -> None:
        """Nothing listens on a network address, not even the loopback's."""
        with connected(*running) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert (running[0].data_directory / "postmaster.pid").read_text().splitlines()[5] == ""

    def test_directories_are_private(self, running: tuple[EmbeddedServer, Path]) -> None:
        """Data and socket directories are of mode 0700."""
        server, _ = running

        modes = [stat.S_IMODE(path.stat().st_mode) for path in (server.data_directory, server.socket_directory)]

        assert modes == [0o700, 0o700]

    def test_password_file_is_private_and_long(self, running: tuple[EmbeddedServer, Path]) -> None:
        """A generated password has 256 bits and its file is the owner's alone; it is never made twice."""
        _, password = running

        before = password.read_text()

        assert stat.S_IMODE(password.stat().st_mode) == 0o600
        assert len(before.strip()) == 43
        assert ensure_password(password).read_text() == before

    def test_no_core_dumps(self, running: tuple[EmbeddedServer, Path]) -> None:
        """Neither soft nor hard limit lets a crashing server write its memory to disk."""
        limits = Path(f"/proc/{postmaster(running[0])}/limits")
        if not limits.exists():
            pytest.skip("this system does not show a process's limits")

        line = next(line for line in limits.read_text().splitlines() if line.startswith("Max core file size"))

        assert line.split()[4:6] == ["0", "0"]

    def test_environment_is_not_inherited(self, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the hub has in its environment stays out of the server's."""
        monkeypatch.setenv("KESSETSU_CANARY", SECRET)
        server.start()

        environment = Path(f"/proc/{postmaster(server)}/environ")

        if not environment.exists():
            pytest.skip("this system does not show a process's environment")
        assert SECRET not in environment.read_text()


class TestSettings:
    """What is accepted is kept, and what is kept is checked."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("data_checksums", "on"),
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("server_encoding", "UTF8"),
            ("timezone", "UTC"),
            ("jit", "off"),
            ("password_encryption", "scram-sha-256"),
        ],
    )
    def test_setting(self, running: tuple[EmbeddedServer, Path], name: str, value: str) -> None:
        """The server runs with this value."""
        with connected(*running) as connection:
            assert connection.execute("SELECT current_setting(%s)", (name,)).fetchone() == (value,)

    def test_sorts_by_code_point(self, running: tuple[EmbeddedServer, Path]) -> None:
        """Order does not depend on the machine's locale, so no index breaks when its libc is upgraded."""
        with connected(*running) as connection:
            locale = connection.execute(
                "SELECT datlocprovider::text, datlocale FROM pg_database WHERE datname = 'postgres'"
            ).fetchone()

        assert locale == ("b", "C.UTF-8")


class TestSilence:
    """No statement and no value reaches the server's log."""

    def test_log_holds_no_value(self, running: tuple[EmbeddedServer, Path]) -> None:
        """A value in a parameter, a violated key, a failed conversion or a slow statement stays out of the log."""
        server, password = running
        with connected(server, password) as connection:
            connection.execute("CREATE TABLE tried (source text PRIMARY KEY CHECK (source <> 'x'))")
            connection.execute("INSERT INTO tried VALUES (%s)", (SECRET,))
            for statement in (
                "INSERT INTO tried VALUES (%s)",
                "SELECT %s::text::integer",
                "SELECT pg_sleep(0.1), 1 / (length(%s) - 12)",
            ):
                with pytest.raises(psycopg.Error):
                    connection.execute(statement, (SECRET,))
            with pytest.raises(psycopg.Error):
                connection.execute(f"DO $$ BEGIN RAISE EXCEPTION '{SECRET}'; END $$")
            connection.execute("CHECKPOINT")

        logs = [*(server.data_directory / "log").glob("*.log"), server.home / "start.log"]
        written = "".join(file.read_text() for file in logs)
        assert "database system is ready" in written
        assert SECRET not in written


class TestLife:
    """It starts, stops, survives being killed, and leaves nothing running behind."""

    def test_start_and_stop_may_be_repeated(self, server: EmbeddedServer) -> None:
        """Starting what runs and stopping what does not run change nothing."""
        server.start()
        first = postmaster(server)
        server.start()

        assert postmaster(server) == first
        assert server.is_running()

        server.stop()
        server.stop()

        assert not server.is_running()

    def test_killed_server_starts_again_with_its_data(self, server: EmbeddedServer, password: Path) -> None:
        """After kill -9 everything committed is there, whatever pid file and sockets were left."""
        server.start()
        with connected(server, password) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        for _ in range(3):
            os.kill(postmaster(server), signal.SIGKILL)
            server.start()
            with connected(server, password) as connection:
                assert connection.execute("SELECT one FROM kept").fetchone() == (1,)

    def test_left_pid_of_somebody_else(self, server: EmbeddedServer, password: Path) -> None:
        """A pid file whose number meanwhile belongs to another process neither blocks the start nor hits that one."""
        server.start()
        pid_file = server.data_directory / "postmaster.pid"
        left = pid_file.read_text().splitlines()
        os.kill(int(left[0]), signal.SIGKILL)
        assert eventually(lambda: not server.is_running())
        pid_file.write_text("\n".join([str(os.getpid()), *left[1:]]) + "\n")

        server.stop()
        server.start()

        with connected(server, password) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)

    def test_open_sessions_do_not_keep_it_from_stopping(self, server: EmbeddedServer, password: Path) -> None:
        """Stopping ends sessions instead of waiting for them."""
        server.start()
        with connected(server, password) as connection:
            connection.execute("SELECT 1")
            began = time.monotonic()
            server.stop(timedelta(seconds=20))

            assert time.monotonic() - began < 10
            assert not server.is_running()

    @pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 2)"])
    def test_ends_with_its_starter(self, server: EmbeddedServer, end: str) -> None:
        """However the process ends that started it, the server stops soon after."""
        done = started_elsewhere(server, "server.start()", end)

        assert done.stdout.strip() == "True", done.stderr
        assert eventually(lambda: not server.is_running())

    def test_a_thread_may_start_it(self, server: EmbeddedServer) -> None:
        """It is bound to the process that started it, not to the thread."""
        script = (
            "import threading; thread = threading.Thread(target=server.start); thread.start(); thread.join();"
            " import time; time.sleep(0.5)"
        )

        done = started_elsewhere(server, script, "pass")

        assert done.stdout.strip() == "True", done.stderr

    def test_detached_stays(self, server: EmbeddedServer, password: Path) -> None:
        """A server started detached outlives its starter, and anybody with the home can stop it."""
        done = started_elsewhere(server, "server.start(detached=True)", "os.kill(os.getpid(), 9)")
        time.sleep(0.5)

        assert done.stdout.strip() == "True", done.stderr
        with connected(server, password) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)

        EmbeddedServer(server.home).stop()

        assert not server.is_running()

    def test_remove_leaves_nothing(self, own: EmbeddedServer) -> None:
        """Removing stops it and deletes every directory it had."""
        own.start()
        places = [own.home, own.data_directory, own.socket_directory]

        own.remove()

        assert [path for path in places if path.exists()] == []


class TestRefusals:
    """What cannot work is refused with what to do next."""

    def test_not_initialised(self, base: Path) -> None:
        """Nothing to start: say so."""
        with pytest.raises(Conflict, match="There is no database") as refused:
            EmbeddedServer(base / "nowhere").start()

        assert "kessetsu init" in (refused.value.action or "")

    def test_initialised_twice(self, server: EmbeddedServer, password: Path) -> None:
        """A database is never made over another."""
        with pytest.raises(Conflict, match="already"):
            server.initialise(password)

    def test_interrupted_initialise_can_be_repeated(self, base: Path, password: Path) -> None:
        """What a killed attempt left is not taken for a database and does not stand in the way."""
        left = base / "interrupted" / "data.new"
        left.mkdir(parents=True)
        left.parent.chmod(0o711)
        (left / "PG_VERSION").write_text("18\n")
        server = EmbeddedServer(left.parent, settings=FAST)

        assert not server.initialised

        server.initialise(password)
        with server:
            assert server.is_running()

    def test_data_of_another_version(self, own: EmbeddedServer) -> None:
        """Data of another major version are not touched."""
        (own.data_directory / "PG_VERSION").write_text("17\n")

        with pytest.raises(Conflict, match="PostgreSQL 17") as refused:
            own.start()

        assert refused.value.expected == "PostgreSQL 18"

    def test_cannot_start(self, server: EmbeddedServer) -> None:
        """The server's own complaint is passed on, with where to read more."""
        broken = EmbeddedServer(server.home, settings={"shared_buffers": "plenty"})

        with pytest.raises(Unavailable, match='invalid value for parameter "shared_buffers"') as refused:
            broken.start()

        assert "start.log" in (refused.value.action or "")
        assert not broken.is_running()

    def test_password_file_is_missing(self, base: Path) -> None:
        """There is no default password."""
        with pytest.raises(Unavailable, match="cannot be read"):
            EmbeddedServer(base / "nowhere").initialise(base / "none")


class TestLongHome:
    """A socket's path is limited to about a hundred bytes; a home's is not."""

    @pytest.fixture
    def deep(self, base: Path) -> Path:
        """Give a home too long for a socket in it."""
        deep = base / ("deep" * 20) / ("deeper" * 10)
        deep.mkdir(parents=True, exist_ok=True)
        return deep / "home"

    def test_socket_stands_elsewhere(self, deep: Path, password: Path) -> None:
        """With a long home the socket is put into a short private directory, found again by every later start."""
        server = EmbeddedServer(deep, settings=FAST)
        server.initialise(password)
        again = EmbeddedServer(deep, settings=FAST)
        try:
            with again:
                assert len(os.fsencode(again.socket_directory / ".s.PGSQL.5432")) <= 103
                assert again.socket_directory == server.socket_directory
                assert stat.S_IMODE(again.socket_directory.stat().st_mode) == 0o700
                with connected(again, password) as connection:
                    assert connection.execute("SELECT 1").fetchone() == (1,)
        finally:
            again.remove()
        assert not server.socket_directory.exists()

    def test_somebody_elses_directory_is_refused(self, deep: Path, password: Path) -> None:
        """A directory that stands there already and is open to others is not used."""
        server = EmbeddedServer(deep, settings=FAST)
        server.initialise(password)
        server.socket_directory.mkdir(mode=0o777)
        server.socket_directory.chmod(0o777)
        try:
            with pytest.raises(Conflict, match="not a private directory"):
                server.start()
        finally:
            server.remove()


def started_elsewhere(server: EmbeddedServer, start: str, end: str) -> subprocess.CompletedProcess[str]:
    """Start the server from a process of its own, which then ends by ``end``; it prints whether the server ran."""
    script = (
        "import os; from pathlib import Path; from hub.store.embedded import EmbeddedServer;"
        f" server = EmbeddedServer(Path({str(server.home)!r}), settings={FAST!r}); {start};"
        f" print(server.is_running(), flush=True); {end}"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)

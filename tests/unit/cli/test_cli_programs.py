"""The hub as processes: ready, answering, started again, ended without a trace."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.cli.acts.databases import embedded_server
from hub.settings import Settings, write_settings
from hub.store.embedded import EmbeddedServer
from tests.support.database import Cluster, traversable_directory
from tests.support.instance import Instance
from tests.unit.cli.running import Kessetsu

COMMAND = [sys.executable, "-P", "-m", "hub.cli.main"]
PATIENCE = 120.0


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Make one instance; its database goes at the end."""
    with traversable_directory() as base:
        subprocess.run([*COMMAND, "init", "--home", base / "hub"], check=True, capture_output=True)
        yield base / "hub"
        embedded_server(Settings.load(base / "hub/kessetsu.toml", {})).remove()


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a program of this instance."""
    return {**os.environ, "KESSETSU_CONFIG": str(home / "kessetsu.toml"), "LC_ALL": "C.UTF-8", **more}


@contextmanager
def started(home: Path, *arguments: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a program and yield it with the URL it said it answers at; it is ended afterwards if it has not."""
    with (home.parent / "log").open("w+") as log:
        process = subprocess.Popen(
            [*COMMAND, *arguments, "--json"],
            env=environment(home, **more),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            said = ""
            while not said.endswith("}\n"):
                line = process.stdout.readline() if process.stdout else ""
                assert line, (home.parent / "log").read_text()
                said += line
            assert json.loads(said)["ready"] is True
            yield process, json.loads(said)["url"]
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ready(url: str) -> bool:
    """Tell whether the hub says it is ready."""
    try:
        return httpx.get(f"{url}/readyz", timeout=10, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def children(process: subprocess.Popen[str]) -> dict[str, psutil.Process]:
    """Return the programs the supervisor runs, by name."""
    running = psutil.Process(process.pid).children()
    return {name: one for one in running for name in ("serve", "worker") if name in one.cmdline()}


def child(process: subprocess.Popen[str], name: str) -> psutil.Process:
    """Return a program the supervisor runs."""
    return children(process)[name]


def postmaster_of(server: EmbeddedServer) -> int:
    """Return the database server's process, 0 while there is none."""
    try:
        return int((server.data_directory / "postmaster.pid").read_text().split()[0])
    except FileNotFoundError:
        return 0


class TestUp:
    def test_ready_and_ended_without_a_trace(self, home: Path) -> None:
        """When it says ready it is; SIGTERM ends every process of it, the database's too, and quickly."""
        server = embedded_server(Settings.load(home / "kessetsu.toml", {}))
        with started(home, "up", "--port", "0") as (process, url):
            assert ready(url)
            everything = psutil.Process(process.pid).children(recursive=True)
            postmaster = postmaster_of(server)
            assert {"serve", "worker"} <= {word for one in everything for word in one.cmdline()}
            status = subprocess.run(
                [*COMMAND, "status", "--json"], env=environment(home), capture_output=True, text=True, check=False
            )
            assert json.loads(status.stdout)["worker"] == "ok", status.stdout

            process.send_signal(signal.SIGTERM)

            assert process.wait(PATIENCE) == 0
        gone, alive = psutil.wait_procs(everything, timeout=5)
        assert alive == []
        assert len(gone) == len(everything)
        assert not psutil.pid_exists(postmaster)
        assert not server.is_running()

    def test_what_dies_is_started_again(self, home: Path) -> None:
        """Killed, API, worker and database come back; connections meanwhile wait and are answered."""
        server = embedded_server(Settings.load(home / "kessetsu.toml", {}))
        with started(home, "up", "--port", "0") as (process, url):
            before = {name: child(process, name).pid for name in ("serve", "worker")}
            postmaster = postmaster_of(server)
            for pid in (*before.values(), postmaster):
                os.kill(pid, signal.SIGKILL)

            assert httpx.get(f"{url}/healthz", timeout=PATIENCE, trust_env=False).status_code == 200
            until(lambda: postmaster_of(server) not in {0, postmaster})
            until(lambda: {"serve", "worker"} <= set(children(process)))
            assert all(child(process, name).pid != pid for name, pid in before.items())
            until(lambda: ready(url))
            time.sleep(1)
            assert ready(url)

    def test_a_killed_supervisor_takes_its_programs_along(self, home: Path) -> None:
        """Whatever ends the supervisor, no program is left without one."""
        server = embedded_server(Settings.load(home / "kessetsu.toml", {}))
        with started(home, "up", "--port", "0") as (process, _):
            everything = psutil.Process(process.pid).children(recursive=True)

            process.kill()

            _, alive = psutil.wait_procs(everything, timeout=PATIENCE)
            assert alive == []
            until(lambda: not server.is_running())

    def test_refuses_what_would_fail_again(self, home: Path) -> None:
        """Where a program refuses to start, all end and the reason stands in the log."""
        (home / "secrets/signing.pem").chmod(0o644)
        try:
            ran = subprocess.run(
                [*COMMAND, "up", "--port", "0"],
                env=environment(home),
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
        finally:
            (home / "secrets/signing.pem").chmod(0o600)

        assert ran.returncode == 1
        assert "signing" in ran.stderr
        assert "refuses to start" in ran.stderr
        assert not embedded_server(Settings.load(home / "kessetsu.toml", {})).is_running()

    def test_leaves_a_database_it_did_not_start(self, home: Path) -> None:
        """What was running before runs on afterwards."""
        server = embedded_server(Settings.load(home / "kessetsu.toml", {}))
        server.start(detached=True)
        try:
            with started(home, "up", "--port", "0") as (process, _):
                process.send_signal(signal.SIGINT)
                assert process.wait(PATIENCE) == 0
            assert server.is_running()
        finally:
            server.stop()


class TestServe:
    def test_stops_the_database_it_started(self, home: Path) -> None:
        """Alone, the API brings its database along and takes it down again; it answers before it says so."""
        server = embedded_server(Settings.load(home / "kessetsu.toml", {}))
        with started(home, "serve", "--port", "0") as (process, url):
            until(lambda: ready(url))
            answer = httpx.get(f"{url}/readyz", trust_env=False)
            assert "server" not in answer.headers
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        assert not server.is_running()

    def test_tls_from_the_settings(self, home: Path, tmp_path: Path) -> None:
        """With a certificate the API speaks TLS, 1.2 or newer."""
        certificate, key = self_signed(tmp_path)
        tls = {
            "KESSETSU_API__TLS_CERTIFICATE_FILE": str(certificate),
            "KESSETSU_API__TLS_KEY_FILE": str(key),
        }
        with started(home, "serve", "--port", "0", **tls) as (_, url):
            context = ssl.create_default_context(cafile=str(certificate))
            until(lambda: httpx.get(f"{url}/readyz", verify=context, trust_env=False).status_code == 200)
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            with pytest.warns(DeprecationWarning, match="TLSv1_1"):
                old.maximum_version = ssl.TLSVersion.TLSv1_1
            old.set_ciphers("ALL:@SECLEVEL=0")
            host, port = url.removeprefix("https://").split(":")
            with (
                pytest.raises(ssl.SSLError),
                socket.create_connection((host, int(port))) as plain,
                old.wrap_socket(plain),
            ):
                pass

    def test_port_in_use(self, home: Path) -> None:
        """A taken port is said plainly, with what to do."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            ran = subprocess.run(
                [*COMMAND, "serve", "--port", port], env=environment(home), capture_output=True, text=True, check=False
            )

        assert ran.returncode == 3
        assert f"127.0.0.1:{port}" in ran.stderr
        assert "--port" in ran.stderr

    def test_database_older_than_the_program(
        self, bare: Kessetsu, database_cluster: Cluster, instance: Instance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before the tables are there nothing is served; the message says what to run."""
        write_settings(instance.home / "kessetsu.toml", instance.settings)
        monkeypatch.setenv("KESSETSU_CONFIG", str(instance.home / "kessetsu.toml"))
        monkeypatch.setenv("POLARS_MAX_THREADS", "1")
        with database_cluster.fresh(migrated=False) as empty:
            monkeypatch.setenv("KESSETSU_DATABASE__NAME", empty.name)

            for program in (["serve", "--port", "0"], ["worker"]):
                ran = bare(*program)
                assert (ran.code, "kessetsu migrate" in ran.err) == (1, True)
            assert bare("database", "status", "--json").document["behind"] is True


def test_worker_needs_its_database(home: Path) -> None:
    """The worker starts no database: it would take it down under others."""
    ran = subprocess.run(
        [*COMMAND, "worker"], env=environment(home), capture_output=True, text=True, check=False, timeout=PATIENCE
    )

    assert ran.returncode == 3
    assert "kessetsu database start" in ran.stderr


@pytest.mark.parametrize(("program", "variable"), [("serve", "1"), ("worker", "3")])
def test_column_threads_are_set_before_the_library_loads(home: Path, program: str, variable: str) -> None:
    """The API reads columns with one thread, the worker with as many as its settings say."""
    script = f"""
from hub.cli import main, programs
from hub.cli.session import Session

class Shown:
    def show(*_):
        import polars
        print("threads", polars.thread_pool_size())
        raise SystemExit
    serve = work = staticmethod(show)

programs.serving = Shown
main.run({["serve", "--port", "0"] if program == "serve" else ["worker"]!r}, Session())
"""
    several = environment(home, KESSETSU_WORKER__THREADS="3", POLARS_MAX_THREADS="7")
    ran = subprocess.run([sys.executable, "-c", script], env=several, capture_output=True, text=True, check=False)

    assert ran.stdout.split()[-2:] == ["threads", variable], ran.stderr


def self_signed(directory: Path) -> tuple[Path, Path]:
    """Make a certificate for loopback; returns its file and the key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    files = directory / "certificate.pem", directory / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].touch(mode=0o600)
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files

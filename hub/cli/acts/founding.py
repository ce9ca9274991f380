"""Make an instance: directories, secrets, key store, database, settings; in an order that may break off anywhere.

What makes an instance is its settings file, and that is put in its place last and at once. Until then a marker
stands in its stead, and the same command goes on where it was broken off: what is there is kept, every secret
is whole or not there.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hub.cli.acts.databases import DIRECTORY
from hub.cli.catalogue import say
from hub.clock import Clock
from hub.errors import BadInput, Conflict, KessetsuError
from hub.sealing.files import sync_directory
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.sealing.signing import Signer
from hub.settings import DatabaseSettings, KeySettings, Settings, write_settings
from hub.store.embedded import PORT, SUPERUSER, EmbeddedServer
from hub.store.engine import DatabaseTarget, ensure_password
from hub.store.migrate import upgrade
from hub.store.roles import DATABASE, Role, bootstrap, has_database, password_file

SETTINGS_FILE: Final = "kessetsu.toml"
_MARKER: Final = "unfinished"
_CLAIMED: Final = b"claimed"
"""What the marker says once the server was found free of other instances."""
_KEPT_ONLY_DEFAULT_TLS: Final = "verify-full"


@dataclass(frozen=True, slots=True)
class Plan:
    """What kind of instance to make, and where."""

    home: Path
    demo: bool
    key_store: Path | None
    """Directory of the bucket keys; below ``home`` where ``None``."""
    admin: DatabaseTarget | None
    """The administrator of another server; ``None`` for the embedded one."""


def plan(
    home: Path, *, demo: bool, key_store: Path | None, database_url: str | None, admin_password_file: Path | None
) -> Plan:
    """Check what was asked for, before anything is made.

    Raises:
        BadInput: the URL cannot be used, or comes without its password file.
    """
    if (database_url is None) != (admin_password_file is None):
        raise BadInput(
            say("--database-url and --admin-password-file go together."),
            expected=say("both, or neither for the embedded database"),
        )
    admin = None
    if database_url is not None and admin_password_file is not None:
        admin = DatabaseTarget.from_url(database_url, admin_password_file.absolute())
        _require_plain_tls(admin)
    return Plan(home.absolute(), demo, None if key_store is None else key_store.absolute(), admin)


def found(plan: Plan, clock: Clock, step: Callable[[str], None]) -> Path:
    """Make the instance and return its settings file; ``step`` is told what is being done.

    Raises:
        Conflict: there is an instance already, or the directory holds something else.
        Unavailable: the database cannot be set up; nothing is lost, run it again.
    """
    with _claimed(plan.home) as marker:
        step(say("Making secrets and keys"))
        secrets = plan.home / "secrets"
        _make_secrets(secrets)
        keys = plan.key_store or plan.home / "keys"
        KeyService(keys, MasterKey.from_file(secrets / "master.key"), clock).initialise()
        database = _other_database(plan.admin, secrets, marker, step) if plan.admin else _embedded(plan, secrets, step)
        return _publish(
            Settings(
                home=plan.home,
                demo_only=plan.demo,
                database=database,
                keys=KeySettings(
                    store=keys, master_key_file=secrets / "master.key", signing_key_file=secrets / "signing.pem"
                ),
            )
        )


@contextmanager
def _claimed(home: Path) -> Iterator[Path]:
    """Have the directory for ourselves; the marker in it goes when all is done."""
    _refuse_occupied(home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    marker = home / _MARKER
    descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, home)
        _refuse_occupied(home)  # the one we waited for may have finished
        yield marker
        marker.unlink()
    except KessetsuError as error:
        error.action = " ".join(
            filter(None, [error.action, say("Then run the same command again; it goes on where it stopped.")])
        )
        raise
    finally:
        os.close(descriptor)


def _refuse_occupied(home: Path) -> None:
    if (home / SETTINGS_FILE).exists():
        raise Conflict(
            say("There is an instance already."),
            got=str(home / SETTINGS_FILE),
            expected=say("a directory without an instance"),
            action=say("Use that instance with --config, or choose another directory."),
        )
    if home.exists() and not (home / _MARKER).exists() and any(home.iterdir()):
        raise Conflict(
            say("The directory holds something else."),
            got=str(home),
            expected=say("an empty directory, or one that is not there yet"),
            action=say("Choose another directory."),
        )


def _lock(descriptor: int, home: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict(
            say("Another `kessetsu init` is at work there."),
            got=str(home),
            expected=say("one at a time"),
            action=say("Wait until it has ended."),
        ) from None


def _make_secrets(secrets: Path) -> None:
    secrets.mkdir(mode=0o700, exist_ok=True)
    _once(secrets / "master.key", MasterKey.generate)
    _once(secrets / "signing.pem", Signer.generate)
    for role in (SUPERUSER, *Role):
        _once(password_file(secrets, role), ensure_password)
    sync_directory(secrets)


def _once(path: Path, make: Callable[[Path], object]) -> None:
    """Make a secret file unless it is there; it comes into its place whole."""
    if path.exists():
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    make(fresh)
    fresh.rename(path)


def _embedded(plan: Plan, secrets: Path, step: Callable[[str], None]) -> DatabaseSettings:
    superuser = password_file(secrets, SUPERUSER)
    server = EmbeddedServer(plan.home / DIRECTORY)
    if not server.initialised:
        step(say("Making the database"))
        server.initialise(superuser)
    with server:
        _fill(server.superuser(superuser), secrets, step)
    return _database(
        secrets, embedded=True, host=str(server.socket_directory), port=PORT, superuser_password_file=superuser
    )


def _other_database(
    admin: DatabaseTarget, secrets: Path, marker: Path, step: Callable[[str], None]
) -> DatabaseSettings:
    step(say("Looking at the database server"))
    if marker.read_bytes() != _CLAIMED:
        _refuse_other_instance(admin)
        marker.write_bytes(_CLAIMED)
    _fill(admin, secrets, step)
    return _database(secrets, embedded=False, host=admin.host, port=admin.port)


def _refuse_other_instance(admin: DatabaseTarget) -> None:
    """Keep from taking over a database whose roles' passwords another instance knows."""
    if has_database(admin):
        raise Conflict(
            say("The server holds the database of an instance already."),
            got=f"{admin.host}: {DATABASE}",
            expected=say("a server without a database of this name"),
            action=say("Name another server, or drop that database if nobody needs it."),
        )


def _fill(admin: DatabaseTarget, secrets: Path, step: Callable[[str], None]) -> None:
    step(say("Making roles and tables"))
    upgrade(bootstrap(admin, secrets)[Role.OWNER])


def _database(secrets: Path, **place: Any) -> DatabaseSettings:  # noqa: ANN401 - the settings check the types
    return DatabaseSettings(
        owner_password_file=password_file(secrets, Role.OWNER),
        api_password_file=password_file(secrets, Role.API),
        worker_password_file=password_file(secrets, Role.WORKER),
        operator_password_file=password_file(secrets, Role.OPERATOR),
        **place,
    )


def _publish(settings: Settings) -> Path:
    path = settings.home / SETTINGS_FILE
    fresh = path.with_name(f".{SETTINGS_FILE}.new")
    fresh.unlink(missing_ok=True)
    write_settings(fresh, settings)
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    fresh.rename(path)
    sync_directory(settings.home)
    return path


def _require_plain_tls(admin: DatabaseTarget) -> None:
    """Refuse what the settings have no key for, rather than connect otherwise later than now."""
    if admin.local or (admin.tls == _KEPT_ONLY_DEFAULT_TLS and admin.tls_ca is None):
        return
    raise BadInput(
        say("The settings cannot keep these TLS options of the database."),
        got=f"sslmode={admin.tls}" + (f", sslrootcert={admin.tls_ca}" if admin.tls_ca else ""),
        expected=say("sslmode=verify-full with a certificate this machine trusts, or a Unix socket"),
        action=say("Add the server's authority to the certificates this machine trusts (SSL_CERT_FILE)."),
    )

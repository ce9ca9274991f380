"""The instance's database server: where it is, whether it runs, and what schema it holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.cli.catalogue import say
from hub.cli.lazy import lazily
from hub.errors import Conflict, Unavailable
from hub.settings import Settings
from hub.store.embedded import EmbeddedServer
from hub.store.engine import DatabaseTarget
from hub.store.migrate import head, standing, upgrade

if TYPE_CHECKING:
    from hub import wiring
else:
    wiring = lazily("hub.wiring")  # who supervises the programs has no need of what they load

DIRECTORY = "database"
"""Of the embedded server, below an instance's home."""


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """How the database of an instance is."""

    embedded: bool
    host: str
    running: bool | None
    """Whether the embedded server's processes are there; ``None`` for another server."""
    answers: bool
    revision: str | None
    behind: bool | None
    """Whether ``kessetsu migrate`` has something to do; ``None`` where nobody could ask."""


def embedded_server(settings: Settings) -> EmbeddedServer:
    """Return the instance's own server.

    Raises:
        Conflict: the instance uses a server of somebody else's.
    """
    if not settings.database.embedded:
        raise Conflict(
            say("This instance uses a database server of its own operator's."),
            got=settings.database.host,
            expected=say("an instance with the embedded server"),
            action=say("Start and stop that server where it runs."),
        )
    return EmbeddedServer(settings.home / DIRECTORY)


def require_running(settings: Settings) -> None:
    """Refuse to go on while the embedded server is down; whether another server answers shows when it is used.

    Raises:
        Unavailable: it does not run.
    """
    if settings.database.embedded and not embedded_server(settings).is_running():
        raise Unavailable(
            say("The instance's database does not run."),
            expected=say("a running database"),
            action=say("Start the hub with `kessetsu up`, or the database alone with `kessetsu database start`."),
        )


@contextmanager
def running_database(settings: Settings) -> Iterator[EmbeddedServer | None]:
    """Have the database run meanwhile: start the embedded one if it is down, and then stop it again at the end.

    Yields the server if it was started here; it lives no longer than that object.
    """
    if not settings.database.embedded or (server := embedded_server(settings)).is_running():
        yield None
        return
    with server:
        yield server


def migrate(settings: Settings) -> str:
    """Bring the database to this version's schema and grants; return its revision."""
    with running_database(settings):
        return upgrade(_target(settings, "owner"))


def require_migrated(settings: Settings, program: str) -> None:
    """Refuse a database older than this code; a newer one suits it, revisions are written so.

    Raises:
        Conflict: it is older, or empty.
        Unavailable: it does not answer.
    """
    revision, behind = standing(_target(settings, program))
    if behind:
        raise Conflict(
            say("The database is older than this version of the program."),
            got=revision or say("no tables at all"),
            expected=head(),
            action=say("Run `kessetsu migrate`, then start again."),
        )


def state_of(settings: Settings) -> DatabaseState:
    """Tell how the database is, without changing anything."""
    database = settings.database
    running = embedded_server(settings).is_running() if database.embedded else None
    try:
        revision, behind = standing(_target(settings, "operator"))
    except Unavailable:
        return DatabaseState(database.embedded, database.host, running, answers=False, revision=None, behind=None)
    return DatabaseState(database.embedded, database.host, running, answers=True, revision=revision, behind=behind)


def _target(settings: Settings, program: str) -> DatabaseTarget:
    settings.check_secrets(f"database.{program}_password_file")
    return wiring.target_of(settings, program)

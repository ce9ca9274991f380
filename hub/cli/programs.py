"""Commands that run the hub: ``up`` for all of it, ``serve`` and ``worker`` for its parts."""

import os
import socket
from typing import TYPE_CHECKING, Final

import click

from hub.cli.catalogue import say
from hub.cli.lazy import lazily
from hub.cli.session import Session, pass_session
from hub.cli.showing import write_json
from hub.cli.speaking import Command

if TYPE_CHECKING:
    from hub.cli.acts import listening, serving, supervising
else:
    listening = lazily("hub.cli.acts.listening")
    serving = lazily("hub.cli.acts.serving")
    supervising = lazily("hub.cli.acts.supervising")

_COLUMN_THREADS: Final = "POLARS_MAX_THREADS"
"""Read once, when the library is first loaded: set before anything of the hub's steps is imported."""
_API_THREADS: Final = 1
"""The API reads columns beside many small requests; the worker has threads of its own."""

_host = click.option("--host", metavar="ADDRESS", help="Address to listen on; otherwise as the settings say.")
_port = click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for any; otherwise as the settings say."
)
_parent = click.option("--parent", type=int, hidden=True)


@click.command(
    cls=Command,
    program="supervisor",
    help="""Run the whole hub: database, API and worker under one process.

    Says when the hub is ready. Programs that die are started again, after a pause that grows; SIGTERM or Ctrl-C
    ends all of them in order.""",
    examples=("kessetsu up", "kessetsu up --port 8080", "kessetsu up --config /srv/kessetsu/kessetsu.toml"),
)
@_host
@_port
@pass_session
def up(session: Session, /, *, host: str | None, port: int | None) -> None:
    """Run everything."""
    settings = session.settings()
    listener = listening.listen(host or settings.api.host, settings.api.port if port is None else port)
    url = listening.url_of(settings, listener)

    def ready() -> None:
        _say_url(session, "The hub is ready: {url}", url)

    with listener:
        supervising.supervise(settings, session.settings_file(), listener, url, ready)


@click.command(
    cls=Command,
    program="api",
    help="""Run the API.

    Starts the embedded database if it is down, and then stops it at the end. Requests under way are finished
    before it ends.""",
    examples=("kessetsu serve", "kessetsu serve --host 0.0.0.0 --port 8443"),
)
@_host
@_port
@click.option("--fd", type=int, hidden=True)
@_parent
@pass_session
def serve(session: Session, /, *, host: str | None, port: int | None, fd: int | None, parent: int | None) -> None:
    """Serve the API."""
    settings = session.settings()
    os.environ[_COLUMN_THREADS] = str(_API_THREADS)
    if parent is not None:
        listening.end_with(parent)
    if fd is not None:
        serving.serve(settings, socket.socket(fileno=fd), lambda _url: None)
        return
    listener = listening.listen(host or settings.api.host, settings.api.port if port is None else port)
    serving.serve(settings, listener, lambda url: _say_url(session, "The API listens: {url}", url))


@click.command(
    cls=Command,
    program="worker",
    help="""Run the worker: attributes, decides, seals and releases reports, erases at deadlines, numbers the log.

    Several may run, on several machines. The job at hand is finished before it ends.""",
    examples=("kessetsu worker",),
)
@_parent
@pass_session
def worker(session: Session, /, *, parent: int | None) -> None:
    """Run the worker."""
    settings = session.settings()
    os.environ[_COLUMN_THREADS] = str(settings.worker.threads)
    if parent is not None:
        listening.end_with(parent)
    serving.work(settings)


def _say_url(session: Session, text: str, url: str) -> None:
    if session.json:
        write_json({"ready": True, "url": url})
    else:
        click.echo(say(text, url=url))


COMMANDS: Final = (up, serve, worker)

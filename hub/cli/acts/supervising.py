"""The whole hub under one process: database, API and worker, started again when they die, ended together."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from hub.cli.acts.databases import running_database
from hub.cli.catalogue import VOICE, say
from hub.cli.failures import REFUSED, USAGE
from hub.errors import Conflict, Unavailable
from hub.settings import Settings
from hub.store.embedded import EmbeddedServer

_log = structlog.get_logger()

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds before a program that died is started again: doubled each time up to the longest."""
WELL_AFTER: Final = 60.0
"""A program that ran so many seconds begins anew with the first pause."""
GRACE: Final = 45.0
"""Seconds the programs have to finish what they are at, more than each allows itself."""
_LOOK: Final = 0.2
_FINAL_CODES: Final = frozenset({REFUSED, USAGE})
"""What a program ends with that would end so again."""


@dataclass
class Child:
    """One program, and how it fared."""

    name: str
    command: Sequence[str]
    inherited: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    due: float = field(default=0.0)

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C is for us, and we pass it on in order."""
        self.started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - ourselves, with arguments of our own
            self.command, stdin=subprocess.DEVNULL, pass_fds=self.inherited, start_new_session=True
        )

    def look(self) -> int | None:
        """Start it when that is due; return its exit code where it has just died."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.due:
                self.start()
            return None
        code = self.process.poll()
        if code is not None:
            self.process = None
            self.pause = FIRST_PAUSE if now - self.started > WELL_AFTER else self.pause
            self.due = now + self.pause
            self.pause = min(self.pause * 2, LONGEST_PAUSE)
        return code

    def tell_to_end(self) -> None:
        """Ask it to finish."""
        if self.process is not None:
            self.process.terminate()

    def wait_ended(self, deadline: float) -> None:
        """Wait until it has ended; past the deadline, end it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            _log.warning("child-killed", stage=self.name)
            self.process.kill()
            self.process.wait()


def supervise(
    settings: Settings, settings_file: Path | None, listener: socket.socket, url: str, ready: Callable[[], None]
) -> None:
    """Run database, API and worker until SIGTERM or SIGINT; ``ready`` is called once the hub takes requests.

    The listening socket is ours and goes through to the API, so that no connection is refused while the API is
    started again.

    Raises:
        Conflict: one of the programs refuses to start; it has said why.
        Unavailable: the database does not start.
    """
    with _stopped_by_signals() as stopped, running_database(settings) as server:
        children = [
            Child("serve", _command("serve", settings_file, "--fd", str(listener.fileno())), (listener.fileno(),)),
            Child("worker", _command("worker", settings_file)),
        ]
        with _ended_together(children):
            _watch(children, server, stopped, _Readiness(url, ready))


def _watch(
    children: Sequence[Child], server: EmbeddedServer | None, stopped: threading.Event, readiness: "_Readiness"
) -> None:
    while not stopped.is_set():
        if server is not None:
            _revive(server)
        for child in children:
            code = child.look()
            if code is not None:
                _log.error("child-ended", stage=child.name, code=code)
                _refuse_hopeless(child, code, ready=readiness.told)
        readiness.look()
        stopped.wait(_LOOK)


def _refuse_hopeless(child: Child, code: int, *, ready: bool) -> None:
    if code in _FINAL_CODES and not ready:
        raise Conflict(
            say("`kessetsu {name}` refuses to start; its reason stands above.", name=child.name),
            action=say("Mend that, then start again."),
        )


def _revive(server: EmbeddedServer) -> None:
    if server.is_running():
        return
    _log.error("database-ended")
    try:
        server.start()
    except Unavailable as error:
        _log.warning("database-not-started", error_code=error.code)


class _Readiness:
    """Asks the API whether it is ready, until it once was."""

    def __init__(self, url: str, tell: Callable[[], None]) -> None:
        self._url = urlsplit(url)
        self._tell = tell
        self.told = False

    def look(self) -> None:
        if not self.told and self._answers():
            self.told = True
            self._tell()

    def _answers(self) -> bool:
        try:
            connection = self._connection()
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200  # noqa: PLR2004 - OK, RFC 9110 section 15.3.1
            finally:
                connection.close()
        except (OSError, HTTPException):
            return False

    def _connection(self) -> HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "http":
            return HTTPConnection(host, port, timeout=2)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # our own socket; its certificate names the public address
        return HTTPSConnection(host, port, timeout=2, context=context)


def _command(name: str, settings_file: Path | None, *more: str) -> list[str]:
    config = [] if settings_file is None else ["--config", str(settings_file.absolute())]
    parent = ["--parent", str(os.getpid()), "--lang", VOICE.language]
    return [sys.executable, "-P", "-m", "hub.cli.main", name, *config, *parent, *more]


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    stopped = threading.Event()
    with ExitStack() as stack:
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.signal(number, lambda *_: stopped.set())
            stack.callback(signal.signal, number, before)
        yield stopped


@contextmanager
def _ended_together(children: Sequence[Child]) -> Iterator[None]:
    try:
        yield
    finally:
        deadline = time.monotonic() + GRACE
        for child in children:
            child.tell_to_end()
        for child in children:
            child.wait_ended(deadline)

"""One demo's hub: made in a directory of its own, run by ``kessetsu up``, removed without a trace."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import orjson

from hub.clock import Clock
from hub.demo.texts import say
from hub.demo.tls import HOST, make_certificates
from hub.errors import KessetsuError, Unavailable
from hub.settings import ENVIRONMENT_PREFIX, Settings
from hub.store.embedded import EmbeddedServer
from hub.store.places import SHELTERS

_STARTS_WITHIN: Final = timedelta(seconds=60)
_ENDS_WITHIN: Final = timedelta(seconds=60)
_LOOK: Final = 0.1
_SHOWN_OF_LOG: Final = 15
_OK: Final = 200
_PROGRAMS: Final = "programs-*"
"""Copies of PostgreSQL's programs that the embedded server makes where its account cannot reach the installed ones."""


class Instance:
    """A hub below ``base``; every method may be called after any failure of another."""

    def __init__(self, base: Path, clock: Clock, language: str) -> None:
        """Name the places; touches nothing yet."""
        self.base = base
        self.home = base / "hub"
        self.settings_file = self.home / "kessetsu.toml"
        self.log = base / "hub.log"
        self.ca_file = base / "tls" / "ca.pem"
        self.url = ""
        self._clock = clock
        self._language = language
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)
        }
        self._up: subprocess.Popen[bytes] | None = None
        self._before = _shelters()

    @property
    def settings(self) -> Settings:
        """The instance's settings."""
        return Settings.load(self.settings_file, {})

    @property
    def server(self) -> EmbeddedServer:
        """The instance's database server."""
        return EmbeddedServer(self.home / "database")

    # --- its life -------------------------------------------------------------------------------------

    def make(self) -> None:
        """Make keys, certificate, database and settings: an instance that takes drills only."""
        tls = self.ca_file.parent
        tls.mkdir(mode=0o700)
        make_certificates(tls, self._clock.now())
        self.command("init", "--home", str(self.home), "--demo")

    def start(self) -> None:
        """Start database, API and worker, on a free port of the loopback address."""
        port = _free_port()
        self.url = f"https://{HOST}:{port}"
        settings = {
            "HOST": HOST,
            "PORT": str(port),
            "PUBLIC_URL": self.url,
            "TLS_CERTIFICATE_FILE": str(self.ca_file.with_name("server.pem")),
            "TLS_KEY_FILE": str(self.ca_file.with_name("server.key")),
        }
        environment = self._environment | {
            f"{ENVIRONMENT_PREFIX}API__{name}": value for name, value in settings.items()
        }
        command = [sys.executable, "-P", "-m", "hub.demo.leash", str(os.getpid()), *_kessetsu("up"), *self._config()]
        with self.log.open("wb") as log:
            self._up = subprocess.Popen(  # noqa: S603 - our own program, our own arguments
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def wait_ready(self, tell: Callable[[float], None]) -> None:
        """Wait until the hub takes requests; ``tell`` hears the seconds waited.

        Raises:
            Unavailable: it ended, or is not ready in time.
        """
        began = time.monotonic()
        with self.http() as http:
            while not _ready(http):
                waited = time.monotonic() - began
                tell(waited)
                if self._up is None or self._up.poll() is not None or waited > _STARTS_WITHIN.total_seconds():
                    raise Unavailable(
                        say("The hub did not start. The end of its log:") + "\n" + self._end_of_log(),
                        action=say("Mend what the log names and run the demo again."),
                    )
                time.sleep(_LOOK)

    def wait_ended(self) -> None:
        """Wait for as long as the hub runs.

        Raises:
            Unavailable: it ended by itself.
        """
        if self._up is not None:
            self._up.wait()
        raise Unavailable(
            say("The hub has ended by itself. The end of its log:") + "\n" + self._end_of_log(),
            action=say("Mend what the log names and run the demo again."),
        )

    def remove(self) -> None:
        """End every process and delete every file of the instance, wherever they are."""
        if self._up is not None:
            self._end(self._up)
            self._up = None
        with suppress(KessetsuError):
            self.server.remove()
        shutil.rmtree(self.base, ignore_errors=True)
        self._tidy_shelters()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(_ENDS_WITHIN.total_seconds())
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _tidy_shelters(self) -> None:
        """Remove copied programs that were not there before, unless another instance has come to live beside them."""
        for shelter, before in self._before.items():
            for copied in set(shelter.glob(_PROGRAMS)) - (before or set()):
                if not any(child.is_dir() and child != copied for child in shelter.iterdir()) or before is not None:
                    shutil.rmtree(copied, ignore_errors=True)
            if before is None:
                with suppress(OSError):
                    shelter.rmdir()

    # --- what is asked of it --------------------------------------------------------------------------

    def command(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON has many types
        """Run a ``kessetsu`` command as the operator would, and return what it answers as JSON.

        Raises:
            Unavailable: it failed; the message is what it said.
        """
        config = [] if arguments[0] == "init" else self._config()
        done = subprocess.run(  # noqa: S603 - our own program, our own arguments
            [*_kessetsu(*arguments), *config, "--json"],
            stdin=subprocess.DEVNULL, capture_output=True, env=self._environment, check=False, start_new_session=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise _failed(arguments, done.stderr)
        return orjson.loads(done.stdout) if done.stdout.strip() else None

    def http(self, token: str | None = None) -> httpx.Client:
        """Return a plain HTTP client that trusts this hub's certificate, for what is no member's business."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(
            base_url=self.url, headers=headers, verify=_trust(self.ca_file), trust_env=False, timeout=30
        )

    def _config(self) -> list[str]:
        return ["--config", str(self.settings_file), "--lang", self._language]

    def _end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-_SHOWN_OF_LOG:])


def _kessetsu(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "hub.cli.main", *arguments]


def _failed(arguments: tuple[str, ...], said: bytes) -> Unavailable:
    command = " ".join(("kessetsu", *arguments[:2]))
    try:
        told = json.loads(said)
        message, action = str(told["message"]), told.get("action")
    except (ValueError, KeyError, TypeError):
        message, action = said.decode(errors="replace").strip(), None
    return Unavailable(say("`{command}` failed: {why}", command=command, why=message), action=action)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _trust(ca_file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file))


def _ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == _OK
    except httpx.TransportError:
        return False


def _shelters() -> dict[Path, set[Path] | None]:
    """Return the copied programs there are, by shelter; ``None`` for a shelter that is not there."""
    return {shelter: set(shelter.glob(_PROGRAMS)) if shelter.is_dir() else None for shelter in SHELTERS}

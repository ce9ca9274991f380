"""Run one of the hub's two programs in this process: the API, or the worker."""

import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import FrameType
from typing import Any, Final, Never

import uvicorn

from hub.cli.acts.bounded_http import BoundedHttp
from hub.cli.acts.databases import require_migrated, require_running, running_database
from hub.cli.acts.listening import BACKLOG, url_of
from hub.jobs import worker
from hub.logs import UVICORN
from hub.settings import Settings
from hub.wiring import Hub, open_hub

GRACE_SECONDS: Final = 30
_KEEP_ALIVE_SECONDS: Final = 15
_MOST_CONNECTIONS: Final = 2_000
_SWITCH_SECONDS: Final = 0.0005
"""How long a thread may keep others from running Python: a small request must not wait the usual 5 ms, again and
again, for the one that checks a large push."""


def serve(settings: Settings, listener: socket.socket, listening: Callable[[str], None]) -> None:
    """Serve the API until SIGTERM or SIGINT; requests under way are finished first.

    ``listening`` is told the URL once requests will be answered.

    Raises:
        Conflict: the database is older than this code.
        BadInput: a secret file or a policy cannot be used.
        Unavailable: the database does not start.
    """
    settings.check_secrets(*_secrets_of(settings, "api"))
    sys.setswitchinterval(_SWITCH_SECONDS)
    with listener, _left_on_signals(), running_database(settings):
        require_migrated(settings, "api")
        server = uvicorn.Server(_configured(open_hub(settings, "api")))
        listening(url_of(settings, listener))
        server.run(sockets=[listener])


def work(settings: Settings) -> None:
    """Run the worker until SIGTERM or SIGINT; jobs at hand are finished first.

    Raises:
        Conflict: the database is older than this code.
        BadInput: a secret file or a policy cannot be used.
        Unavailable: the database does not run.
    """
    settings.check_secrets(*_secrets_of(settings, "worker"))
    require_running(settings)
    require_migrated(settings, "worker")
    hub = open_hub(settings, "worker")
    try:
        worker.run(hub)
    finally:
        hub.close()


def _configured(hub: Hub) -> uvicorn.Config:
    api = hub.settings.api
    tls: dict[str, Any] = {
        "ssl_certfile": api.tls_certificate_file,
        "ssl_keyfile": api.tls_key_file,
        "ssl_context_factory": _with_tls_floor,
    }
    return uvicorn.Config(
        # by name: the hub knows no HTTP, and the two meet in this process only
        import_module("api.app").create_app(hub),
        http=BoundedHttp,
        loop="uvloop",
        ws="none",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **(tls if api.tls_certificate_file else {}),
        **UVICORN,
    )


def _with_tls_floor(_config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def _left_on_signals() -> Iterator[None]:
    """End by unwinding: uvicorn raises the signal again after its shutdown, and the default would skip ours."""

    def leave(_number: int, _frame: FrameType | None) -> Never:
        raise SystemExit(0)

    with ExitStack() as before:
        for number in (signal.SIGTERM, signal.SIGINT):
            before.callback(signal.signal, number, signal.signal(number, leave))
        yield


def _secrets_of(settings: Settings, program: str) -> list[str]:
    secrets = ["keys.master_key_file", "keys.signing_key_file", f"database.{program}_password_file"]
    return secrets if settings.api.tls_key_file is None else [*secrets, "api.tls_key_file"]

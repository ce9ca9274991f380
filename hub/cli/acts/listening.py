"""The socket the API listens on, and the tie between a program and the process that started it.

Light on purpose: who supervises the programs has no need of what they load.
"""

import ctypes
import os
import signal
import socket
import sys
from typing import Final

from hub.cli.catalogue import say
from hub.errors import Unavailable
from hub.settings import Settings

BACKLOG: Final = 512
_PR_SET_PDEATHSIG: Final = 1


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that takes connections from now on; they wait until somebody answers.

    Raises:
        Unavailable: the address is in use or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Unavailable(
            say("The API cannot listen there: {reason}.", reason=error.strerror),
            got=f"{host}:{port}",
            expected=say("an address of this machine and a free port"),
            action=say("Choose others with --host and --port, or in the settings under [api]."),
        ) from None


def url_of(settings: Settings, listener: socket.socket) -> str:
    """Return where requests are answered, as this machine reaches it."""
    host, port = listener.getsockname()[:2]
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with, not bound to
    scheme = "http" if settings.api.tls_certificate_file is None else "https"
    return f"{scheme}://{f'[{near}]' if ':' in near else near}:{port}"


def end_with(parent: int) -> None:
    """Have this process told to end (SIGTERM) when the process ``parent``, which started it, has ended in any way."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(0)

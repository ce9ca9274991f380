"""Beats: small duties done again and again in the worker, each safe to do twice and beside itself.

They are beats of the worker, not jobs of the queue, because a deadline is a matter of seconds: a job a second
would write more into the database than the duty itself.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from hub.errors import KessetsuError

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do every so often."""

    name: str
    every: timedelta
    do: Callable[[], object]


class Beat:
    """Does one duty in a thread of its own until stopped; a failure is logged and tried again at the next beat."""

    def __init__(self, duty: Duty) -> None:
        """Prepare; :meth:`start` begins."""
        self._duty = duty
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=duty.name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: timedelta = timedelta(seconds=10)) -> None:
        """Finish what is being done, and end."""
        self._stopped.set()
        self._thread.join(timeout.total_seconds())

    def _run(self) -> None:
        while not self._stopped.wait(self._duty.every.total_seconds()):
            self._once()

    def _once(self) -> None:
        try:
            self._duty.do()
        except KessetsuError as error:
            _log.warning("duty-failed", stage=self._duty.name, code=error.code)
        except Exception:  # noqa: BLE001 - a beat that ends would break a promise silently
            _log.exception("duty-failed", stage=self._duty.name)

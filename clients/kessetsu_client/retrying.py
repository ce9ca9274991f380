"""When a request is sent again, and when not."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kessetsu_client.errors import ConnectionFailed, HubError
from kessetsu_client.problems import error_of
from kessetsu_client.wire import Answer, Request, Steps, pause, send

NOTHING_TAKEN: Final = frozenset({429, 503, 507})
"""The hub says that it did nothing: safe to repeat whatever was asked."""
MAYBE_TAKEN: Final = frozenset({502, 504})
"""A proxy lost the answer: safe to repeat only what may be done twice."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on trying. Seconds throughout."""

    limit: float = 120.0
    """No attempt is begun later than this after the first."""
    first_pause: float = 0.5
    longest_pause: float = 30.0
    clock: Callable[[], float] = time.monotonic
    on_wait: Callable[[HubError, float], None] | None = None
    """Told the failure and the wait before each further attempt."""

    def pause_after(self, error: HubError, attempt: int) -> float:
        """Return the wait before the next attempt: what the hub asked for, else doubling with a random part."""
        if error.retry_after is not None:
            return error.retry_after
        doubled = min(self.longest_pause, self.first_pause * 2.0 ** min(attempt, 30))
        return doubled * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing


def may_repeat(error: HubError, request: Request) -> bool:
    """Tell whether sending ``request`` again after ``error`` can help and can do no harm."""
    if isinstance(error, ConnectionFailed):
        return not error.hopeless and (request.repeatable or not error.sent)
    return error.status in NOTHING_TAKEN or (request.repeatable and error.status in MAYBE_TAKEN)


def exchange(request: Request, patience: Patience) -> Steps[Answer]:
    """Send ``request`` until it is answered, refused, or patience ends.

    Raises:
        HubError: the refusal, or the last failure.
    """
    began = patience.clock()
    attempt = 0
    while True:
        try:
            answer = yield from send(request)
            error = error_of(answer)
        except ConnectionFailed as failure:
            error = failure
        if error is None:
            return answer
        wait = patience.pause_after(error, attempt)
        if not may_repeat(error, request) or patience.clock() - began + wait > patience.limit:
            raise error
        if patience.on_wait is not None:
            patience.on_wait(error, wait)
        yield from pause(wait)
        attempt += 1

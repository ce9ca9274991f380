"""Every error the client raises on purpose, as one closed tree.

``ClientError``
├── ``HubError``                the hub refused, failed or could not be reached; carries its problem (RFC 9457)
│   ├── ``BadInput``            the content is wrong (400, 415, 422 …); ``rows`` names refused rows
│   │   └── ``TooLarge``        past a stated limit (413)
│   ├── ``NotAuthenticated``    no token, or one that is unknown, expired or revoked (401)
│   ├── ``NotPermitted``        known, not entitled (403)
│   ├── ``NotFound``            not there, or not for this caller (404)
│   ├── ``Conflict``            contradicts what is stored (409)
│   ├── ``Gone``                was there; erased or recalled (410)
│   ├── ``Unavailable``         the hub cannot do it now (429, 5xx)
│   ├── ``UnreadableAnswer``    something answered, but not as a hub does
│   └── ``ConnectionFailed``    no answer: name, network, TLS or time-out
└── ``LocalError``              wrong on this machine, before or after the hub was asked
    ├── ``BadArgument``         a value that no hub could accept
    ├── ``BadConfiguration``    address, token file or settings file missing or unusable
    ├── ``JournalDamaged``      the record of an unfinished push cannot be read
    ├── ``FileChanged``         the file changed while it was being sent; nothing was handed over
    ├── ``FileExists``          the destination is there already
    └── ``ReceiptNotSaved``     the hub took the report, the receipt could not be written; it is in ``receipt``
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kessetsu_client.answers import Receipt


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in an input, as the hub states it."""

    where: str
    """JSON pointer, column, row or parameter."""
    code: str
    expected: str | None = None
    got: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """The members of an RFC 9457 problem document, as far as they were given."""

    status: int
    title: str
    type: str = "about:blank"
    detail: str | None = None
    code: str | None = None
    expected: str | None = None
    got: str | None = None
    action: str | None = None
    errors: tuple[Fault, ...] = ()
    request_id: str | None = None


class ClientError(Exception):
    """Base of every error the client raises on purpose."""


class HubError(ClientError):
    """The hub refused, failed or could not be reached."""

    def __init__(self, problem: Problem, *, retry_after: float | None = None) -> None:
        """Keep the problem; ``retry_after`` is the wait the hub asked for, in seconds."""
        super().__init__(problem.detail or problem.title)
        self.problem = problem
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """HTTP status; 0 where there was no answer."""
        return self.problem.status

    @property
    def code(self) -> str | None:
        """The hub's own word for it."""
        return self.problem.code

    @property
    def expected(self) -> str | None:
        """What would have been right."""
        return self.problem.expected

    @property
    def got(self) -> str | None:
        """What the hub saw instead; may hold an address, so do not log it."""
        return self.problem.got

    @property
    def action(self) -> str | None:
        """What to do next."""
        return self.problem.action

    @property
    def errors(self) -> tuple[Fault, ...]:
        """All faults, where there are several."""
        return self.problem.errors

    @property
    def request_id(self) -> str | None:
        """What to quote to the hub's operator."""
        return self.problem.request_id


_ROW = re.compile(r"\brow[ =:/]?(\d+)|^/?(?:records|rows)/(\d+)", re.IGNORECASE)


class BadInput(HubError):
    """The content is wrong; mend it and send it as a new report."""

    @property
    def rows(self) -> tuple[tuple[int, Fault], ...]:
        """Faults that name a row, with its 1-based number."""
        found = ((_ROW.search(fault.where), fault) for fault in self.errors)
        return tuple((int(match[1] or match[2]), fault) for match, fault in found if match)


class TooLarge(BadInput):
    """Past a stated limit of bytes or rows."""


class NotAuthenticated(HubError):
    """No token, or one that is unknown, expired or revoked."""


class NotPermitted(HubError):
    """The hub knows the caller and does not allow this."""


class NotFound(HubError):
    """Not there, or not there for this caller."""


class Conflict(HubError):
    """Contradicts what the hub has stored."""


class Gone(HubError):
    """Was there and is not any more: erased at its deadline, or recalled."""


class Unavailable(HubError):
    """The hub cannot do it now; the same request may be sent again."""


class UnreadableAnswer(HubError):
    """Something answered, but not as a hub does: a proxy's page, a redirect, another program."""


class ConnectionFailed(HubError):
    """No answer. ``sent`` tells whether any of the request may have reached the hub."""

    def __init__(self, detail: str, *, sent: bool, action: str | None = None, hopeless: bool = False) -> None:
        """``hopeless`` where trying again cannot help, as with a certificate that is not trusted."""
        super().__init__(Problem(status=0, title="The hub could not be reached.", detail=detail, action=action))
        self.sent = sent
        self.hopeless = hopeless


class LocalError(ClientError):
    """Wrong on this machine."""

    def __init__(self, message: str, *, action: str | None = None) -> None:
        """Say what is wrong and what to do about it."""
        super().__init__(message)
        self.message = message
        self.action = action


class BadArgument(LocalError, ValueError):
    """A value that no hub could accept."""


class BadConfiguration(LocalError):
    """Address, token file or settings file missing or unusable."""


class JournalDamaged(LocalError):
    """The record of an unfinished push cannot be read; a new key could double the report."""


class FileChanged(LocalError):
    """The file changed while it was being sent; nothing was handed over."""


class FileExists(LocalError):
    """The destination is there already."""


class ReceiptNotSaved(LocalError):
    """The hub took the report, but its receipt could not be written."""

    def __init__(self, message: str, receipt: "Receipt") -> None:
        """Carry the receipt, which exists nowhere else on this machine."""
        super().__init__(message, action="Make room or mend the directory, then repeat the same command.")
        self.receipt = receipt


BY_STATUS: Mapping[int, type[HubError]] = {
    401: NotAuthenticated,
    403: NotPermitted,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    429: Unavailable,
}


def error_class(status: int) -> type[HubError]:
    """Return the class of error that an HTTP status stands for."""
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status // 100 == 4:  # noqa: PLR2004 - the first digit of the status is its class (RFC 9110)
        return BadInput
    return Unavailable if status // 100 == 5 else UnreadableAnswer  # noqa: PLR2004 - as above

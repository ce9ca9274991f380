"""Every error the domain raises, as one closed tree without status codes.

``KessetsuError``
├── ``Refused``                 the caller asked for something it may not have, or sent something unusable
│   ├── ``BadInput``            the content is wrong; the caller can mend it
│   │   ├── ``BadEnvelope``     legal basis, purpose, mandate … missing or contradictory
│   │   ├── ``BadRecords``      the records cannot be read at all, or too many are wrong
│   │   └── ``TooLarge``        past a stated limit
│   ├── ``NotAuthenticated``    no credential, or one that is unknown, expired or revoked
│   ├── ``NotPermitted``        known caller, not entitled
│   ├── ``NotFound``            not there, or not there for this caller (the two are never told apart)
│   ├── ``Conflict``            contradicts what is stored
│   └── ``Gone``                was there; erased or recalled
└── ``Unavailable``             the hub cannot do it now; nothing was taken, try again
    ├── ``StorageFull``
    └── ``KeyServiceDown``
``KeyDestroyed``                the bucket key is gone: what it sealed can no longer be opened by anyone
``Tampered``                    a sealed value is not what it claims to be

An error says what was got, what was expected and what to do next. ``got`` is shown to the caller who
sent it and is never stored or logged: it may hold an address.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in an input, so that all of them can be reported at once."""

    where: str
    """JSON pointer, column or parameter."""
    code: str
    expected: str
    got: str | None = None


class KessetsuError(Exception):
    """Base of every error the domain raises on purpose."""

    code: str = "error"

    def __init__(
        self,
        message: str,
        *,
        expected: str | None = None,
        got: str | None = None,
        action: str | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        """Keep the parts apart: ``message`` and ``expected`` are safe to log, ``got`` is not."""
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.got = got
        self.action = action
        self.faults = tuple(faults)


class Refused(KessetsuError):
    """The hub will not do this; asking again the same way will not help."""

    code = "refused"


class BadInput(Refused):
    """The content is wrong; the caller can mend it."""

    code = "bad-input"


class BadEnvelope(BadInput):
    """What must accompany the records (basis, purpose, mandate, kind …) is missing or contradictory."""

    code = "bad-envelope"


class BadRecords(BadInput):
    """The records cannot be read, or rows are wrong and the caller asked for all or nothing."""

    code = "bad-records"


class TooLarge(BadInput):
    """Past a stated limit of bytes, rows or ratio."""

    code = "too-large"


class NotAuthenticated(Refused):
    """No credential, or one that is unknown, expired or revoked."""

    code = "not-authenticated"


class NotPermitted(Refused):
    """The caller is known and not entitled."""

    code = "not-permitted"


class NotFound(Refused):
    """Not there, or not there for this caller: the two are never told apart."""

    code = "not-found"


class Conflict(Refused):
    """Contradicts what is stored, as an idempotency key used for other content."""

    code = "conflict"


class Gone(Refused):
    """Was there and is not any more: erased at its deadline, or recalled."""

    code = "gone"


class Unavailable(KessetsuError):
    """The hub cannot do it now. Nothing was taken; the same request may be sent again."""

    code = "unavailable"


class StorageFull(Unavailable):
    """The database or the key store has no room."""

    code = "storage-full"


class KeyServiceDown(Unavailable):
    """The key service does not answer; new secrets are refused rather than stored in the clear."""

    code = "key-service-down"


class KeyDestroyed(KessetsuError):
    """The bucket key is gone: what it sealed can no longer be opened by anyone."""

    code = "key-destroyed"


class Tampered(KessetsuError):
    """A sealed value was changed, cut, reordered, or belongs to another object, owner or deadline.

    Which of these is not told: authenticated encryption does not know, and a guess would help an attacker.
    """

    code = "tampered"

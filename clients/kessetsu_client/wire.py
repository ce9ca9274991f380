"""What is said over the wire, without saying it: requests, answers and the steps between them.

An operation is a generator of :data:`Effect`; whoever runs it performs each effect, blocking or awaiting,
and hands the result back. So every operation is written once and serves both clients.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, TypeVar, cast

T = TypeVar("T")


class Body(Protocol):
    """A request body of known length that can be sent again from its beginning."""

    @property
    def length(self) -> int:
        """Bytes that one iteration yields."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body from its beginning."""
        ...


class Sink(Protocol):
    """Where the body of a successful answer goes instead of memory."""

    def begin(self, total: int | None) -> None:
        """Start over: drop what an earlier attempt wrote. ``total`` is the announced size in bytes."""
        ...

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One request below the hub's base address."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Body | None = field(default=None, repr=False)
    sink: Sink | None = field(default=None, repr=False)
    repeatable: bool = True
    """Whether sending it twice does no more than sending it once."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``headers`` are keyed in lower case; ``body`` is empty where a sink took it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request, give back its :class:`Answer`."""

    request: Request


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Do something that may block on the disk, give back what it returns."""

    act: Callable[[], object]


Effect: TypeAlias = Send | Pause | Work
Steps: TypeAlias = Generator[Effect, object, T]


def send(request: Request) -> Steps[Answer]:
    """Send ``request`` once."""
    return cast("Answer", (yield Send(request)))


def pause(seconds: float) -> Steps[None]:
    """Wait."""
    yield Pause(seconds)


def work(act: Callable[[], T]) -> Steps[T]:
    """Do disk work without holding up an event loop."""
    return cast("T", (yield Work(act)))

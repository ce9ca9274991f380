"""Multipart pushes, read as a stream: two parts in order, counted while they come, never on disk."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from anyio import CapacityLimiter
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from api.negotiation import WrongContentType
from hub.errors import BadInput, TooLarge, Unavailable

MAX_ENVELOPE_BYTES = 64 * 1024
FRAMING_BYTES = 16 * 1024
"""Bytes of a form that are neither envelope nor records: boundaries and the parts' headers."""
SMALL_BODY = 64 * 1024
"""Bytes of a JSON body that holds a few words."""
LARGE_BODY = 32 * 1024 * 1024
"""Bytes of a JSON body that holds a number per record of a parcel."""
SMALL_BYTES = 1024 * 1024
"""Up to this a push is small: checked in milliseconds."""
PARTS = (("envelope", "application/json"), ("records", "text/csv"))


@dataclass(frozen=True, slots=True)
class Upload:
    """A push as it came in."""

    envelope: bytes = field(repr=False)
    records: bytes = field(repr=False)


class UploadBudget:
    """Bytes of all uploads that one process holds at a time; past it, pushes are told to come again."""

    def __init__(self, limit: int) -> None:
        """Allow ``limit`` bytes over all uploads."""
        self._limit = limit
        self._used = 0

    @contextmanager
    def account(self) -> Iterator["Account"]:
        """Open an account for one upload; what it took is given back at the end."""
        account = Account(self)
        try:
            yield account
        finally:
            self._used -= account.taken

    def take(self, count: int) -> None:
        """Count bytes in, or refuse them.

        Raises:
            Unavailable: the process holds as much as it may.
        """
        if self._used + count > self._limit:
            raise Unavailable(
                "The hub is taking as many uploads as it can hold; nothing was taken.",
                action="Send the same push again after the stated time.",
            )
        self._used += count


@dataclass(frozen=True, slots=True)
class Checks:
    """How many pushes are checked at a time: a small urgent one never waits behind a large one."""

    small: CapacityLimiter
    large: CapacityLimiter

    def for_size(self, size: int) -> CapacityLimiter:
        """Return the limiter for a push of ``size`` bytes as sent."""
        return self.small if size <= SMALL_BYTES else self.large


@dataclass(slots=True)
class Account:
    """One upload's share of the budget."""

    budget: UploadBudget
    taken: int = 0

    def take(self, count: int) -> None:
        """Count bytes in."""
        self.budget.take(count)
        self.taken += count


class _Parts:
    """Collects the two parts from the parser's callbacks, each within its limit."""

    def __init__(self, max_records: int) -> None:
        self.limits = (MAX_ENVELOPE_BYTES, max_records)
        self.contents: list[bytearray] = []
        self.headers: dict[str, str] = {}
        self.ended = False
        self._field = bytearray()
        self._value = bytearray()

    def callbacks(self) -> dict[str, object]:
        """Return what the parser calls."""
        return {
            "on_part_begin": self.begin,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self.header_done,
            "on_headers_finished": self.headers_done,
            "on_part_data": self.data,
            "on_end": self.end,
        }

    def begin(self) -> None:
        """Start a part; there are two."""
        if len(self.contents) == len(PARTS):
            raise _wrong_parts("more than two parts")
        self.contents.append(bytearray())
        self.headers = {}

    def header_done(self) -> None:
        """Keep a part's header."""
        self.headers[self._field.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._field.clear()
        self._value.clear()

    def headers_done(self) -> None:
        """Check that this part is the one expected at this place."""
        name, content_type = PARTS[len(self.contents) - 1]
        disposition, options = parse_options_header(self.headers.get("content-disposition", ""))
        if disposition != b"form-data" or options.get(b"name") != name.encode():
            raise _wrong_parts("another part name or order")
        sent = parse_options_header(self.headers.get("content-type", ""))[0].decode("latin-1")
        if sent != content_type:
            raise WrongContentType(
                f"The part '{name}' is not of the type this route takes.",
                expected=content_type,
                got=sent or "none",
                action=f"Send it as {content_type}; gzip and zstd are recognised by their content.",
            )

    def data(self, data: bytes, start: int, end: int) -> None:
        """Append to the current part, within its limit."""
        place = len(self.contents) - 1
        if len(self.contents[place]) + end - start > self.limits[place]:
            raise too_large(self.limits[place], PARTS[place][0])
        self.contents[place].extend(memoryview(data)[start:end])

    def end(self) -> None:
        """Note the last boundary: without it the form was cut short, and the records with it."""
        self.ended = True


async def read_upload(request: Request, account: Account, *, max_body: int, timeout_seconds: float) -> Upload:
    """Read a push from the wire.

    Raises:
        WrongContentType, TooLarge, BadInput: as soon as it shows; the rest is not read.
        Unavailable: the client was too slow, or went away.
    """
    boundary = _boundary(request)
    largest = max_body + MAX_ENVELOPE_BYTES + FRAMING_BYTES
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > largest:
        raise too_large(max_body, "records")
    parts = _Parts(max_body)
    try:
        parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]  # its callback types are closed
        async with asyncio.timeout(timeout_seconds):
            async for chunk in _counted(request, account):
                if account.taken > largest:
                    raise too_large(max_body, "records")
                parser.write(chunk)
    except FormParserError:
        raise _wrong_parts("a body that is not multipart as announced") from None
    except (TimeoutError, ClientDisconnect):
        raise Unavailable("The upload did not end in time; nothing was taken.", action="Send it again.") from None
    if not parts.ended:
        raise _wrong_parts("a form without its last boundary")
    if len(parts.contents) != len(PARTS):
        raise _wrong_parts(f"{len(parts.contents)} part(s)")
    return Upload(bytes(parts.contents[0]), bytes(parts.contents[1]))


async def _counted(request: Request, account: Account) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        account.take(len(chunk))
        yield chunk


def _boundary(request: Request) -> bytes:
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if content_type != b"multipart/form-data" or not boundary:
        raise WrongContentType(
            "A report is pushed as a form of two parts.",
            expected="multipart/form-data with the parts 'envelope' (application/json) and 'records' (text/csv)",
            got=content_type.decode("latin-1") or "no content type",
            action="See POST /v1/reports in /openapi.json.",
        )
    return boundary


def _wrong_parts(got: str) -> BadInput:
    return BadInput(
        "The form does not have the two parts a report is made of.",
        expected="first 'envelope' (application/json), then 'records' (text/csv), nothing else",
        got=got,
        action="Send exactly these parts, in this order.",
    )


def too_large(limit: int, part: str) -> TooLarge:
    """Return the refusal of a part past its limit."""
    return TooLarge(
        f"The part '{part}' is larger than this hub takes.",
        expected=f"at most {limit:,} bytes as sent",
        got="more",
        action="Compress the records with gzip or zstd, or cut the report into several pushes.",
    )

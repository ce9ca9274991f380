"""The two clients: the same operations, over httpx, blocking or awaiting."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final, Self, TypedDict

import httpx

from kessetsu_client import VERSION
from kessetsu_client.address import hub_address, is_loopback
from kessetsu_client.decoding import unreadable
from kessetsu_client.errors import BadConfiguration, ConnectionFailed
from kessetsu_client.journal import Journal, default_receipts
from kessetsu_client.once import Awaiting, Blocking
from kessetsu_client.operations.account import Account
from kessetsu_client.operations.inbox import Inbox
from kessetsu_client.operations.reports import Reports
from kessetsu_client.retrying import Patience
from kessetsu_client.settings import Settings, load_settings
from kessetsu_client.wire import Answer, Body, Request, Sink

MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of an answer held in memory; records go to a file and are not bound by it."""
TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
"""Seconds without a byte moving."""


class _Options(TypedDict):
    base_url: str
    headers: dict[str, str]
    verify: ssl.SSLContext | bool
    timeout: httpx.Timeout
    trust_env: bool
    follow_redirects: bool


class _Member(Reports, Inbox, Account):
    """What both clients are made of: an address, a token, patience and a journal."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca_file: Path | str | None = None,
        receipts: Path | str | None = None,
        patience: Patience | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        """Nothing is sent yet.

        Args:
            url: the hub's address; ``http://`` only on this machine.
            token: the bearer token; see :meth:`from_settings` for one kept in a file.
            ca_file: certificates to trust instead of the public ones, PEM.
            receipts: directory of receipts and of the journal; default ``$XDG_STATE_HOME/kessetsu/receipts``.
            patience: how long to go on trying.
            timeout: how long to wait without a byte moving.

        Raises:
            BadConfiguration: where address, token or certificates cannot be used.
        """
        self.url = hub_address(url)
        self.patience = patience or Patience()
        self._journal = Journal(Path(receipts) if receipts is not None else default_receipts())
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise BadConfiguration("The token is not one line of visible ASCII.", action="Use it as the hub issued it.")
        self._options = _Options(
            base_url=self.url,
            headers={"authorization": f"Bearer {token}", "user-agent": f"kessetsu-client/{VERSION}"},
            verify=_trust(ca_file),
            timeout=timeout,
            # A proxy named in the environment must not see what goes to this very machine unencrypted.
            trust_env=not is_loopback(httpx.URL(self.url).host),
            follow_redirects=False,
        )

    @classmethod
    def from_settings(cls, settings: Settings | None = None, *, patience: Patience | None = None) -> Self:
        """Make a client from environment and settings file, or from ``settings``.

        Raises:
            BadConfiguration: where something is missing or unusable.
        """
        chosen = settings or load_settings()
        return cls(
            chosen.require_url(),
            chosen.read_token(),
            ca_file=chosen.ca_file,
            receipts=chosen.receipts,
            patience=patience,
        )

    def __repr__(self) -> str:
        """Show the address; never the token."""
        return f"{type(self).__name__}({self.url!r})"


class Client(_Member, Blocking):
    """Talks to the hub and returns when it has answered. One connection pool; usable from several threads."""

    _http: httpx.Client | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _send(self, request: Request) -> Answer:
        if self._http is None:
            self._http = httpx.Client(**self._options)
        body = request.body
        try:
            with self._http.stream(
                request.method,
                request.path,
                params=dict(request.params) or None,
                headers=_headers(request),
                content=body if isinstance(body, bytes) or body is None else iter(body),
            ) as response:
                intake = _Intake(request.sink, response)
                for chunk in response.iter_bytes():
                    intake.take(chunk)
                return intake.answer()
        except httpx.RequestError as error:
            raise _connection_failed(error) from error


class AsyncClient(_Member, Awaiting):
    """Talks to the hub on the running asyncio loop."""

    _http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _send(self, request: Request) -> Answer:
        if self._http is None:
            self._http = httpx.AsyncClient(**self._options)
        body = request.body
        try:
            async with self._http.stream(
                request.method,
                request.path,
                params=dict(request.params) or None,
                headers=_headers(request),
                content=body if isinstance(body, bytes) or body is None else _read_in_threads(body),
            ) as response:
                intake = await asyncio.to_thread(_Intake, request.sink, response)
                async for chunk in response.aiter_bytes():
                    await intake.take_in_thread(chunk)
                return intake.answer()
        except httpx.RequestError as error:
            raise _connection_failed(error) from error


class _Intake:
    """Takes an answer in: a success into the sink where there is one, all else into bounded memory."""

    def __init__(self, sink: Sink | None, response: httpx.Response) -> None:
        self._sink = sink if response.is_success else None
        self._response = response
        self._body = bytearray()
        if self._sink is not None:
            encoded = "content-encoding" in response.headers
            length = response.headers.get("content-length", "")
            self._sink.begin(int(length) if length.isdecimal() and not encoded else None)

    def take(self, chunk: bytes) -> None:
        """Take one piece of the body."""
        if self._sink is not None:
            self._sink.write(chunk)
        elif len(self._body) + len(chunk) > MAX_ANSWER:
            raise unreadable(self.answer(), f"longer than {MAX_ANSWER} bytes")
        else:
            self._body += chunk

    async def take_in_thread(self, chunk: bytes) -> None:
        """Take one piece; into a sink without holding up the loop."""
        if self._sink is None:
            self.take(chunk)
        else:
            await asyncio.to_thread(self.take, chunk)

    def answer(self) -> Answer:
        """Return what has come."""
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        return Answer(self._response.status_code, headers, bytes(self._body))


async def _read_in_threads(body: Body) -> AsyncIterator[bytes]:
    pieces: Iterator[bytes] = iter(body)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _headers(request: Request) -> dict[str, str]:
    headers = dict(request.headers)
    if request.body is not None and not isinstance(request.body, bytes):
        headers["content-length"] = str(request.body.length)
    return headers


def _trust(ca_file: Path | str | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        raise BadConfiguration(
            f"The certificates in {ca_file} cannot be used: {reason}", action="Give a PEM file of certificates."
        ) from None


def _connection_failed(error: httpx.RequestError) -> ConnectionFailed:
    cause = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in cause:
        return ConnectionFailed(
            f"The hub's certificate is not trusted: {cause}",
            sent=False,
            hopeless=True,
            action="If the hub has its own authority, name its certificates (KESSETSU_CA_FILE).",
        )
    never_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
    return ConnectionFailed(
        cause,
        sent=not isinstance(error, never_sent),
        hopeless=isinstance(error, httpx.UnsupportedProtocol),
        action="Check the address and the network, then repeat the command; nothing is done twice.",
    )

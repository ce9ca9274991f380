"""uvicorn's HTTP protocol with two limits it has for another parser only: how large and how slow a head may be."""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers together; ours take less than 2 KiB."""
HEAD_SECONDS: Final = 20.0


class BoundedHttp(HttpToolsProtocol):
    """Ends a connection whose request does not come to the end of its headers."""

    _head_bytes = 0
    _in_head = True
    _shared = False
    """Whether what was just read holds the end of something else too, and so says nothing of the head's size."""
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and count what belongs to a head that goes on."""
        self._shared = not self._in_head
        super().data_received(data)
        if not self._in_head or self._shared:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Request line and headers are too large.")

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Note that the head is there."""
        self._in_head, self._shared = False, True
        self._stop_waiting()
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

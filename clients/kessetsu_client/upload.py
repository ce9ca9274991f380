"""A push as a multipart body, read from the disk while it is sent."""

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from kessetsu_client.errors import FileChanged
from kessetsu_client.files import Progress, open_regular

CHUNK: Final = 256 * 1024


class RecordsFile:
    """A file of records, known by its content: what is sent must be what was looked at."""

    def __init__(self, path: Path) -> None:
        """Read the file once, in pieces.

        Raises:
            BadArgument: where it is not a regular file, which alone can be sent again.
        """
        self.path = path
        digest = hashlib.sha256()
        self.size = 0
        with open_regular(path) as file:
            for chunk in _chunks(file):
                digest.update(chunk)
                self.size += len(chunk)
        self.digest = digest.digest()

    def chunks(self) -> Iterator[bytes]:
        """Yield the content once more, holding back the last piece until all is seen to be unchanged.

        Raises:
            FileChanged: where it is not what it was.
        """
        digest, size, held = hashlib.sha256(), 0, b""
        with open_regular(self.path) as file:
            for chunk in _chunks(file):
                size += len(chunk)
                if size > self.size:
                    break
                digest.update(chunk)
                if held:
                    yield held
                held = chunk
        if size != self.size or digest.digest() != self.digest:
            raise FileChanged(
                f"{self.path} changed while it was being sent; nothing was handed over.",
                action="Repeat the command when nothing writes to the file any more.",
            )
        yield held


class PushBody:
    """The two parts of a push, envelope first, as ``multipart/form-data`` (RFC 7578)."""

    def __init__(self, envelope: bytes, records: RecordsFile, progress: Progress | None = None) -> None:
        """Neither part names the file it came from: paths may say more than the member means to."""
        boundary = secrets.token_hex(24)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._head = (
            _part_head(boundary, 'name="envelope"', "application/json")
            + envelope
            + b"\r\n"
            + _part_head(boundary, 'name="records"; filename="records.csv"', "text/csv")
        )
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._records = records
        self._progress = progress

    @property
    def length(self) -> int:
        """Bytes in all."""
        return len(self._head) + self._records.size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body from its beginning."""
        sent = 0
        for piece in self._pieces():
            self._tell(sent)
            yield piece
            sent += len(piece)
        self._tell(sent)

    def _pieces(self) -> Iterator[bytes]:
        yield self._head
        yield from self._records.chunks()
        yield self._tail

    def _tell(self, sent: int) -> None:
        if self._progress is not None:
            self._progress(sent, self.length)


def _part_head(boundary: str, disposition: str, media_type: str) -> bytes:
    return (
        f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {media_type}\r\n\r\n"
    ).encode()


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(CHUNK), b"")

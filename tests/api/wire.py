"""Requests that no well-behaved client makes, byte by byte."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from uuid import uuid4

import httpx
import orjson

from tests.support.instance import Instance, Party, attack, csv_of

BOUNDARY = "kessetsu-test-boundary"
ENVELOPE, RECORDS = ("envelope", "application/json"), ("records", "text/csv")


def part(name: str | None, content_type: str | None, content: bytes) -> bytes:
    """Return one part of a form; without name or type where none is given."""
    named = "" if name is None else f'; name="{name}"; filename="f"'
    typed = "" if content_type is None else f"Content-Type: {content_type}\r\n"
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data{named}\r\n{typed}\r\n"
    return head.encode() + content + b"\r\n"


def form(*parts: bytes, end: bool = True) -> bytes:
    """Return a form, with or without its last boundary."""
    return b"".join(parts) + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


def good_form(sources: list[str]) -> bytes:
    """Return a form that would be taken."""
    envelope = orjson.dumps(attack(mandate=f"m-{uuid4()}"))
    return form(part(*ENVELOPE, envelope), part(*RECORDS, csv_of(sources).encode()))


def push_headers(party: Party, **changes: str) -> dict[str, str]:
    """Return the headers of a push of ``form()``."""
    headers = {
        **party.headers,
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Idempotency-Key": uuid4().hex,
    }
    return headers | {name.replace("_", "-"): value for name, value in changes.items()}


def stored(instance: Instance) -> int:
    """Count what was taken: reports and ciphertext."""
    with instance.database.connect() as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM reports) + (SELECT count(*) FROM sealed_objects)"
            " + (SELECT count(*) FROM jobs.procrastinate_jobs)"
        ).fetchone()
    assert row is not None
    return int(row[0])


@dataclass
class Wire:
    """One connection to the API."""

    socket: socket.socket

    @classmethod
    def to(cls, url: str | httpx.URL) -> Self:
        """Connect."""
        parsed = httpx.URL(url)
        return cls(socket.create_connection((parsed.host, parsed.port or 80), timeout=20))

    def head(self, headers: Mapping[str, str], path: str = "/v1/reports") -> None:
        """Send request line and headers."""
        lines = [f"POST {path} HTTP/1.1", "Host: hub", *(f"{name}: {value}" for name, value in headers.items())]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def answer(self) -> tuple[int, bytes]:
        """Read until the other side closes; returns status and everything."""
        received = b""
        try:
            while piece := self.socket.recv(65_536):
                received += piece
        except ConnectionResetError:
            pass  # closed with bytes of ours unread: what came before it counts
        return int(received[9:12] or 0), received

    def __enter__(self) -> Self:
        """Use as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self.socket.close()

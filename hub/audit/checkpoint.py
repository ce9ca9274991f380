"""Signed checkpoints: the log's size and root at a moment, as a note anybody can check with the hub's key.

The body is a C2SP tlog-checkpoint (origin, size, root); the signature line carries key name and signature.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Protocol, Self

ORIGIN = "kessetsu/audit"
_PARTS = 2


class NoteSigner(Protocol):
    """Signs bytes; :class:`hub.sealing.signing.Signer`."""

    def sign(self, data: bytes) -> str:
        """Return an Ed25519 signature, base64."""
        ...


class NoteVerifier(Protocol):
    """Checks a signature; :func:`hub.sealing.signing.verify`."""

    def __call__(self, public_text: str, data: bytes, signature: str) -> bool:
        """Tell whether ``signature`` is over ``data`` by that key."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log at one size."""

    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The signed text: origin, size, root, each on a line."""
        return f"{ORIGIN}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def signed(self, signer: NoteSigner) -> str:
        """Return the note: body, empty line, signature line."""
        return f"{self.body}\n\u2014 {ORIGIN} {signer.sign(self.body.encode())}\n"

    @classmethod
    def opened(cls, note: str, public_text: str, verify: NoteVerifier) -> Self | None:
        """Return what a note says, ``None`` unless it is whole and signed by the key."""
        parts = note.split("\n\n")
        if len(parts) != _PARTS:
            return None
        body = parts[0] + "\n"
        marker, _, signature = parts[1].rstrip("\n").rpartition(" ")
        if marker != f"\u2014 {ORIGIN}" or not verify(public_text, body.encode(), signature):
            return None
        return cls._parsed(body)

    @classmethod
    def _parsed(cls, body: str) -> Self | None:
        try:
            origin, size, root = body.rstrip("\n").split("\n")
            checkpoint = cls(int(size), base64.b64decode(root, validate=True))
        except (ValueError, binascii.Error):
            return None
        return checkpoint if origin == ORIGIN and checkpoint.body == body else None

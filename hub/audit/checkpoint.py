"""Signed checkpoints: the log's size and root at a moment, as a note anybody can check with the hub's key.

The body is a C2SP tlog-checkpoint (origin, size, root) and the whole a C2SP signed note with an Ed25519 signature, so
that the usual tools of transparency logs read it. Whoever keeps one can show later whether the log still holds it.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final, Protocol, Self

ORIGIN: Final = "kessetsu/audit"
_MARK: Final = f"\u2014 {ORIGIN} "
_ED25519: Final = b"\x01"
_KEY_ID_BYTES: Final = 4


class NoteSigner(Protocol):
    """Signs bytes; :class:`hub.sealing.signing.Signer`."""

    @property
    def public_text(self) -> str:
        """The public key, base64 of its 32 bytes."""
        ...

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
        signature = base64.b64decode(signer.sign(self.body.encode()))
        return f"{self.body}\n{_MARK}{base64.b64encode(_key_id(signer.public_text) + signature).decode()}\n"

    @classmethod
    def opened(cls, note: str, public_text: str, verify: NoteVerifier) -> Self | None:
        """Return what a note says, ``None`` unless it is whole and signed by the key; others may have signed too."""
        body, gap, lines = note.partition("\n\n")
        body += "\n"
        signed = (
            signature is not None and verify(public_text, body.encode(), signature)
            for signature in (_signature_in(line, public_text) for line in lines.splitlines())
        )
        return cls._parsed(body) if gap and lines.endswith("\n") and any(signed) else None

    @classmethod
    def _parsed(cls, body: str) -> Self | None:
        try:
            origin, size, root = body.removesuffix("\n").split("\n")
            checkpoint = cls(int(size), base64.b64decode(root, validate=True))
        except (ValueError, binascii.Error):
            return None
        return checkpoint if origin == ORIGIN and checkpoint.body == body else None


def verifier_key(public_text: str) -> str:
    """Return the hub's key as signed-note tools take it: name, key id and public key."""
    key = base64.b64encode(_ED25519 + base64.b64decode(public_text)).decode()
    return f"{ORIGIN}+{_key_id(public_text).hex()}+{key}"


def _key_id(public_text: str) -> bytes:
    named = ORIGIN.encode() + b"\n" + _ED25519 + base64.b64decode(public_text)
    return hashlib.sha256(named).digest()[:_KEY_ID_BYTES]


def _signature_in(line: str, public_text: str) -> str | None:
    """Return the signature of a line that names this log and key."""
    try:
        content = base64.b64decode(line.removeprefix(_MARK), validate=True)
    except (ValueError, binascii.Error):
        return None
    if not line.startswith(_MARK) or content[:_KEY_ID_BYTES] != _key_id(public_text):
        return None
    return base64.b64encode(content[_KEY_ID_BYTES:]).decode()

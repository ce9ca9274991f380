"""The hub's signature: Ed25519 (RFC 8032) on receipts, certificates and checkpoints."""

import base64
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hub.errors import BadInput
from hub.sealing.files import create_private, read_private

_WHAT = "signing key file"


class Signer:
    """Signs with one Ed25519 key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Sign with ``key``."""
        self._key = key
        self.public_text = base64.b64encode(key.public_key().public_bytes_raw()).decode()
        """Base64 of the 32-byte public key: what members check signatures with."""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read an unencrypted PKCS#8 PEM from a private file.

        Raises:
            BadInput: the file is missing, readable by others, or holds something else.
        """
        try:
            key = load_pem_private_key(read_private(path, _WHAT), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise _no_key(path) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _no_key(path)
        return cls(key)

    @classmethod
    def generate(cls, path: Path) -> Self:
        """Make a new key in a new file of mode 0600, on disk when this returns.

        Raises:
            BadInput: something is there already.
        """
        key = Ed25519PrivateKey.generate()
        create_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), _WHAT)
        return cls(key)

    def sign(self, data: bytes) -> str:
        """Return the signature of ``data``, base64."""
        return base64.b64encode(self._key.sign(data)).decode()


def verify(public_text: str, data: bytes, signature: str) -> bool:
    """Tell whether ``signature`` is that of ``data`` by the key of ``public_text``."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_text, validate=True))
        key.verify(base64.b64decode(signature, validate=True), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _no_key(path: Path) -> BadInput:
    return BadInput(
        f"The {_WHAT} at {path} cannot be used: it holds no Ed25519 key.",
        expected="an unencrypted PKCS#8 PEM of an Ed25519 key",
        action="Restore the file from where it is kept safe; members know the key it belongs to.",
    )

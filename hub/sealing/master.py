"""The master key: wraps the bucket keys and nothing else."""

import base64
import os
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import BadInput
from hub.sealing.derive import KEY_BYTES, NONCE_BYTES, derived
from hub.sealing.files import create_private, read_private

_WHAT = "master key file"


class MasterKey:
    """A 256-bit key. What it wraps is bound to a name, so that wrapped keys cannot change places.

    Wrapping is AES-256-GCM under a random 96-bit nonce: a few ten thousand keys a year are far from the 2^32
    that NIST SP 800-38D (section 8.3) allows under one key.
    """

    def __init__(self, key: bytes) -> None:
        """Use 32 random bytes."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a master key has {KEY_BYTES} bytes")
        self._wrapping = AESGCM(derived(key, b"kessetsu master wrap v1"))
        self.fingerprint = derived(key, b"kessetsu master fingerprint v1")[:16].hex()
        """Tells two master keys apart without telling anything about either."""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read base64 text of 32 bytes from a private file.

        Raises:
            BadInput: the file is missing, readable by others, or holds something else.
        """
        try:
            key = base64.b64decode(read_private(path, _WHAT).strip(), validate=True)
            return cls(key)
        except ValueError:
            raise BadInput(
                f"The {_WHAT} at {path} cannot be used: it holds no master key.",
                expected=f"base64 of {KEY_BYTES} random bytes",
                action="Restore the file from where it is kept safe; a new key opens nothing the old one wrapped.",
            ) from None

    @classmethod
    def generate(cls, path: Path) -> Self:
        """Make a new key in a new file of mode 0600, on disk when this returns.

        Raises:
            BadInput: something is there already.
        """
        key = os.urandom(KEY_BYTES)
        create_private(path, base64.b64encode(key) + b"\n", _WHAT)
        return cls(key)

    def wrap(self, name: str, key: bytes) -> bytes:
        """Return ``key`` encrypted, bound to ``name``."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._wrapping.encrypt(nonce, key, name.encode())

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Return what :meth:`wrap` encrypted for the same name.

        Raises:
            ValueError: changed, cut, wrapped for another name or by another key.
        """
        try:
            return self._wrapping.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise ValueError("not a key this master key wrapped for this name") from None

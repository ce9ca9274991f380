"""Keys from keys: one purpose each, so that no key is ever used by two algorithms."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


def derived(key: bytes, purpose: bytes) -> bytes:
    """Return the 256-bit key of ``purpose`` under ``key`` (HKDF-SHA256, RFC 5869, no salt)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)

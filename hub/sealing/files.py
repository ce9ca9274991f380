"""Files that hold keys: private when made, on disk before anybody relies on them, overwritten when they go.

Each function is a fixed order of system calls, and a process may be killed between any two of them. What
holds at every such point stands in the docstrings, and ``tests/unit/sealing/test_kill_safety.py`` kills there.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from hub.errors import BadInput, KeyServiceDown, StorageFull

PRIVATE_MODES = frozenset({0o600, 0o400})
TEMPORARY = ".tmp"
"""Suffix of files not yet in place; they are never read."""

_MAX_SECRET = 65_536
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def key_store_troubles() -> Iterator[None]:
    """Raise the domain's errors for a full, broken or missing key store; new secrets are refused, never kept plain."""
    try:
        yield
    except OSError as trouble:
        if trouble.errno in _FULL:
            raise StorageFull(
                "The key store has no room; nothing was taken.",
                action="Send the same request again later; the operator has to make room in the key store.",
            ) from None
        raise key_store_down(f"The key store does not answer ({trouble.strerror or 'unknown reason'}).") from None


def key_store_down(message: str) -> KeyServiceDown:
    """Return the error for a key store that cannot be relied on now."""
    return KeyServiceDown(
        f"{message} Nothing was taken.",
        expected="a key store that is mounted, initialised and writable by this account",
        action="Send the same request again later; the operator has to look at the key store.",
    )


def read_private(path: Path, what: str) -> bytes:
    """Read a secret file after checking, on the open file itself, that nobody else can.

    Raises:
        BadInput: not there, not a regular file, of another account, or readable by others.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not make us wait
    except OSError as trouble:
        raise _unusable(path, what, trouble.strerror or "unreadable", "make it with `kessetsu init`") from None
    try:
        _require_private(os.fstat(descriptor), path, what)
        return os.read(descriptor, _MAX_SECRET)
    finally:
        os.close(descriptor)


def create_private(path: Path, content: bytes, what: str) -> None:
    """Write a new secret file of mode 0600; it is on disk when this returns, and never replaces another.

    Raises:
        BadInput: something is there already, or nothing can be written there.
    """
    try:
        _write_new(path, content)
        sync_directory(path.parent)
    except FileExistsError:
        raise _unusable(path, what, "it is there already", "keep it, or name another path") from None
    except OSError as trouble:
        raise _unusable(path, what, trouble.strerror or "unwritable", "name a path this account may write") from None


def place(path: Path, content: bytes) -> bool:
    """Put a whole file at ``path`` unless one is there; tell whether it was this one.

    Killed at any point, ``path`` holds a complete file or none. When this returns, the file at ``path``,
    whoever made it, is on disk.
    """
    temporary = _temporary(path)
    try:
        _write_new(temporary, content)
        os.link(temporary, path)
    except FileExistsError:
        placed = False
    else:
        placed = True
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    sync_directory(path.parent)
    return placed


def shred(path: Path) -> bool:
    """Overwrite a file where it lies, then remove it; tell whether it was there. May be done again at any point.

    A file system that writes elsewhere (copy on write, flash) may keep the old blocks for a while: what they
    hold is still wrapped by the master key.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        _write_all(descriptor, os.urandom(os.fstat(descriptor).st_size))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    with suppress(FileNotFoundError):  # another process finished the same erasure
        path.unlink()
    sync_directory(path.parent)
    return True


def sync_directory(directory: Path) -> None:
    """Bring the names in ``directory`` to disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_private(status: os.stat_result, path: Path, what: str) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise _unusable(path, what, "it is not a regular file", "name the file that holds the key")
    if mode not in PRIVATE_MODES:
        mend = f"chmod 600 {path}, and replace the key if others may have read it"
        raise _unusable(path, what, f"its mode is {mode:04o}", mend)
    if status.st_uid not in {0, os.geteuid()}:
        raise _unusable(path, what, f"it belongs to user {status.st_uid}", f"chown it to user {os.geteuid()}")


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex}{TEMPORARY}")


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _unusable(path: Path, what: str, why: str, action: str) -> BadInput:
    return BadInput(
        f"The {what} at {path} cannot be used: {why}.",
        expected="a regular file of mode 0600 or 0400 that belongs to this account or to root",
        action=action,
    )

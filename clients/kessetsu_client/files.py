"""Files only their owner can read, that are there whole or not at all."""

import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from kessetsu_client.errors import BadArgument, FileExists

Progress = Callable[[int, int | None], None]
"""Told bytes done and bytes in all (``None``: unknown); starts again at 0 when an attempt is repeated."""


class PrivateFile:
    """A file of mode 0600 that appears under its name only when :meth:`keep` is called.

    Also a :class:`~kessetsu_client.wire.Sink`: an answer can be written into it.
    """

    def __init__(self, path: Path, *, replace: bool, progress: Progress | None = None) -> None:
        """Write beside ``path``; ``replace`` allows a regular file to be there already."""
        refuse_unless_free(path, replace=replace)
        self.path = path
        self.size = 0
        self._replace = replace
        self._progress = progress
        self._total: int | None = None
        self._temporary = path.with_name(f".kessetsu-{secrets.token_hex(8)}.part")
        self._file = os.fdopen(os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was not kept."""
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def begin(self, total: int | None) -> None:
        """Start over, as for a repeated attempt."""
        self._file.seek(0)
        self._file.truncate()
        self.size, self._total = 0, total
        self._tell()

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``."""
        self._file.write(chunk)
        self.size += len(chunk)
        self._tell()

    def keep(self) -> None:
        """Put the file under its name, on the disk for good.

        Raises:
            FileExists: where the name was taken meanwhile.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._replace:
            self._temporary.replace(self.path)
        else:
            _link_new(self._temporary, self.path)
        sync_directory(self.path.parent)

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.size, self._total)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read it, without waiting on a pipe that nobody writes to.

    Raises:
        BadArgument: where it is something else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadArgument(f"{path} is not a regular file.", action="Save its content to a file and name that.")
    return os.fdopen(descriptor, "rb")


def refuse_unless_free(path: Path, *, replace: bool) -> None:
    """Refuse a destination that is taken.

    Raises:
        FileExists: where something is there and may not be replaced; devices and directories never may.
    """
    if path.is_symlink() or path.exists():
        if not replace:
            raise FileExists(f"{path} is there already.", action="Name another file, or allow it to be replaced.")
        if path.is_symlink() or not path.is_file():
            raise FileExists(f"{path} is not a regular file.", action="Name another file.")


def write_private(path: Path, content: bytes) -> None:
    """Put ``content`` under ``path`` unless something is there already.

    Raises:
        FileExists: where something is; it stays as it is.
    """
    with PrivateFile(path, replace=False) as file:
        file.write(content)
        file.keep()


def replace_private(path: Path, content: bytes) -> None:
    """Put ``content`` under ``path`` in place of what is there."""
    with PrivateFile(path, replace=True) as file:
        file.write(content)
        file.keep()


def private_directory(path: Path) -> Path:
    """Make ``path`` and what is missing above it, mode 0700; what is there keeps its mode."""
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    for directory in reversed(missing):
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        sync_directory(directory.parent)
    return path


def sync_directory(path: Path) -> None:
    """Put the names in a directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link_new(source: Path, target: Path) -> None:
    """Name a file, failing where the name is taken: a rename would overwrite it."""
    try:
        target.hardlink_to(source)
    except FileExistsError:
        raise FileExists(f"{target} is there already.", action="Name another file.") from None

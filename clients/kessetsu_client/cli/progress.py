"""A progress bar on stderr, where that is a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kessetsu_client.cli.session import Session
from kessetsu_client.files import Progress


@contextmanager
def progress_bar(session: Session, label: str) -> Iterator[Progress | None]:
    """Give what the library tells its progress to; ``None`` where nobody would see it."""
    if session.json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415 - as above

    console = Console(stderr=True, markup=False, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    before = session.announce
    with Progress(*columns, console=console, transient=True) as display:
        task = display.add_task(label, total=None)
        session.announce = console.print
        try:
            yield lambda done, total: display.update(task, completed=done, total=total)
        finally:
            session.announce = before

"""``python -m hub.demo``: show the whole way of a report on a hub of its own, then remove it."""

import argparse
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from httpx import HTTPError

from hub import logs
from hub.clock import SystemClock
from hub.demo import story
from hub.demo.instance import Instance
from hub.demo.screen import Screen
from hub.demo.stage import Stage
from hub.demo.texts import LANGUAGES, VOICE, language_of, say
from hub.errors import Conflict, KessetsuError
from hub.store.embedded import EmbeddedServer
from kessetsu_client import ClientError

KEPT: Final = ".demo"
"""Directory, below the current one, of a demo that is kept."""
DEFAULT_SIZE: Final = 400_000
SMALLEST: Final = 1_000
LARGEST: Final = 760_000
WELL, BROKEN, FAILED, INTERRUPTED = 0, 1, 3, 130
_LOCK: Final = ".lock"


class Told(BaseException):
    """The demo was told to end: Ctrl-C or SIGTERM."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns 0 where every promise was kept, 1 where one was not, 3 where it could not be shown."""
    given = _parse(sys.argv[1:] if arguments is None else arguments)
    logs.configure("demo")
    logs.forbid_core_dumps()  # the carriers' records are in this process, too
    VOICE.language = given.lang or language_of(os.environ)
    screen = Screen()
    try:
        with _ended_by_signals(), _directory(keep=given.keep) as base:
            return _run(screen, base, given.size, keep=given.keep)
    except Told:
        screen.line(say("Ended and removed."))
        return INTERRUPTED
    except (KessetsuError, ClientError, HTTPError, OSError) as error:
        _tell(screen, error)
        return FAILED


def _run(screen: Screen, base: Path, size: int, *, keep: bool) -> int:
    clock = SystemClock()
    instance = Instance(base, clock, VOICE.language)
    stage = Stage(screen, instance, clock, VOICE.language, size)
    try:
        story.play(stage)
        story.point_onwards(stage)
        if keep:
            with suppress(Told):  # from here on, being told is the proper end
                story.keep_open(stage)
    finally:
        _undisturbed(instance.remove)
    screen.line(say("The hub, its database and every file of the demo are removed."))
    return BROKEN if stage.broken else WELL


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hub.demo", description="Show the whole way of a report on a hub of its own, then remove it."
    )
    parser.add_argument(
        "--keep", action="store_true", help=f"stay up; {KEPT}/access.json tells scripts how to reach it"
    )
    parser.add_argument(
        "--size", type=_size, default=DEFAULT_SIZE, help=f"flows of the attack, {SMALLEST:,} to {LARGEST:,}"
    )
    parser.add_argument("--lang", choices=LANGUAGES, help="language; otherwise by LC_ALL and LANG")
    return parser.parse_args(arguments)


def _size(text: str) -> int:
    size = int(text)
    if not SMALLEST <= size <= LARGEST:
        raise argparse.ArgumentTypeError(f"expected {SMALLEST:,} to {LARGEST:,}")
    return size


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    def tell(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Told

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _undisturbed(act: Callable[[], None]) -> None:
    """Do it to its end: whoever presses Ctrl-C again would leave processes behind."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        act()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _directory(*, keep: bool) -> Iterator[Path]:
    """Give an empty private directory, and remove it at the end."""
    if not keep:
        base = Path(tempfile.mkdtemp(prefix="kessetsu-demo-"))
        try:
            yield base
        finally:
            shutil.rmtree(base, ignore_errors=True)
        return
    base = Path.cwd() / KEPT
    base.mkdir(mode=0o700, exist_ok=True)
    with (base / _LOCK).open("w") as lock:
        _take(lock.fileno(), base)
        _clear(base)
        try:
            yield base
        finally:
            shutil.rmtree(base, ignore_errors=True)


def _take(lock: int, base: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict(
            say("A demo is running in {directory}.", directory=base),
            action=say("End it with Ctrl-C where it runs, or start this one from another directory."),
        ) from None


def _clear(base: Path) -> None:
    """Remove what a killed demo left."""
    with suppress(KessetsuError):
        EmbeddedServer(base / "hub" / "database").remove()
    for left in base.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != _LOCK:
            left.unlink()


def _tell(screen: Screen, error: Exception) -> None:
    action = getattr(error, "action", None)
    screen.check(False, say("The demo could not go on: {why}", why=error))
    if action:
        screen.line(say("What to do: {action}", action=action))


if __name__ == "__main__":
    raise SystemExit(main())

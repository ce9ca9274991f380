"""Memory of the hub's processes, looked at from a process of its own while they work.

Counted is the proportional set size (proc(5), ``smaps_rollup``): a page that several processes share, as
PostgreSQL's buffers, counts once in the sum.
"""

import multiprocessing
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import psutil

EVERY: Final = 0.05
_CHILDREN_EVERY: Final = 0.5


@dataclass
class Peaks:
    """The most that was seen, in MiB; filled in when the looking ends."""

    total: float = 0.0
    """Of the sum over all processes at one moment."""
    each: dict[str, float] = field(default_factory=dict)
    """Of each program with its children, at moments of their own."""
    looks: int = 0
    gap: float = 0.0
    """Longest time between two looks, in seconds."""


@contextmanager
def watched(processes: Mapping[str, psutil.Process]) -> Iterator[Peaks]:
    """Look at the processes and their children meanwhile."""
    peaks = Peaks()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    pids = {name: process.pid for name, process in processes.items()}
    looker = context.Process(target=_look, args=(pids, theirs), daemon=True)
    looker.start()
    ours.recv()
    try:
        yield peaks
    finally:
        ours.send("end")
        peaks.total, peaks.each, peaks.looks, peaks.gap = ours.recv()
        looker.join()


def _look(pids: dict[str, int], pipe: Connection) -> None:
    """Look until told to end, then tell the peaks."""
    groups: dict[str, list[int]] = {}
    looked_up = last = float("-inf")
    total, each, looks, gap = 0.0, dict.fromkeys(pids, 0.0), 0, 0.0
    pipe.send("ready")
    while not pipe.poll():
        now = time.monotonic()
        if now - looked_up > _CHILDREN_EVERY:
            groups = {name: _family(pid) for name, pid in pids.items()}
            looked_up = now
        sizes = {name: sum(map(_proportional, family)) for name, family in groups.items()}
        total = max(total, sum(sizes.values()))
        each = {name: max(each[name], size) for name, size in sizes.items()}
        gap = max(gap, now - last) if looks else 0.0
        looks, last = looks + 1, now
        time.sleep(max(0.0, now + EVERY - time.monotonic()))
    pipe.recv()
    pipe.send((total, each, looks, gap))


def _family(pid: int) -> list[int]:
    with suppress(psutil.NoSuchProcess):
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return []


def _proportional(pid: int) -> float:
    """Return a process's proportional set size in MiB; 0 where it has just ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0

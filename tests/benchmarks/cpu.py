"""Processor time of the hub's programs: what a machine that others use too does not blur as it blurs the clock."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

Spent = Mapping[str, float]
"""Seconds on a core, by program with its children."""


def spent(processes: Mapping[str, psutil.Process]) -> Spent:
    """Return what each program has used since it began, ended children included."""
    return {name: _ended_children(process) + sum(map(_own, _family(process))) for name, process in processes.items()}


def difference(before: Spent, after: Spent) -> Spent:
    """Return what was used between two looks."""
    return {name: after[name] - before[name] for name in after}


def middle(several: Sequence[Spent]) -> Spent:
    """Return the one in the middle, by sum."""
    return sorted(several, key=lambda spent: sum(spent.values()))[len(several) // 2]


def told(spent: Spent, times: int = 1) -> str:
    """Return a line about it, per each of so many times."""
    parts = ", ".join(f"{name} {seconds / times:.3g} s" for name, seconds in spent.items())
    return f"processor time {sum(spent.values()) / times:.3g} s ({parts})"


def _family(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def _own(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _ended_children(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.children_user + times.children_system)

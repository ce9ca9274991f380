"""What a run was measured on, and how busy that was before it began."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

QUIET_LOAD = 0.5
"""Processes wanting a core before the run began, above which others' work is in the figures."""


def describe(postgresql: str) -> dict[str, Any]:
    """Return the machine and the versions that matter."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": found[1] if found else platform.machine(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "postgresql": postgresql,
        "polars": version("polars"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def line(told: dict[str, Any]) -> str:
    """Return the description in one line."""
    return (
        f"{told['cores']} cores ({told['processor']}), {told['memory_gib']} GiB; Python {told['python']}, "
        f"PostgreSQL {told['postgresql']} (fsync on, the embedded server's own settings), polars {told['polars']}"
    )


def warning(told: dict[str, Any]) -> str | None:
    """Return what makes the figures doubtful, if anything does."""
    if told["load_before"] <= QUIET_LOAD:
        return None
    return f"the machine was not quiet: load average {told['load_before']} before; others' work is in these figures"

"""Baselines as running programs: each is told a file and an empty directory, and answers with seconds and rows."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

Work = Callable[[Path, Path], int]
"""Splits the records in a CSV file into files in a directory; returns how many records were written."""


@contextmanager
def program(module: str, *arguments: str) -> Iterator[Callable[[Path], tuple[float, int]]]:
    """Run a baseline; yields what tells it a file and returns seconds and records written."""
    command = [sys.executable, "-P", "-m", f"tests.benchmarks.baselines.{module}", *arguments]
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": str(root)})
    assert process.stdin is not None, "asked for"
    assert process.stdout is not None, "asked for"
    stdin, stdout = process.stdin, process.stdout

    def measured(csv: Path) -> tuple[float, int]:
        stdin.write(f"{csv}\n".encode())
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError(f"the baseline {module} ended with code {process.wait()}")
        seconds, rows = orjson.loads(answer)
        return seconds, rows

    try:
        stdout.readline()
        yield measured
    finally:
        stdin.close()
        process.wait()


def answer(work: Work) -> None:
    """Answer until standard input ends; begins with a line that says that all is loaded."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        target = Path(tempfile.mkdtemp(prefix="kessetsu-baseline-"))
        try:
            began = time.perf_counter()
            rows = work(Path(line.strip()), target)
            seconds = time.perf_counter() - began
        finally:
            shutil.rmtree(target)
        sys.stdout.write(orjson.dumps([seconds, rows]).decode() + "\n")
        sys.stdout.flush()

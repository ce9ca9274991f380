"""What a run tells while it works: on standard error, so that the table can be piped."""

import sys
import time

_BEGAN = time.monotonic()


def tell(text: str) -> None:
    """Say what is being done, with the seconds since the start."""
    sys.stderr.write(f"[{time.monotonic() - _BEGAN:6.1f}] {text}\n")
    sys.stderr.flush()


def show(text: str) -> None:
    """Write a result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

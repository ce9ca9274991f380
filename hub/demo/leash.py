"""Run a command that is told to end when the demo has ended in whatever way: ``python -m hub.demo.leash PID …``."""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> None:
    """Become the command, unless the parent has ended already. The setting outlives execve (prctl(2))."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() == int(parent):
        os.execv(command[0], command)  # noqa: S606 - our own interpreter with arguments of our own


if __name__ == "__main__":
    main(sys.argv[1:])

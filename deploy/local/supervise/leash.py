"""``leash.py PARENT COMMAND…``: become COMMAND, and die with the process PARENT that started us.

Linux ends a process with a signal of its choice when its parent is gone (prctl(2),
PR_SET_PDEATHSIG); the choice survives exec. It is made here, in the new process, since code between
fork and exec of a program with threads may not take a lock. What Linux looks at is the thread that
started the process: it must be the main one.

Run with ``-I -S``: standard library only, a start of some 20 ms.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent is gone already")
    try:
        os.execvp(command[0], command)  # noqa: S606 - to become the command is the purpose
    except OSError as e:
        sys.exit(f"{command[0]}: {e.strerror}")


if __name__ == "__main__":
    main()

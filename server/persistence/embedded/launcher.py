"""Turns itself into another program that dies with the process that asked for it.

Run as a script: `launcher.py PARENT_PID UID:GID|- PROGRAM ARGUMENT...`. It replaces itself, so the program
keeps the process id the parent knows. It is a program of its own because the alternative, code between fork
and exec, is unsafe in a process with threads; and because Linux forgets the death signal when a process
changes its user, so the order is: user first, signal second, exec last. It imports nothing of ours.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent_pid: int, identity: str, program: list[str]) -> None:
    if identity != "-":
        uid, gid = map(int, identity.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # SIGINT is PostgreSQL's fast shutdown: sessions end, a checkpoint is written.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit("the parent was gone before the death signal was set")
    os.umask(0o077)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])

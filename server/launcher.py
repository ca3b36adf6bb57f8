"""Programs that die with the process that started them, even by `kill -9`.

Run as a script, `launcher.py PARENT_PID UID:GID|- PROGRAM ARGUMENT...`, it turns itself into another program, which so
keeps the process id the parent knows. It is a program of its own because the alternative, code between fork
and exec, is unsafe in a process with threads; and because Linux forgets the death signal when a process
changes its user, so the order is: user first, signal second, exec last. It imports nothing of ours.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def ending_with_us(*arguments: str | os.PathLike[str], identity: str = "-") -> list[str]:
    """The command line that runs `arguments`, and that is interrupted when this process ends, even by `kill -9`.

    Started from the main thread: the kernel takes the end of another one for that of the process.
    """
    launcher = [sys.executable, "-I", "-S", __file__, str(os.getpid()), identity]
    return [*launcher, *(os.fspath(each) for each in arguments)]


def die_with(parent_pid: int, death_signal: signal.Signals) -> None:
    """This process gets the signal when its parent ends. It exits when that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit("the parent was gone before the death signal was set")


def main(parent_pid: int, identity: str, program: list[str]) -> None:
    if identity != "-":
        uid, gid = map(int, identity.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # SIGINT is PostgreSQL's fast shutdown: sessions end, a checkpoint is written.
    die_with(parent_pid, signal.SIGINT)
    os.umask(0o077)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
